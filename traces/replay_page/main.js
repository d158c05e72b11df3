'use strict';
/* Opens the page. */

/** What is said of an episode, or of all. @param {[string, string][]} entries */
function aboutOf(entries) {
  return h('span.about', {}, entries.map(([name, value]) => h('span', {}, `${name} `, h('b', {}, oneLine(String(value), 60)))));
}

/** @param {any} episode @param {any[]} episodes @param {(number: number) => void} choose */
function chip(episode, episodes, choose) {
  const many = episodes.length > 1;
  const differs = (/** @type {string} */ name) => episodes.some((one) => one.about[name] !== episode.about[name]);
  const about = Object.entries(episode.about).filter(([name]) => !many || differs(name));
  const inside = [
    many && h(`span.letter.letter${episode.number}`, {}, episode.letter), h('span.name', {}, oneLine(episode.label, 60)),
    h('span.score', { id: `score${episode.number}` }), aboutOf(/** @type {[string, string][]} */ (about)),
  ];
  if (!many) return h('div.chip', {}, inside);
  const press = () => choose(episode.number);
  return h('button.chip', { type: 'button', id: `chip${episode.number}`, onclick: press }, inside);
}

/** Keys, unless someone is writing. @param {any} player @param {any} search @param {any} parting */
function keys(player, search, parting) {
  const does = /** @type {Record<string, () => void>} */ ({
    ArrowLeft: () => player.go(player.step - 1), ArrowRight: () => player.go(player.step + 1),
    PageUp: () => player.gain(-1), PageDown: () => player.gain(1), Home: () => player.go(1), End: () => player.go(player.positions),
    ' ': () => player.play(!player.playing), '/': () => search.open(), '?': () => byId('help').showModal(),
    n: () => search.next(1, player.step), p: () => search.next(-1, player.step),
    d: () => parting && player.go(parting.step),
    Escape: () => byId('search').close(),
  });
  addEventListener('keydown', (event) => {
    const target = /** @type {Element} */ (event.target);
    if (event.ctrlKey || event.altKey || event.metaKey || byId('help').open) return;
    const writes = target.closest('input, select, textarea') && event.key !== 'Escape';
    if (writes || (event.key === ' ' && target.closest('button, summary'))) return;
    const act = does[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** Of a file with several episodes, or groups of them, the head of the one that the address names. */
async function chosenHead() {
  const head = await unpacked('head');
  if (!head.choices) return head;
  const named = /episode=(\d+)/.exec(location.hash);
  const chosen = Math.min(named ? Number(named[1]) : 0, head.choices.length - 1);
  const box = h('select', { id: 'choice', 'aria-label': 'Episode' }, head.choices.map((/** @type {string} */ label, /** @type {number} */ at) =>
    h('option', { value: at, selected: at === chosen }, oneLine(label, 80))));
  box.addEventListener('change', () => {
    location.hash = `#episode=${/** @type {any} */ (box).value}&step=1`;
    location.reload();
  });
  byId('episodes').before(box);
  return unpacked(`head-${chosen}`);
}

async function open() {
  const head = await chosenHead();
  const episodes = head.episodes.map((/** @type {any} */ one, /** @type {number} */ number) => new Episode(number, one));
  const many = episodes.length > 1;
  const panels = byId('panels');
  panels.classList.add(many ? 'many' : 'alone', `of${episodes.length}`);
  if (episodes.some((/** @type {any} */ one) => one.streams.frames.kind === 'text')) panels.classList.add('tty');
  const choose = (/** @type {number} */ number) => {
    panels.setAttribute('data-chosen', String(number));
    for (const one of many ? episodes : []) byId(`chip${one.number}`).setAttribute('aria-pressed', String(one.number === number));
  };
  byId('episodes').replaceChildren(...episodes.map((/** @type {any} */ one) => chip(one, episodes, choose)));
  if (many) {
    const [first, ...others] = episodes;
    const same = Object.entries(first.about).filter(([name, value]) => others.every((/** @type {any} */ one) => one.about[name] === value));
    document.querySelector('h1')?.after(aboutOf(/** @type {[string, string][]} */ (same)));
  }
  for (const button of document.querySelectorAll('#parts button')) button.addEventListener('click', () => openPart(button));
  const places = episodes.map((/** @type {any} */ one) => h(`article.panel.panel${one.number}`, { 'aria-label': one.label }));
  panels.replaceChildren(...places);
  choose(0);
  const strip = new Strip(episodes, head.marks, (step) => player.go(step));
  const player = new Player(episodes, (step) => show(episodes, places, strip, head.marks, step));
  const search = new Search(episodes, head.marks, (step) => player.go(step), (steps) => strip.showHits(steps));
  byId('open-search').addEventListener('click', () => search.open());
  byId('open-help').addEventListener('click', () => byId('help').showModal());
  if (head.parting) {
    const { step, what } = head.parting;
    const press = () => player.go(step);
    byId('episodes').append(h('button.parting', { type: 'button', onclick: press }, `first difference: step ${step}, ${oneLine(what, 90)}`));
  }
  keys(player, search, head.parting);
  await player.fromLink();
  for (const added of whenOpen) added({ head, episodes, player, strip });
  document.body.dataset.ready = 'true';
}

/**
 * @param {any[]} episodes
 * @param {HTMLElement[]} places
 * @param {any} strip
 * @param {Record<string, number>} bits
 * @param {number} step
 */
async function show(episodes, places, strip, bits, step) {
  const parts = await Promise.all(episodes.map((episode) => panelParts(episode, step, episodes.length === 1)));
  parts.forEach((content, at) => replaceParts(places[at], content));
  for (const one of document.querySelectorAll('.screen .cursor')) centre(one);
  strip.move(step);
  const words = episodes.map((episode) => `${episodes.length > 1 ? `${episode.letter}: ` : ''}${wordsOf(episode, step, bits)}`).join('; ');
  byId('timeline').setAttribute('aria-valuenow', String(step));
  byId('timeline').setAttribute('aria-valuetext', `step ${step}, ${words}`);
  document.body.dataset.step = String(step);
  for (const episode of episodes) {
    byId(`score${episode.number}`).textContent = scoreAt(episode, step);
  }
}

/** What an episode had reached at a step, and that it is of this step. @param {any} episode @param {number} step */
function scoreAt(episode, step) {
  return `${percent(episode.progressAt(step))} ${step > episode.steps ? 'at the end' : `at step ${step.toLocaleString('en')}`}`;
}

/** Where a screen of text is wider than its place, show the middle of what happens. @param {Element} cursor */
function centre(cursor) {
  const screen = /** @type {HTMLElement} */ (cursor.closest('.screen'));
  const [inner, outer] = [cursor.getBoundingClientRect(), screen.getBoundingClientRect()];
  screen.scrollLeft += inner.left - outer.left - outer.width / 2;
}

/** On a phone, one part of the page is shown at a time. @param {Element} chosen */
function openPart(chosen) {
  byId('panels').setAttribute('data-part', String(chosen.getAttribute('data-part')));
  for (const button of document.querySelectorAll('#parts button')) button.setAttribute('aria-pressed', String(button === chosen));
  scrollTo(0, 0);
}

/** Put new parts in place of the old ones; each stays scrolled where it was. @param {HTMLElement} place @param {HTMLElement[]} parts */
function replaceParts(place, parts) {
  const scrolled = new Map([...place.children].map((one) => [one.className, one.scrollTop]));
  place.replaceChildren(...parts);
  for (const one of parts) one.scrollTop = scrolled.get(one.className) || 0;
}

open().catch((error) => {
  const said = `This page cannot be shown: ${error.message}. A browser of 2023 or later is needed.`;
  byId('panels').replaceChildren(h('p.wait', { role: 'alert' }, said));
  throw error;
});

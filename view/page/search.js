'use strict';
/* Search over the operations and notebook lines of all episodes. */

const OUTCOME_NAMES = ['hit', 'empty', 'missing', 'written', 'duplicate', 'exists', 'redundant', 'rejected', 'mistake', 'line'];

/** The page. */
function searchPage() {
  crumbs([['Runs', '/'], ['Search']]);
  const asked = new URLSearchParams(location.search);
  const field = (/** @type {string} */ name, /** @type {string} */ label, /** @type {Record<string, unknown>} */ more = {}) =>
    /** @type {HTMLInputElement} */ (h('input', { name, placeholder: label, 'aria-label': label, value: asked.get(name) || '', autocomplete: 'off', spellcheck: 'false', ...more }));
  const choice = (/** @type {string} */ name, /** @type {string} */ label, /** @type {[string, string][]} */ values) =>
    /** @type {HTMLSelectElement} */ (h('select', { name, 'aria-label': label }, values.map(([value, shown]) => h('option', { value, selected: value === asked.get(name) }, shown))));
  const words = field('q', 'words in operations and notebook lines', { type: 'search', 'aria-keyshortcuts': '/' });
  const rewarded = /** @type {HTMLInputElement} */ (h('input', { type: 'checkbox', name: 'rewarded', checked: asked.get('rewarded') === '1' }));
  const fields = [words, choice('kind', 'What to look among', [['', 'operations and lines'], ['operation', 'operations'], ['line', 'notebook lines']]),
    choice('outcome', 'Outcome', [['', 'any outcome'], ...OUTCOME_NAMES.slice(0, -1).map((name) => /** @type {[string, string]} */ ([name, name]))]),
    field('operation', 'operation'), field('file', 'file'), field('run', 'run'),
    field('origin', 'written at step', { type: 'number', min: 1 }), field('age', 'recalled after … steps', { type: 'number', min: 0 })];
  const found = h('p.count', { role: 'status' });
  const list = h('ol.results', {});
  byId('main').replaceChildren(h('h1.unseen', {}, 'Search'), h('form.query', { role: 'search' }, fields, h('label.check', {}, rewarded, ' rewarded within 5 steps')), found, list);
  let run = 0;
  let wait = 0;
  const address = () => {
    const kept = new URLSearchParams();
    for (const one of fields) if (one.value) kept.set(one.name, one.value);
    if (rewarded.checked) kept.set('rewarded', '1');
    return kept;
  };
  const look = async () => {
    const query = address();
    history.replaceState(null, '', `${location.pathname}${query.size ? `?${query}` : ''}`);
    run += 1;
    const mine = run;
    if (!query.size) {
      list.replaceChildren();
      found.textContent = 'Words, an outcome, a file: whatever is given must all be met. A word finds those that begin with it.';
      return;
    }
    try {
      const answer = await ask(`/api/search?${query}`);
      if (mine !== run) return;
      const { state } = answer;
      const waiting = state.waiting ? `; the index is being built: ${plural(state.waiting, 'episode')} to go` : '';
      found.textContent = `${answer.more ? 'more than ' : ''}${plural(answer.count, 'result')} among ${short(state.items)} operations and lines of ${plural(state.episodes, 'episode')}, ${Math.max(1, Math.round(1000 * answer.seconds))} ms${waiting}`;
      if (state.problem) found.textContent = oneLine(state.problem, 300);
      list.replaceChildren(...answer.results.map(resultItem));
      if (state.waiting || !state.episodes) later(2000);
    } catch (error) {
      found.textContent = /** @type {Error} */ (error).message;
    }
  };
  const later = (/** @type {number} */ milliseconds) => {
    clearTimeout(wait);
    wait = setTimeout(look, milliseconds);
  };
  const form = /** @type {HTMLFormElement} */ (byId('main').querySelector('form'));
  form.addEventListener('input', () => later(120));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    look();
  });
  const move = (/** @type {number} */ by) => {
    const links = [...list.querySelectorAll('a')];
    const at = links.indexOf(/** @type {any} */ (document.activeElement));
    links[Math.max(0, Math.min(links.length - 1, at < 0 ? 0 : at + by))]?.focus();
  };
  listen([{ key: '/', does: 'to the words', act: () => words.focus() }, { key: 'ArrowDown', does: 'next result', act: () => move(1) },
    { key: 'ArrowUp', does: 'previous result', act: () => move(-1) }, { key: 'u', does: 'back to all runs', act: () => location.assign('/') }]);
  look();
  words.focus();
}

/** @param {any} one */
function resultItem(one) {
  const moods = /** @type {Record<string, string>} */ ({ hit: 'recall', written: 'write', line: 'quiet', rejected: 'bad', mistake: 'bad', empty: 'empty', missing: 'empty' });
  const origin = one.outcome !== 'line' && one.oldest > 0 ? `lines from step ${one.oldest}, ${plural(one.step - one.oldest, 'step')} before` : '';
  const after = one.reward > 0 ? h('span.badge.gain', {}, `★ ${signed(one.reward)} within 5 steps`) : null;
  return h('li', {}, h('a.result', { href: addressOf(one.run, one, Math.max(1, one.step)) },
    h('span.where', {}, h('b', {}, `step ${one.step}`), ` ${oneLine(one.run, 60)} · ${one.task === 'default' ? one.world : one.task} · seed ${one.seed}`),
    h('span.what', {}, h('span.quiet', {}, one.routine), ' ', h('b', {}, oneLine(one.operation, 40)), ' ', h('span.file', {}, oneLine(one.file || '', 80)), ' ',
      h(`span.badge.${moods[one.outcome] || 'quiet'}`, {}, one.outcome), ' ', after, ' ', origin && h('span.quiet', {}, origin)),
    h('span.excerpt', {}, oneLine(one.text, 300))));
}

/* What a server adds to the replay page: where it belongs, and steps as they are read or played. */

/** Milliseconds between questions for what is new. */
const LIVE = 700;

/** @param {{head: any, episodes: any[], player: any, strip: any}} page */
function live({ head, episodes: [episode], player, strip }) {
  judged = head.judgements;
  if (Object.keys(judged).length) again(player);
  const parts = location.pathname.split('/');
  const run = parts.slice(0, -4).join('/');
  const box = /** @type {HTMLInputElement} */ (h('input', { type: 'checkbox', id: 'follow' }));
  const note = h('span.scan', { role: 'status' });
  const following = h('label.follow', { hidden: true }, h('span.dot', { 'aria-hidden': true }, '●'), box, 'follow');
  document.querySelector('.top h1')?.before(h('nav.crumb', { 'aria-label': 'Where you are' }, h('a', { href: '/' }, 'Runs'), '›',
    h('a', { href: run }, decodeURIComponent(run.replace(/^\/run\//, ''))), '›'));
  document.querySelector('.top .tools')?.prepend(note, following);
  box.addEventListener('change', () => box.checked && player.go(player.positions));
  const known = { scanned: 0, books: 1, revision: 0, frames: 0, framesKnown: false };

  /** Take in what the server has read since. @param {any} more */
  const take = async (more) => {
    const grown = more.steps !== episode.steps;
    const end = player.step >= player.positions;
    extend(episode, more, head.every, head.marks);
    known.scanned = more.scanned;
    known.books += more.book.firsts.length;
    episode.streams.notebook.firsts.push(...more.book.firsts);
    if (more.book.revision !== known.revision) {
      const last = episode.streams.notebook.firsts.length - 1;
      for (let at = last - more.book.firsts.length; at <= last; at += 1) episode.books.forget(at);
      episode.book.piece = -1; // it grew: what stands is read again
      known.revision = more.book.revision;
    }
    const drawn = takeFrames(episode, more.frames, known);
    if (drawn && document.querySelector('.panels:not(.tty)') && episode.streams.frames.kind === 'text') byId('panels').classList.add('tty');
    following.hidden = Boolean(more.result) || more.fault;
    note.textContent = more.fault ? oneLine(more.fault, 200)
      : more.frames && !more.frames.over && more.result ? 'drawing the game …' : more.scanned < more.steps ? `reading: ${Math.floor((100 * more.scanned) / more.steps)} %` : '';
    const told = JSON.stringify([more.scanned, more.steps, more.result, more.arcs.length]);
    if (told !== known.told) {
      player.grow();
      strip.grow();
      strip.move(player.step);
      byId('score0').textContent = scoreAt(episode, player.step);
    }
    known.told = told;
    const wanted = player.step;
    const shown = lastAt(episode.streams.frames.steps || [], wanted);
    if (grown && box.checked && (end || player.step < more.steps)) await player.go(more.steps);
    else if (drawn && (!known.framesKnown || drawn.includes(shown))) await again(player);
    known.framesKnown = known.framesKnown || Boolean(drawn);
  };

  const loop = async () => {
    for (;;) {
      if (!document.hidden) {
        try {
          const more = await moreOf(known);
          await take(more);
          const done = more.result && more.scanned >= more.steps && (!more.frames || more.frames.over);
          if (done && more.arcs.length === episode.arcs.length && known.last === JSON.stringify([more.scanned, more.book.revision])) return;
          known.last = JSON.stringify([more.scanned, more.book.revision]);
        } catch (error) {
          note.textContent = 'The server does not answer.';
        }
      }
      await new Promise((resolve) => setTimeout(resolve, LIVE));
    }
  };
  episode.reach = async (/** @type {number} */ revision) => {
    while (known.revision < revision) {
      const before = known.revision;
      await take(await moreOf(known, revision));
      if (known.revision === before) return; // the notebook's history ends before: what there is, is shown
    }
  };
  loop();
}

/** @param {any} known @param {number} [reach] @returns {Promise<any>} */
async function moreOf(known, reach = 0) {
  const answer = await fetch(`${SOURCE}/more?steps=${known.scanned}&pieces=${known.books}&frames=${known.frames}&reach=${reach}`);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

/** Show the same step again. @param {any} player */
async function again(player) {
  await player.go(player.step);
}

/** @param {any} episode @param {any} more @param {number} every steps of a piece @param {Record<string, number>} bits */
function extend(episode, more, every, bits) {
  const line = episode.timeline;
  line.marks.length = more.from;
  for (const mark of more.marks) line.marks.push(mark);
  const since = (/** @type {[number, number][]} */ list) => {
    while (list.length && list[list.length - 1][0] > more.from) list.pop();
  };
  for (const name of ['rewards', 'progression']) {
    since(line[name]);
    for (const one of more[name]) line[name].push(one);
  }
  const gains = line.marks.flatMap((/** @type {number} */ mark, /** @type {number} */ at) => (mark & bits.gain ? [at + 1] : []));
  line.milestones = gains.length ? gains : line.rewards.filter((/** @type {number[]} */ one) => one[1] > 0).map((/** @type {number[]} */ one) => one[0]);
  episode.changed = line.progression.map((/** @type {number[]} */ one) => one[0]);
  episode.arcs = more.arcs;
  episode.result = more.result;
  episode.final = more.final;
  if (more.steps !== episode.steps) {
    const { firsts } = episode.streams.steps;
    episode.pieces.forget(firsts.length - 1);
    for (let first = firsts.length * every + 1; first <= more.steps; first += every) firsts.push(first);
    episode.steps = more.steps;
  }
  episode.revision = more.revision;
}

/** The frames drawn since, if any; the numbers of their steps' places. @param {any} episode @param {any} frames @param {any} known */
function takeFrames(episode, frames, known) {
  const stream = episode.streams.frames;
  if (!frames) return null;
  stream.note = frames.note;
  if (frames.kind === 'none' || frames.done <= known.frames) return null;
  stream.kind = frames.kind;
  const from = stream.steps.length;
  stream.firsts.push(...frames.firsts);
  stream.steps.push(...frames.steps);
  known.frames = frames.done;
  return Array.from({ length: stream.steps.length - from }, (_, at) => from + at);
}

/** Judgements of this episode's operations, by place. @type {Record<string, {feedback: number|null, comment: string}>} */
let judged = {};

/** Thumbs and a note for an operation of the memory model. @param {any} operation @param {any} step @param {any} talk */
function thumbs(operation, step, talk) {
  if (talk.role !== 'memory' || ['done', 'act', 'held', 'removed', 'repeated'].includes(operation.outcome)) return null;
  const place = [step.number, step.talks.indexOf(talk), talk.operations.indexOf(operation)];
  const name = place.join('/');
  const known = judged[name] || { feedback: null, comment: '' };
  const note = /** @type {HTMLInputElement} */ (h('input.why', { placeholder: 'why?', 'aria-label': 'Note on this judgement', maxlength: 2000, value: known.comment, hidden: known.feedback === null }));
  const done = h('span.count', { role: 'status' });
  const buttons = [[1, '▲', 'good'], [0, '▼', 'bad']].map(([share, sign, word]) => /** @type {HTMLButtonElement} */ (h(`button.thumb.${word}`, {
    type: 'button', 'aria-pressed': String(known.feedback === share), title: `a ${word} memory decision: the curator is given it`, 'data-share': share,
    onclick: () => keep(judged[name] && judged[name].feedback === share ? null : Number(share)),
  }, h('span', { 'aria-hidden': true }, sign), h('span.unseen', {}, word))));
  const keep = async (/** @type {number|null} */ feedback) => {
    const [, conversation, at] = place;
    const sent = { step: step.number, conversation, operation: at, feedback, comment: note.value };
    try {
      const answer = await fetch(SOURCE.replace(/^\/piece/, '/api/judge'), { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(sent) });
      if (!answer.ok) throw new Error(await answer.text());
      judged[name] = await answer.json();
      done.textContent = feedback === null ? 'taken back' : 'kept in feedback.jsonl';
    } catch (error) {
      done.textContent = /** @type {Error} */ (error).message;
      return;
    }
    for (const button of buttons) button.setAttribute('aria-pressed', String(Number(button.dataset.share) === feedback));
    note.hidden = feedback === null;
  };
  note.addEventListener('change', () => keep(judged[name].feedback));
  return h('div.judge', { role: 'group', 'aria-label': 'Your judgement' }, buttons, note, done);
}

cardParts.push(thumbs);
whenOpen.push(live);

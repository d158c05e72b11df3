'use strict';
/* Search over all episodes of the page, piece by piece, so that the page never waits for it. */

/** Hits that are listed. */
const LISTED = 300;

/** What can be asked for besides words: a name and whether a step's marks allow it. @type {[string, string, string[]][]} */
const FILTERS = [
  ['', 'any outcome', []],
  ['hit', 'hit', ['recall']], ['empty', 'empty', ['empty']], ['missing', 'missing', ['empty']],
  ['written', 'written', ['write']], ['duplicate', 'duplicate', ['redundant']], ['exists', 'exists', ['redundant']],
  ['redundant', 'redundant write', ['redundant']], ['rejected', 'rejected', ['rejected']], ['mistake', 'mistake', ['mistake']],
  ['invalid', 'invalid action', ['invalid']], ['repaired', 'repaired action', ['repaired']], ['vetoed', 'vetoed action', ['vetoed']],
  ['stuck', 'stuck', ['stuck']], ['oscillating', 'oscillating', ['oscillating']], ['gain', 'gain', ['gain']],
];
const OF_STEPS = new Set(['invalid', 'repaired', 'vetoed', 'stuck', 'oscillating', 'gain']);

class Search {
  /**
   * @param {any[]} episodes
   * @param {Record<string, number>} bits
   * @param {(step: number) => void} go
   * @param {(steps: number[]) => void} found
   */
  constructor(episodes, bits, go, found) {
    Object.assign(this, { episodes, bits, go, found });
    this.dialog = byId('search');
    this.run = 0;
    /** @type {number[]} */
    this.steps = [];
    byId('outcome').replaceChildren(...FILTERS.map(([value, name]) => h('option', { value }, name)));
    let wait = 0;
    const later = () => {
      clearTimeout(wait);
      wait = setTimeout(() => this.look(), 150);
    };
    for (const id of ['query', 'where', 'outcome']) byId(id).addEventListener('input', later);
    byId('query').addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      if (event.key === 'Enter') {
        event.preventDefault();
        this.next(1, 0);
      }
    });
  }

  open() {
    if (!this.dialog.open) this.dialog.show();
    byId('query').focus();
    byId('query').select();
  }

  /** Go to the next or previous hit. @param {number} direction @param {number} now */
  next(direction, now) {
    const after = direction > 0 ? this.steps.find((step) => step > now) : this.steps.filter((step) => step < now).pop();
    if (after !== undefined) this.go(after);
  }

  async look() {
    const run = this.run += 1;
    const wanted = byId('query').value.trim().toLowerCase();
    const outcome = byId('outcome').value;
    const where = byId('where').value;
    this.steps = [];
    byId('results').replaceChildren();
    this.found([]);
    if (!wanted && !outcome) {
      byId('found').textContent = '';
      return;
    }
    const bits = (FILTERS.find(([value]) => value === outcome) || FILTERS[0])[2].reduce((sum, kind) => sum | this.bits[kind], 0);
    const state = { hits: 0, steps: new Set(), wanted, outcome, where };
    for (const episode of this.episodes) {
      for (let piece = 0; piece < episode.streams.steps.firsts.length; piece += 1) {
        if (bits && !this.maybe(episode, piece, bits)) continue;
        const opened = await episode.pieces.open(`${episode.pieces.name}-${piece}`);
        if (run !== this.run) return;
        this.inPiece(episode, piece, opened, state, bits);
        byId('found').textContent = `${plural(state.hits, 'hit')} so far …`;
      }
    }
    this.steps = [...state.steps].sort((one, other) => one - other);
    const more = state.hits > LISTED ? `, the first ${LISTED} listed` : '';
    byId('found').textContent = `${plural(state.hits, 'hit')} in ${plural(state.steps.size, 'step')}${more}`;
    this.found(this.steps);
  }

  /** Whether a piece has a step with one of these marks. @param {any} episode @param {number} piece @param {number} bits */
  maybe(episode, piece, bits) {
    const { firsts } = episode.streams.steps;
    const last = piece + 1 < firsts.length ? firsts[piece + 1] - 1 : episode.steps;
    for (let step = firsts[piece]; step <= last; step += 1) if (episode.timeline.marks[step - 1] & bits) return true;
    return false;
  }

  /** @param {any} episode @param {number} piece @param {any} opened @param {any} state @param {number} bits */
  inPiece(episode, piece, opened, state, bits) {
    const first = episode.streams.steps.firsts[piece];
    opened.steps.forEach((/** @type {any} */ step, /** @type {number} */ index) => {
      const number = first + index;
      if (bits && !(episode.timeline.marks[number - 1] & bits)) return;
      for (const hit of hitsOf(step, opened.texts, state)) {
        state.hits += 1;
        state.steps.add(number);
        if (state.hits <= LISTED) byId('results').append(this.item(episode, number, hit));
      }
    });
  }

  /** @param {any} episode @param {number} step @param {{kind: string, text: string, outcome?: string}} hit */
  item(episode, step, hit) {
    return h('li', {}, h('button.result', { type: 'button', onclick: () => this.go(step) },
      h('b', {}, `${this.episodes.length > 1 ? `${episode.letter} ` : ''}step ${step}`), ' ', h('span.count', {}, hit.kind), ' ',
      hit.outcome && badge(hit.outcome), h('span.excerpt', {}, hit.text)));
  }
}

/**
 * What of a step fits.
 * @param {any} step
 * @param {Texts} texts
 * @param {{wanted: string, outcome: string, where: string}} asked
 */
function hitsOf(step, texts, { wanted, outcome, where }) {
  const fits = (/** @type {string} */ text) => !wanted || text.toLowerCase().includes(wanted);
  const found = /** @type {{kind: string, text: string, outcome?: string}[]} */ ([]);
  const action = () => {
    const changed = step.chosen && step.chosen !== step.action;
    const text = oneLine(changed ? `${step.chosen} → ${step.action}` : step.action, 120);
    found.push({ kind: 'action', text, outcome: step.how === 'missing' ? 'missing action' : step.how });
  };
  if (OF_STEPS.has(outcome)) {
    if (fits(`${step.action} ${step.chosen || ''}`)) action();
  } else if (where === 'actions' && !outcome) {
    if (fits(`${step.action} ${step.chosen || ''}`)) action();
  } else if (where === 'observations' && !outcome) {
    for (const text of step.seen.map((/** @type {number} */ number) => texts.get(number))) {
      if (fits(text)) found.push({ kind: 'observation', text: around(text, wanted) });
    }
  } else if (where === 'replies' && !outcome) {
    for (const talk of step.talks) {
      for (const length of talk.prompts) {
        const message = talk.messages[length];
        const said = message ? texts.get(message[1]) : '';
        if (fits(said)) found.push({ kind: talk.routine, text: around(said, wanted) });
      }
    }
  } else {
    for (const [kind, one] of operationsOf(step)) {
      const is = !outcome || (outcome === 'redundant' ? one.redundant : one.outcome === outcome);
      if (!is || (!outcome && !one.file && one.outcome !== 'mistake')) continue;
      const said = [one.operation, ...Object.values(one.arguments).map(String), one.file || '', one.code || ''].join(' ');
      if (fits(said)) found.push({ kind, outcome: one.outcome, text: around(said, wanted) });
    }
  }
  return found;
}

/** @param {any} step @returns {[string, any][]} */
function operationsOf(step) {
  return [...step.hooks.map((/** @type {any} */ one) => ['hook', one]),
    ...step.talks.flatMap((/** @type {any} */ talk) => talk.operations.map((/** @type {any} */ one) => [talk.routine, one]))];
}

/** The part of a text around what was looked for. @param {string} text @param {string} wanted */
function around(text, wanted) {
  const at = wanted ? text.toLowerCase().indexOf(wanted) : 0;
  const from = Math.max(0, at - 40);
  return (from ? '…' : '') + oneLine(text.slice(from, from + 400), 140);
}

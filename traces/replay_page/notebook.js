'use strict';
/* The notebook at a step, rebuilt from its history: what stood there, what came, what went, what was recalled. */

/**
 * @typedef {{text: string, revision: number}} Line one line; the same object as long as the line stands
 * @typedef {{step: number, routine: string}} Who
 * @typedef {{number: number, line: Line}} Shown a line that an operation returned or wrote
 * @typedef {{lines: Line[], gone: boolean}} Page a file with the lines removed in the step still among the others
 * @typedef {{pages: Map<string, Page>, added: Set<Line>, removed: Set<Line>, recalled: Set<Line>,
 *   touched: Set<string>, answers: Map<any, Shown[]>, who: (revision: number) => Who|undefined}} View
 */

/** The notebook of one episode, standing at some revision. */
class Book {
  /** @param {any} episode */
  constructor(episode) {
    this.episode = episode;
    /** @type {Map<string, Line[]>} */
    this.files = new Map();
    /** @type {Map<number, Who>} */
    this.who = new Map();
    this.piece = -1;
    this.done = 0; // records of the piece that were applied
    this.revision = -1;
    this.work = Promise.resolve();
  }

  /**
   * What the notebook was at a step. One at a time: the notebook stands where the last one left it.
   * @param {number} step
   * @param {any[]} operations of the step, in the order they ran
   * @returns {Promise<View>}
   */
  view(step, operations) {
    const made = this.work.then(() => this.make(step, operations));
    this.work = made.then(() => undefined, () => undefined);
    return made;
  }

  /** @param {number} step @param {any[]} operations @returns {Promise<View>} */
  async make(step, operations) {
    const last = this.episode.revision;
    const [before, after] = step > this.episode.steps ? [last, last] : (await this.episode.step(step)).revisions;
    await this.episode.reach(after);
    await this.moveTo(before);
    while (step === 1 && this.next && this.next[1] === 0) this.apply(this.next, null); // the starting files
    const view = this.beginView();
    for (const operation of operations) {
      if (!operation.revision) continue;
      await this.upTo(Math.min(operation.revision, after), view);
      this.look(operation, view);
    }
    await this.upTo(after, view);
    return view;
  }

  /** @returns {any} */
  get next() {
    return this.open ? this.open.records[this.done] : undefined;
  }

  /** Stand at a revision, from the nearest whole copy or from where it stands. @param {number} revision */
  async moveTo(revision) {
    const piece = this.episode.books.holding(revision);
    if (this.piece !== piece || this.revision > revision) await this.enter(piece, true);
    while (this.next && this.next[0] <= revision) this.apply(this.next, null);
  }

  /** @param {number} piece @param {boolean} whole whether its copy of the notebook is taken */
  async enter(piece, whole) {
    this.open = await this.episode.books.get(piece);
    this.piece = piece;
    this.done = 0;
    if (!whole) return;
    this.revision = this.episode.streams.notebook.firsts[piece];
    this.files = new Map();
    this.who = new Map(this.open.who.map((/** @type {[number, number, string]} */ [revision, step, routine]) =>
      [revision, { step, routine }]));
    for (const [name, [texts, revisions]] of Object.entries(/** @type {any} */ (this.open.files))) {
      this.files.set(name, texts.map((/** @type {string} */ text, /** @type {number} */ at) =>
        ({ text, revision: revisions[at] })));
    }
  }

  /** @param {number} revision @param {View} view */
  async upTo(revision, view) {
    while (this.revision < revision) {
      if (this.next) {
        if (this.next[0] > revision) return;
        this.apply(this.next, view);
      } else if (this.piece + 1 < this.episode.streams.notebook.firsts.length) {
        await this.enter(this.piece + 1, false);
      } else {
        return;
      }
    }
  }

  /** @returns {View} */
  beginView() {
    const pages = new Map([...this.files].map(([name, lines]) => [name, { lines, gone: false }]));
    return {
      pages, added: new Set(), removed: new Set(), recalled: new Set(), touched: new Set(), answers: new Map(),
      who: (revision) => this.who.get(revision),
    };
  }

  /** @param {any[]} record @param {View|null} view */
  apply(record, view) {
    const [revision, step, routine, , changes] = record;
    this.done += 1;
    this.revision = revision;
    this.who.set(revision, { step, routine });
    for (const [name, change] of Object.entries(/** @type {Record<string, any>} */ (changes))) {
      if (view) view.touched.add(name);
      if (change === null) {
        this.files.delete(name);
        if (view && view.pages.has(name)) /** @type {Page} */ (view.pages.get(name)).gone = true;
        continue;
      }
      const [at, drop, texts, revisions] = change;
      const put = texts.map((/** @type {string} */ text, /** @type {number} */ index) =>
        ({ text, revision: revisions ? revisions[index] : revision }));
      const lines = this.files.get(name) || [];
      const kept = keepMoved(lines.slice(at, at + drop), put);
      if (view) showChange(view, name, lines, at, drop, kept);
      this.files.set(name, [...lines.slice(0, at), ...kept, ...lines.slice(at + drop)]);
    }
  }

  /** Note which lines an operation returned or wrote. @param {any} operation @param {View} view */
  look(operation, view) {
    const lines = this.files.get(operation.file);
    if (!lines || !operation.lines) return;
    /** @type {Shown[]} */
    const answer = [];
    for (const [first, count] of operation.lines) {
      for (let number = first; number < first + count; number += 1) {
        const line = lines[number - 1];
        if (line) answer.push({ number, line });
      }
    }
    view.answers.set(operation, answer);
    if (operation.outcome !== 'hit') return;
    view.touched.add(operation.file);
    for (const { line } of answer) view.recalled.add(line);
  }
}

/**
 * Put lines, those of them that stood there before as the objects they were.
 * @param {Line[]} dropped
 * @param {Line[]} put
 */
function keepMoved(dropped, put) {
  /** @type {Map<string, Line[]>} */
  const waiting = new Map();
  for (const line of dropped) {
    const key = `${line.revision} ${line.text}`;
    const same = waiting.get(key);
    if (same) same.push(line);
    else waiting.set(key, [line]);
  }
  return put.map((line) => waiting.get(`${line.revision} ${line.text}`)?.shift() || line);
}

/**
 * Carry a change over to what is shown of a file: what goes stays there, struck, before what comes in its place.
 * @param {View} view
 * @param {string} name
 * @param {Line[]} before
 * @param {number} at
 * @param {number} drop
 * @param {Line[]} put
 */
function showChange(view, name, before, at, drop, put) {
  const shown = view.pages.get(name)?.lines || [];
  const start = at < before.length ? shown.indexOf(before[at]) : shown.length;
  const end = drop ? shown.indexOf(before[at + drop - 1]) + 1 : start;
  const region = shown.slice(start, end);
  const stays = new Set(put);
  for (const line of region) if (!stays.has(line) && !view.removed.has(line) && !view.added.has(line)) view.removed.add(line);
  const old = new Set(region);
  for (const line of put) if (!old.has(line)) view.added.add(line);
  /** @type {Line[]} */
  const merged = [];
  let from = 0;
  /** @param {number} to */
  const strike = (to) => {
    merged.push(...region.slice(from, to).filter((line) => view.removed.has(line)));
    from = Math.max(from, to);
  };
  let fresh = /** @type {Line[]} */ ([]);
  for (const line of put) {
    const place = old.has(line) ? region.indexOf(line, from) : -1;
    if (place >= 0) {
      strike(place);
      merged.push(...fresh, line);
      fresh = [];
      from = place + 1;
    } else {
      fresh.push(line);
    }
  }
  strike(region.length);
  view.pages.set(name, { lines: [...shown.slice(0, start), ...merged, ...fresh, ...shown.slice(end)], gone: false });
}

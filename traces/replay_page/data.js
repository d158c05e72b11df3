'use strict';
/* The page's data: pieces, most of them deflated JSON, unpacked when they are looked at.
   In a file they are base64; a server (automem view) sends each when it is asked for. */

/** Where a server has the pieces; empty in a file. */
const SOURCE = document.documentElement.dataset.source || '';

/** Pieces kept unpacked, of each kind and episode. */
const KEPT = 12;

/**
 * @param {string} id
 * @returns {Promise<Uint8Array>}
 */
async function bytesOf(id) {
  if (SOURCE) {
    const answer = await fetch(`${SOURCE}/${id}`);
    if (!answer.ok) throw new Error(await answer.text());
    return new Uint8Array(await answer.arrayBuffer());
  }
  const text = byId(id).textContent;
  const native = /** @type {any} */ (Uint8Array).fromBase64;
  if (native) return native.call(Uint8Array, text);
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at += 1) bytes[at] = raw.charCodeAt(at);
  return bytes;
}

/**
 * @param {string} id
 * @returns {Promise<any>}
 */
async function unpacked(id) {
  const stream = new Blob([await bytesOf(id)]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return JSON.parse(await new Response(stream).text());
}

/** Pieces of one kind, the last few kept. @template T */
class Pieces {
  /**
   * @param {string} name
   * @param {number[]} firsts what each piece begins with, ascending
   * @param {(id: string) => Promise<T>} open
   * @param {(gone: T) => void} [close]
   */
  constructor(name, firsts, open, close) {
    this.name = name;
    this.firsts = firsts;
    this.open = open;
    this.close = close;
    /** @type {Map<number, Promise<T>>} */
    this.kept = new Map();
  }

  /** The number of the piece that holds `key`. @param {number} key */
  holding(key) {
    return Math.max(0, lastAt(this.firsts, key));
  }

  /** Unpack a piece again when it is asked for: it has grown. @param {number} number */
  forget(number) {
    this.kept.delete(number);
  }

  /** @param {number} number @returns {Promise<T>} */
  get(number) {
    const found = this.kept.get(number) || this.open(`${this.name}-${number}`);
    this.kept.delete(number);
    this.kept.set(number, found);
    found.catch(() => this.forget(number));
    if (this.kept.size > KEPT) {
      const [oldest, gone] = this.kept.entries().next().value;
      this.kept.delete(oldest);
      if (this.close) gone.then(this.close);
    }
    return found;
  }
}

/**
 * The index of the last of these ascending numbers that is at most `wanted`; -1 if none is.
 * @param {number[]} numbers
 * @param {number} wanted
 */
function lastAt(numbers, wanted) {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The texts of a piece, put together from its lines. */
class Texts {
  /** @param {{lines: string[], texts: number[][]}} plain */
  constructor(plain) {
    this.plain = plain;
    /** @type {Map<number, string>} */
    this.known = new Map();
  }

  /** @param {number} number @returns {string} */
  get(number) {
    let text = this.known.get(number);
    if (text === undefined) {
      let at = 0;
      text = this.plain.texts[number].map((difference) => this.plain.lines[at += difference]).join('\n');
      this.known.set(number, text);
    }
    return text;
  }
}

/** One episode of the page. */
class Episode {
  /** @param {number} number @param {any} head */
  constructor(number, head) {
    this.number = number;
    const prefix = `${head.prefix || ''}${number}`;
    this.letter = 'ABC'[number];
    this.label = head.label;
    this.about = head.about;
    this.steps = head.steps;
    this.revision = head.revision; // of the notebook after the last step
    this.result = head.result;
    this.final = head.final;
    this.timeline = head.timeline;
    this.changed = head.timeline.progression.map((/** @type {number[]} */ one) => one[0]);
    this.arcs = head.arcs;
    this.streams = head.streams;
    this.pieces = new Pieces(`${prefix}-steps`, head.streams.steps.firsts, async (id) => {
      const piece = await unpacked(id);
      return { steps: piece.steps, texts: new Texts(piece) };
    });
    this.books = new Pieces(`${prefix}-notebook`, head.streams.notebook.firsts, unpacked);
    this.frames = framesOf(`${prefix}-frames`, head.streams.frames);
    this.book = new Book(this);
  }

  /** Wait until the notebook's history is there up to a revision; in a file it always is. @param {number} _revision */
  async reach(_revision) {}

  /** How many positions there are: its steps, and what stood at the end. */
  get positions() {
    return this.steps + 1;
  }

  /** What was recorded of a step. @param {number} step */
  async step(step) {
    const number = this.pieces.holding(step);
    const piece = await this.pieces.get(number);
    return { ...piece.steps[step - this.streams.steps.firsts[number]], number: step, texts: piece.texts };
  }

  /** Progression after the action of a step. @param {number} step */
  progressAt(step) {
    const at = lastAt(this.changed, step);
    return at < 0 ? 0 : this.timeline.progression[at][1];
  }
}

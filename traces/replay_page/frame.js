'use strict';
/* What the world looked like: pictures, or lines of coloured text on black. */

/**
 * @param {string} name
 * @param {any} head
 * @returns {Pieces<any>}
 */
function framesOf(name, head) {
  const pictures = () => head.kind === 'picture'; // a server says so once the first is drawn
  return new Pieces(name, head.firsts, async (id) => (pictures() ? picturesOf(await bytesOf(id)) : unpacked(id)),
    (gone) => pictures() && gone.forEach(URL.revokeObjectURL));
}

/** Addresses of the pictures of a piece. @param {Uint8Array} bytes */
function picturesOf(bytes) {
  const numbers = new DataView(bytes.buffer, bytes.byteOffset);
  const count = numbers.getUint32(0, true);
  let at = 4 * (count + 1);
  return Array.from({ length: count }, (_, index) => {
    const start = at;
    at += numbers.getUint32(4 * (index + 1), true);
    return URL.createObjectURL(new Blob([bytes.subarray(start, at)], { type: 'image/webp' }));
  });
}

/**
 * The frame at a step, or the last one before it.
 * @param {any} episode
 * @param {number} step
 * @returns {Promise<HTMLElement|null>}
 */
async function frameAt(episode, step) {
  const { kind, note, steps = [], firsts } = episode.streams.frames;
  const notes = note ? h('p.framenote', {}, note) : null;
  const at = lastAt(steps, step);
  if (kind === 'none' || at < 0) return notes;
  const piece = await episode.frames.get(episode.frames.holding(steps[at]));
  const within = at - steps.indexOf(firsts[episode.frames.holding(steps[at])]);
  const said = step > episode.steps ? 'after the last action' : `before the action of step ${steps[at]}`;
  const drawn = kind === 'picture'
    ? h('img.picture', { src: piece[within], alt: `The game ${said}` })
    : terminal(new Texts(piece), piece.frames[within], said);
  const late = steps[at] !== step && h('p.framenote', {}, `Shown: the frame of step ${steps[at]}.`);
  return h('figure.frame', {}, drawn, late, notes);
}

/**
 * @param {Texts} texts
 * @param {{rows: number, cursor: [number, number]|null}} frame
 * @param {string} said
 */
function terminal(texts, frame, said) {
  let columns = 1;
  const rows = texts.get(frame.rows).split('\n').map((row, number) => {
    let column = 0;
    const parts = JSON.parse(row).map((/** @type {[string, string]} */ [text, colour]) => {
      const first = column;
      column += text.length;
      const cursor = frame.cursor && frame.cursor[0] === number ? frame.cursor[1] - first : -1;
      return coloured(text, colour, cursor);
    });
    columns = Math.max(columns, column);
    return [...parts, '\n'];
  });
  const pre = h('pre.terminal', { role: 'img', 'aria-label': `The game's screen ${said}` }, rows);
  pre.style.setProperty('--columns', String(columns));
  return h('div.screen', {}, pre);
}

/** @param {string} text @param {string} colour @param {number} cursor its column in the text, if it is in it */
function coloured(text, colour, cursor) {
  const inside = cursor >= 0 && cursor < text.length;
  const span = inside
    ? h('span', {}, text.slice(0, cursor), h('span.cursor', {}, text[cursor]), text.slice(cursor + 1))
    : h('span', {}, text);
  if (colour) span.style.color = colour;
  return span;
}

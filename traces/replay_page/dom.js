'use strict';
/* Elements, made without markup: whatever a text says, it becomes a text node. */

/** What a server's page adds: called with the page when it is open. @type {((page: any) => void)[]} */
const whenOpen = [];
/** What it adds to the card of an operation of a routine. @type {((operation: any, step: any, talk: any) => Child)[]} */
const cardParts = [];

/** @typedef {Node|string|number|null|undefined|false} Child */

/** Characters of a text that are shown before someone asks for the rest. */
const CLIP = 6000;

/** What steers text instead of being text: control characters, and characters that turn its direction. */
const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * An element. A name may carry classes: "p.note.quiet".
 * @param {string} name
 * @param {Record<string, unknown>} [attributes] functions are listeners ("onclick"); false and null are left out
 * @param {...(Child|Child[])} children
 * @returns {HTMLElement}
 */
function h(name, attributes, ...children) {
  const [tag, ...classes] = name.split('.');
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(' ');
  fill(element, attributes || {}, children);
  return element;
}

/**
 * The same for SVG.
 * @param {string} tag
 * @param {Record<string, unknown>} attributes
 * @param {...Child} children
 * @returns {SVGElement}
 */
function svg(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  fill(element, attributes, children);
  return element;
}

/**
 * @param {Element} element
 * @param {Record<string, unknown>} attributes
 * @param {(Child|Child[])[]} children
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else element.setAttribute(name, value === true && !name.startsWith('aria-') ? '' : String(value)); // aria-hidden="" hides nothing
  }
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/**
 * The element of the page's own markup with this id.
 * @param {string} id
 * @returns {any}
 */
function byId(id) {
  return document.getElementById(id);
}

/**
 * A text with what would steer it made visible.
 * @param {string} text
 */
function visible(text) {
  return text.replace(STEERING, (found) => {
    const code = found.charCodeAt(0);
    if (code === 13) return '';
    return code < 32 ? String.fromCharCode(0x2400 + code) : `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
  });
}

/**
 * The beginning of a text on one line.
 * @param {string} text
 * @param {number} most
 */
function oneLine(text, most) {
  const line = visible(text.slice(0, 4 * most)).replace(/\s+/g, ' ').trim();
  return line.length > most || text.length > 4 * most ? `${line.slice(0, most)}…` : line;
}

/**
 * A text of several lines; of a very long one the beginning, and a button for the rest.
 * @param {string} text
 * @param {string} [classes]
 */
function block(text, classes = '') {
  const pre = h(`pre.text${classes}`, {}, visible(text.slice(0, CLIP)));
  if (text.length > CLIP) {
    const more = h('button.more', { type: 'button', onclick: () => pre.replaceChildren(visible(text)) },
      `show all ${text.length.toLocaleString('en')} characters`);
    pre.append(' … ', more);
  }
  return pre;
}

/** Which parts the reader opened or closed, by a name that is the same at every step. @type {Map<string, boolean>} */
const folds = new Map();

/**
 * A part that can be opened; its content is made only then.
 * @param {string} key what it is called among `folds`
 * @param {boolean} open whether it is open unless the reader chose
 * @param {Child|Child[]} summary
 * @param {() => Child|Child[]} content
 * @param {string} [classes]
 */
function fold(key, open, summary, content, classes = '') {
  const opened = folds.get(key) ?? open;
  const details = h(`details.fold${classes}`, { open: opened }, h('summary', {}, summary));
  let made = false;
  const make = () => {
    if (!made && details.hasAttribute('open')) {
      made = true;
      fill(details, {}, [content()]);
    }
  };
  make();
  details.addEventListener('toggle', () => {
    const now = details.hasAttribute('open');
    if (now !== (folds.get(key) ?? open)) folds.set(key, now);
    make();
  });
  return details;
}

/**
 * `1 line`, `2 lines`.
 * @param {number} count
 * @param {string} noun
 */
function plural(count, noun) {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

/**
 * A reward with its sign, a share in per cent.
 * @param {number} value
 */
function signed(value) {
  const shown = Math.abs(value) >= 0.005 || !value ? Number(value.toFixed(2)) : value;
  return `${value > 0 ? '+' : value < 0 ? '−' : ''}${Math.abs(shown)}`;
}

/** @param {number} share */
function percent(share) {
  return `${(100 * share).toFixed(share > 0 && share < 0.1 ? 2 : 1)} %`;
}

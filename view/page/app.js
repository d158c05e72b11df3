'use strict';
/* What all pages share: asking the server, keeping what is shown up to date, words for figures. */

/** Milliseconds between questions to the server while the page is looked at. */
const EVERY = 2000;

/** @typedef {{key: string, does: string, act: () => void}} Key */

/** The address of a run, an episode or a step. @param {string} run @param {any} [episode] @param {number} [step] */
function addressOf(run, episode, step) {
  const parts = run.split('/').map(encodeURIComponent);
  if (episode) parts.push('episodes', encodeURIComponent(episode.world), encodeURIComponent(episode.task), `seed-${episode.seed}`);
  return `/run/${parts.join('/')}${step ? `?step=${step}` : ''}`;
}

/** @param {string} address @returns {Promise<any>} */
async function ask(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

/** Send something to be kept. @param {string} address @param {any} value @returns {Promise<any>} */
async function send(address, value) {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(address, { method: 'POST', headers, body: JSON.stringify(value) });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

/**
 * Ask again and again while the page is looked at; `show` is called with each answer that is another than before.
 * @param {() => string} address
 * @param {(found: any) => void} show
 */
async function follow(address, show) {
  let tag = '';
  let asked = '';
  let away = false;
  for (;;) {
    if (!document.hidden) {
      const now = address();
      if (now !== asked) tag = '';
      asked = now;
      try {
        const answer = await fetch(now, { headers: tag ? { 'if-none-match': tag } : {}, cache: 'no-store' });
        if (answer.status === 200) {
          const found = await answer.json();
          tag = answer.headers.get('etag') || '';
          away = false;
          said('');
          show(found);
        } else if (answer.status !== 304) {
          failed(await answer.text());
          tag = '';
        } else if (away) {
          away = false;
          said('');
        }
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        away = true; // the server has ended, or is not reached: what is shown stays
        said('The server does not answer: what is shown is the last that it said.');
      }
    }
    await new Promise((resolve) => {
      setTimeout(resolve, EVERY);
      wake = () => resolve(undefined);
    });
  }
}

/** Ask now instead of later. */
let wake = () => {};
addEventListener('visibilitychange', () => document.hidden || wake());

/** @param {string} sentence */
function said(sentence) {
  byId('pulse').textContent = sentence;
}

/** Show in words that there is nothing to show. @param {string} sentence */
function failed(sentence) {
  byId('main').replaceChildren(h('div.nothing', { role: 'alert' }, h('p', {}, sentence), h('p', {}, h('a', { href: '/' }, 'All runs'))));
}

/** @param {[string, string?][]} steps name and address of each */
function crumbs(steps) {
  byId('crumbs').replaceChildren(h('ol', {}, steps.map(([name, address]) =>
    h('li', {}, address ? h('a', { href: address }, oneLine(name, 80)) : h('span', { 'aria-current': 'page' }, oneLine(name, 80))))));
  document.title = `${steps.length ? `${steps[steps.length - 1][0]} · ` : ''}AutoMem`;
}

/** The keys of a page, and the help that lists them. @param {Key[]} keys */
function listen(keys) {
  const help = byId('help');
  const all = [...keys, { key: '?', does: 'this help', act: () => help.showModal() }];
  const names = /** @type {Record<string, string>} */ ({ ArrowDown: '↓', ArrowUp: '↑', Enter: '⏎' });
  help.replaceChildren(
    h('form', { method: 'dialog' }, h('h2', {}, 'Keys'), h('button', { type: 'submit', 'aria-label': 'Close' }, '✕')),
    h('dl.keys', {}, all.map((one) => [h('dt', {}, h('kbd', {}, names[one.key] || one.key)), h('dd', {}, one.does)])));
  byId('open-help').addEventListener('click', () => help.showModal());
  addEventListener('keydown', (event) => {
    const target = /** @type {Element} */ (event.target);
    if (event.ctrlKey || event.altKey || event.metaKey || help.open) return;
    if (target.closest('input:not([type=checkbox]), select, textarea')) {
      if (event.key === 'Escape') /** @type {HTMLElement} */ (target).blur();
      return;
    }
    const found = all.find((one) => one.key === event.key);
    if (!found || (event.key === 'Enter' && target.closest('a, button'))) return;
    event.preventDefault();
    found.act();
  });
}

/** A count, shortened: 1,234 or 12.3k or 4.5M. @param {number|null|undefined} count */
function short(count) {
  if (count === null || count === undefined) return '–';
  if (count < 10_000) return count.toLocaleString('en');
  return count < 1_000_000 ? `${(count / 1_000).toFixed(count < 100_000 ? 1 : 0)}k` : `${(count / 1_000_000).toFixed(1)}M`;
}

/** How long ago, in words. @param {number|null} seconds since 1970 */
function ago(seconds) {
  if (!seconds) return '–';
  const past = Math.max(0, Date.now() / 1000 - seconds);
  const steps = /** @type {[number, string][]} */ ([[86_400, 'day'], [3_600, 'hour'], [60, 'minute']]);
  const found = steps.find(([size]) => past >= size);
  return found ? `${plural(Math.floor(past / found[0]), found[1])} ago` : 'now';
}

/** A duration. @param {number|null|undefined} seconds */
function lasting(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return seconds < 3_600 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}

/** @param {number|null|undefined} value in per cent @param {number|null} [error] */
function points(value, error) {
  if (value === null || value === undefined) return '–';
  return `${value.toFixed(2)}${error === null || error === undefined ? '' : ` ± ${error.toFixed(2)}`}`;
}

/**
 * Columns of a table that can be sorted: what each shows, and what it is sorted by.
 * @typedef {{name: string, title: string, head?: string, number?: boolean, cell: (row: any) => Child|Child[], by: (row: any) => any}} Column
 */

/** How a table is sorted, kept in the address. */
class Order {
  /** @param {string} column @param {boolean} down @param {string} prefix of its names in the address, where a page has several tables */
  constructor(column, down, prefix = '') {
    const asked = new URLSearchParams(location.search);
    this.names = { sort: `${prefix}sort`, down: `${prefix}down` };
    this.column = asked.get(this.names.sort) || column;
    this.down = asked.has(this.names.sort) ? asked.get(this.names.down) === '1' : down;
  }

  /** @param {string} column */
  press(column, down = true) {
    this.down = this.column === column ? !this.down : down;
    this.column = column;
    remember({ [this.names.sort]: this.column, [this.names.down]: this.down ? '1' : '0' });
  }

  /** @param {any[]} rows @param {Column[]} columns */
  sorted(rows, columns) {
    const column = columns.find((one) => one.name === this.column) || columns[0];
    const sign = this.down ? -1 : 1;
    const missing = (/** @type {any} */ value) => value === null || value === undefined || value === '';
    return [...rows].sort((one, other) => {
      const [left, right] = [column.by(one), column.by(other)];
      if (missing(left) || missing(right)) return Number(missing(left)) - Number(missing(right));
      return sign * (typeof left === 'string' ? left.localeCompare(String(right), 'en', { numeric: true }) : left - right);
    });
  }

  /** The heading of a column. @param {Column} column @param {() => void} changed */
  heading(column, changed) {
    const here = this.column === column.name;
    const press = () => {
      this.press(column.name, Boolean(column.number));
      changed();
    };
    return h(`th${column.number ? '.number' : ''}`, { scope: 'col', 'aria-sort': here ? (this.down ? 'descending' : 'ascending') : 'none' },
      h('button.sort', { type: 'button', title: column.title, onclick: press, 'data-column': column.name }, column.head || column.name,
        h('span', { 'aria-hidden': true }, here ? (this.down ? ' ↓' : ' ↑') : '')));
  }
}

/** Keep what the page shows in its address. @param {Record<string, string|null>} values */
function remember(values) {
  const kept = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value) kept.set(name, value);
    else kept.delete(name);
  }
  const rest = kept.toString();
  history.replaceState(null, '', location.pathname + (rest ? `?${rest}` : ''));
}

/** A line of progression over steps, as small as a word. @param {[number, number][]} curve @param {number} steps */
function sparkline(curve, steps) {
  const width = 96;
  const height = 22;
  const most = Math.max(0.05, ...curve.map(([, share]) => share));
  const x = (/** @type {number} */ step) => ((step / Math.max(1, steps)) * width).toFixed(1);
  const y = (/** @type {number} */ share) => (height - 2 - (share / most) * (height - 4)).toFixed(1);
  let path = `M0 ${y(0)}`;
  for (const [step, share] of curve) path += `H${x(step)}V${y(share)}`;
  path += `H${width}`;
  const end = curve.length ? curve[curve.length - 1][1] : 0;
  return svg('svg', { class: 'spark', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': `progression, up to ${percent(end)}` },
    svg('path', { class: 'area', d: `${path}V${height}H0Z` }), svg('path', { class: 'curve', d: path }));
}

/** What a state is called, and its sign. @type {Record<string, [string, string]>} */
const STATES = {
  playing: ['●', 'being played'], ended: ['✓', 'ended'], stopped: ['◌', 'stopped: not over, and nobody plays it'],
  unreadable: ['✕', 'cannot be read'], finished: ['✓', 'finished'], failed: ['✕', 'failed: a failure of the machine ended it'],
  limited: ['▮', 'limited: stopped by a ceiling'], damaged: ['⚠', 'damaged: its files are not what they were'], 'not begun': ['·', 'not begun'],
};

/** @param {string} state @param {string} [more] */
function stateOf(state, more) {
  const [sign, meaning] = STATES[state] || ['·', state];
  return h(`span.state.${state.replace(/ /g, '-')}`, { title: more || meaning }, h('span', { 'aria-hidden': true }, sign), ` ${state}`);
}

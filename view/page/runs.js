'use strict';
/* All runs in one table: sorted, filtered, compared with a baseline, and as they are being played. */

/** @type {Column[]} */
const RUN_COLUMNS = [
  { name: 'run', title: 'Folder of the run', by: (row) => row.id, cell: (row) => nameCell(row) },
  { name: 'world', title: 'World that is played', by: (row) => row.world, cell: (row) => [row.world || '–', small(tasksOf(row))] },
  { name: 'scaffold', title: 'What the model reads, and its notebook', by: (row) => row.scaffold, cell: (row) => [row.scaffold || '–', small(row.notebook && `notebook ${row.notebook}`)] },
  { name: 'model', title: 'Who plays', by: (row) => row.model, cell: (row) => modelCell(row) },
  { name: 'progression', title: 'Mean progression in per cent ± standard error, of the episodes with a score', number: true, by: (row) => row.mean, cell: (row) => meanCell(row) },
  { name: 'difference', head: 'Δ', title: 'Paired difference in progression to the baseline: points ± standard error', number: true, by: (row) => row.difference && row.difference.mean, cell: (row) => differenceCell(row) },
  { name: 'episodes', title: 'Episodes that ended, of those planned', number: true, by: (row) => row.planned, cell: (row) => episodesCell(row) },
  { name: 'missing', title: 'Share of the steps for which no action was written', number: true, by: (row) => row.missing_action, cell: (row) => (row.missing_action === null ? '–' : percent(row.missing_action)) },
  { name: 'tokens', title: 'Prompt and completion tokens of all episodes', number: true, by: (row) => row.tokens || (row.prompt === null ? row.calls : row.prompt + (row.completion || 0)), cell: (row) => tokensCell(row) },
  { name: 'cost', title: 'US dollars by the price table', number: true, by: (row) => row.dollars, cell: (row) => (row.dollars === null ? '–' : `${row.dollars_so_far ? '≥ ' : ''}$${row.dollars.toFixed(2)}`) },
  { name: 'when', title: 'When its files last changed', number: true, by: (row) => row.changed, cell: (row) => h('span', { title: row.started || '' }, ago(row.changed)) },
];

/** A cell of a table; on a phone it brings its column's name. @param {Column} column @param {any} row @param {boolean} first */
function cellOf(column, row, first) {
  const content = column.cell(row);
  const none = [content].flat().filter(Boolean).join('') === '–';
  const kinds = `.${column.name}${column.number ? '.number' : ''}${none ? '.none' : ''}`;
  return h(`${first ? 'th' : 'td'}${kinds}`, first ? { scope: 'row' } : { 'data-name': column.name }, content);
}

/** A figure in a table that is not sorted; on a phone it brings its column's name. @param {string} name @param {Child|Child[]} value */
const figureCell = (name, value) => h(`td.number${value === '–' ? '.none' : ''}`, { 'data-name': name }, value);

/** @param {any} text */
const small = (text) => (text ? h('small', {}, oneLine(String(text), 90)) : null);

/** @param {any} row */
function tasksOf(row) {
  if (!row.tasks || (row.tasks.length === 1 && row.tasks[0] === 'default')) return '';
  return row.tasks.length > 3 ? `${row.tasks.length} tasks` : row.tasks.join(', ');
}

/** @param {any} row */
function nameCell(row) {
  const kinds = /** @type {Record<string, string>} */ ({ search: 'loop 1', specialist: 'loop 2', controls: 'control arms', counterfactuals: 'counterfactuals' });
  return [
    stateOf(row.state, row.problem), ' ', h('a.name', { href: addressOf(row.run) }, oneLine(row.id, 120)), ' ',
    kinds[row.kind] && h('span.kind', {}, kinds[row.kind]),
    row.tags.map((/** @type {string} */ tag) => h('span.tag', {}, oneLine(tag, 40))),
    small(row.problem || row.about), row.note && h('small.note', {}, oneLine(row.note, 120)),
  ];
}

/** @param {any} row */
function modelCell(row) {
  if (!row.model) return '–';
  const rules = ' (no language model)';
  return row.model.endsWith(rules) ? [oneLine(row.model.slice(0, -rules.length), 80), small('no language model')] : oneLine(row.model, 120);
}

/** @param {any} row */
function meanCell(row) {
  if (row.mean === null) return '–';
  const bar = h('span.bar', { 'aria-hidden': true }, h('i', {}));
  /** @type {HTMLElement} */ (bar.firstChild).style.setProperty('width', `${Math.min(100, row.mean).toFixed(1)}%`);
  return [h('b', {}, points(row.mean, row.se)), row.mean_zeros !== null && small(`${points(row.mean_zeros)} with failures as 0`), bar];
}

/** @param {any} row */
function differenceCell(row) {
  const found = row.difference;
  if (!found) return '–';
  const mood = found.n < 2 ? 'quiet' : found.mean > 2 * found.se && found.mean > 0 ? 'gain' : -found.mean > 2 * found.se && found.mean < 0 ? 'bad' : 'quiet';
  return [h(`b.${mood}`, {}, `${signed(found.mean)} ± ${found.se.toFixed(2)}`), small(`${plural(found.n, 'pair')}: ${found.better} better, ${found.worse} worse`)];
}

/** @param {any} row */
function episodesCell(row) {
  if (row.planned === null) return '–';
  const parts = /** @type {[string, number][]} */ ([['finished', (row.finished || 0) - (row.limited || 0)], ['limited', row.limited || 0],
    ['failed', row.failed || 0], ['damaged', row.damaged || 0], [row.state === 'playing' ? 'playing' : 'stopped', row.under_way || 0]]);
  const bar = h('span.shares', { 'aria-hidden': true }, parts.filter(([, count]) => count).map(([name, count]) => {
    const part = h(`i.${name}`, {});
    part.style.setProperty('flex-grow', String(count));
    return part;
  }));
  const rest = Math.max(0, row.planned - parts.reduce((sum, [, count]) => sum + count, 0));
  if (rest) {
    const part = h('i', {});
    part.style.setProperty('flex-grow', String(rest));
    bar.append(part);
  }
  const apart = parts.slice(1).filter(([, count]) => count).map(([name, count]) => `${count} ${name}`);
  return [`${row.finished || 0} of ${row.planned}`, small(apart.join(', ')), bar];
}

/** @param {any} row */
function tokensCell(row) {
  if (row.tokens) return [short(row.tokens), small(`${short(row.calls)} calls`)];
  if (!row.prompt) return row.calls ? [`${short(row.calls)} calls`, small(row.steps !== null && plural(row.steps, 'step'))] : '–';
  const cached = row.cached !== null && row.prompt ? `${Math.round((100 * row.cached) / row.prompt)} % cached, ` : '';
  return [short(row.prompt + (row.completion || 0)), small(`${cached}${short(row.calls)} calls, ${short(row.steps)} steps`)];
}

/** The page. */
function runsPage() {
  crumbs([]);
  const asked = new URLSearchParams(location.search);
  const order = new Order('when', true);
  const state = { baseline: asked.get('baseline') || '', words: asked.get('q') || '', parts: asked.get('parts') === '1' };
  /** @type {any[]} */
  let rows = [];
  let root = '';
  /** Columns in which some row has something. */
  let used = RUN_COLUMNS;
  /** @type {Set<string>} */
  const chosen = new Set();
  /** @type {Map<string, string>} */
  const before = new Map();

  const words = /** @type {HTMLInputElement} */ (h('input', { type: 'search', placeholder: 'filter: world, model, tag …', 'aria-label': 'Filter runs by words', value: state.words, 'aria-keyshortcuts': '/', autocomplete: 'off', spellcheck: 'false' }));
  const parts = /** @type {HTMLInputElement} */ (h('input', { type: 'checkbox', checked: state.parts }));
  const baseline = /** @type {HTMLSelectElement} */ (h('select', { 'aria-label': 'Baseline of the paired differences' }));
  const compare = /** @type {HTMLButtonElement} */ (h('button.main', { type: 'button', disabled: true, onclick: () => goCompare() }, 'Compare two'));
  const count = h('p.count', { role: 'status' });
  const head = h('tr', {});
  const body = h('tbody', {});
  const table = h('table.runs', {}, h('caption.unseen', {}, 'All runs'), h('thead', {}, head), body);
  byId('main').replaceChildren(
    h('h1.unseen', {}, 'Runs'), h('div.tools', { role: 'search' }, words, h('label.check', {}, parts, ' parts of loops'),
      h('label', {}, 'baseline ', baseline), compare, count),
    h('div.scroll', {}, table));

  const goCompare = () => {
    const [one, other] = [...chosen];
    if (other) location.assign(`/compare?a=${encodeURIComponent(one)}&b=${encodeURIComponent(other)}`);
  };
  words.addEventListener('input', () => {
    state.words = words.value;
    remember({ q: words.value });
    draw();
  });
  parts.addEventListener('change', () => {
    state.parts = parts.checked;
    remember({ parts: parts.checked ? '1' : null });
    draw();
  });
  const base = (/** @type {string} */ id) => {
    state.baseline = id;
    remember({ baseline: id });
    wake();
  };
  baseline.addEventListener('change', () => base(baseline.value));

  /** @param {any} row */
  const fits = (row) => {
    if (row.kind === 'evaluation' && row.within && !state.parts && !row.arm) return false;
    const text = [row.id, row.world, row.scaffold, row.model, row.notebook, row.state, row.kind, row.note, ...(row.tasks || []), ...row.tags].join(' ').toLowerCase();
    return state.words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
  };

  /** @param {any} row */
  const line = (row) => {
    const box = /** @type {HTMLInputElement} */ (h('input', { type: 'checkbox', checked: chosen.has(row.id), 'aria-label': `choose ${row.id} for a comparison` }));
    box.addEventListener('change', () => choose(row.id));
    const cells = used.map((column, at) => cellOf(column, row, !at));
    const shown = JSON.stringify([row.mean, row.finished, row.steps, row.state]);
    const moved = before.has(row.id) && before.get(row.id) !== shown;
    before.set(row.id, shown);
    const kinds = `${row.within ? '.within' : ''}${row.id === state.baseline ? '.baseline' : ''}${moved ? '.moved' : ''}`;
    return h(`tr${kinds}`, { 'data-id': row.id, tabindex: -1 }, h('td.choose', {}, row.planned === null || row.kind !== 'evaluation' ? null : box), cells);
  };

  /** @param {string} id */
  const choose = (id) => {
    if (!chosen.delete(id)) {
      chosen.add(id);
      if (chosen.size > 2) chosen.delete([...chosen][0]);
    }
    draw();
  };

  const draw = () => {
    const focused = document.activeElement?.closest('tr[data-id]');
    const inside = focused && document.activeElement !== focused ? [...focused.querySelectorAll('a, input')].indexOf(/** @type {any} */ (document.activeElement)) : -1;
    const column = document.activeElement?.getAttribute('data-column');
    const shown = order.sorted(rows.filter(fits), RUN_COLUMNS);
    used = RUN_COLUMNS.filter((one, at) => at < 5 || shown.some((row) => (one.by(row) ?? null) !== null));
    head.replaceChildren(h('th', {}, h('span.unseen', {}, 'compare')), ...used.map((one) => order.heading(one, draw)));
    body.replaceChildren(...shown.map(line));
    const playing = rows.filter((row) => row.state === 'playing').length;
    count.textContent = `${plural(shown.length, 'run')}${shown.length === rows.length ? '' : ` of ${rows.length}`}${playing ? `, ${playing} being played` : ''}`;
    compare.disabled = chosen.size !== 2;
    compare.textContent = chosen.size === 1 ? 'Compare: choose one more' : 'Compare two';
    if (!rows.length) body.append(h('tr', {}, h('td', { colspan: used.length + 1 }, emptyWords(root))));
    else if (!shown.length) body.append(h('tr', {}, h('td', { colspan: used.length + 1 }, 'No run fits the filter.')));
    if (column) /** @type {any} */ (head.querySelector(`[data-column="${column}"]`))?.focus();
    if (focused) {
      const again = body.querySelector(`tr[data-id="${CSS.escape(focused.getAttribute('data-id') || '')}"]`);
      const target = inside >= 0 ? again?.querySelectorAll('a, input')[inside] : again;
      /** @type {any} */ (target)?.focus({ preventScroll: true });
    }
  };

  const move = (/** @type {number} */ by) => {
    const lines = [...body.querySelectorAll('tr[data-id]')];
    const at = lines.indexOf(/** @type {any} */ (document.activeElement?.closest('tr[data-id]')));
    const next = /** @type {HTMLElement|undefined} */ (lines[Math.max(0, Math.min(lines.length - 1, at < 0 ? 0 : at + by))]);
    next?.focus();
  };
  const here = () => document.activeElement?.closest('tr[data-id]')?.getAttribute('data-id') || '';
  listen([
    { key: '/', does: 'filter the runs', act: () => words.focus() },
    { key: 'ArrowDown', does: 'next run', act: () => move(1) }, { key: 'ArrowUp', does: 'previous run', act: () => move(-1) },
    { key: 'Enter', does: 'open the run', act: () => /** @type {any} */ (document.activeElement?.closest('tr[data-id]')?.querySelector('a.name'))?.click() },
    { key: 'x', does: 'choose the run for a comparison', act: () => here() && choose(here()) },
    { key: 'b', does: 'make the run the baseline', act: () => here() && base(here()) },
    { key: 'c', does: 'compare the two chosen runs', act: goCompare },
  ]);
  follow(() => `/api/runs?baseline=${encodeURIComponent(state.baseline)}`, (found) => {
    rows = found.runs;
    root = found.root;
    const choices = rows.filter((row) => row.kind === 'evaluation' && row.finished);
    baseline.replaceChildren(h('option', { value: '' }, 'none'), ...choices.map((row) => h('option', { value: row.id, selected: row.id === state.baseline }, oneLine(row.id, 60))));
    draw();
  });
}

/** @param {string} root */
function emptyWords(root) {
  return [h('p', {}, `There is no run below ${root} yet. This one takes seconds, and appears here while it is played:`),
    h('pre.command', {}, `automem eval --world crafter --model scripted --seeds 42-44 --max-steps 400 --out ${root}/first`)];
}

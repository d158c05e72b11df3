'use strict';
/* One run: what it was started with, its episodes, a person's tags and note. */

/** @type {Column[]} */
const EPISODE_COLUMNS = [
  { name: 'episode', title: 'Task and seed', by: (row) => `${row.task} ${row.seed}`, cell: (row) => episodeName(row) },
  { name: 'seed', title: 'Seed', number: true, by: (row) => row.seed, cell: (row) => String(row.seed) },
  { name: 'status', title: 'How it ended', by: (row) => row.status, cell: (row) => [stateOf(row.status, row.cause), small(row.cause || endOf(row))] },
  { name: 'progression', title: 'Progression in per cent', number: true, by: (row) => row.progression, cell: (row) => (row.progression === null || row.progression === undefined ? '–' : h('b', {}, percent(row.progression))) },
  { name: 'course', title: 'Progression over the steps, and what happened in them', by: (row) => row.progression, cell: (row) => courseCell(row) },
  { name: 'return', title: 'Sum of the rewards', number: true, by: (row) => row.return, cell: (row) => (row.return === null || row.return === undefined ? '–' : signed(row.return)) },
  { name: 'steps', title: 'Steps taken', number: true, by: (row) => row.steps, cell: (row) => short(row.steps) },
  { name: 'tokens', title: 'Prompt and completion tokens', number: true, by: (row) => row.prompt, cell: (row) => [row.prompt ? short(row.prompt + (row.completion || 0)) : '–', small(row.calls !== undefined && `${short(row.calls)} calls`)] },
  { name: 'cost', title: 'US dollars', number: true, by: (row) => row.dollars, cell: (row) => (row.dollars === null || row.dollars === undefined ? '–' : `$${row.dollars.toFixed(3)}`) },
  { name: 'time', title: 'Time that its steps took', number: true, by: (row) => row.seconds, cell: (row) => lasting(row.seconds) },
];

/** @param {any} row */
function endOf(row) {
  return row.end ? String(row.end).replace(/_/g, ' ') : '';
}

/** @param {any} row */
function episodeName(row) {
  const name = `${row.task === 'default' ? row.world : row.task} · seed ${row.seed}`;
  return row.steps ? h('a.name', { href: addressOf(runName(), row) }, oneLine(name, 90)) : oneLine(name, 90);
}

/** @param {any} row */
function courseCell(row) {
  const flags = /** @type {[string, string][]} */ ([['unproductive_action_rate', 'unproductive'], ['redundant_write_rate', 'redundant writes'], ['empty_search_rate', 'empty searches'], ['missing_action_rate', 'missing actions']]);
  const rates = row.rates || {};
  return [row.curve && sparkline(row.curve, row.steps),
    h('span.flags', {}, flags.filter(([name]) => rates[name] >= 0.1).map(([name, words]) => h('span.flag', {}, `${Math.round(100 * rates[name])} % ${words}`)))];
}

/** The run that the address names. */
function runName() {
  return decodeURIComponent(location.pathname.replace(/^\/run\//, '').replace(/\/$/, ''));
}

/** The page. */
function runPage() {
  const name = runName();
  const order = new Order('episode', false);
  /** @type {any} */
  let run = null;
  const parents = name.split('/');
  crumbs([['Runs', '/'], ...parents.map((part, at) => /** @type {[string, string?]} */ ([part, at + 1 < parents.length ? addressOf(parents.slice(0, at + 1).join('/')) : undefined]))]);
  const title = h('div.title', {});
  const labels = h('section.labels', { 'aria-label': 'Tags and note' });
  const inside = h('div.inside', {});
  const head = h('tr', {});
  const body = h('tbody', {});
  const episodes = h('section', {}, h('h2', {}, 'Episodes'), h('div.scroll', {}, h('table.episodes', {}, h('caption.unseen', {}, 'Episodes'), h('thead', {}, head), body)));
  const facts = h('section.facts', {});
  const effects = h('div', {});
  byId('main').replaceChildren(title, labels, inside, episodes, effects, facts);
  /** Tags and note as the form shows them. */
  let written = '';
  /** Times that they were kept from this page, and how often when the answer under way was asked for. */
  let kept = 0, keptBefore = 0;
  const onKept = (/** @type {string[]} */ tags, /** @type {string} */ note) => {
    written = JSON.stringify([tags, note]);
    kept += 1;
  };

  const draw = () => {
    const focused = document.activeElement?.closest('tr[data-id]')?.getAttribute('data-id');
    const column = document.activeElement?.getAttribute('data-column');
    const many = new Set(run.episodes.map((/** @type {any} */ one) => one.world)).size > 1;
    const shown = order.sorted(run.episodes, EPISODE_COLUMNS);
    const used = EPISODE_COLUMNS.filter((one, at) => at < 5 || shown.some((row) => (one.by(row) ?? null) !== null));
    head.replaceChildren(...used.map((one) => order.heading(one, draw)));
    body.replaceChildren(...shown.map((row) => h('tr', { 'data-id': `${row.world}/${row.task}/${row.seed}`, tabindex: -1 },
      used.map((one, at) => cellOf(one, many && !at ? { ...row, task: `${row.world} ${row.task}` } : row, !at)))));
    episodes.hidden = !run.episodes.length;
    if (column) /** @type {any} */ (head.querySelector(`[data-column="${column}"]`))?.focus();
    else if (focused) /** @type {any} */ (body.querySelector(`tr[data-id="${CSS.escape(focused)}"]`))?.focus({ preventScroll: true });
  };
  const move = (/** @type {number} */ by) => {
    const lines = [...body.querySelectorAll('tr[data-id]')];
    const at = lines.indexOf(/** @type {any} */ (document.activeElement?.closest('tr[data-id]')));
    /** @type {any} */ (lines[Math.max(0, Math.min(lines.length - 1, at < 0 ? 0 : at + by))])?.focus();
  };
  listen([
    { key: 'ArrowDown', does: 'next episode', act: () => move(1) }, { key: 'ArrowUp', does: 'previous episode', act: () => move(-1) },
    { key: 'Enter', does: 'open the episode', act: () => /** @type {any} */ (document.activeElement?.closest('tr[data-id]')?.querySelector('a.name'))?.click() },
    { key: 't', does: 'edit tags and note', act: () => /** @type {any} */ (labels.querySelector('input'))?.focus() },
    { key: 'u', does: 'back to all runs', act: () => location.assign('/') },
  ]);
  const address = () => {
    keptBefore = kept;
    return `/api/run/${name.split('/').map(encodeURIComponent).join('/')}`;
  };
  follow(address, (found) => {
    run = found;
    const own = found.rows.find((/** @type {any} */ row) => row.run === name);
    title.replaceChildren(h('h1', {}, oneLine(parents[parents.length - 1], 100)), own ? stateOf(own.state, own.problem) : '', runFigures(own));
    const now = JSON.stringify([own?.tags, own?.note]);
    const edited = labels.contains(document.activeElement) || labels.querySelector('[aria-busy=true]');
    if (own && now !== written && kept === keptBefore && !edited) {
      written = now;
      labels.replaceChildren(labelForm(name, own, onKept));
    }
    const opened = document.activeElement && inside.contains(document.activeElement);
    if (!opened) inside.replaceChildren(...loopParts(found), ...(found.episodes.length ? [] : labParts(found)), ...partsOf(found, name));
    if (found.episodes.length && !effects.contains(document.activeElement)) effects.replaceChildren(...labParts(found));
    draw();
    facts.replaceChildren(...factsOf(found));
  });
}

/** @param {any} row */
function runFigures(row) {
  if (!row) return null;
  const one = (/** @type {string} */ name, /** @type {Child|Child[]} */ value) => h('div.figure', {}, h('dt', {}, name), h('dd', {}, value));
  return h('dl.figures', {},
    row.mean !== null && one('progression %', meanCell(row)), row.planned !== null && one('episodes', episodesCell(row)),
    one('world', [row.world || '–', small(tasksOf(row))]), one('model', modelCell(row)), row.scaffold && one('scaffold', [row.scaffold, small(row.notebook && `notebook ${row.notebook}`)]),
    row.steps !== null && one('steps', short(row.steps)), row.calls !== null && one('model calls', short(row.calls)),
    row.prompt > 0 && one('tokens', tokensCell(row)), row.dollars !== null && one('cost', `${row.dollars_so_far ? '≥ ' : ''}$${row.dollars.toFixed(2)}`),
    row.about && row.kind !== 'counterfactuals' && row.kind !== 'controls' && one('came of it', row.about));
}

/** @param {string} name @param {any} row @param {(tags: string[], note: string) => void} onKept */
function labelForm(name, row, onKept) {
  const tags = /** @type {HTMLInputElement} */ (h('input', { 'aria-label': 'Tags, parted by commas', placeholder: 'tags, by commas', value: row.tags.join(', '), maxlength: 400 }));
  const note = /** @type {HTMLTextAreaElement} */ (h('textarea', { 'aria-label': 'Note on this run', placeholder: 'note', rows: 1, maxlength: 4000 }, row.note));
  const done = h('span.count', { role: 'status' });
  const form = h('div.labelform', {}, tags, note, done);
  const keep = async () => {
    try {
      const kept = await send(`/api/labels/${name.split('/').map(encodeURIComponent).join('/')}`, { tags: tags.value.split(','), note: note.value });
      onKept(kept.tags, kept.note);
      if (document.activeElement !== tags) tags.value = kept.tags.join(', ');
      done.textContent = 'kept beside the run';
    } catch (error) {
      done.textContent = /** @type {Error} */ (error).message;
    }
  };
  let last = Promise.resolve();
  const keepNext = async () => {
    form.setAttribute('aria-busy', 'true');
    const mine = last = last.then(keep); // one after the other, so that the newest is kept
    await mine;
    if (mine === last) form.removeAttribute('aria-busy');
  };
  for (const field of [tags, note]) field.addEventListener('change', keepNext);
  return form;
}

/** The runs that are parts of this one. @param {any} found @param {string} name */
function partsOf(found, name) {
  const rows = found.rows.filter((/** @type {any} */ row) => row.run !== name);
  if (!rows.length) return [];
  const columns = RUN_COLUMNS.filter((one) => ['run', 'scaffold', 'progression', 'episodes', 'tokens', 'when'].includes(one.name));
  return [h('section', {}, h('h2', {}, 'Its evaluations'), h('div.scroll', {}, h('table.runs', {},
    h('thead', {}, h('tr', {}, columns.map((one) => h(`th${one.number ? '.number' : ''}`, { scope: 'col' }, one.head || one.name)))),
    h('tbody', {}, rows.map((/** @type {any} */ row) => h('tr', {}, columns.map((one, at) => cellOf(one, { ...row, id: row.id.slice(name.length + 1) }, !at)))))))) ];
}

/** What the run was started with. @param {any} found */
function factsOf(found) {
  const { settings = {}, ...plan } = found.configuration || {};
  const shown = (/** @type {any} */ value) => (typeof value === 'string' ? value : JSON.stringify(value));
  const list = (/** @type {any} */ values) => h('dl.settings', {}, Object.entries(values || {}).filter(([, value]) => value !== null && value !== '' && JSON.stringify(value) !== '[]' && JSON.stringify(value) !== '{}')
    .map(([name, value]) => h('div', {}, h('dt', {}, name.replace(/_/g, ' ')), h('dd', {}, oneLine(shown(value), 400)))));
  const parts = [];
  if (found.notes && found.notes.length) parts.push(h('section.notes', {}, h('h2', {}, 'Noted while it was played'), h('ul', {}, found.notes.map((/** @type {string} */ note) => h('li', {}, oneLine(note, 600))))));
  if (found.configuration) {
    parts.push(fold('settings', false, 'Settings, versions and host', () => [h('h3', {}, 'Plan'), list(plan), h('h3', {}, 'Settings'), list(settings), h('h3', {}, 'Versions'), list(found.versions), h('h3', {}, 'Host'), list(found.host)]));
  }
  return parts;
}

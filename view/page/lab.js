'use strict';
/* What was measured of a run's memory operations, and control arms side by side. */

const MOODS = /** @type {Record<string, string>} */ ({ helpful: 'gain', harmful: 'bad', undecided: 'quiet', 'no effect': 'quiet' });

/** An interval in points; without an end where there are too few samples. @param {number[]|null} interval */
const intervalWords = (interval) => (interval ? `${signed(interval[0])} … ${signed(interval[1])}` : 'too few samples');

/** @type {Column[]} */
const EFFECT_COLUMNS = [
  { name: 'operation', title: 'Step and number of the operation, and what it wrote or asked for', by: (row) => `${row.operation} ${row.file} ${row.asked}`, cell: (row) => operationCell(row) },
  { name: 'episode', title: 'Task and seed', by: (row) => `${row.task} ${row.seed}`, cell: (row) => `${row.task === 'default' ? row.world : row.task} · seed ${row.seed}` },
  { name: 'effect', title: 'Progression with the change less progression without it, in percentage points', number: true, by: (row) => row.mean, cell: (row) => [h(`b.${MOODS[row.verdict] || 'quiet'}`, {}, signed(row.mean)), small(`${row.unchanged.toFixed(1)} → ${row.changed.toFixed(1)} %`)] },
  { name: 'interval', title: '95 % interval of the effect', number: true, by: (row) => row.interval && row.interval[0], cell: (row) => [intervalWords(row.interval), small(`${plural(row.samples, 'sample')} of ${plural(row.horizon, 'step')}`)] },
  { name: 'verdict', title: 'Of the operation, by whether the interval leaves out 0', by: (row) => row.verdict, cell: (row) => h(`span.badge.${{ gain: 'write', bad: 'bad' }[MOODS[row.verdict]] || 'quiet'}`, {}, row.verdict) },
  { name: 'arms', title: 'The first sample of both arms', by: (row) => (row.arms ? 1 : null), cell: (row) => armLinks(row) },
];

/** @param {any} row */
function operationCell(row) {
  const what = { drop: '', edit: 'edited to: ', file: 'with other files' }[/** @type {'drop'|'edit'|'file'} */ (row.change)];
  return [h('a.name', { href: addressOf(row.run, row, row.step) }, `step ${row.step}.${row.index}`), ` ${row.routine} `, h('b', {}, oneLine(row.operation, 40)), ' ',
    h('span.file', {}, oneLine(row.file || '', 80)), row.asked ? h('small.asked', {}, oneLine(row.asked, 160)) : null, small(what && `${what}${row.text || ''}`)];
}

/** @param {any} row */
function armLinks(row) {
  const names = /** @type {[string, string][]} */ ([['unchanged', 'with it'], ['changed', 'with the change']]);
  const shown = names.filter(([arm]) => row.arms && row.arms[arm]);
  if (!shown.length) return '–';
  return shown.map(([arm, words], at) => [at ? ' · ' : '', h('a', { href: addressOf(row.arms[arm], row, row.step + (row.kind === 'write' ? 1 : 0)) }, words)]);
}

/** How the table of effects is sorted, as long as the page is open. */
const effectOrder = new Order('effect', false, 'effects-');

/** What is shown of a lab folder, of a run with measured operations, and of control arms. @param {any} found */
function labParts(found) {
  if (found.arms) return [armsPart(found.arms)];
  const parts = [];
  if (found.sweeps) parts.push(sweepsPart(found));
  if (found.effects?.length) parts.push(effectsPart(found.effects));
  else if (found.sweeps) parts.push(h('p.quiet.after', {}, 'Nothing has been measured yet.'));
  if (found.unfinished?.length) {
    parts.push(h('section', {}, h('h2', {}, 'Begun, and not measured yet'), h('ul', {}, found.unfinished.slice(0, 100).map((/** @type {any} */ one) =>
      h('li', {}, h('a', { href: addressOf(one.run, one, Number(one.step)) }, `step ${one.step}.${one.index}`), ` of ${one.task === 'default' ? one.world : one.task}, seed ${one.seed} (${one.change}, ${plural(one.horizon, 'step')})`)))));
  }
  return parts;
}

/** @param {any} found */
function sweepsPart(found) {
  const line = (/** @type {any} */ one) => h('li', {}, h('b', {}, `${one.measured.toLocaleString('en')}${one.operations ? ` of ${one.operations.toLocaleString('en')}` : ''} ${one.kind}`),
    ` measured, ${plural(one.samples, 'sample')} of ${plural(one.horizon, 'step')}${one.left_out ? `, ${one.left_out} that cannot be changed left out` : ''}${one.ended ? '' : '; not over: it goes on, or was stopped and can go on with --resume'}`);
  return h('section', {}, h('h2', {}, 'Operations of ', h('a', { href: addressOf(found.measured) }, oneLine(found.measured, 100))), h('ul', {}, found.sweeps.map(line)));
}

/** @param {any[]} effects */
function effectsPart(effects) {
  const head = h('tr', {});
  const body = h('tbody', {});
  const used = EFFECT_COLUMNS.filter((one) => one.name !== 'arms' || effects.some((row) => row.arms));
  const draw = () => {
    const column = document.activeElement?.getAttribute('data-column');
    head.replaceChildren(...used.map((one) => effectOrder.heading(one, draw)));
    body.replaceChildren(...effectOrder.sorted(effects, EFFECT_COLUMNS).slice(0, 500).map((row) => h('tr', {}, used.map((one, at) => cellOf(one, row, !at)))));
    if (column && head.contains(document.activeElement) === false) /** @type {any} */ (head.querySelector(`[data-column="${column}"]`))?.focus();
  };
  draw();
  const more = effects.length > 500 ? h('p.quiet', {}, `${effects.length - 500} more are not listed.`) : null;
  return h('section', {}, h('h2', {}, 'Measured effects'), h('p.lead', {}, 'Points of progression that the change made: below 0 the operation helped.'),
    h('div.scroll', {}, h('table.effects', {}, h('caption.unseen', {}, 'Measured effects'), h('thead', {}, head), body)), more);
}

/** @param {any[]} arms */
function armsPart(arms) {
  const row = (/** @type {any} */ one) => {
    const against = one.difference;
    const ends = against && against.low !== null ? [100 * against.low, 100 * against.high] : null;
    const mood = ends && ends[0] > 0 ? 'gain' : ends && ends[1] < 0 ? 'bad' : 'quiet';
    return h('tr', {}, h('th', { scope: 'row' }, one.run ? h('a.name', { href: addressOf(one.run) }, one.arm) : h('b', {}, one.arm)),
      figureCell('episodes', [String(one.episodes), small(one.failed && `${one.failed} failed, counted as 0`)]), figureCell('progression %', h('b', {}, (100 * one.progression).toFixed(1))),
      figureCell('against on', against ? h(`b.${mood}`, {}, signed(100 * against.mean)) : '–'), figureCell('95 % interval', against ? intervalWords(ends) : '–'),
      figureCell('tokens per step', one.tokens_per_step ? short(Math.round(one.tokens_per_step)) : '–'), figureCell('calls per step', one.calls_per_step.toFixed(2)));
  };
  const columns = ['arm', 'episodes', 'progression %', 'against on', '95 % interval', 'tokens per step', 'calls per step'];
  return h('section', {}, h('h2', {}, 'Arms'), h('div.scroll', {}, h('table', {}, h('caption.unseen', {}, 'Arms'),
    h('thead', {}, h('tr', {}, columns.map((name, at) => h(`th${at ? '.number' : ''}`, { scope: 'col' }, name)))), h('tbody', {}, arms.map(row)))));
}

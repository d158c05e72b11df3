'use strict';
/* Lineage of a search as a tree, ledger of a specialist's run with its losses. */

/** What a run of a loop shows above its evaluations. @param {any} found */
function loopParts(found) {
  const parts = [];
  if (found.tree !== undefined) {
    parts.push(h('section.lineage', {}, h('h2', {}, 'Lineage'),
      found.tree ? h('ol.tree', {}, treeNode(found.tree, { world: found.rows[0]?.world || '', runs: found.runs })) : h('p.quiet', {}, 'The start has not been evaluated yet.'),
      h('p.quiet.after', {}, found.ending ? `Ended: ${oneLine(found.ending, 400)}` : 'Not ended: it runs, or was stopped and can go on with --resume.')));
  }
  if (found.ledger) parts.push(ledgerPart(found.ledger));
  return parts;
}

/**
 * A reviewer's text; the steps it cites, as [TASK/seed-N step S], are links to them.
 * @param {string} text
 * @param {string|null} incumbent the evaluation that is meant where none is named
 * @param {{world: string, runs: Record<string, string>}} search its evaluations by name
 * @returns {Child[]}
 */
function citing(text, incumbent, { world, runs }) {
  const form = /\[(?:([\w.-]{1,60}):\s?)?([\w.-]{1,100})\/seed-(\d{1,18}) steps? (\d{1,9})(?:\s?[-–]\s?\d{1,9})?\]/g;
  const parts = /** @type {Child[]} */ ([]);
  let at = 0;
  for (let found = form.exec(text); found; found = form.exec(text)) {
    const run = found[1] && found[1] !== 'incumbent' ? runs[found[1]] : incumbent;
    if (!run) continue;
    parts.push(visible(text.slice(at, found.index)), h('a', { href: addressOf(run, { world, task: found[2], seed: Number(found[3]) }, Number(found[4])) }, found[0]));
    at = found.index + found[0].length;
  }
  return [...parts, visible(text.slice(at))];
}

/** @param {any} node @param {{world: string, runs: Record<string, string>}} search @returns {HTMLElement} */
function treeNode(node, search) {
  const good = ['accepted', 'start', 'measured'].includes(node.status);
  const version = node.kind === 'attempt' && node.version !== null ? ` → v${node.version}` : '';
  return h('li', {}, h(`div.node.${node.status.replace(/ /g, '-')}${good ? '.good' : ''}`, {},
    h('p.head', {}, h('b', {}, oneLine(node.name, 60) + version), ' ', h(`span.state.${good ? 'ended' : node.status === 'rejected' ? 'stopped' : 'failed'}`, {}, node.status), ' ',
      node.mean !== null && h('b', {}, points(100 * node.mean, 100 * (node.standard_error || 0)), ' %'), ' ',
      node.run && h('a', { href: addressOf(node.run) }, plural(node.episodes, 'episode'))),
    node.reason && h('p', {}, oneLine(node.reason, 600)), ...verdictLines(node),
    Object.entries(node.changes || {}).map(([area, what]) => h('p.quiet', {}, h('b', {}, area), `: ${oneLine(/** @type {string[]} */ (what).join('; '), 400)}`)),
    (node.measured || []).map((/** @type {any} */ one) => h('p', {}, one.kind === 'holdout' ? 'hold-out seeds: ' : `${oneLine(one.name, 60)}: `,
      one.mean !== null ? points(100 * one.mean, 100 * (one.standard_error || 0)) : '–', ' ', one.run && h('a', { href: addressOf(one.run) }, 'episodes'))),
    (node.texts || []).map((/** @type {any} */ one) => fold(`lineage/${node.name}/${one.name}`, false, `the reviewer's ${one.name}`, () => h('pre.text', {}, citing(one.text, node.cited, search)))),
    (node.differences || []).map((/** @type {any} */ one) => fold(`lineage/${node.name}/${one.name}`, false, [h('span.file', {}, oneLine(one.name, 120)), ` ${diffCount(one.lines)}`], () => diffBlock(one.lines, one.name)))),
  node.attempts && node.attempts.length ? h('ol', {}, node.attempts.map((/** @type {any} */ one) => treeNode(one, search))) : null);
}

/** The figures by which the gate decided, on the gate seeds and on fresh ones. @param {any} node */
function verdictLines(node) {
  const { verdict } = node;
  if (!verdict) return [];
  const line = (/** @type {string} */ seeds, /** @type {any} */ paired, /** @type {Child} */ more) => {
    const [low, high] = paired.interval;
    const at = `at a confidence of ${Number((100 * verdict.confidence).toPrecision(4))} %`;
    const between = low <= -1 && high >= 1 ? `too few pairs for an interval ${at}` : `${signed(100 * low)} … ${signed(100 * high)} ${at}`;
    const gains = paired.differences.map((/** @type {any} */ one) => one.after - one.before);
    const better = gains.filter((/** @type {number} */ one) => one > 0).length;
    const worse = gains.filter((/** @type {number} */ one) => one < 0).length;
    return h('p.quiet', {}, `${seeds}: difference ${signed(100 * paired.mean_difference)} points, ${between}; ${better} better, ${worse} worse, ${gains.length - better - worse} equal. `, more);
  };
  const pairs = node.run && node.cited && h('a', { href: `/compare?a=${encodeURIComponent(node.cited)}&b=${encodeURIComponent(node.run)}` }, 'pair by pair');
  return [line('gate seeds', verdict, pairs), verdict.fresh && line('fresh seeds', verdict.fresh, null)];
}

/** @param {any[]} entries */
function ledgerPart(entries) {
  if (!entries.length) return h('section', {}, h('h2', {}, 'Ledger'), h('p.quiet', {}, 'Nothing has been trained or measured yet.'));
  const columns = ['training', 'loss', 'examples', 'rank / rate / epochs', 'progression %', 'valid turns', 'tokens', 'time'];
  return h('section', {}, h('h2', {}, 'Ledger'), h('div.scroll', {}, h('table', {}, h('caption.unseen', {}, 'Ledger'),
    h('thead', {}, h('tr', {}, columns.map((name, at) => h(`th${at > 1 ? '.number' : ''}`, { scope: 'col' }, name)))),
    h('tbody', {}, entries.map((one) => h('tr', {},
      h('th', { scope: 'row' }, one.eval ? h('a.name', { href: addressOf(one.eval) }, oneLine(one.run, 80)) : h('b', {}, oneLine(one.run, 80)), small(one.role !== one.run && one.role), small(one.note)),
      h('td', { 'data-name': 'loss' }, one.losses.length > 1 ? lossCurve(one.losses) : null, one.first_loss !== null && one.last_loss !== null ? small(`${one.first_loss.toFixed(3)} → ${one.last_loss.toFixed(3)}`) : '–'),
      figureCell('examples', one.configuration ? short(one.examples) : '–'),
      figureCell('rank / rate / epochs', one.configuration ? `${one.configuration.rank} / ${one.configuration.learning_rate} / ${one.configuration.epochs}` : '–'),
      figureCell('progression %', [h('b', {}, points(one.mean)), small(one.episodes && plural(one.episodes, 'episode'))]),
      figureCell('valid turns', one.measures.valid_turns === undefined ? '–' : percent(one.measures.valid_turns)),
      figureCell('tokens', one.configuration ? short(one.tokens) : '–'), figureCell('time', one.configuration ? lasting(one.seconds) : '–')))))));
}

/** @param {number[][]} losses step and loss of each point */
function lossCurve(losses) {
  const [width, height] = [180, 42];
  const most = Math.max(...losses.map((one) => one[1]), 1e-9);
  const [first, last] = [losses[0][0], losses[losses.length - 1][0]];
  const path = losses.map(([step, loss], at) => `${at ? 'L' : 'M'}${(((step - first) / (last - first || 1)) * width).toFixed(1)} ${(height - 2 - (loss / most) * (height - 4)).toFixed(1)}`).join('');
  return svg('svg', { class: 'spark', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': `loss over ${last} steps, from ${losses[0][1].toFixed(3)} to ${losses[losses.length - 1][1].toFixed(3)}` },
    svg('path', { class: 'curve', d: path }));
}

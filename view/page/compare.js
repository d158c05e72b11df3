'use strict';
/* Two runs beside each other. */

/** The page. */
async function comparePage() {
  const asked = new URLSearchParams(location.search);
  const [one, other] = [asked.get('a') || '', asked.get('b') || ''];
  crumbs([['Runs', '/'], ['Comparison']]);
  listen([{ key: 'u', does: 'back to all runs', act: () => location.assign('/') },
    { key: 's', does: 'swap the two', act: () => location.assign(`/compare?a=${encodeURIComponent(other)}&b=${encodeURIComponent(one)}`) }]);
  const found = await ask(`/api/compare?a=${encodeURIComponent(one)}&b=${encodeURIComponent(other)}`);
  const side = (/** @type {string} */ letter, /** @type {string} */ name) => h('span.side', {}, h(`b.letter.${letter}`, {}, letter.toUpperCase()), h('a', { href: addressOf(name) }, name));
  byId('main').replaceChildren(
    h('div.title', {}, h('h1', {}, 'Comparison'), side('a', one), side('b', other)),
    ...pairedParts(found, one, other), ...settingsParts(found), ...diffParts('Scaffold', found.scaffold.files, found.scaffold.problem, 'The scaffolds are the same.'),
    ...diffParts('First prompts', found.prompts, found.paired ? null : 'No prompt of both is there to be compared.', 'The prompts are the same.'));
}

/** @param {any} found @param {string} one @param {string} other */
function pairedParts(found, one, other) {
  const paired = found.paired;
  if (!paired) {
    const worlds = found.worlds[0] !== found.worlds[1] ? `One plays ${found.worlds[0]}, the other ${found.worlds[1]}.` : 'They share no task and seed that ended in both.';
    return [h('p.quiet', {}, `Nothing can be paired: ${worlds}`)];
  }
  const better = paired.pairs.filter((/** @type {any} */ one_) => one_.after > one_.before).length;
  const worse = paired.pairs.filter((/** @type {any} */ one_) => one_.after < one_.before).length;
  const interval = paired.interval ? `${signed(paired.interval[0])} … ${signed(paired.interval[1])}` : 'too few pairs for an interval';
  const sure = paired.interval && (paired.interval[0] > 0 || paired.interval[1] < 0);
  const verdict = !sure ? 'Chance alone can explain it.' : paired.mean > 0 ? 'B plays better than A.' : 'B plays worse than A.';
  const figure = (/** @type {string} */ name, /** @type {Child|Child[]} */ value) => h('div.figure', {}, h('dt', {}, name), h('dd', {}, value));
  const left = found.alone[0] + found.alone[1] ? `${found.alone[0]} of A and ${found.alone[1]} of B have no partner.` : '';
  return [
    h('dl.figures.large', {},
      figure('B minus A, points', h(`b.${sure ? (paired.mean > 0 ? 'gain' : 'bad') : 'quiet'}`, {}, signed(paired.mean))), figure('90 % interval', interval),
      figure('A', points(paired.means[0], paired.errors[0])), figure('B', points(paired.means[1], paired.errors[1])),
      figure('pairs', `${better} better, ${worse} worse, ${paired.pairs.length - better - worse} equal`), figure('chance', paired.chance.toPrecision(2))),
    h('p.verdict', {}, h('b', {}, verdict), ` Failed episodes count 0. ${left}`),
    slopes(paired.pairs, one, other, found.worlds[0]),
  ];
}

/** A line for each pair, from what A reached to what B did. @param {any[]} pairs @param {string} one @param {string} other @param {string} world */
function slopes(pairs, one, other, world) {
  const most = Math.max(1, ...pairs.flatMap((pair) => [pair.before, pair.after]));
  const row = (/** @type {any} */ pair) => {
    const gain = pair.after - pair.before;
    const place = (/** @type {number} */ value) => `${((100 * value) / most).toFixed(2)}%`;
    const from = Math.min(pair.before, pair.after);
    const line = h(`i.${gain > 0 ? 'gain' : gain < 0 ? 'bad' : 'quiet'}`, {});
    line.style.setProperty('left', place(from));
    line.style.setProperty('width', place(Math.abs(gain)));
    const dot = (/** @type {string} */ letter, /** @type {number} */ value) => {
      const href = addressOf(letter === 'a' ? one : other, { world, ...pair });
      const made = h(`a.point.${letter}`, { href, tabindex: -1, title: `${letter.toUpperCase()}, ${pair.name}: ${value.toFixed(1)} %` });
      made.style.setProperty('left', place(value));
      return made;
    };
    return h('tr', {}, h('th', { scope: 'row' }, oneLine(pair.name, 80)),
      h('td.track', {}, h('div', { 'aria-hidden': true }, line, dot('a', pair.before), dot('b', pair.after))),
      h('td.number', { 'data-name': 'A' }, `${pair.before.toFixed(1)}`), h('td.number', { 'data-name': 'B' }, `${pair.after.toFixed(1)}`),
      h('td.number', { 'data-name': 'B − A' }, h(`b.${gain > 0 ? 'gain' : gain < 0 ? 'bad' : 'quiet'}`, {}, signed(gain))),
      h('td', { 'data-name': 'open' }, h('a', { href: addressOf(one, { world, ...pair }), 'aria-label': `A, ${pair.name}` }, 'A'), ' ', h('a', { href: addressOf(other, { world, ...pair }), 'aria-label': `B, ${pair.name}` }, 'B')));
  };
  const shown = [...pairs].sort((left, right) => Math.abs(right.after - right.before) - Math.abs(left.after - left.before));
  return h('section', {}, h('h2', {}, 'Pair by pair'), h('div.scroll', {}, h('table.slopes', {}, h('caption.unseen', {}, 'Pairs'),
    h('thead', {}, h('tr', {}, ['task and seed', 'progression', 'A', 'B', 'B − A', 'open'].map((name, at) => h(`th${at > 1 ? '.number' : ''}`, { scope: 'col' }, name)))),
    h('tbody', {}, shown.slice(0, 300).map(row)))));
}

/** @param {any} found */
function settingsParts(found) {
  const shown = (/** @type {any} */ value) => (value === null || value === undefined ? '–' : typeof value === 'string' ? value : JSON.stringify(value));
  if (!found.settings.length) return [h('h2', {}, 'Settings'), h('p.quiet', {}, 'The settings are the same.')];
  return [h('section', {}, h('h2', {}, 'Settings that differ'), h('div.scroll', {}, h('table', {}, h('caption.unseen', {}, 'Settings that differ'),
    h('thead', {}, h('tr', {}, ['setting', 'A', 'B'].map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, found.settings.map((/** @type {any} */ one) => h('tr', {}, h('th', { scope: 'row' }, oneLine(one.name.replace(/_/g, ' '), 80)), h('td', { 'data-name': 'A' }, oneLine(shown(one.one), 300)), h('td', { 'data-name': 'B' }, oneLine(shown(one.other), 300))))))))];
}

/** @param {string} title @param {any[]} files @param {string|null} problem @param {string} same */
function diffParts(title, files, problem, same) {
  const differ = files.filter((one) => one.lines.length);
  return [h('section', {}, h('h2', {}, title), problem ? h('p.quiet', {}, oneLine(problem, 400)) : null,
    !differ.length && !problem ? h('p.quiet', {}, same) : null,
    differ.map((one) => fold(`${title}/${one.name}`, differ.length === 1, [h('b', {}, oneLine(one.name, 120)), ` ${diffCount(one.lines)}`], () => diffBlock(one.lines, one.name))))];
}

/** @param {[string, string][]} lines */
function diffCount(lines) {
  const count = (/** @type {string} */ sign) => lines.filter(([found]) => found === sign).length;
  return `+${count('+')} −${count('-')}`;
}

/** A difference, line by line. @param {[string, string][]} lines @param {string} name of what differs */
function diffBlock(lines, name) {
  const kinds = /** @type {Record<string, string>} */ ({ '+': 'added', '-': 'removed', '@': 'place' });
  return h('div.diff', { role: 'group', 'aria-label': `difference of ${oneLine(name, 80)}`, tabindex: 0 }, lines.map(([sign, text]) => h(`div.${kinds[sign] || 'same'}`, {},
    h('span.sign', {}, { '-': '−', '+': '+' }[sign] || '\u00a0'), h('span', {}, (sign === '@' ? sign : '') + visible(text.slice(0, 4000)) || '\u00a0'))));
}

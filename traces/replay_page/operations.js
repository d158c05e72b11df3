'use strict';
/* One operation: what was asked, how it ended, and the lines it returned or wrote, with where each came from. */

/** Of each outcome: a sign, a mood (its colour), and what it means. @type {Record<string, [string, string, string]>} */
const OUTCOMES = {
  hit: ['✓', 'recall', ''],
  empty: ['∅', 'empty', 'no line of it fits'],
  missing: ['∅', 'empty', 'there is no such file'],
  written: ['✎', 'write', ''],
  duplicate: ['=', 'quiet', 'nothing changed: it stood there already'],
  exists: ['=', 'quiet', 'nothing changed: the file was there already'],
  rejected: ['✕', 'bad', ''],
  mistake: ['✕', 'bad', 'could not be read, or is not allowed here'],
  done: ['■', 'quiet', 'nothing more to do in this routine'],
  act: ['➤', 'act', ''],
  held: ['…', 'quiet', 'held back: written before results could be seen'],
  removed: ['…', 'quiet', 'taken out before the handoff'],
  repeated: ['=', 'quiet', 'not run again: the reply equals the one before it'],
  vetoed: ['✕', 'bad', "turned down by the scaffold's hook"],
  valid: ['✓', 'act', ''],
  repaired: ['↻', 'empty', 'mended before it was sent'],
  invalid: ['✕', 'bad', 'no action of this world: the default was sent'],
  'missing action': ['✕', 'bad', 'no action was written: the default was sent'],
};

/** Lines of a result that are shown at once. */
const LINES = 8;

/** @param {string} outcome */
function outcomeOf(outcome) {
  return Object.hasOwn(OUTCOMES, outcome) ? OUTCOMES[outcome] : ['·', 'quiet', ''];
}

/** An outcome as a sign and a word, coloured too. @param {string} outcome @param {string} [more] */
function badge(outcome, more = '') {
  const [sign, mood] = outcomeOf(outcome);
  return h(`span.badge.${mood}`, {}, h('span', { 'aria-hidden': true }, `${sign} `), `${oneLine(outcome, 40)}${more}`);
}

/**
 * A button that leads to the step a line came from.
 * @param {Who|undefined} who
 * @param {number} now the step shown
 */
function source(who, now) {
  if (!who) return null;
  if (!who.step) return h('span.source', { title: 'It came with the scaffold.' }, 'at the start');
  if (who.step === now) return h('span.source.now', {}, `now, ${who.routine}`);
  const title = `Written at step ${who.step} in ${who.routine}, ${plural(now - who.step, 'step')} ago: go there`;
  return h('button.source', { type: 'button', title, 'data-step': who.step }, `step ${who.step}`, h('span.by', {}, `, ${who.routine}`));
}

/**
 * @param {any} operation
 * @param {View} view
 * @param {number} step
 * @param {string} key
 * @param {Child[]} [more] what else belongs to it
 */
function operationCard(operation, view, step, key, more = []) {
  const outcome = operation.outcome;
  const [, mood, meaning] = outcomeOf(outcome);
  const answer = view.answers.get(operation) || [];
  const { file, text, ...rest } = operation.arguments;
  const asked = Object.entries(rest).map(([name, value]) =>
    h('span.argument', { title: name }, oneLine(typeof value === 'string' ? value : JSON.stringify(value), 300)));
  const code = operation.code ? `: ${oneLine(String(operation.code).replace(/_/g, ' '), 80)}` : '';
  const card = h(`div.operation.${mood}`, {},
    h('div.asked', {},
      h('b', {}, oneLine(operation.operation || 'unread', 80)), ' ',
      file !== undefined && h('span.file', {}, oneLine(String(file), 120)), ' ', asked,
      badge(outcome, code), operation.redundant && outcome === 'written' && h('span.badge.quiet', {}, '= says it again'),
      ...(operation.effects || []).map(effectBadge),
      h('span.count', {}, countOf(operation, answer))));
  if (meaning && outcome !== 'done') card.append(h('p.meaning', {}, meaning));
  const isShown = answer.length && (outcome === 'hit' || outcome === 'written');
  if (isShown) card.append(...resultLines(operation, answer, view, step, key));
  else if (typeof text === 'string' && text.trim()) card.append(block(text, '.quoted'));
  fill(card, {}, more);
  return card;
}

/** What a change of the operation did to progression, as points, interval and verdict. @param {any} effect */
function effectBadge(effect) {
  const mood = { helpful: 'gain', harmful: 'bad' }[/** @type {string} */ (effect.verdict)] || 'quiet';
  const interval = effect.low === null ? '' : ` [${signed(effect.low)}, ${signed(effect.high)}]`;
  const edited = effect.kind === 'recall' ? 'with another answer' : 'with another text';
  const change = { drop: 'without it', edit: edited, file: 'with other files' }[/** @type {string} */ (effect.change)];
  const title = `${plural(effect.samples, 'sample')}, played on with it and ${change}; the interval holds 95 %`
    + (effect.text === null ? '' : `; the text: ${oneLine(effect.text, 200)}`);
  return h(`span.badge.${mood}`, { title }, `${change} ${signed(effect.mean)} points${interval}: ${effect.verdict}`);
}

/** @param {any} operation @param {Shown[]} answer */
function countOf(operation, answer) {
  const total = operation.total || 0;
  if (operation.outcome === 'hit' && !answer.length) return `${total}`;
  if (operation.outcome !== 'hit') return '';
  return total > answer.length ? `${answer.length} of ${plural(total, 'line')}` : plural(answer.length, 'line');
}

/**
 * @param {any} operation
 * @param {Shown[]} answer
 * @param {View} view
 * @param {number} step
 * @param {string} key
 */
function resultLines(operation, answer, view, step, key) {
  const written = operation.outcome === 'written';
  /** @param {Shown} one */
  const row = ({ number, line }) => {
    const who = view.who(line.revision);
    return h(`li${written ? '.added' : ''}`, {}, h('span.number', {}, written ? `+${number}` : number),
      h('span.said', {}, visible(line.text.slice(0, 2000))), !written && source(who, step));
  };
  const most = answer.length > LINES + 2 ? LINES : answer.length;
  const first = h('ol.lines', {}, answer.slice(0, most).map(row));
  if (most === answer.length) return [first];
  return [first, fold(`${key}/lines`, false, plural(answer.length - most, 'more line'),
    () => h('ol.lines', {}, answer.slice(most, most + 1000).map(row)))];
}

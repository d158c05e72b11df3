'use strict';
/* One episode at one step: the game, what was said, the notebook. */

/**
 * @param {any} episode
 * @param {number} step
 * @param {boolean} alone whether it is the only one shown
 * @returns {Promise<HTMLElement[]>}
 */
async function panelParts(episode, step, alone) {
  const ended = step > episode.steps;
  const frame = await frameAt(episode, Math.min(step, episode.positions));
  if (ended) {
    const view = await episode.book.view(episode.positions, []);
    const beyond = step > episode.positions;
    return [
      part('world', 'The end', [endCard(episode, beyond), frame, !beyond && episode.final && seen(episode.final), stories(episode, step)]),
      part('book', 'Notebook at the end', notebookFiles(episode, view, episode.positions)),
    ];
  }
  const now = await episode.step(step);
  const operations = inOrder(now);
  const view = await episode.book.view(step, operations);
  const told = () => seen(now.seen.map((/** @type {number} */ number) => now.texts.get(number)));
  const observation = alone ? told() : fold(`${episode.number}/seen`, false, 'what the model reads of it', told);
  return [
    part('world', 'What it sees', [
      h('div.scene', {}, frame, outcomeLine(now), story(episode, step), observation), alone && stories(episode, step)]),
    part('talk', 'What it thinks and does', turns(episode, now, view)),
    part('book', 'Notebook', notebookFiles(episode, view, step)),
    ...(alone || !episode.arcs.length ? [] : [part('more', 'From note to gain', [stories(episode, step)])]),
  ];
}

/** All operations of a step as they ran. @param {any} step */
function inOrder(step) {
  const all = [...step.hooks, ...step.talks.flatMap((/** @type {any} */ talk) => talk.operations)];
  return all.map((one, at) => ({ one, at })).filter(({ one }) => one.revision)
    .sort((a, b) => a.one.revision - b.one.revision || a.at - b.at).map(({ one }) => one);
}

/** @param {string} kind @param {string} title @param {Child[]} content */
function part(kind, title, content) {
  return h(`section.part.${kind}`, { 'aria-label': title, tabindex: 0 }, h('h2', {}, title), content);
}

/** The observation. @param {string[]} texts */
function seen(texts) {
  return h('div.seen', {}, texts.filter((text) => text.trim()).map((text) => block(text)));
}

/** What the step came to, in one line. @param {any} step */
function outcomeLine(step) {
  const changed = step.chosen !== null && step.chosen !== step.action;
  return h('p.outcome', {}, changed && [h('span.chosen', {}, oneLine(step.chosen, 80)), h('span', { 'aria-label': 'sent as' }, '→')],
    h('b', {}, oneLine(step.action, 80)), ' ',
    badge(step.how === 'missing' ? 'missing action' : step.how), rewardOf(step), flagsOf(step));
}

/** @param {any} episode @param {boolean} beyond */
function endCard(episode, beyond) {
  const result = episode.result;
  const said = !result ? 'it was not finished when this page was made'
    : result.status === 'damaged' ? `its files are damaged: ${oneLine(result.failure.sentence, 300)}`
    : result.status === 'failed' ? `failed: ${result.failure ? oneLine(result.failure.sentence, 200) : 'unknown'}`
      : oneLine(String(result.end_reason || result.status).replace(/_/g, ' '), 80);
  const when = !result ? `Its recording ends after step ${episode.steps}`
    : beyond ? `It ended after step ${episode.steps}` : 'The episode has ended';
  return h('div.ending', {},
    h('p', {}, h('b', {}, when), `: ${said}.`),
    result && h('p.figures', {},
      figure('progression', percent(result.progression)), figure('return', signed(result.episode_return)),
      figure('steps', result.steps.toLocaleString('en')),
      result.metrics.unproductive_action_rate != null && figure('unproductive', percent(result.metrics.unproductive_action_rate)),
      result.metrics.writes_per_search != null && figure('writes per search', result.metrics.writes_per_search.toFixed(2))));
}

/** @param {string} name @param {string} value */
function figure(name, value) {
  return h('span.figure', {}, h('b', {}, value), ' ', name);
}

/** A step to go to. @param {number} step @param {Child} text @param {number} now */
function stepButton(step, text, now) {
  const here = step === now;
  return h(`button.jump${here ? '.here' : ''}`, { type: 'button', 'data-step': step, 'aria-current': here && 'step' }, text);
}

/** The steps of an arc. @param {any} arc @param {number} now */
function arcSteps(arc, now) {
  return h('span.arcsteps', {}, stepButton(arc.written, `✎ step ${arc.written}`, now), ' → ',
    stepButton(arc.recalled, `◂ step ${arc.recalled}`, now), ' → ', stepButton(arc.gained, `★ step ${arc.gained}`, now));
}

/** Where this step stands in an arc, if it does. @param {any} episode @param {number} step */
function story(episode, step) {
  const arc = episode.arcs.find((/** @type {any} */ one) => step >= one.recalled && step <= one.gained) ||
    episode.arcs.find((/** @type {any} */ one) => step === one.written);
  if (!arc) return null;
  const later = arc.gained - step;
  const said = step === arc.written ? `Written now, recalled ${plural(arc.recalled - step, 'step')} later:`
    : step === arc.recalled ? `Recalled now, ${plural(step - arc.written, 'step')} after it was written:`
      : `Recalled ${plural(step - arc.recalled, 'step')} ago, written at step ${arc.written}:`;
  const then = later > 0 && step !== arc.written ? `${plural(later, 'step')} later: ` : step === arc.gained ? 'now: ' : 'then: ';
  return h('aside.story', { 'aria-label': 'From note to gain' },
    h('p', {}, said), h('q', {}, oneLine(arc.text, 200)),
    h('p', {}, then, h('b.gained', {}, `★ ${signed(arc.reward)} ${oneLine(arc.what.replace(/_/g, ' '), 80)}`)), arcSteps(arc, step));
}

/** All arcs of an episode. @param {any} episode @param {number} step */
function stories(episode, step) {
  if (!episode.arcs.length) return null;
  const count = episode.arcs.length;
  return fold(`${episode.number}/stories`, false, `From note to gain: ${count} ${count === 1 ? 'story' : 'stories'}`, () =>
    h('ol.stories', {}, episode.arcs.map((/** @type {any} */ arc) => h('li', {},
      h('b.gained', {}, `★ ${signed(arc.reward)} ${oneLine(arc.what.replace(/_/g, ' '), 80)}`), h('q', {}, oneLine(arc.text, 160)),
      h('span.count', {}, oneLine(arc.file, 60)), arcSteps(arc, step)))), '.storylist');
}

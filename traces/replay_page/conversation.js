'use strict';
/* LOG and PLAN as conversations: what the model said, what it did to its notebook, what it was answered. */

/**
 * @param {any} episode
 * @param {any} step
 * @param {View} view
 */
function turns(episode, step, view) {
  const parts = /** @type {Child[]} */ ([]);
  const told = step.notices.map((/** @type {number} */ number) => step.texts.get(number));
  if (told.length) {
    const texts = told.map((/** @type {string} */ text) => block(text));
    parts.push(h('section.notices', { 'aria-label': 'Notices' }, h('h3', {}, 'Notices to the model'), texts));
  }
  if (step.hooks.length) {
    const cards = step.hooks.map((/** @type {any} */ one, /** @type {number} */ at) =>
      operationCard(one, view, step.number, `${episode.number}/hook/${at}`));
    parts.push(h('section.turn', {}, h('h3', {}, "Scaffold's own upkeep"), cards));
  }
  step.talks.forEach((/** @type {any} */ talk, /** @type {number} */ at) => parts.push(routine(episode, step, talk, view, at)));
  if (!step.talks.length) parts.push(h('p.quiet', {}, 'No model was asked at this step.'));
  parts.push(actionCard(step));
  return parts;
}

/** @param {any} episode @param {any} step @param {any} talk @param {View} view @param {number} at */
function routine(episode, step, talk, view, at) {
  const name = String(talk.routine);
  const key = `${episode.number}/${name}${at}`;
  const handed = at > 0 && step.talks[at - 1].routine === talk.routine;
  const names = new Set(talk.operations.flatMap((/** @type {any} */ one) =>
    one.operation === 'act' ? ['ACTION', 'ACT'] : [String(one.operation).toUpperCase()]));
  const asks = name === 'LOG' ? 'what is worth recording?' : 'what must be recalled to act now?';
  const two = step.talks.some((/** @type {any} */ one) => one.role !== talk.role); // models in two roles
  const header = h('h3', {}, h(`span.routine.${name === 'LOG' ? 'log' : 'plan'}`, {}, oneLine(name, 40)),
    h('span.purpose', {}, handed ? 'handed over: commits the action' : asks),
    h('span.model', {}, `${oneLine(talk.model, 80)}${two ? `, ${talk.role}` : ''}`));
  const section = h(`section.turn.${name === 'LOG' ? 'log' : 'plan'}`, { 'aria-label': name }, header);
  section.append(promptFold(`${key}/prompt`, 'the prompt, exactly', step, talk, 0));
  talk.prompts.forEach((/** @type {number} */ length, /** @type {number} */ call) => {
    section.append(...reply(key, step, talk, view, names, length, call));
  });
  return section;
}

/**
 * One reply, its operations, and what they were answered.
 * @param {string} key
 * @param {any} step
 * @param {any} talk
 * @param {View} view
 * @param {Set<string>} names
 * @param {number} length messages of its prompt
 * @param {number} call
 */
function reply(key, step, talk, view, names, length, call) {
  const message = talk.messages[length];
  const operations = talk.operations.filter((/** @type {any} */ one) => one.call === call);
  const [asked, said] = talk.tokens[call] || [];
  const count = (/** @type {number|null} */ tokens) => (tokens || 0).toLocaleString('en');
  const cost = asked || said ? h('p.cost', {}, `${count(asked)} → ${count(said)} tokens`) : null;
  const spoken = message ? [words(step.texts.get(message[1]), names), ...toolCalls(message[2])] : [];
  const shown = /** @type {Child[]} */ ([]);
  const thoughts = talk.thoughts?.[call] ?? null;
  if (thoughts !== null) {
    shown.push(fold(`${key}/thoughts`, false, 'what the model thought first: no part of its reply',
      () => [block(step.texts.get(thoughts), '.thoughts')]));
  }
  shown.push(h('div.bubble', {}, spoken, cost));
  if (call) shown.push(promptFold(`${key}/${call}/prompt`, 'what this reply was asked, exactly', step, talk, call));
  shown.push(...operations.map((/** @type {any} */ one, /** @type {number} */ at) =>
    operationCard(one, view, step.number, `${key}/${call}/${at}`, cardParts.map((part) => part(one, step, talk)))));
  const end = talk.prompts[call + 1] ?? talk.messages.length;
  const answers = talk.messages.slice(length + 1, end);
  if (answers.length) {
    const wrong = operations.some((/** @type {any} */ one) => ['rejected', 'mistake', 'missing'].includes(one.outcome));
    shown.push(fold(`${key}/answer${wrong ? ' wrong' : ''}`, wrong, 'the answer, as the model read it',
      () => answers.map((/** @type {any[]} */ one) => block(step.texts.get(one[1]), '.answer')), '.answered'));
  }
  return /** @type {Node[]} */ (shown);
}

/** What was chosen, what was sent, what came of it. @param {any} step */
function actionCard(step) {
  const how = step.how === 'missing' ? 'missing action' : step.how;
  const [, mood, meaning] = outcomeOf(how);
  const changed = step.chosen !== null && step.chosen !== step.action;
  return h(`section.action.${mood}`, { 'aria-label': 'Action' },
    h('h3', {}, 'Action'),
    h('p.sent-action', {},
      changed && [h('span.chosen', {}, h('small', {}, 'chosen '), oneLine(step.chosen, 200)), h('span', { 'aria-hidden': true }, ' → ')],
      h('b', {}, changed && h('small', {}, 'sent '), oneLine(step.action, 120)), ' ', badge(how), rewardOf(step), flagsOf(step)),
    meaning && how !== 'valid' && h('p.meaning', {}, meaning),
    step.complaints.length > 0 && h('div.complaints', {}, h('small', {}, 'The next prompt says:'),
      step.complaints.map((/** @type {number} */ number) => block(step.texts.get(number)))));
}

/** @param {any} step */
function rewardOf(step) {
  return step.reward ? h(`span.badge.${step.reward > 0 ? 'gain' : 'bad'}`, {}, `reward ${signed(step.reward)}`) : null;
}

/** How the action led nowhere, and why the episode ended. @param {any} step */
function flagsOf(step) {
  const meanings = /** @type {Record<string, string>} */ ({
    stuck: 'nothing the agent can perceive changed', oscillating: 'the last four observations were A, B, A, B',
  });
  return [
    ...step.flags.filter((/** @type {string} */ flag) => meanings[flag]).map((/** @type {string} */ flag) =>
      h('span.badge.stuck', { title: meanings[flag] }, `⟲ ${flag}`)),
    step.end && h('span.badge.act', {}, `■ ended: ${oneLine(String(step.end), 80)}`),
  ];
}

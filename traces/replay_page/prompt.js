'use strict';
/* What a model was sent, exactly, and what it wrote, with its operations set off. */

/**
 * The messages of a prompt, each as it was sent; made when it is opened.
 * @param {string} key
 * @param {string} title
 * @param {any} step
 * @param {any} talk
 * @param {number} call whose prompt it is
 */
function promptFold(key, title, step, talk, call) {
  const parts = promptParts(step, talk, call);
  const whole = parts.reduce((sum, { text }) => sum + text.length, 0);
  const [tokens] = talk.tokens[call] || [];
  const share = (/** @type {string} */ text) => (whole ? text.length / whole : 0);
  const counted = (/** @type {string} */ text) => (tokens ? ` · about ${Math.round(tokens * share(text)).toLocaleString('en')} tokens` : '');
  const said = `${title}: ${plural(whole, 'character')}${tokens ? `, ${plural(tokens, 'token')}` : ''}`;
  return fold(key, false, said, () => [
    ...parts.map(({ role, text, rest, cut }) => {
      return h('section.sent', {},
        h('h4', {}, `${role} · ${plural(text.length, 'character')} · ${percent(share(text))}${counted(text)}${cut ? ' · shortened, for it did not fit' : ''}`),
        h('pre.text.exact', {}, text),
        rest && h('pre.text.exact', {}, JSON.stringify(rest, null, 1)));
    }),
    talk.tools !== undefined && h('section.sent', {}, h('h4', {}, 'tools'), h('pre.text.exact', {}, step.texts.get(talk.tools))),
  ], '.prompt');
}

/**
 * The messages of a call's prompt as they were sent.
 * @param {any} step
 * @param {any} talk
 * @param {number} call
 * @returns {{role: string, text: string, rest: any, cut: boolean}[]}
 */
function promptParts(step, talk, call) {
  const length = talk.prompts.length ? talk.prompts[call] : talk.messages.length;
  const cut = new Map(talk.shortened ? talk.shortened[call] : []);
  return talk.messages.slice(0, length).map((/** @type {any[]} */ [role, number, rest], /** @type {number} */ at) =>
    ({ role, text: step.texts.get(cut.has(at) ? cut.get(at) : number), rest, cut: cut.has(at) }));
}

/**
 * A model's words, its operations set off from them.
 * @param {string} text
 * @param {Set<string>} names of the operations it wrote, in capitals
 */
function words(text, names) {
  if (!text.trim()) return null;
  if (text.length > CLIP) return block(text, '.reply');
  const pre = h('pre.text.reply', {});
  const tag = /<\|?([A-Za-z_]{1,32})\|?>/g;
  let at = 0;
  for (let found = tag.exec(text); found; found = tag.exec(text)) {
    const name = found[1].toUpperCase();
    if (!names.has(name) || found.index < at) continue;
    const end = endOf(text, found.index + found[0].length, name);
    pre.append(visible(text.slice(at, found.index)), h('mark.call', {}, visible(text.slice(found.index, end))));
    at = end;
    tag.lastIndex = end;
  }
  pre.append(visible(text.slice(at)));
  return pre;
}

/** Where an operation that was begun ends. @param {string} text @param {number} from @param {string} name */
function endOf(text, from, name) {
  if (name === 'DONE') return from;
  const closer = /<\|?\/?END\|?[>}]?|<\|[A-Z_]{1,32}\|>/gi;
  closer.lastIndex = from;
  const found = closer.exec(text);
  if (!found) return text.length;
  return /END/i.test(found[0]) ? closer.lastIndex : found.index;
}

/** The native tool calls of a message. @param {any} rest */
function toolCalls(rest) {
  const calls = rest && Array.isArray(rest.tool_calls) ? rest.tool_calls : [];
  return calls.map((/** @type {any} */ call) => {
    const made = (call && call.function) || {};
    return h('pre.text.reply', {}, h('mark.call', {}, visible(`${made.name}(${String(made.arguments).slice(0, CLIP)})`)));
  });
}

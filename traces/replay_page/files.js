'use strict';
/* The notebook's files: each line with whether it came, went or was recalled in this step, and which step wrote it. */

/** Unchanged lines around one that matters; longer stretches are folded. */
const AROUND = 3;
/** Files up to so many lines are shown whole. */
const WHOLE = 60;
/** So few recalled lines are set off from the others; where whole files are read, a sign at each must do. */
const FEW = 12;

/** @param {any} episode @param {View} view @param {number} step */
function notebookFiles(episode, view, step) {
  const files = [...view.pages].sort(([one], [other]) => (one < other ? -1 : 1));
  if (!files.length) {
    const off = 'The notebook is off in this episode: nothing is recorded, nothing recalled.';
    return [h('p.quiet', {}, episode.about.notebook === 'off' ? off : 'No files yet.')];
  }
  const lines = files.reduce((sum, [, page]) => sum + page.lines.length, 0);
  const quiet = ![...view.touched].length;
  return files.map(([name, page]) => {
    const here = page.lines.filter((line) => !view.removed.has(line)).length;
    const counts = countsOf(page, view);
    const open = view.touched.has(name) || (quiet && lines <= WHOLE && here > 0);
    return fold(`${episode.number}/file/${name}${view.touched.has(name) ? '/touched' : ''}`, open, [
      h('span.file', {}, oneLine(name, 120)),
      h('span.count', {}, page.gone ? 'gone' : plural(here, 'line')),
      counts.added > 0 && h('span.badge.write', {}, `+${counts.added} added`),
      counts.removed > 0 && h('span.badge.bad', {}, `−${counts.removed} removed`),
      counts.recalled > 0 && h('span.badge.recall', {}, `◂${counts.recalled} recalled`),
    ], () => pageLines(page, view, step), '.page');
  });
}

/** @param {Page} page @param {View} view */
function countsOf(page, view) {
  const counts = { added: 0, removed: 0, recalled: 0 };
  for (const line of page.lines) {
    if (view.removed.has(line)) counts.removed += 1;
    else if (view.added.has(line)) counts.added += 1;
    if (view.recalled.has(line)) counts.recalled += 1;
  }
  return counts;
}

/** @param {Page} page @param {View} view @param {number} step */
function pageLines(page, view, step) {
  if (!page.lines.length) return h('p.quiet', {}, 'empty');
  /** @type {{line: Line, number: number}[]} */
  const rows = [];
  let number = 0;
  for (const line of page.lines) {
    if (!view.removed.has(line)) number += 1;
    rows.push({ line, number });
  }
  const few = page.lines.filter((line) => view.recalled.has(line)).length <= FEW;
  const list = h(`ol.lines.book${few ? '.few' : ''}`, {});
  const all = () => list.replaceChildren(...rows.map((row) => bookLine(row.line, row.number, view, step)));
  if (rows.length <= WHOLE) {
    all();
    return list;
  }
  const marked = view.recalled.size <= WHOLE ? [view.added, view.removed, view.recalled] : [view.added, view.removed];
  const matters = nearby(rows.map(({ line }) => marked.some((kind) => kind.has(line))));
  for (let at = 0; at < rows.length;) {
    if (matters[at]) {
      list.append(bookLine(rows[at].line, rows[at].number, view, step));
      at += 1;
      continue;
    }
    const from = at;
    while (at < rows.length && !matters[at]) at += 1;
    list.append(hiddenLines(rows.slice(from, at), view, step));
  }
  return list;
}

/** What matters, and the lines around it; the end of the file if nothing does. @param {boolean[]} matters */
function nearby(matters) {
  if (!matters.includes(true)) return matters.map((_, at) => at >= matters.length - 20);
  const near = matters.map(() => false);
  matters.forEach((one, at) => {
    if (one) near.fill(true, Math.max(0, at - AROUND), at + AROUND + 1);
  });
  return near;
}

/** @param {{line: Line, number: number}[]} rows @param {View} view @param {number} step */
function hiddenLines(rows, view, step) {
  const item = h('li.hidden', {}, h('button.more', {
    type: 'button',
    onclick: () => item.replaceWith(...rows.map((row) => bookLine(row.line, row.number, view, step))),
  }, `… ${plural(rows.length, 'more line')}`));
  return item;
}

/** @param {Line} line @param {number} number @param {View} view @param {number} step */
function bookLine(line, number, view, step) {
  const removed = view.removed.has(line);
  const added = !removed && view.added.has(line);
  const recalled = view.recalled.has(line);
  const kind = `${removed ? '.removed' : added ? '.added' : ''}${recalled ? '.recalled' : ''}`;
  const sign = removed ? '−' : added ? '+' : recalled ? '◂' : '';
  const said = removed ? 'removed: ' : added ? 'added: ' : recalled ? 'recalled: ' : '';
  const shown = visible(line.text.slice(0, 2000));
  return h(`li${kind}`, {},
    h('span.sign', { 'aria-hidden': true }, sign), h('span.number', {}, removed ? '' : number),
    h('span.said', {}, said && h('span.unseen', {}, said), h(removed ? 'del' : added ? 'ins' : 'span', {}, shown)),
    source(view.who(line.revision), step));
}

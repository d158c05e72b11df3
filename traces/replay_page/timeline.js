'use strict';
/* The whole episode in one strip: progression, gains, arcs from note to gain, and what each step was. */

/** Lanes of ticks: name, kinds of marks, class. @type {[string, string[], string][]} */
const LANES = [
  ['writes', ['write'], 'write'],
  ['recalls', ['recall'], 'recall'],
  ['in vain', ['empty', 'redundant'], 'empty'],
  ['invalid', ['invalid', 'vetoed', 'rejected', 'mistake'], 'bad'],
  ['stuck', ['stuck', 'oscillating'], 'stuck'],
];

class Strip {
  /**
   * @param {any[]} episodes
   * @param {Record<string, number>} bits
   * @param {(step: number) => void} go
   */
  constructor(episodes, bits, go) {
    this.episodes = episodes;
    this.bits = bits;
    this.go = go;
    this.place = byId('timeline');
    this.tip = byId('tip');
    this.measure();
    this.step = 1;
    /** @type {number[]} */
    this.hits = [];
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.place);
  }

  /** Take in what the episodes have now. */
  grow() {
    this.measure();
    this.draw();
  }

  measure() {
    this.positions = Math.max(...this.episodes.map((one) => one.positions));
    // A course of a few per cent would be a flat line: then the strip ends at what was reached.
    const reached = Math.max(...this.episodes.map((one) => one.progressAt(one.positions)));
    this.ceiling = reached > 0 && reached < 0.4 ? reached : 1;
  }

  listen() {
    let held = false;
    const at = (/** @type {PointerEvent} */ event) => this.stepAt(event.clientX - this.place.getBoundingClientRect().left);
    this.place.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => {
      held = true;
      this.place.setPointerCapture(event.pointerId);
      this.go(at(event));
    });
    this.place.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => {
      if (held) this.go(at(event));
      this.tell(at(event), event.clientX);
    });
    for (const name of ['pointerup', 'pointercancel']) this.place.addEventListener(name, () => { held = false; });
    this.place.addEventListener('pointerleave', () => { this.tip.hidden = true; });
  }

  /** @param {number} x */
  stepAt(x) {
    const step = Math.round(1 + ((x - this.left) / (this.width - this.left - this.right)) * (this.positions - 1));
    return Math.min(this.positions, Math.max(1, step));
  }

  /** @param {number} step */
  x(step) {
    return this.left + ((step - 1) / Math.max(1, this.positions - 1)) * (this.width - this.left - this.right);
  }

  draw() {
    this.width = this.place.clientWidth;
    if (!this.width) return;
    const phone = this.width < 620;
    const many = this.episodes.length > 1;
    this.left = phone ? (many ? 22 : 10) : 64;
    this.right = phone ? 10 : 16;
    this.lane = phone ? 5 : many ? 6 : 10;
    const arcs = this.episodes.some((one) => one.arcs.length) ? (phone ? 18 : 34) : 6;
    const curve = phone ? 30 : many ? 44 : 48;
    this.base = arcs + curve;
    this.top = arcs;
    const lanes = phone || many ? LANES.filter(([name]) => name !== 'in vain') : LANES;
    const gap = phone || many ? 1 : 4;
    const group = lanes.length * (this.lane + gap);
    const height = this.base + 6 + this.episodes.length * (group + 4) + (phone ? 0 : 14);
    const picture = svg('svg', { width: this.width, height, viewBox: `0 0 ${this.width} ${height}`, 'aria-hidden': 'true' });
    picture.append(svg('line', { class: 'axis', x1: this.left, x2: this.width - this.right, y1: this.base, y2: this.base }));
    if (!phone) {
      const top = `to ${Number((100 * this.ceiling).toFixed(1))} %`;
      picture.append(svg('text', { class: 'label', x: 0, y: this.top + 10 }, 'progress'));
      picture.append(svg('text', { class: 'label', x: 0, y: this.top + 24 }, top));
    }
    for (const episode of this.episodes) this.drawCurve(picture, episode, many);
    this.episodes.forEach((episode, at) => {
      const y = this.base + 6 + at * (group + 4);
      if (many) picture.append(svg('text', { class: `label letter${at}`, x: phone ? 6 : 46, y: y + group / 2 + 4 }, episode.letter));
      lanes.forEach(([name, kinds, look], row) => {
        const top = y + row * (this.lane + gap);
        if (!phone && !many) picture.append(svg('text', { class: 'label', x: 0, y: top + this.lane }, name));
        picture.append(svg('path', { class: `ticks ${look}`, 'stroke-width': this.tick, d: this.ticks(episode, kinds, top) }));
      });
    });
    if (!phone) picture.append(...this.scale(height));
    this.hitPath = svg('path', { class: 'ticks hit', 'stroke-width': 2 });
    this.head = svg('line', { class: 'head', y1: 0, y2: height - (phone ? 0 : 12) });
    this.arcs = svg('g', {});
    picture.insertBefore(this.arcs, picture.firstChild);
    picture.append(this.hitPath, this.head);
    this.place.replaceChildren(picture);
    this.move(this.step);
    this.showHits(this.hits);
  }

  /** Steps along the bottom. @param {number} height @returns {SVGElement[]} */
  scale(height) {
    const raw = this.positions / Math.max(2, Math.floor(this.width / 130));
    const power = 10 ** Math.floor(Math.log10(Math.max(1, raw)));
    const every = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= raw) || 1;
    const numbers = [];
    for (let step = every; step < this.positions; step += every) {
      const place = { class: 'label number', x: this.x(step), y: height - 2, 'text-anchor': 'middle' };
      numbers.push(svg('text', place, step.toLocaleString('en')));
    }
    return numbers;
  }

  /** Width of a tick: that of a step, at least a hairline. */
  get tick() {
    return Math.max(1, Math.min(8, ((this.width - this.left - this.right) / this.positions) * 0.8)).toFixed(2);
  }

  /** @param {any} episode @param {string[]} kinds @param {number} top */
  ticks(episode, kinds, top) {
    const wanted = kinds.reduce((sum, kind) => sum | this.bits[kind], 0);
    const thin = Number(this.tick) <= 1;
    let path = '';
    let last = -1;
    episode.timeline.marks.forEach((/** @type {number} */ mark, /** @type {number} */ index) => {
      if (!(mark & wanted)) return;
      const x = thin ? Math.round(this.x(index + 1)) + 0.5 : Number(this.x(index + 1).toFixed(1));
      if (x === last) return;
      last = x;
      path += `M${x} ${top}v${this.lane}`;
    });
    return path;
  }

  /** @param {SVGElement} picture @param {any} episode @param {boolean} many */
  drawCurve(picture, episode, many) {
    const room = this.base - this.top - 6;
    const y = (/** @type {number} */ share) => this.base - (share / this.ceiling) * room;
    let path = `M${this.x(1)} ${this.base}`;
    let level = 0;
    for (const [step, share] of episode.timeline.progression) {
      path += `H${this.x(step).toFixed(1)}V${y(share).toFixed(1)}`;
      level = share;
    }
    path += `H${this.x(episode.positions).toFixed(1)}`;
    if (!many) picture.append(svg('path', { class: 'area', d: `${path}V${this.base}Z` }));
    picture.append(svg('path', { class: `curve letter${episode.number}`, d: path }));
    picture.append(svg('path', { class: 'reward up', d: this.rewards(episode, 1) }));
    picture.append(svg('path', { class: 'reward down', d: this.rewards(episode, -1) }));
    let last = -9;
    for (const step of episode.timeline.milestones) {
      const x = this.x(step);
      if (x - last < 5) continue;
      last = x;
      picture.append(svg('circle', { class: `gain letter${episode.number}`, cx: x, cy: y(episode.progressAt(step)), r: 3 }));
    }
    picture.append(svg('circle', { class: `end letter${episode.number}`, cx: this.x(episode.positions), cy: y(level), r: 2 }));
  }

  /** Rewards of one sign as bars at the base line. @param {any} episode @param {number} sign */
  rewards(episode, sign) {
    const all = episode.timeline.rewards;
    const most = Math.max(1e-9, ...all.slice(0, 20000).map((/** @type {number[]} */ one) => Math.abs(one[1])));
    /** @type {Map<number, number>} */
    const columns = new Map();
    for (const [step, reward] of all) {
      if (reward * sign < 0.02 * most) continue; // a small price that each step pays would hide the others
      const x = Math.round(this.x(step));
      columns.set(x, Math.max(columns.get(x) || 0, Math.abs(reward)));
    }
    const height = (/** @type {number} */ reward) => 2 + (sign > 0 ? 12 : 4) * (reward / most);
    return [...columns].map(([x, reward]) => `M${x} ${this.base}v${(-sign * height(reward)).toFixed(1)}`).join('');
  }

  /** @param {number} step */
  move(step) {
    this.step = step;
    if (!this.head) return;
    for (const end of ['x1', 'x2']) this.head.setAttribute(end, this.x(step).toFixed(1));
    this.drawArcs(step);
  }

  /** @param {number} step */
  drawArcs(step) {
    const all = this.episodes.flatMap((episode) => episode.arcs.map((/** @type {any} */ arc) => ({ arc, episode })));
    this.arcs.replaceChildren(...all.map(({ arc, episode }) => {
      const near = step === arc.written || (step >= arc.recalled && step <= arc.gained);
      const [from, to, end] = [this.x(arc.written), this.x(arc.recalled), this.x(arc.gained)];
      const foot = this.top + 2;
      const rise = Math.min(2 * foot - 8, 8 + (to - from) / 4); // a curve rises half as high as the point that draws it
      const places = [from, foot, (from + to) / 2, foot - rise, to, foot, end, foot + 5].map((one) => one.toFixed(1));
      const path = `M${places[0]} ${places[1]}Q${places.slice(2, 6).join(' ')}L${places[6]} ${places[7]}`;
      return svg('path', { class: `arc letter${episode.number}${near ? ' on' : ''}`, d: path });
    }));
  }

  /** Steps to be pointed at. @param {number[]} steps */
  showHits(steps) {
    this.hits = steps;
    if (!this.hitPath) return;
    const places = new Set(steps.map((step) => Math.round(this.x(step))));
    this.hitPath.setAttribute('d', [...places].map((x) => `M${x} 0v7`).join(''));
  }

  /** Tell of a step beside the pointer. @param {number} step @param {number} x */
  tell(step, x) {
    const many = this.episodes.length > 1;
    const lines = this.episodes.map((episode) =>
      h('p', {}, many && h('b', {}, `${episode.letter} `), wordsOf(episode, step, this.bits)));
    const near = (/** @type {number} */ other, /** @type {number} */ pixels) => Math.abs(this.x(other) - this.x(step)) < pixels;
    const arcs = this.episodes.flatMap((episode) => episode.arcs)
      .filter((/** @type {any} */ arc) => near(arc.recalled, 4) || near(arc.written, 2));
    const told = arcs.slice(0, 3).map((/** @type {any} */ arc) => h('p.arctold', {},
      `written at step ${arc.written} → recalled at step ${arc.recalled} → `,
      `${signed(arc.reward)} ${oneLine(arc.what.replace(/_/g, ' '), 60)} at step ${arc.gained}`));
    this.tip.replaceChildren(h('b', {}, `step ${step.toLocaleString('en')}`), ...lines, ...told);
    this.tip.hidden = false;
    const half = this.tip.offsetWidth / 2;
    this.tip.style.left = `${Math.max(half + 4, Math.min(innerWidth - half - 4, x))}px`;
  }
}

/** A step of an episode in a few words. @param {any} episode @param {number} step @param {Record<string, number>} bits */
function wordsOf(episode, step, bits) {
  if (step > episode.steps) return `ended, ${percent(episode.progressAt(episode.positions))}`;
  const mark = episode.timeline.marks[step - 1];
  const kinds = Object.keys(bits).filter((kind) => mark & bits[kind] && kind !== 'gain');
  const reward = episode.timeline.rewards.find((/** @type {number[]} */ one) => one[0] === step);
  return [percent(episode.progressAt(step)), reward && `reward ${signed(reward[1])}`, ...kinds].filter(Boolean).join(' · ');
}

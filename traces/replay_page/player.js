'use strict';
/* Where the page stands: the step shown, playing, and the link to it. */

class Player {
  /**
   * @param {any[]} episodes
   * @param {(step: number) => Promise<void>} show
   */
  constructor(episodes, show) {
    this.episodes = episodes;
    this.show = show;
    this.step = 1;
    this.grow();
    this.playing = false;
    this.busy = false;
    this.wired();
    addEventListener('hashchange', () => this.fromLink());
  }

  /** Take in the steps that the episodes have now. */
  grow() {
    this.positions = Math.max(...this.episodes.map((one) => one.positions));
    this.gains = [...new Set(this.episodes.flatMap((one) => one.timeline.milestones))].sort((one, other) => one - other);
    byId('step').max = String(this.positions);
    byId('timeline').setAttribute('aria-valuemax', String(this.positions));
    this.said();
  }

  /** Say where the page stands. */
  said() {
    byId('of').textContent = this.step === this.positions ? 'the end' : `of ${(this.positions - 1).toLocaleString('en')}`;
  }

  wired() {
    const buttons = /** @type {Record<string, () => void>} */ ({
      first: () => this.go(1), back: () => this.go(this.step - 1), forward: () => this.go(this.step + 1),
      last: () => this.go(this.positions), 'gain-back': () => this.gain(-1), 'gain-forward': () => this.gain(1),
      play: () => this.play(!this.playing),
    });
    for (const [id, press] of Object.entries(buttons)) byId(id).addEventListener('click', press);
    const box = byId('step');
    box.addEventListener('change', () => this.go(Number(box.value) || this.step));
    // Whatever names a step leads there.
    document.addEventListener('click', (event) => {
      const named = event.target instanceof Element ? event.target.closest('button[data-step]') : null;
      if (named) this.go(Number(named.getAttribute('data-step')));
    });
  }

  /** Show a step; pieces may have to be unpacked first, and only the last one asked for is shown. @param {number} step */
  async go(step) {
    this.step = Math.max(1, Math.min(this.positions, Math.round(step)));
    if (this.busy) return;
    this.busy = true;
    try {
      for (let shown = 0; shown !== this.step;) {
        shown = this.step;
        await this.show(shown);
      }
    } finally {
      this.busy = false;
    }
    byId('step').value = String(this.step);
    this.said();
    const chosen = /episode=\d+&/.exec(location.hash);
    history.replaceState(null, '', SOURCE ? `${location.pathname}?step=${this.step}` : `#${chosen ? chosen[0] : ''}step=${this.step}`);
  }

  /** The next step with a gain, or the one before. @param {number} direction */
  gain(direction) {
    const found = direction > 0 ? this.gains.find((step) => step > this.step) : this.gains.filter((step) => step < this.step).pop();
    if (found !== undefined) this.go(found);
    else byId('announce').textContent = direction > 0 ? 'No gain after this step.' : 'No gain before this step.';
  }

  /** @param {boolean} on */
  play(on) {
    this.playing = on;
    const button = byId('play');
    button.textContent = on ? '❚❚ Pause' : '▶ Play';
    button.setAttribute('aria-label', on ? 'Pause' : 'Play');
    button.setAttribute('aria-pressed', String(on));
    if (on) this.run();
  }

  async run() {
    if (this.step >= this.positions) this.step = 0;
    while (this.playing && this.step < this.positions) {
      const began = performance.now();
      await this.go(this.step + 1);
      const pause = 1000 / Number(byId('speed').value) - (performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, pause)));
    }
    if (this.playing) this.play(false);
  }

  /** Go where the address says. */
  fromLink() {
    const pattern = /(?:^|[?#&])step=(\d+)/;
    const named = pattern.exec(location.hash) || pattern.exec(location.search);
    const step = named ? Number(named[1]) : 1;
    if (step !== this.step || !named) return this.go(step);
    return this.go(this.step);
  }
}

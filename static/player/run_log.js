// The log of a run frame by frame, for comparing it with what an instrument saw. It listens to the
// evidence that every cell collects, so that what is compared is what sessions are judged by.

/** @typedef {import("./evidence.js").Evidence} Evidence */

export class RunLog {
  /** @param {Evidence} evidence of a run that has not begun @param {string} phase of the clip */
  constructor(evidence, phase) {
    this.evidence = evidence;
    this.clip = evidence.timeline.segments.findIndex((segment) => segment.phase.name === phase);
    this.index = 0; // of the refresh that is on
    this.frame = -1;
    this.ended = 0; // when painting ended
    this.after = 0; // and how long after its refresh that was
    this.ends = 0;
    /** @type {[number, number, number, number, number][]} frame, refresh planned, refresh painted,
     * when that refresh was announced, when it was painted */
    this.painted = [];
    this.listen();
  }

  listen() {
    const { evidence } = this;
    /** @template {keyof Evidence} Name @param {Name} name @param {Function} then */
    const on = (name, then) => {
      const was = /** @type {Function} */ (/** @type {unknown} */ (evidence[name])).bind(evidence);
      /** @type {any} */ (evidence)[name] = (/** @type {any[]} */ ...told) => {
        then(...told);
        return was(...told);
      };
    };
    on("refreshed", (/** @type {number} */ _, /** @type {{index: number}} */ { index }) => {
      this.index = index;
    });
    on("phaseStarted", (/** @type {number} */ phase) => {
      if (phase === this.clip + 1) this.ends = this.index;
    });
    on("proved", (/** @type {number} */ _, /** @type {{frame: number}} */ { frame }) => {
      this.frame = frame;
    });
    on("painted", (/** @type {number} */ _, /** @type {number} */ __,
      /** @type {number} */ after) => {
      [this.ended, this.after] = [performance.now(), after];
    });
    on("shown", (/** @type {number} */ _, /** @type {number} */ delay) => this.note(delay));
  }

  /** @param {number} delay in refreshes */
  note(delay) {
    const begin = this.evidence.starts[0] ?? 0;
    const at = this.ended - begin;
    this.painted.push([this.frame, this.index - delay, this.index, round(at - this.after), round(at)]);
  }

  report() {
    return { refresh_hz: this.evidence.timeline.hz, ends: this.ends, painted: this.painted };
  }
}

/** @param {number} value */
const round = (value) => Math.round(value * 1000) / 1000;

// The log of a run frame by frame, for comparing it with what an instrument saw.

/** @typedef {import("./show.js").Painted} Painted */

export class RunLog {
  constructor() {
    this.begin = NaN;
    this.ends = 0; // the refresh at which the clip gave way
    /** @type {[number, number, number, number, number][]} frame, refresh planned, refresh painted,
     * when that refresh was announced, when it was painted */
    this.painted = [];
  }

  /** @param {boolean} after the clip @param {number} stamp @param {number} refresh */
  phase(after, stamp, refresh) {
    if (Number.isNaN(this.begin)) this.begin = stamp;
    if (after) this.ends = refresh;
  }

  /** @param {Painted} painted */
  frame({ frame, due, refresh, stamp, ended }) {
    this.painted.push([frame, due, refresh, round(stamp - this.begin), round(ended - this.begin)]);
  }

  /** With what the browser told of the screen, as the last number of each frame.
   * @param {number} hz @param {import("./evidence.js").Evidence} evidence */
  report(hz, { marks, arrivals }) {
    const time = (/** @type {import("./evidence.js").Mark|undefined} */ made) => {
      const at = made ? arrivals.at(made.mark) : null;
      return at === null ? null : round(at - this.begin);
    };
    const frames = marks.filter(({ painted }) => painted);
    const after = marks.find(({ phase }) => phase > frames[0]?.phase);
    return {
      refresh_hz: hz, ends: this.ends, ends_ms: time(after),
      painted: this.painted.map((row, i) => [...row, time(frames[i])]),
    };
  }
}

/** @param {number} value */
const round = (value) => Math.round(value * 1000) / 1000;

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

  /** @param {number} hz */
  report(hz) {
    return { refresh_hz: hz, ends: this.ends, painted: this.painted };
  }
}

/** @param {number} value */
const round = (value) => Math.round(value * 1000) / 1000;

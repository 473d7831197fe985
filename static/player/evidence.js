// What happened while a cell was shown, collected refresh by refresh.
// Judges nothing: whether the cell counts is decided by the server's rule.

import { Arrivals } from "./arrivals.js";

/**
 * @typedef {import("./clock.js").Timeline} Timeline
 * @typedef {{phase: number, painted: boolean, due: number, stamp: number, mark: number}} Mark
 *   a change of what is on the screen; due: the refresh planned for it; stamp: of the one it was
 *   made in; painted: whether by a frame of a clip
 * @typedef {Mark & {at: number}} Arrival  at: when it was on the screen
 */

const MOST_EVENTS = 50;
// Shares of a refresh, since not every browser knows the very moment the screen changes.
const OVERTAKEN = 0.4; // that a picture must at least have been on to have been on
const HELD = 0.75; // that it may at most have been on for too long

export class Evidence {
  /** @param {Timeline} timeline @param {Arrivals} arrivals */
  constructor(timeline, arrivals) {
    this.timeline = timeline;
    this.arrivals = arrivals;
    /** @type {Mark[]} */
    this.marks = [];
    /** @type {(number|null)[]} */
    this.starts = timeline.segments.map(() => null);
    this.end = /** @type {number|null} */ (null);
    this.phases = timeline.segments.map(() => ({
      shown: 0, late: 0, missedRefreshes: 0, underflows: 0, latePaints: 0,
      leastQueued: /** @type {number|null} */ (null), hashed: 0,
    }));
    this.current = 0;
    this.largestGap = 0; // while a clip is on
    this.slowestPaint = 0;
    /** @type {{phase: string, at_ms: number, what: string}[]} */
    this.events = [];
  }

  /** @param {number} phase @param {number} stamp */
  phaseStarted(phase, stamp) {
    this.starts[phase] = stamp;
    this.current = phase;
  }

  /** @param {number} phase @param {{missed: number, gap: number}} refresh */
  refreshed(phase, { missed, gap }) {
    this.phases[phase].missedRefreshes += missed;
    if (this.timeline.segments[phase].frames) this.largestGap = Math.max(this.largestGap, gap);
  }

  /** A frame reached the screen `delay` refreshes after its time.
   * @param {number} phase @param {number} delay */
  shown(phase, delay) {
    this.phases[phase].shown += 1;
    if (delay > 0) this.phases[phase].late += 1;
  }

  /** @param {number} phase */
  underflow(phase) {
    this.phases[phase].underflows += 1;
  }

  /** @param {number} phase @param {number|null} frames in hand beyond the one that is due */
  queued(phase, frames) {
    const seen = this.phases[phase];
    if (frames !== null) seen.leastQueued = Math.min(seen.leastQueued ?? frames, frames);
  }

  /** @param {number} phase @param {import("./frames.js").Frame} painted */
  proved(phase, { frame, exact }) {
    if (exact === null) return;
    this.phases[phase].hashed += 1;
    if (!exact) this.event(`frame ${frame} was not decoded exactly`);
  }

  /** Painting that ends in the second half of a refresh may reach the screen a refresh late.
   * @param {number} phase @param {number} paint ms used @param {number} after ms since the refresh
   * @param {number} period */
  painted(phase, paint, after, period) {
    this.slowestPaint = Math.max(this.slowestPaint, paint);
    if (after > period / 2) this.phases[phase].latePaints += 1;
  }

  /** @param {Mark} mark */
  marked(mark) {
    this.marks.push(mark);
  }

  /** Something that ought not to happen while a cell is shown. @param {string} what */
  event(what, stamp = performance.now()) {
    if (this.events.length >= MOST_EVENTS) return;
    const { name } = this.timeline.segments[this.current].phase;
    this.events.push({ phase: name, at_ms: round(stamp - (this.starts[0] ?? stamp)), what });
  }

  /** @param {number} stamp */
  finished(stamp) {
    this.end = stamp;
  }

  /** Of each phase what the browser told; as far as it has told by now. */
  arrived() {
    const { segments, hz } = this.timeline;
    const period = 1000 / hz;
    /** @type {Arrival[]} */
    const all = this.marks.flatMap((mark) => {
      const at = this.arrivals.at(mark.mark);
      return at === null ? [] : [{ ...mark, at }];
    });
    return segments.map((segment, phase) => {
      const first = all.find((one) => one.phase === phase);
      const after = all.find((one) => one.phase > phase);
      const length = first && after ? after.at - first.at : null;
      if (!segment.frames) return { length };
      const stood = all.flatMap((one, i) => {
        const next = all[i + 1];
        if (one.phase !== phase || !one.painted || !next) return [];
        return [{ over: (next.at - one.at) / period - (next.due - one.due), on: next.at - one.at }];
      });
      const delays = all.filter((one) => one.phase === phase).map(({ at, stamp }) => at - stamp);
      return {
        length,
        frames: stood.filter(({ on }) => on >= OVERTAKEN * period).length,
        held: stood.filter(({ over }) => over >= HELD).length,
        delay: delays.sort((a, b) => a - b)[delays.length >> 1] ?? null,
      };
    });
  }

  report() {
    const { segments, hz } = this.timeline;
    const arrived = Arrivals.told ? this.arrived() : [];
    const stamps = [...this.starts, this.end];
    return {
      refresh_hz: round(hz),
      largest_gap_ms: round(this.largestGap),
      slowest_paint_ms: round(this.slowestPaint),
      phases: segments.map((segment, i) => ({
        name: segment.phase.name,
        planned_ms: round(((segment.end - segment.start) * 1000) / hz),
        measured_ms: difference(stamps[i], nextKnown(stamps, i)),
        refreshes_per_frame: round(segment.rate),
        frames_expected: segment.frames,
        frames_shown: this.phases[i].shown,
        frames_late: this.phases[i].late, // the frame before it stayed on instead: repeated
        // By what the browser told afterwards; null: it tells nothing.
        frames_arrived: arrived[i]?.frames ?? null,
        frames_held: arrived[i]?.held ?? null, // on the screen for longer than planned
        arrived_ms: rounded(arrived[i]?.length),
        arrival_delay_ms: rounded(arrived[i]?.delay), // usually, after the refresh
        missed_refreshes: this.phases[i].missedRefreshes,
        underflows: this.phases[i].underflows,
        late_paints: this.phases[i].latePaints,
        frames_hashed: this.phases[i].hashed,
        least_queued: this.phases[i].leastQueued, // null: all was decoded before
      })),
      events: this.events,
    };
  }
}

/** @param {number} value */
const round = (value) => Math.round(value * 1000) / 1000;

/** @param {number|null|undefined} value */
const rounded = (value) => (value === null || value === undefined ? null : round(value));

/** A stall can swallow a whole phase, which then has no start of its own.
 * @param {(number|null)[]} stamps @param {number} i */
function nextKnown(stamps, i) {
  return stamps.slice(i + 1).find((stamp) => stamp !== null) ?? null;
}

/** @param {number|null} from @param {number|null} to */
function difference(from, to) {
  return from === null || to === null ? null : round(to - from);
}

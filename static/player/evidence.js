// What happened while a cell was shown, collected refresh by refresh.
// Judges nothing: whether the cell counts is decided by the server's rule.

/** @typedef {import("./clock.js").Timeline} Timeline */

const MOST_EVENTS = 50;

export class Evidence {
  /** @param {Timeline} timeline */
  constructor(timeline) {
    this.timeline = timeline;
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

  report() {
    const { segments, hz } = this.timeline;
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

/** A stall can swallow a whole phase, which then has no start of its own.
 * @param {(number|null)[]} stamps @param {number} i */
function nextKnown(stamps, i) {
  return stamps.slice(i + 1).find((stamp) => stamp !== null) ?? null;
}

/** @param {number|null} from @param {number|null} to */
function difference(from, to) {
  return from === null || to === null ? null : round(to - from);
}

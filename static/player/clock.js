// Time as the display lives it: counted in refreshes of the screen, never in timers.
// Knows nothing of pictures or of the network.

/**
 * @typedef {{name: string, seconds: number|null, message: string, clip: string|null,
 *   votes: boolean}} Phase  as the server sends it; a clip phase lasts as long as its clip
 * @typedef {{frames: number, rate: [number, number]}} ClipLength
 * @typedef {{phase: Phase, start: number, end: number, rate: number, frames: number}} Segment
 *   start and end are refreshes from the beginning of the cell
 */

/** A clip may run this much fast or slow (29.97 fps on 60 Hz is 0.1 %) to keep whole refreshes. */
export const RATE_TOLERANCE = 0.0025;
/** A clip must be decoded this much faster than it is played. */
export const HEADROOM = 1.5;

/** The slope of the line through all stamps, so that a single one that is off does little.
 * @param {number[]} stamps of requestAnimationFrame @returns {number} refreshes per second */
export function refreshRate(stamps) {
  const gaps = stamps.slice(1).map((stamp, i) => stamp - stamps[i]);
  const usual = [...gaps].sort((a, b) => a - b)[gaps.length >> 1];
  let index = 0;
  // Refreshes that were missed while measuring still count.
  const places = [0, ...gaps.map((gap) => (index += Math.max(1, Math.round(gap / usual))))];
  const mean = (/** @type {number[]} */ values) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [middle, centre] = [mean(stamps), mean(places)];
  const across = places.reduce((sum, at, i) => sum + (at - centre) * (stamps[i] - middle), 0);
  const along = places.reduce((sum, at) => sum + (at - centre) ** 2, 0);
  return (1000 * along) / across;
}

/** @param {number} [milliseconds] @returns {Promise<number>} measured refreshes per second */
export function measureRefresh(milliseconds = 2000) {
  return new Promise((resolve) => {
    /** @type {number[]} */
    const stamps = [];
    const tick = (/** @type {number} */ stamp) => {
      stamps.push(stamp);
      if (stamp - stamps[0] < milliseconds) requestAnimationFrame(tick);
      else resolve(refreshRate(stamps));
    };
    requestAnimationFrame(tick);
  });
}

/**
 * Refreshes for which each frame is shown: a whole number where the rates allow.
 * @param {number} hz @param {[number, number]} rate @returns {{perFrame: number, whole: boolean}}
 */
export function refreshesPerFrame(hz, rate) {
  const exact = (hz * rate[1]) / rate[0];
  const whole = Math.round(exact);
  const fits = whole >= 1 && Math.abs(exact - whole) / whole <= RATE_TOLERANCE;
  return { perFrame: fits ? whole : exact, whole: fits };
}

export class Timeline {
  /** @param {Phase[]} phases @param {Map<string, ClipLength>} clips @param {number} hz */
  constructor(phases, clips, hz) {
    this.hz = hz;
    /** @type {Segment[]} */
    this.segments = [];
    let start = 0;
    for (const phase of phases) {
      const clip = phase.clip === null ? null : clips.get(phase.clip);
      if (phase.clip !== null && !clip) throw new Error(`Clip ${phase.clip} is not loaded.`);
      const rate = clip ? refreshesPerFrame(hz, clip.rate).perFrame : 0;
      const length = clip ? clip.frames * rate : (phase.seconds ?? 0) * hz;
      const end = start + Math.max(1, Math.round(length));
      this.segments.push({ phase, start, end, rate, frames: clip ? clip.frames : 0 });
      start = end;
    }
    this.end = start;
  }

  /** The refresh, from the start of its segment, that lies nearest to the time of a frame.
   * @param {Segment} segment @param {number} frame */
  refreshOf(segment, frame) {
    return Math.floor(frame * segment.rate + 0.5);
  }

  /** The frame that belongs on the screen.
   * @param {Segment} segment @param {number} refresh from the start of the cell */
  frameAt(segment, refresh) {
    const frame = Math.ceil((refresh - segment.start + 0.5) / segment.rate) - 1;
    return Math.min(frame, segment.frames - 1);
  }
}

/** Counts refreshes from the time stamps of requestAnimationFrame, those that were missed too. */
export class RefreshCounter {
  /** @param {number} hz */
  constructor(hz) {
    this.period = 1000 / hz;
    this.index = 0;
    this.last = /** @type {number|null} */ (null);
  }

  /** @param {number} stamp @returns {{index: number, missed: number, gap: number}} */
  tick(stamp) {
    if (this.last === null) {
      this.last = stamp;
      return { index: 0, missed: 0, gap: 0 };
    }
    const gap = stamp - this.last;
    const steps = Math.max(1, Math.round(gap / this.period));
    this.last = stamp;
    this.index += steps;
    return { index: this.index, missed: steps - 1, gap };
  }
}

// Shows one cell: walks its timeline refresh by refresh, paints what is due, collects evidence.
// The network plays no part from the first refresh to the last.

import { RefreshCounter, Timeline } from "./clock.js";
import { Evidence } from "./evidence.js";

/**
 * @typedef {import("./clock.js").Phase} Phase
 * @typedef {import("./frames.js").Clip} Clip
 * @typedef {import("./painter.js").Painter} Painter
 * @typedef {{painter: Painter, frames: import("./frames.js").FrameQueue, hz: number,
 *   clips: Map<string, Clip>, arrivals: import("./arrivals.js").Arrivals,
 *   message(text: string): void,
 *   onphase(phase: number, stamp: number, refresh: number): void,
 *   onframe?: (painted: Painted) => void, watch(evidence: Evidence): () => void}} Stage
 * @typedef {{frame: number, due: number, refresh: number, stamp: number, ended: number}} Painted
 *   due, refresh: from the start of the cell, as planned and as painted; stamp, ended: times
 */

// Of a refresh: by then a picture has left for the screen. The next one is decoded after that, so
// that both do not want the processor at once.
const LEFT = 0.4;

/**
 * @param {Phase[]} phases @param {Stage} stage @param {AbortSignal} [signal]
 * @returns {Promise<Evidence>}
 */
export async function showCell(phases, stage, signal) {
  const lengths = new Map([...stage.clips].map(([id, clip]) => [id, clip.manifest]));
  const timeline = new Timeline(phases, lengths, stage.hz);
  stage.arrivals.clear();
  const evidence = new Evidence(timeline, stage.arrivals);
  const cell = new CellShow(timeline, evidence, stage);
  const unwatch = stage.watch(evidence);
  try {
    await cell.run(signal);
  } finally {
    unwatch();
  }
  return evidence;
}

class CellShow {
  /** @param {Timeline} timeline @param {Evidence} evidence @param {Stage} stage */
  constructor(timeline, evidence, stage) {
    this.timeline = timeline;
    this.evidence = evidence;
    this.stage = stage;
    this.counter = new RefreshCounter(timeline.hz);
    this.phase = -1; // the segment now on the screen
    this.frame = -1; // the frame of it now on the screen
    this.place = -1; // how many clips have begun, counted from 0
  }

  /** @param {AbortSignal} [signal] @returns {Promise<void>} */
  run(signal) {
    return new Promise((resolve, reject) => {
      const tick = (/** @type {number} */ stamp) => {
        try {
          signal?.throwIfAborted();
          if (this.refresh(stamp)) requestAnimationFrame(tick);
          else resolve();
        } catch (error) {
          reject(error);
        }
      };
      requestAnimationFrame(tick);
    });
  }

  /** @param {number} stamp @returns {boolean} whether the cell goes on */
  refresh(stamp) {
    const refresh = this.counter.tick(stamp);
    if (this.phase >= 0) this.evidence.refreshed(this.phase, refresh);
    const { segments } = this.timeline;
    const before = this.phase;
    while (this.phase < 0 || refresh.index >= segments[this.phase].end) {
      if (this.phase + 1 === segments.length) {
        this.evidence.finished(stamp);
        return false;
      }
      this.enter(this.phase + 1, refresh.index, stamp);
    }
    const segment = segments[this.phase];
    const painted = segment.frames > 0 && this.paintFrame(segment, refresh.index, stamp);
    if (!painted && this.phase !== before) this.mark(segment.start, stamp, false);
    return true;
  }

  /** @param {number} phase @param {number} refresh that is on @param {number} stamp */
  enter(phase, refresh, stamp) {
    const segment = this.timeline.segments[phase];
    const lasts = segment.end > refresh; // else a stall swallowed all of it
    this.phase = phase;
    this.frame = -1;
    if (segment.frames) {
      const clip = /** @type {Clip} */ (this.stage.clips.get(String(segment.phase.clip)));
      this.stage.painter.prepare(clip.manifest);
      this.place += 1;
    } else {
      this.stage.painter.grey();
    }
    this.stage.message(segment.phase.message);
    if (lasts) this.evidence.phaseStarted(phase, stamp);
    this.stage.onphase(phase, stamp, refresh);
  }

  /** So that it will be known when this picture was on the screen.
   * @param {number} due @param {number} stamp @param {boolean} painted from a frame of a clip */
  mark(due, stamp, painted) {
    this.evidence.marked({ phase: this.phase, painted, due, stamp, mark: this.stage.arrivals.mark() });
  }

  /** @param {import("./clock.js").Segment} segment @param {number} index @param {number} stamp
   * @returns {boolean} whether a frame was painted now */
  paintFrame(segment, index, stamp) {
    const wanted = this.timeline.frameAt(segment, index);
    if (wanted === this.frame) return false;
    const frame = this.stage.frames.take(this.place, wanted);
    this.evidence.queued(this.phase, this.stage.frames.reserve());
    if (!frame) {
      if (this.stage.frames.failure) throw new Error(this.stage.frames.failure);
      this.evidence.underflow(this.phase);
      return false;
    }
    const began = performance.now();
    this.stage.painter.paint(frame.buffer);
    const ended = performance.now();
    setTimeout(() => this.stage.frames.giveBack(frame), LEFT * this.counter.period);
    this.frame = wanted;
    this.evidence.proved(this.phase, frame);
    this.evidence.painted(this.phase, ended - began, ended - stamp, this.counter.period);
    const due = segment.start + this.timeline.refreshOf(segment, wanted);
    this.evidence.shown(this.phase, index - due);
    this.mark(due, stamp, true);
    this.stage.onframe?.({ frame: wanted, due, refresh: index, stamp, ended });
    return true;
  }
}

// The page's side of decoding ahead: a queue of frames that is filled by the worker.

import { bufferBytes } from "./decoding.js";

/**
 * @typedef {import("./decoding.js").Manifest} Manifest
 * @typedef {{id: string, url: string, bytes: number, sha256: string, manifest: Manifest}} Clip
 * @typedef {{run: number, place: number, frame: number, exact: boolean|null,
 *   buffer: ArrayBuffer}} Frame
 *   run: which cell it was decoded for; place: which clip of the cell;
 *   exact: whether its digest is the planned one, null: not sampled
 */

const MOST_BYTES = 384 * 2 ** 20;
const MOST_FRAMES = 90;
// Decoded ahead of these, so that there is little to decode while a clip is on.
const MOST_AHEAD = 2 * 2 ** 30;
const OF_MEMORY = 1 / 4;
export const LEAST_MEMORY = 4; // GiB: frames decoded ahead, clips as they are stored, the browser

/** GiB, of which browsers tell no more than a few. */
export const memoryTold = () =>
  /** @type {number|undefined} */ (/** @type {any} */ (navigator).deviceMemory);

export class FrameQueue {
  /** @param {string} session @param {"planes"|"pixels"} wants what the painter takes */
  constructor(session, wants) {
    this.session = session;
    this.wants = wants;
    this.run = 0;
    /** @type {Frame[]} */
    this.frames = [];
    this.decoded = 0;
    /** @type {string|null} */
    this.failure = null;
    this.onchange = () => {};
    this.worker = new Worker(new URL("./decoder_worker.js", import.meta.url), { type: "module" });
    this.worker.onerror = (event) => this.fail(event.message || "The decoder did not start.");
    this.worker.onmessage = ({ data }) => {
      if (data.run !== this.run) { // of a cell that was left
        if (data.buffer) this.giveBack(data);
        return;
      }
      if (data.error) this.fail(data.error);
      else {
        this.frames.push(data);
        this.decoded += 1;
      }
      this.onchange();
    };
  }

  /** @param {string} reason */
  fail(reason) {
    this.failure = reason;
    this.onchange();
  }

  /** Begin to decode the clips of a cell in their order. @param {Clip[]} clips */
  start(clips) {
    this.stop();
    this.decoded = 0;
    this.failure = null;
    const most = (/** @type {number} */ bytes, /** @type {"planes"|"pixels"} */ kind) =>
      Math.floor(bytes / Math.max(...clips.map(({ manifest }) => bufferBytes(manifest, kind))));
    this.depth = Math.max(8, Math.min(MOST_FRAMES, most(MOST_BYTES, this.wants)));
    const ahead = Math.min(MOST_AHEAD, OF_MEMORY * (memoryTold() ?? LEAST_MEMORY) * 2 ** 30);
    this.total = clips.reduce((sum, clip) => sum + clip.manifest.frames, 0);
    this.worker.postMessage({
      decode: clips.map(({ id, manifest }) => ({ id, manifest })),
      session: this.session, run: this.run, wants: this.wants,
      depth: this.depth, ahead: Math.max(2 * this.depth, most(ahead, "planes")),
    });
  }

  /** Enough is decoded for the cell to begin. @returns {Promise<void>} */
  filled() {
    const enough = Math.min(this.total ?? 0, Math.floor((this.depth ?? 0) * 0.8));
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.failure) reject(new Error(this.failure));
        else if (this.frames.length >= enough) resolve();
      };
      this.onchange = look;
      look();
    });
  }

  /** The frame wanted now, or null where it is not decoded yet; those before it are let go.
   * @param {number} place @param {number} frame @returns {Frame|null} */
  take(place, frame) {
    while (this.frames.length && before(this.frames[0], place, frame)) {
      this.giveBack(/** @type {Frame} */ (this.frames.shift()));
    }
    const first = this.frames[0];
    if (!first || first.place !== place || first.frame !== frame) return null;
    return /** @type {Frame} */ (this.frames.shift());
  }

  /** Frames in hand, or null once all are decoded and the queue may run empty. */
  reserve() {
    return this.decoded < (this.total ?? 0) ? this.frames.length : null;
  }

  /** Its buffer will hold one that is decoded anew. @param {Frame} frame */
  giveBack({ run, buffer }) {
    this.worker.postMessage({ run, buffer }, [buffer]);
  }

  stop() {
    this.worker.postMessage({ run: this.run, stop: true });
    this.leave();
  }

  leave() {
    this.run += 1;
    for (const frame of this.frames) this.giveBack(frame);
    this.frames = [];
  }
}

/** @param {Frame} queued @param {number} place @param {number} frame */
function before(queued, place, frame) {
  return queued.place < place || (queued.place === place && queued.frame < frame);
}

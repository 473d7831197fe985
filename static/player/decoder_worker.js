// Decodes the clips of a cell ahead of their time, as far as memory goes, and makes of the next ones
// what the painter takes. All buffers are used again, by the next cell, too: to let go of gigabytes
// would hold up the page, whenever that is done.

import { Converter } from "./converter.js";
import { bufferBytes, decodeClips, frameBytes, sha256 } from "./decoding.js";
import { openForReading, packetReader, sessionFolder } from "./storage.js";

/**
 * @typedef {import("./decoding.js").Manifest} Manifest
 * @typedef {{place: number, frame: number, exact: boolean|null, planes: Uint8Array}} Decoded
 * @typedef {{run: number, session: string, decode: {id: string, manifest: Manifest}[],
 *   wants: "planes"|"pixels", depth: number, ahead: number}} Order
 *   depth: frames that the page may have; ahead: decoded ones that there may be
 */

const SAMPLE_EVERY = 25; // of the frames, one in so many is proved again while it is played
const UNDER_WAY = 16; // frames that a decoder may have begun and not finished

/** @type {Run|null} the cell being decoded */
let current = null;

/** Buffers that nobody uses now. @type {{planes: ArrayBuffer[], pixels: ArrayBuffer[]}} */
const free = { planes: [], pixels: [] };

/** @param {"planes"|"pixels"} kind @param {number} bytes @returns {ArrayBuffer} */
export function unused(kind, bytes) {
  const buffer = free[kind].pop();
  return buffer?.byteLength === bytes ? buffer : new ArrayBuffer(bytes);
}

/** How far a cell is decoded, and may be. */
export class Run {
  /** @param {Order} order */
  constructor({ run, session, decode, wants, depth, ahead }) {
    this.id = run;
    this.session = session;
    this.clips = decode;
    this.wants = wants;
    this.depth = depth;
    this.ahead = ahead;
    this.total = decode.reduce((sum, { manifest }) => sum + manifest.frames, 0);
    this.stopped = false;
    this.wake = () => {};
    /** @type {Decoded[]} */
    this.waiting = [];
    this.begun = 0; // to be decoded
    this.held = 0; // of these, still in buffers for planes
    this.sent = 0; // to the page
    this.used = 0; // by the page
    this.before = NaN; // how many had been begun when the first was used
  }

  /** As soon as one more frame may be decoded. @returns {Promise<boolean>} false to stop */
  async begin() {
    while (!this.stopped && (this.held >= this.ahead || this.begun >= this.allowed())) {
      await new Promise((resolve) => { this.wake = () => resolve(null); });
    }
    this.begun += 1;
    this.held += 1;
    return !this.stopped;
  }

  /** Before its clips, as fast as it can. Then the processor is for painting, and what is left is
   * spread evenly, until the page and the decoder hold all there is. */
  allowed() {
    if (!this.used) return this.total;
    const hold = this.depth + UNDER_WAY;
    const share = Math.min(1, this.used / Math.max(1, this.total - hold));
    return Math.max(this.before + share * (this.total - this.before), this.used + hold);
  }

  /** A frame that was decoded is needed no more. */
  letGo() {
    this.held -= 1;
    this.wake();
  }

  /** The page is through with a frame. */
  returned() {
    if (!this.used) this.before = this.begun;
    this.used += 1;
    this.wake();
  }

  /** @returns {Decoded|undefined} what the page may have next */
  next() {
    if (this.stopped || this.sent - this.used >= this.depth || !this.waiting.length) return undefined;
    this.sent += 1;
    return this.waiting.shift();
  }

  stop() {
    this.stopped = true;
    free.planes.push(...this.waiting.map(({ planes }) => /** @type {ArrayBuffer} */ (planes.buffer)));
    this.waiting = [];
    this.wake();
  }
}

self.onmessage = ({ data }) => {
  if (data.decode) {
    current?.stop();
    current = new Run(data);
    free.planes.splice(data.ahead);
    free.pixels.splice(data.depth);
    decodeCell(current);
  } else if (data.buffer && current) {
    free[current.wants].push(data.buffer);
    if (data.run !== current.id) return;
    if (current.wants === "planes") current.letGo();
    current.returned();
    handOver(current);
  } else if (data.stop && current?.id === data.run) {
    current.stop();
  }
};

/** @param {Run} run */
async function decodeCell(run) {
  const { clips } = run;
  const take = async (/** @type {Manifest} */ manifest) =>
    (await run.begin() ? new Uint8Array(unused("planes", frameBytes(manifest))) : null);
  try {
    await decodeClips(opened(run), take, async (planes, frame, place) => {
      if (run.stopped) {
        free.planes.push(/** @type {ArrayBuffer} */ (planes.buffer));
        return;
      }
      const exact = frame % SAMPLE_EVERY ? null
        : (await sha256(planes)) === clips[place].manifest.frame_sha256[frame];
      run.waiting.push({ planes, place, frame, exact });
      handOver(run);
    });
  } catch (error) {
    self.postMessage({ run: run.id, error: error instanceof Error ? error.message : String(error) });
  }
}

/** To the page, what it has room for. @param {Run} run */
function handOver(run) {
  for (let decoded = run.next(); decoded; decoded = run.next()) {
    const { planes, ...which } = decoded;
    let buffer = /** @type {ArrayBuffer} */ (planes.buffer);
    if (run.wants === "pixels") {
      const { manifest } = run.clips[which.place];
      const made = converted(planes, manifest);
      free.planes.push(buffer);
      run.letGo();
      buffer = made;
    }
    self.postMessage({ run: run.id, ...which, buffer }, [buffer]);
  }
}

/** @type {Converter|null} of the last frame; the clips of a cell are alike, as a rule */
let converter = null;

/** @param {Uint8Array} planes @param {Manifest} manifest @returns {ArrayBuffer} its pixels */
function converted(planes, manifest) {
  if (!converter?.fits(manifest)) converter = new Converter(manifest);
  converter.planes.set(planes);
  const pixels = unused("pixels", bufferBytes(manifest, "pixels"));
  new Uint8Array(pixels).set(converter.convert());
  return pixels;
}

/** Each clip while it is read. @param {Run} run */
async function* opened(run) {
  const folder = await sessionFolder(run.session);
  for (const { id, manifest } of run.clips) {
    if (run.stopped) return;
    const handle = await openForReading(folder, id);
    try {
      yield { manifest, read: packetReader(handle) };
    } finally {
      handle.close();
    }
  }
}

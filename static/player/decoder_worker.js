// Decodes the clips of a cell ahead of their time, into a fixed set of buffers that travel to the
// page and back. When all buffers are full it waits: memory stays bounded. The next cell takes the
// same buffers: to let go of hundreds of megabytes would hold up the page, whenever that is done.

import { Converter } from "./converter.js";
import { bufferBytes, decodeClips, sha256 } from "./decoding.js";
import { openForReading, packetReader, sessionFolder } from "./storage.js";

/** @typedef {import("./decoding.js").Manifest} Manifest */

const SAMPLE_EVERY = 25; // of the frames, one in so many is proved again while it is played

/** @type {Run|null} the cell being decoded */
let current = null;

/** A cell being decoded, and the buffers it has. */
export class Run {
  /** @param {number} id @param {number} depth @param {ArrayBuffer[]} pool free buffers */
  constructor(id, depth, pool) {
    this.id = id;
    this.depth = depth;
    this.stopped = false;
    this.wake = () => {};
    this.pool = pool.slice(0, depth);
    this.made = this.pool.length;
    /** @type {Converter|null} */
    this.converter = null;
  }

  /** The clips of a cell are alike, as a rule. @param {Manifest} manifest */
  converterFor(manifest) {
    if (!this.converter?.fits(manifest)) this.converter = new Converter(manifest);
    return this.converter;
  }

  /** @param {number} bytes @returns {Promise<ArrayBuffer|null>} */
  async take(bytes) {
    while (!this.stopped && !this.pool.length && this.made >= this.depth) {
      await new Promise((resolve) => { this.wake = () => resolve(null); });
    }
    if (this.stopped) return null;
    const buffer = this.pool.pop();
    if (buffer?.byteLength === bytes) return buffer;
    if (!buffer) this.made += 1;
    return new ArrayBuffer(bytes);
  }

  /** @param {ArrayBuffer} buffer @param {number} run that took it */
  giveBack(buffer, run) {
    if (run !== this.id) {
      if (this.made >= this.depth) return;
      this.made += 1;
    }
    this.pool.push(buffer);
    this.wake();
  }

  stop() {
    this.stopped = true;
    this.wake();
  }
}

self.onmessage = ({ data }) => {
  if (data.decode) {
    current?.stop();
    current = new Run(data.run, data.depth, current?.pool ?? []);
    decodeCell(current, data.session, data.decode, data.wants);
  } else if (data.buffer) {
    current?.giveBack(data.buffer, data.run);
  } else if (data.stop && current?.id === data.run) {
    current?.stop();
  }
};

/** @param {Run} run @param {string} session @param {{id: string, manifest: Manifest}[]} clips
 * @param {"planes"|"pixels"} wants */
async function decodeCell(run, session, clips, wants) {
  /** @type {{buffer: ArrayBuffer, converter: Converter|null}[]} */
  const taken = [];
  const take = async (/** @type {Manifest} */ manifest) => {
    const buffer = await run.take(bufferBytes(manifest, wants));
    if (!buffer) return null;
    const converter = wants === "pixels" ? run.converterFor(manifest) : null;
    taken.push({ buffer, converter });
    return converter?.planes ?? new Uint8Array(buffer);
  };
  try {
    await decodeClips(opened(run, session, clips), take, async (planes, frame, place) => {
      const exact = frame % SAMPLE_EVERY ? null
        : (await sha256(planes)) === clips[place].manifest.frame_sha256[frame];
      const { buffer, converter } = /** @type {typeof taken[0]} */ (taken.shift());
      if (converter) new Uint8Array(buffer).set(converter.convert());
      self.postMessage({ run: run.id, place, frame, exact, buffer }, [buffer]);
    });
  } catch (error) {
    self.postMessage({ run: run.id, error: error instanceof Error ? error.message : String(error) });
  }
}

/** Each clip while it is read.
 * @param {Run} run @param {string} session @param {{id: string, manifest: Manifest}[]} clips */
async function* opened(run, session, clips) {
  const folder = await sessionFolder(session);
  for (const { id, manifest } of clips) {
    if (run.stopped) return;
    const handle = await openForReading(folder, id);
    try {
      yield { manifest, read: packetReader(handle) };
    } finally {
      handle.close();
    }
  }
}

// Decodes one stored clip into the planes of its frames, in order and bit-exactly.
// Used by both workers; knows neither the screen nor the network.

import { planesOf } from "./colour.js";

/**
 * @typedef {{codec: string, width: number, height: number, rate: [number, number], frames: number,
 *   packets: [number, number][], keys: boolean[], frame_sha256: string[], matrix: string,
 *   range: string, depth?: number}} Manifest
 */

/** @param {Manifest} manifest */
const sampleBytes = ({ depth = 8 }) => (depth > 8 ? 2 : 1);

/** @param {Manifest} manifest @returns {number} bytes of the three planes of a frame */
export function frameBytes(manifest) {
  const [width, height, offset] = planesOf(manifest)[2];
  return sampleBytes(manifest) * (offset + width * height);
}

/** Bytes of a frame as a painter takes it.
 * @param {Manifest} manifest @param {"planes"|"pixels"} wants */
export const bufferBytes = (manifest, wants) =>
  (wants === "pixels" ? 4 * manifest.width * manifest.height : frameBytes(manifest));

/** A frame of mid-grey, as painters take it.
 * @param {Manifest} manifest @param {"planes"|"pixels"} wants */
export function greyFrame(manifest, wants) {
  const frame = new ArrayBuffer(bufferBytes(manifest, wants));
  const { depth = 8, width, height } = manifest;
  const samples = depth > 8 ? new Uint16Array(frame) : new Uint8Array(frame);
  if (wants === "pixels") new Uint32Array(frame).fill(0xff808080);
  else samples.fill(126 << (depth - 8), 0, width * height).fill(128 << (depth - 8), width * height);
  return frame;
}

/** Packed Y, U, V. @param {Manifest} manifest @returns {PlaneLayout[]} */
function planeLayout(manifest) {
  const size = sampleBytes(manifest);
  return planesOf(manifest).map(([width, , offset]) =>
    ({ offset: size * offset, stride: size * width }));
}

const MOST_QUEUED = 8;

/**
 * @param {Manifest} manifest
 * @param {(offset: number, size: number) => Uint8Array} read a packet, into a buffer to give away
 * @param {() => Promise<Uint8Array|null>} take a free buffer for a frame; null to stop
 * @param {(frame: number, buffer: Uint8Array) => void|Promise<void>} give
 */
export async function decodeClip(manifest, read, take, give) {
  /** @type {Error|null} */
  let failure = null;
  /** @type {Uint8Array[]} */
  const reserved = []; // one buffer per packet under way, so that a frame never waits for one
  const layout = planeLayout(manifest);
  let copies = Promise.resolve();
  const decoder = new VideoDecoder({
    error: (error) => { failure = error; },
    output: (frame) => {
      copies = copies.then(() => copyOut(frame, reserved, layout, manifest, give))
        .catch((error) => { failure ??= error; });
    },
  });
  try {
    decoder.configure({
      codec: manifest.codec, codedWidth: manifest.width, codedHeight: manifest.height,
    });
    for (let i = 0; i < manifest.packets.length && !failure; i++) {
      const buffer = await take();
      if (!buffer) return;
      reserved.push(buffer);
      while (decoder.decodeQueueSize > MOST_QUEUED && !failure) await dequeued(decoder);
      if (failure) break;
      // Chunks live until garbage is collected, by the thousand. Their bytes must not lie where the
      // page takes its memory from: it would wait, for frames, while they are let go.
      const data = read(...manifest.packets[i]);
      decoder.decode(new EncodedVideoChunk({
        type: manifest.keys[i] ? "key" : "delta", timestamp: i, data, transfer: [data.buffer],
      }));
    }
    if (!failure) await decoder.flush();
    await copies;
  } finally {
    if (decoder.state !== "closed") decoder.close();
  }
  if (failure) throw failure;
}

/** @param {VideoDecoder} decoder @returns {Promise<void>} */
function dequeued(decoder) {
  return new Promise((resolve) => {
    // The event is not fired after an error: look again in any case.
    const timer = setTimeout(resolve, 100);
    decoder.addEventListener("dequeue", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

/**
 * @param {VideoFrame} frame @param {Uint8Array[]} reserved @param {PlaneLayout[]} layout
 * @param {Manifest} manifest @param {(frame: number, buffer: Uint8Array) => void|Promise<void>} give
 */
async function copyOut(frame, reserved, layout, manifest, give) {
  const index = frame.timestamp;
  try {
    const { width, height } = frame.visibleRect ?? { width: 0, height: 0 };
    const format = sampleBytes(manifest) === 1 ? "I420" : `I420P${manifest.depth}`;
    if (frame.format !== format || width !== manifest.width || height !== manifest.height) {
      throw new Error(`This browser decodes to ${frame.format} ${width}x${height} instead of ` +
        `${format} ${manifest.width}x${manifest.height}: use Chrome or Edge.`);
    }
    const buffer = /** @type {Uint8Array} */ (reserved.shift());
    await frame.copyTo(buffer, { layout });
    await give(index, buffer);
  } finally {
    frame.close(); // decoders stall when their frames are kept
  }
}

/** @param {BufferSource} bytes @returns {Promise<string>} hex SHA-256 */
export async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

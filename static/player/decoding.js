// Decodes stored clips into the planes of their frames, in order and bit-exactly.
// Used by both workers; knows neither the screen nor the network.

import { formatOf, planesOf } from "./colour.js";

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
 * @typedef {{manifest: Manifest, read(offset: number, size: number): Uint8Array}} Source
 *   read: a packet, into a buffer to give away
 * @typedef {(buffer: Uint8Array, frame: number, place: number) => void|Promise<void>} Give
 *   place: which clip it is of
 */

/**
 * One clip after the other, by one decoder as long as they are alike: another would have threads of
 * its own, which start while a clip is on the screen.
 * @param {Iterable<Source>|AsyncIterable<Source>} clips
 * @param {(manifest: Manifest) => Promise<Uint8Array|null>} take a free buffer for a frame; null to
 *   stop
 * @param {Give} give
 */
export async function decodeClips(clips, take, give) {
  /** @type {Error|null} */
  let failure = null;
  /** @type {Map<number, {manifest: Manifest, buffer: Uint8Array, frame: number, place: number}>} */
  const underWay = new Map(); // a buffer per packet, so that a frame never waits for one
  let packets = 0;
  let copies = Promise.resolve();
  const decoder = new VideoDecoder({
    error: (error) => { failure = error; },
    output: (picture) => {
      const wanted = underWay.get(picture.timestamp);
      underWay.delete(picture.timestamp);
      copies = copies.then(async () => {
        if (!wanted) throw new Error("This browser decodes frames that are not in the clip.");
        await copyOut(picture, wanted.manifest, wanted.buffer);
        await give(wanted.buffer, wanted.frame, wanted.place);
      }).catch((error) => { failure ??= error; })
        .finally(() => picture.close()); // decoders stall when their frames are kept
    },
  });
  let configured = "";
  let place = -1;
  try {
    for await (const { manifest, read } of clips) {
      place += 1;
      const { codec, width, height, keys } = manifest;
      const format = `${codec} ${formatOf(manifest)}`;
      if (configured !== format) {
        if (configured) await decoder.flush();
        decoder.configure({ codec, codedWidth: width, codedHeight: height });
        configured = format;
      }
      for (let frame = 0; frame < manifest.packets.length && !failure; frame++) {
        const buffer = await take(manifest);
        if (!buffer) return;
        while (decoder.decodeQueueSize > MOST_QUEUED && !failure) await dequeued(decoder);
        if (failure) break;
        // Chunks live until garbage is collected, by the thousand. Their bytes must not lie where
        // the page takes its memory from: it would wait, for frames, while they are let go.
        const data = read(...manifest.packets[frame]);
        underWay.set(packets, { manifest, buffer, frame, place });
        decoder.decode(new EncodedVideoChunk({
          type: keys[frame] ? "key" : "delta", timestamp: packets++, data, transfer: [data.buffer],
        }));
      }
      if (failure) break;
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

/** @param {VideoFrame} picture @param {Manifest} manifest @param {Uint8Array} buffer */
async function copyOut(picture, manifest, buffer) {
  const { width, height } = picture.visibleRect ?? { width: 0, height: 0 };
  const format = sampleBytes(manifest) === 1 ? "I420" : `I420P${manifest.depth}`;
  if (picture.format !== format || width !== manifest.width || height !== manifest.height) {
    throw new Error(`This browser decodes to ${picture.format} ${width}x${height} instead of ` +
      `${format} ${manifest.width}x${manifest.height}: use Chrome or Edge.`);
  }
  await picture.copyTo(buffer, { layout: planeLayout(manifest) });
}

/** @param {BufferSource} bytes @returns {Promise<string>} hex SHA-256 */
export async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Fetches the clips of a session, resuming where an earlier visit stopped, and proves each one:
// SHA-256 of the file, then SHA-256 of every decoded frame on this very browser.

import { HEADROOM } from "./clock.js";
import { decodeClips, frameBytes, sha256 } from "./decoding.js";
import {
  forgetOtherSessions, openForReading, openForWriting, packetReader, sessionFolder, storedFile,
} from "./storage.js";

/**
 * @typedef {import("./decoding.js").Manifest} Manifest
 * @typedef {{id: string, url: string, bytes: number, sha256: string, manifest: Manifest}} Clip
 */

self.onmessage = async ({ data }) => {
  try {
    await preload(data.session, data.clips);
    self.postMessage({ done: true });
  } catch (error) {
    self.postMessage({ error: error instanceof Error ? error.message : String(error) });
  }
};

/** @param {string} session @param {Clip[]} clips */
async function preload(session, clips) {
  await forgetOtherSessions(session);
  const folder = await sessionFolder(session);
  let coming = fetched(folder, clips[0]);
  for (const [place, clip] of clips.entries()) {
    let fps = await coming;
    // The next one is on its way while this one is proved.
    if (place + 1 < clips.length) coming = fetched(folder, clips[place + 1]);
    coming.catch(() => {}); // is told when it is waited for
    if (fps === null) {
      fps = await proveClip(folder, clip);
      if (fps < HEADROOM * (clip.manifest.rate[0] / clip.manifest.rate[1])) {
        await coming; // what arrived meanwhile took some of the speed
        fps = Math.max(fps, await proveClip(folder, clip));
      }
      await remember(folder, clip, fps);
    }
    self.postMessage({ clip: clip.id, bytes: clip.bytes, ready: true, fps });
  }
}

/** The speed at which a clip was proved on an earlier visit, or null once it is stored.
 * @param {FileSystemDirectoryHandle} folder @param {Clip} clip @returns {Promise<number|null>} */
async function fetched(folder, clip) {
  const fps = await provenSpeed(folder, clip);
  if (fps === null) await fetchClip(folder, clip);
  return fps;
}

/** Frames per second at which a clip was proved on an earlier visit.
 * @param {FileSystemDirectoryHandle} folder @param {Clip} clip @returns {Promise<number|null>} */
async function provenSpeed(folder, clip) {
  try {
    const file = await storedFile(folder, clip.id);
    const proof = JSON.parse(await (await storedFile(folder, `${clip.id}.proof`)).text());
    const same = file.size === clip.bytes && proof.sha256 === clip.sha256 &&
      proof.browser === navigator.userAgent;
    return same ? proof.fps : null;
  } catch {
    return null;
  }
}

/** @param {FileSystemDirectoryHandle} folder @param {Clip} clip @param {number} fps */
async function remember(folder, clip, fps) {
  const handle = await openForWriting(folder, `${clip.id}.proof`);
  const proof = { sha256: clip.sha256, fps, browser: navigator.userAgent };
  handle.truncate(0);
  handle.write(new TextEncoder().encode(JSON.stringify(proof)));
  handle.close();
}

const ATTEMPTS = 5;

/** @param {FileSystemDirectoryHandle} folder @param {Clip} clip */
async function fetchClip(folder, clip) {
  const handle = await openForWriting(folder, clip.id);
  try {
    if (handle.getSize() > clip.bytes) handle.truncate(0);
    for (let attempt = 1; handle.getSize() < clip.bytes; attempt++) {
      try {
        await append(handle, clip);
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1000 * attempt));
      }
    }
    const bytes = new Uint8Array(clip.bytes);
    handle.read(bytes, { at: 0 });
    if ((await sha256(bytes)) !== clip.sha256) {
      handle.truncate(0);
      throw new Error("A clip arrived damaged: reload this page to fetch it again.");
    }
    handle.flush();
  } finally {
    handle.close();
  }
}

/** @param {FileSystemSyncAccessHandle} handle @param {Clip} clip */
async function append(handle, clip) {
  let at = handle.getSize();
  const answer = await fetch(clip.url, at ? { headers: { Range: `bytes=${at}-` } } : {});
  if (!answer.ok || !answer.body) throw new Error(`The server refused a clip (${answer.status}).`);
  if (at && answer.status !== 206) handle.truncate(at = 0);
  const reader = answer.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    at += handle.write(part.value, { at });
    self.postMessage({ clip: clip.id, bytes: Math.min(at, clip.bytes) });
  }
}

/** Decode the whole clip and compare every frame. Gives the speed in frames per second.
 * @param {FileSystemDirectoryHandle} folder @param {Clip} clip */
async function proveClip(folder, { id, manifest }) {
  const handle = await openForReading(folder, id);
  const pool = Array.from({ length: 24 }, () => new Uint8Array(frameBytes(manifest)));
  let wake = () => {};
  let frames = 0;
  const started = performance.now();
  const take = async () => {
    while (!pool.length) await new Promise((resolve) => { wake = () => resolve(null); });
    return /** @type {Uint8Array} */ (pool.pop());
  };
  const give = async (/** @type {Uint8Array} */ planes, /** @type {number} */ frame) => {
    if ((await sha256(planes)) !== manifest.frame_sha256[frame]) {
      throw new Error(`Frame ${frame} of a clip is not decoded exactly by this browser: ` +
        "use another one (Chrome or Edge).");
    }
    frames += 1;
    pool.push(planes);
    wake();
  };
  try {
    await decodeClips([{ manifest, read: packetReader(handle) }], take, give);
  } finally {
    handle.close();
  }
  if (frames !== manifest.frames) {
    throw new Error(`A clip decodes to ${frames} frames instead of ${manifest.frames}.`);
  }
  return (1000 * frames) / (performance.now() - started);
}

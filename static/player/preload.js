// Brings all clips of a session onto this computer before anything is shown, and says how far.

/** @typedef {import("./frames.js").Clip} Clip */

/**
 * @param {string} session @param {Clip[]} clips
 * @param {(progress: {bytes: number, total: number, ready: number, clips: number}) => void} tell
 * @param {boolean} [beside] leave the clips of other sessions where they are
 * @returns {Promise<number>} decoding speed of the slowest clip in frames per second
 */
export async function preloadClips(session, clips, tell, beside = false) {
  const total = clips.reduce((sum, clip) => sum + clip.bytes, 0);
  await requireRoom(total);
  const worker = new Worker(new URL("./preload_worker.js", import.meta.url), { type: "module" });
  const bytes = new Map(clips.map((clip) => [clip.id, 0]));
  let [ready, slowest] = [0, Infinity];
  try {
    await new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message || "The loader did not start."));
      worker.onmessage = ({ data }) => {
        if (data.error) return reject(new Error(data.error));
        if (data.done) return resolve(null);
        bytes.set(data.clip, data.bytes);
        if (data.ready) {
          ready += 1;
          slowest = Math.min(slowest, data.fps);
        }
        const loaded = [...bytes.values()].reduce((sum, value) => sum + value, 0);
        return tell({ bytes: loaded, total, ready, clips: clips.length });
      };
      worker.postMessage({ session, clips, beside });
    });
  } finally {
    worker.terminate();
  }
  return slowest;
}

/** @param {number} bytes */
async function requireRoom(bytes) {
  await navigator.storage.persist?.().catch(() => false);
  const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
  if (quota - usage < bytes && quota < bytes * 1.1) {
    throw new Error(`The clips need ${gigabytes(bytes)} of storage and this browser gives ` +
      `${gigabytes(quota)}: free disk space, or use a normal (not private) window.`);
  }
}

/** @param {number} bytes */
const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(2)} GB`;

// The display's own copy of a session's clips, in the browser's private file system (OPFS).
// Workers only: the fast, synchronous file handles exist nowhere else.

const FOLDER = "midgrey-clips";

/** Handles of which something is asked. Chromium drops the answer, and waiting for it never ends,
 * when the handle is collected as garbage meanwhile. */
const asked = new Set();

/** @template {object} H @template T
 * @param {H} handle @param {(handle: H) => Promise<T>} question @returns {Promise<T>} */
async function ask(handle, question) {
  asked.add(handle);
  try {
    return await question(handle);
  } finally {
    asked.delete(handle);
  }
}

/** @returns {Promise<FileSystemDirectoryHandle>} */
async function allSessions() {
  const root = await ask(navigator.storage, (storage) => storage.getDirectory());
  return ask(root, () => root.getDirectoryHandle(FOLDER, { create: true }));
}

/** @param {string} session opaque name of the session */
export async function sessionFolder(session) {
  const all = await allSessions();
  return ask(all, () => all.getDirectoryHandle(session, { create: true }));
}

/** Clips of other sessions make room for this one's. @param {string} session */
export async function forgetOtherSessions(session) {
  await ask(await allSessions(), async (all) => {
    for await (const name of all.keys()) {
      // One that another window is using stays.
      if (name !== session) await all.removeEntry(name, { recursive: true }).catch(() => {});
    }
  });
}

/** @param {FileSystemDirectoryHandle} folder @param {string} name @returns {Promise<File>} */
export async function storedFile(folder, name) {
  return ask(await ask(folder, () => folder.getFileHandle(name)), (file) => file.getFile());
}

/** @param {FileSystemDirectoryHandle} folder @param {string} name */
export async function openForReading(folder, name) {
  const mode = /** @type {any} */ ({ mode: "read-only" });
  const found = await ask(folder, () => folder.getFileHandle(name));
  return ask(found, (file) => file.createSyncAccessHandle(mode));
}

/** @param {FileSystemDirectoryHandle} folder @param {string} name */
export async function openForWriting(folder, name) {
  const found = await ask(folder, () => folder.getFileHandle(name, { create: true }));
  return ask(found, (file) => file.createSyncAccessHandle());
}

/** A function that reads packets, each into a buffer of its own.
 * @param {FileSystemSyncAccessHandle} handle */
export function packetReader(handle) {
  return (/** @type {number} */ offset, /** @type {number} */ size) => {
    const packet = new Uint8Array(size);
    if (handle.read(packet, { at: offset }) !== size) throw new Error("A stored clip is cut short.");
    return packet;
  };
}

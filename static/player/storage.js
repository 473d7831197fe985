// The display's own copy of a session's clips, in the browser's private file system (OPFS).
// Workers only: the fast, synchronous file handles exist nowhere else.

const FOLDER = "midgrey-clips";

/** @param {string} session opaque name of the session */
export async function sessionFolder(session) {
  const root = await navigator.storage.getDirectory();
  const all = await root.getDirectoryHandle(FOLDER, { create: true });
  return all.getDirectoryHandle(session, { create: true });
}

/** Clips of other sessions make room for this one's. @param {string} session */
export async function forgetOtherSessions(session) {
  const root = await navigator.storage.getDirectory();
  const all = await root.getDirectoryHandle(FOLDER, { create: true });
  for await (const name of all.keys()) {
    // One that another window is using stays.
    if (name !== session) await all.removeEntry(name, { recursive: true }).catch(() => {});
  }
}

/** @param {FileSystemDirectoryHandle} folder @param {string} name */
export async function openForReading(folder, name) {
  const file = await folder.getFileHandle(name);
  return file.createSyncAccessHandle(/** @type {any} */ ({ mode: "read-only" }));
}

/** @param {FileSystemDirectoryHandle} folder @param {string} name */
export async function openForWriting(folder, name) {
  const file = await folder.getFileHandle(name, { create: true });
  return file.createSyncAccessHandle();
}

/** A function that reads packets through one buffer, which is used again for the next packet.
 * @param {FileSystemSyncAccessHandle} handle */
export function packetReader(handle) {
  let scratch = new Uint8Array(1 << 20);
  return (/** @type {number} */ offset, /** @type {number} */ size) => {
    if (scratch.length < size) scratch = new Uint8Array(size * 2);
    const packet = scratch.subarray(0, size);
    if (handle.read(packet, { at: offset }) !== size) throw new Error("A stored clip is cut short.");
    return packet;
  };
}

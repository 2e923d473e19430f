/**
 * Keeps models in the browser, so that the next visit needs no network: in its private file system (OPFS), or else in
 * its cache, or else, only until the page is closed, in memory. A model is a folder with a few files.
 *
 * @import { Folders, Writer } from "../types.d.ts"
 */

const HOME = "gpt2_course"; // other pages of the same host have their own

/**
 * @param {FileSystemDirectoryHandle} home
 * @returns {Folders}
 */
const inFileSystem = (home) => ({
  async list(folder) {
    /** @type {Map<string, Blob>} */
    const files = new Map();
    try {
      const directory = await home.getDirectoryHandle(folder);
      // @ts-ignore: TypeScript's library does not know the iterators of a directory
      for await (const [name, handle] of directory.entries()) files.set(name, await handle.getFile());
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "NotFoundError")) throw error;
    }
    return files;
  },
  async write(folder, name, from = 0) {
    const directory = await home.getDirectoryHandle(folder, { create: true });
    const handle = await directory.getFileHandle(name, { create: true });
    if (!("createSyncAccessHandle" in handle)) return throughStream(handle, from); // outside of a worker
    const access = await /** @type {any} */ (handle).createSyncAccessHandle();
    access.truncate(from);
    let at = from;
    return {
      async write(bytes) {
        at += access.write(bytes, { at });
      },
      async close() {
        access.flush();
        access.close();
      },
    };
  },
  remove: (folder) => home.removeEntry(folder, { recursive: true }).catch(() => {}),
});

/**
 * @param {FileSystemFileHandle} handle
 * @param {number} from
 * @returns {Promise<Writer>}
 */
async function throughStream(handle, from) {
  const stream = await handle.createWritable({ keepExistingData: true });
  await stream.truncate(from);
  await stream.seek(from);
  return { write: (bytes) => stream.write(bytes), close: () => stream.close() };
}

/**
 * Folders in anything that keeps a blob under a path.
 * @param {{ get(path: string): Promise<Blob | undefined>, set(path: string, blob: Blob): Promise<unknown>,
 *   delete(path: string): Promise<unknown>, paths(): Promise<string[]> }} kept
 * @returns {Folders}
 */
const inBlobs = (kept) => {
  const within = async (/** @type {string} */ folder) =>
    (await kept.paths()).filter((path) => path.startsWith(`${folder}/`));
  return {
    async list(folder) {
      /** @type {Map<string, Blob>} */
      const files = new Map();
      for (const path of await within(folder)) {
        const blob = await kept.get(path);
        if (blob) files.set(path.slice(folder.length + 1), blob);
      }
      return files;
    },
    async write(folder, name, from = 0) {
      const path = `${folder}/${name}`;
      const before = from ? await kept.get(path) : undefined;
      const parts = before ? [before.slice(0, from)] : [];
      return {
        async write(bytes) {
          parts.push(new Blob([/** @type {BlobPart} */ (/** @type {unknown} */ (bytes))])); // a copy
        },
        close: async () => void (await kept.set(path, new Blob(parts))),
      };
    },
    async remove(folder) {
      for (const path of await within(folder)) await kept.delete(path);
    },
  };
};

/** @returns {Promise<Folders>} */
async function best() {
  try {
    const root = await navigator.storage.getDirectory();
    return inFileSystem(await root.getDirectoryHandle(HOME, { create: true }));
  } catch {
    // this browser has no private file system, or the page may not use it
  }
  const address = new URL(`./${HOME}/`, import.meta.url).href;
  try {
    const cache = await caches.open(HOME);
    return inBlobs({
      get: async (path) => (await cache.match(address + path))?.blob(),
      set: (path, blob) => cache.put(address + path, new Response(blob)),
      delete: (path) => cache.delete(address + path),
      paths: async () => (await cache.keys()).map(({ url }) => decodeURI(url.slice(address.length))),
    });
  } catch {
    /** @type {Map<string, Blob>} */
    const kept = new Map();
    return inBlobs({
      get: async (path) => kept.get(path),
      set: async (path, blob) => kept.set(path, blob),
      delete: async (path) => kept.delete(path),
      paths: async () => [...kept.keys()],
    });
  }
}

/** @type {Promise<Folders> | undefined} */
let chosen;
/** The store of this browser. */
export const folders = () => (chosen ??= best());

/**
 * Write a whole file.
 * @param {Folders} store
 * @param {string} folder
 * @param {string} name
 * @param {Blob | string} content
 */
export async function save(store, folder, name, content) {
  const writer = await store.write(folder, name);
  const reader = new Blob([content]).stream().getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) await writer.write(part.value);
  } finally {
    await writer.close();
  }
}

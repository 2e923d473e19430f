/*
 * The book's service worker: it saves every file of the book, and then serves the book from what it saved.
 *
 * When the book is built, offline.py puts the list of files above this text and writes both to the book's root:
 *   self.BOOK = { version, files: { path: the beginning of its SHA-256 } };
 * So every change of the book changes this file, and the browser, which asks for it at each visit, installs it again.
 *
 * A version is whole or not there. It has a cache of its own, a file is saved only if its hash is the listed one, and a
 * new version takes over only while a single page is open, which then reloads (offline.mjs). No page ever mixes files
 * of two versions. A reader sees the old version for at most the one page that was open while the new one was saved.
 * If a new version cannot be saved because a file is missing or wrong, the old one is dropped, and pages come from the
 * network until it can: better no copy than one that stays old.
 *
 * Everything that is not in the list, such as downloads of other models, is none of its business.
 */

/** @typedef {Event & { waitUntil(work: Promise<unknown>): void }} LongEvent */
/** @typedef {LongEvent & { request: Request, respondWith(answer: Promise<Response>): void }} FetchEvent */
/** @typedef {{ version: string, files: Record<string, string> }} Book */

{
  const scope = /** @type {any} */ (self); // the type checker knows pages, but no service workers
  const { version, files } = /** @type {Book} */ (scope.BOOK);
  const HOME = new URL("./", location.href).href;
  const PREFIX = `book ${HOME} `; // one host may have several books
  const CACHE = PREFIX + version;
  const LAST = "_static/offline.json"; // saved last, so its presence means that the version is whole
  const AT_ONCE = 4; // requests

  /** The cache names of other versions of this book. */
  const otherVersions = async () => (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  const dropOtherVersions = async () => Promise.all((await otherVersions()).map((name) => caches.delete(name)));

  /**
   * The beginning of a file's SHA-256, as in the list.
   * @param {ArrayBuffer} bytes
   */
  async function hashOf(bytes) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return [...digest.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /**
   * Save one file: a copy from another version if it has not changed, or else from the network.
   * @param {Cache} cache @param {string} path @param {string[]} others
   */
  async function saveFile(cache, path, others) {
    const address = HOME + path;
    if (await cache.match(address)) return; // an earlier try saved it and was interrupted
    const copies = others.map((cacheName) => () => caches.match(address, { cacheName }));
    // "no-cache" asks the server whether the browser's own copy is still good, so nothing is downloaded twice
    const fresh = () => fetch(address, /** @type {RequestInit} */ ({ cache: "no-cache", priority: "low" }));
    for (const get of [...copies, fresh]) {
      const response = await get();
      const bytes = await response?.arrayBuffer();
      if (!response || !bytes || (await hashOf(bytes)) !== files[path]) continue;
      const headers = new Headers(response.headers);
      headers.delete("content-encoding"); // the bytes are unpacked
      await cache.put(address, new Response(bytes, { headers }));
      return;
    }
    throw new Error(`${address} is not the file that belongs to this version of the book.`);
  }

  async function save() {
    const cache = await caches.open(CACHE);
    const others = await otherVersions();
    const paths = Object.keys(files).filter((path) => path !== LAST);
    const saveNext = async () => {
      for (let path = paths.shift(); path !== undefined; path = paths.shift()) await saveFile(cache, path, others);
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, saveNext));
      await saveFile(cache, LAST, others);
    } catch (error) {
      if (!(error instanceof TypeError)) await dropOtherVersions(); // a TypeError means that the network is gone
      throw error;
    }
  }

  async function begin() {
    const isFirst = !(await otherVersions()).length;
    await dropOtherVersions();
    if (isFirst) await scope.clients.claim(); // also serve the page that is open, which is of this version
  }

  /** Let this version take over if there is only one page of the book open, the one that asks for it. */
  async function takeOver() {
    /** @type {{ url: string }[]} */
    const windows = await scope.clients.matchAll({ type: "window", includeUncontrolled: true });
    if (windows.filter(({ url }) => url.startsWith(HOME)).length === 1) await scope.skipWaiting();
  }

  /** @param {Request} request @param {string} path */
  const answer = async (request, path) => (await caches.match(HOME + path, { cacheName: CACHE })) ?? fetch(request);

  scope.addEventListener("install", (/** @type {LongEvent} */ event) => event.waitUntil(save()));
  scope.addEventListener("activate", (/** @type {LongEvent} */ event) => event.waitUntil(begin()));
  scope.addEventListener("message", (/** @type {LongEvent} */ event) => event.waitUntil(takeOver()));
  scope.addEventListener("fetch", (/** @type {FetchEvent} */ event) => {
    const { origin, pathname } = new URL(event.request.url);
    const address = origin + pathname;
    const path = address.startsWith(HOME) ? decodeURI(address.slice(HOME.length)) || "index.html" : "";
    if (event.request.method === "GET" && path in files) event.respondWith(answer(event.request, path));
  });
}

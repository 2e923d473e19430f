/*
 * Keeps the whole book for reading offline. Once a page has loaded and is idle, the book's service worker saves all
 * files (service_worker.js). With the browser set to save data, it does so only when asked.
 *
 * Nothing happens where there are no service workers, as for files and in notebooks, and on localhost, where another
 * project may be served next from the same address.
 */
import { element } from "./memory.mjs";

const HOME = new URL("..", import.meta.url);
const LOCAL = ["localhost", "127.0.0.1", "[::1]"];
const LONGEST_WAIT = 10_000; // milliseconds; a page that is never idle must not keep the book from being saved
const line = document.querySelector(".foot .offline");

/** @param {(Node | string)[]} parts */
const tell = (...parts) => line?.replaceChildren(...parts);

/** @param {number} bytes */
const megabytes = (bytes) => `${Math.ceil(bytes / 1e6)} MB`;

/** Say that the book is saved, if it is. */
async function tellWhetherSaved() {
  const saved = await caches.match(new URL("_static/offline.json", HOME));
  if (saved) tell(`Ready to read offline, ${megabytes((await saved.json()).bytes)}.`);
}

async function save() {
  const registration = await navigator.serviceWorker.register(new URL("service_worker.js", HOME), { scope: HOME.href });
  const { active, installing } = registration;
  if (installing && !active) tell("Saving the book to read offline…");
  installing?.addEventListener("statechange", () => installing.state === "redundant" && !active && tell());
  await navigator.serviceWorker.ready;
  await tellWhetherSaved();
}

/** A button for readers who save data. */
async function offer() {
  const { bytes } = await (await fetch(new URL("_static/offline.json", HOME))).json();
  const button = element("button", { type: "button" }, `Save the book to read offline, ${megabytes(bytes)}`);
  button.addEventListener("click", save);
  tell(button);
}

/** If a newer version of the book has been saved, change to it, unless another window still shows the old one. */
function update(/** @type {ServiceWorker} */ waiting) {
  navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
  waiting.postMessage("take over");
}

async function start() {
  const registration = await navigator.serviceWorker.getRegistration(HOME);
  if (registration?.waiting) update(registration.waiting);
  const { connection } = /** @type {{ connection?: { saveData?: boolean } }} */ (navigator);
  if (connection?.saveData && !registration) return offer();
  const whenIdle = window.requestIdleCallback ?? ((/** @type {() => void} */ work) => setTimeout(work, 2000));
  const later = () => whenIdle(() => void save().catch(() => {}), { timeout: LONGEST_WAIT });
  if (document.readyState === "complete") later();
  else addEventListener("load", later);
}

if (navigator.serviceWorker && !LOCAL.includes(location.hostname)) start().catch(() => {});

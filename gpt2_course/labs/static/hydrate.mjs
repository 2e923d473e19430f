/**
 * Runs the labs of a page without a kernel. A notebook's output contains each lab as <div data-lab="name"
 * data-state="…"> with a static example inside. When the div comes into view, the lab's module is mounted in it and
 * connected to an engine in a Web Worker, which all labs on the page share. Until then, and wherever labs cannot run,
 * the example stays. The button below a lab copies a link that opens the page with the lab as it is then.
 *
 * @import { Lab, Message, Model, Request, Traits, Using } from "../types.d.ts"
 */
import { linkRow, stateIn } from "./link.mjs";
import { modelsPanel } from "./models_panel.mjs";
import { connect, h, latest } from "./ui.mjs";

const WEIGHTS = 5e6; // approximate size in bytes, for the progress bar
const STATIC = "This lab can’t run here, so you see a static example.";

/** @type {Worker | null} */
let worker = null;
/** @type {Set<(message: Message) => void>} */
const listeners = new Set();

/** @param {Request} request */
function send(request) {
  if (!window.Worker) throw new Error("This browser does not support web workers.");
  if (!worker) {
    const started = new Worker(new URL("./worker.mjs", import.meta.url), { type: "module" });
    started.onmessage = ({ data }) => listeners.forEach((listener) => listener(data));
    started.onerror = () => {
      started.terminate();
      worker = null; // the next request starts a new one
      listeners.forEach((listener) => listener({ broken: "The engine stopped. Reload the page to restart it." }));
    };
    worker = started;
  }
  worker.postMessage(request);
}

/**
 * The module of a lab.
 * @param {HTMLElement} place
 * @returns {Promise<Lab>}
 */
const moduleOf = (place) => import(`./${place.dataset.lab}.mjs`).then(({ default: lab }) => lab);

/**
 * A stand-in for Jupyter's widget model: the lab's traits, and the connection to the engine until `close` is called.
 * @param {Traits} state
 * @returns {Model & { close(): void }}
 */
function pageModel(state) {
  /** @type {Map<string, ((message: Message) => void)[]>} */
  const heard = new Map();
  /** @type {(event: string, message?: Message) => void} */
  const tell = (event, message = {}) => heard.get(event)?.forEach((listener) => listener(message));
  const listener = (/** @type {Message} */ message) => tell("msg:custom", message);
  listeners.add(listener);
  return {
    close: () => void listeners.delete(listener),
    get: (trait) => state[trait],
    set(trait, value) {
      if (state[trait] === value) return;
      state[trait] = value;
      tell(`change:${trait}`);
    },
    save_changes() {},
    inPage: true,
    on: (/** @type {string} */ event, /** @type {(message: Message) => void} */ listener) =>
      void heard.set(event, [...(heard.get(event) ?? []), listener]),
    send,
  };
}

const panel = modelsPanel(pageModel(/** @type {Traits} */ ({})));
/** @type {(() => Promise<void>)[]} */
const restarts = []; // one per running lab
/** @type {Using | undefined} */
let inUse;
listeners.add(({ using }) => {
  if (!using) return;
  const isOther = inUse !== undefined && inUse.version !== using.version;
  inUse = using;
  panel.setUsing(using);
  if (isOther) restarts.forEach((restart) => restart());
});

/** @param {HTMLElement} place */
async function mount(place) {
  const bar = h("progress", { max: WEIGHTS, "aria-label": "Loading the model" });
  const note = h("p", { class: "lab-note", role: "status" }, "Loading this lab… ", bar);
  (place.querySelector(".lab-slot") ?? place).prepend(note); // where a lab leaves room for it, nothing moves
  try {
    const lab = await moduleOf(place);
    const [initial, link] = [initialOf(place), followed()];
    const mine = link?.lab === place.dataset.name ? link : null;
    const state = { ...(mine?.state ?? initial) };
    const loading = pageModel(state);
    loading.on("msg:custom", ({ loaded }) => {
      if (loaded) bar.value = loaded;
    });
    await connect(loading)(lab.needs[0], lab.needs[1]);
    loading.close();
    const start = async () => {
      const model = pageModel(state);
      const el = h("div");
      const cleanUp = await lab.render({ model, el });
      const { row, open } = linkRow(place.dataset.name ?? "", initial, model);
      if (!isBare) el.append(row);
      place.replaceChildren(el, ...line);
      openers.set(place, open);
      return () => {
        cleanUp?.();
        model.close();
      };
    };
    // The history is the shipped model's, and a training has a model of its own, whichever model is in use.
    const isTied = ["history", "training"].includes(lab.needs[0]);
    const isBare = "bare" in place.dataset; // no link to it and no line about its model
    /** @type {HTMLElement[]} */
    const line = isTied || isBare ? [] : [panel.chip()];
    const before = inUse;
    let end = await start();
    if (!isTied) {
      panel.takeDrops(place);
      const restart = async () => {
        end();
        if (state.added) state.added = []; // ids of another vocabulary
        if (state.without) state.without = []; // heads of another model
        end = await start();
      };
      const restartOnce = latest(restart, (error) => {
        if (error) place.prepend(h("p", { class: "lab-note", role: "status" }, String(error)));
      });
      restarts.push(restartOnce);
      if (before && before.version !== inUse?.version) restartOnce(); // another model was chosen in the meantime
    }
    place.dataset.alive = "";
    if (mine) follow();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const isBare = "bare" in place.dataset; // with room for one line
    note.replaceChildren(isBare ? "Not live: the model can’t run here." : `${STATIC} ${reason}`);
    if (isBare) note.title = reason;
  }
}

/**
 * What the page starts a lab with.
 * @param {HTMLElement} place
 * @returns {Traits}
 */
const initialOf = (place) => JSON.parse(place.dataset.state ?? "{}");

/** @type {Map<HTMLElement, ReturnType<typeof linkRow>["open"]>} */
const openers = new Map(); // of the labs that run: what brings them into the state of a link
const placeOf = (/** @type {string} */ name) => places.find((place) => place.dataset.name === name);

/** The link to a lab in the page's address, if there is one. */
const followed = () =>
  stateIn(location.hash, (name) => {
    const place = placeOf(name);
    return place && initialOf(place);
  });

/** Show the lab that the page's address links to. One that does not run yet takes its state when it starts. */
function follow() {
  const link = followed();
  const place = link && placeOf(link.lab);
  if (!place) return;
  openers.get(place)?.(link);
  place.scrollIntoView();
}

const inView = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      inView.unobserve(target);
      mount(/** @type {HTMLElement} */ (target));
    }
  },
  { rootMargin: "200px" },
);
/** @type {HTMLElement[]} */
const places = [...document.querySelectorAll("[data-lab]")].filter((place) => place instanceof HTMLElement);
places.forEach((place, i) => {
  const before = places.slice(0, i).filter(({ dataset }) => dataset.lab === place.dataset.lab);
  place.dataset.name = `${place.dataset.lab}-${before.length + 1}`;
  inView.observe(place);
});
follow();
addEventListener("hashchange", follow);

/**
 * Fetch everything that the page's labs need, once the page itself has loaded, so that they work even if the reader
 * goes offline before scrolling to them. Skip this if the browser is set to save data. Failures are ignored, because
 * the lab tries again and reports them.
 */
async function prefetch() {
  const { connection } = /** @type {{ connection?: { saveData?: boolean } }} */ (navigator);
  if (connection?.saveData) return;
  const ask = connect(pageModel(/** @type {Traits} */ ({})));
  for (const lab of await Promise.all(places.map(moduleOf))) {
    for (const [call, asked] of [lab.needs, ...(lab.mayNeed ?? [])]) await ask(call, asked);
  }
}
if (places.length) addEventListener("load", () => prefetch().catch(() => {}));

/**
 * Brings the labs of a page to life, with no kernel. Each lab is a <div data-lab="name" data-state="…"> that holds a drawn
 * example. When it comes into view, the lab's module is mounted on the engine in a Web Worker, which all labs of the page
 * share; until then, and where that is not possible, the drawn example stays.
 */
import { connect, h } from "./ui.mjs";

const WEIGHTS = 5e6; // bytes, about; only the progress bar needs it

let worker = null;
const listeners = new Set();
function send(message) {
  if (!window.Worker) throw new Error("This browser has no web workers.");
  if (!worker) {
    worker = new Worker(new URL("./worker.mjs", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => listeners.forEach((hear) => hear(data));
    worker.onerror = () => {
      worker.terminate();
      worker = null; // the next lab may try again
      listeners.forEach((hear) => hear({ broken: "The engine has stopped: reload the page." }));
    };
  }
  worker.postMessage(message);
}

const moduleOf = (place) => import(`./${place.dataset.lab}.mjs`).then(({ default: lab }) => lab);

/** Stands in for Jupyter's widget model: the lab's traits, and the line to the engine. */
function pageModel(state) {
  const heard = new Map();
  const on = (event, hear) => heard.set(event, [...(heard.get(event) ?? []), hear]);
  const tell = (event, what) => heard.get(event)?.forEach((hear) => hear(what));
  listeners.add((data) => tell("msg:custom", data));
  return {
    get: (trait) => state[trait],
    set(trait, value) {
      if (state[trait] === value) return;
      state[trait] = value;
      tell(`change:${trait}`);
    },
    save_changes() {},
    inPage: true, // and not in a notebook: a lab may begin by itself
    on,
    send,
  };
}

async function mount(place) {
  const bar = h("progress", { max: WEIGHTS, "aria-label": "The model is being fetched" });
  const note = h("p", { class: "lab-note", role: "status" }, "This lab is waking up … ", bar);
  place.prepend(note);
  try {
    const lab = await moduleOf(place);
    const model = pageModel(JSON.parse(place.dataset.state));
    model.on("msg:custom", ({ loaded }) => {
      if (loaded) bar.value = loaded;
    });
    await connect(model)(...lab.needs);
    const el = h("div");
    await lab.render({ model, el });
    place.replaceChildren(el);
    place.dataset.alive = "";
  } catch (error) {
    note.replaceChildren(`This lab cannot run here, so you see a drawn example. ${error.message}`);
  }
}

const inView = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      inView.unobserve(target);
      mount(target);
    }
  },
  { rootMargin: "200px" },
);
const places = [...document.querySelectorAll("[data-lab]")];
places.forEach((place) => inView.observe(place));

/**
 * Fetches what the page's labs need, once the page itself is there: a reader who then loses the network finds those that
 * are further down alive as well. Not for readers who have asked their browser to save data; and a fetch that fails now
 * is tried again by the lab, which says so.
 */
async function fetchAll() {
  if (navigator.connection?.saveData) return;
  const ask = connect(pageModel({}));
  for (const place of places) {
    const lab = await moduleOf(place);
    for (const [call, asked] of [lab.needs, ...(lab.mayNeed ?? [])]) await ask(call, asked);
  }
}
if (places.length) addEventListener("load", () => fetchAll().catch(() => {}));

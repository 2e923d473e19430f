/**
 * What the labs share: the connection to the engine and small parts of a page. Input is always shown as text, never as
 * markup.
 *
 * @import { Ask, Attributes, Child, Model, Settings, Trait, TraitOf, Traits } from "../types.d.ts"
 */

/**
 * Create an HTML element. Attributes that start with `on` are event listeners.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {Attributes} attributes
 * @param {...Child} children
 */
export const h = (name, attributes = {}, ...children) => filled(document.createElement(name), attributes, children);

/**
 * Create an SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} name
 * @param {Attributes} attributes
 * @param {...Child} children
 */
export const svg = (name, attributes = {}, ...children) =>
  filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

/**
 * @template {Element} E
 * @param {E} element
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
function filled(element, attributes, children) {
  for (const child of /** @type {unknown[]} */ (children).flat(Infinity)) {
    if (typeof child !== "string" && !(child instanceof Node)) {
      throw new TypeError(`A child must be an element or text, but is ${child}.`);
    }
    element.append(child);
  }
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.replace(/^on/, ""), value);
    else if (value !== false && value !== null) element.setAttribute(key, value === true ? "" : String(value));
  }
  return element;
}

/**
 * Connect to the engine: the page's worker or the notebook's kernel. Both exchange messages with the lab.
 * @param {Model} model
 * @returns {Ask} a function that sends a call and returns a promise of its answer, whose `cancel()` ends the call early
 */
export function connect(model) {
  /** @typedef {{ resolve(done: unknown): void, reject(error: Error): void, onPart(part: unknown): void }} Waiting */
  /** @type {Map<number, Waiting>} */
  const waiting = new Map();
  model.on("msg:custom", ({ id, part, done, error, broken }) => {
    if (broken) {
      waiting.forEach(({ reject }) => reject(new Error(broken)));
      waiting.clear();
      return;
    }
    const call = id === undefined ? undefined : waiting.get(id);
    if (id === undefined || !call) return; // a message for another lab
    if (part !== undefined) {
      call.onPart(part);
      return;
    }
    waiting.delete(id);
    if (error === undefined) call.resolve(done);
    else call.reject(new Error(error));
  });
  return function ask(call, asked = {}, onPart = () => {}) {
    const [id] = crypto.getRandomValues(new Uint32Array(1)); // labs share an engine, so a counter would not be unique
    const answer = new Promise((resolve, reject) => waiting.set(id, { resolve, reject, onPart }));
    model.send({ id, call, ...asked });
    return Object.assign(answer, { cancel: () => model.send({ cancel: id }) });
  };
}

/**
 * Wrap `work` so that it never runs twice at once. Requests that arrive while it runs are merged into one more run.
 * @param {() => Promise<void>} work
 * @param {(error: unknown) => void} onError  is also called with null after each success
 */
export function latest(work, onError) {
  let busy = false;
  let again = false;
  return async function run() {
    again = true;
    if (busy) return;
    busy = true;
    while (again) {
      again = false;
      try {
        await work();
        onError(null);
      } catch (error) {
        onError(error);
      }
    }
    busy = false;
  };
}

/**
 * Keep a trait and a control in sync, in both directions.
 * @template {Trait} K
 * @param {Model} model
 * @param {K} trait
 * @param {() => Traits[K]} read  reads the control
 * @param {(value: Traits[K]) => void} write  writes to the control
 * @param {() => void} onChange
 * @returns {() => void} a function to call when the control changes
 */
export function bind(model, trait, read, write, onChange) {
  write(model.get(trait));
  model.on(`change:${trait}`, () => {
    write(model.get(trait));
    onChange();
  });
  return () => {
    const value = read();
    if (model.get(trait) === value) return;
    model.set(trait, value);
    model.save_changes();
  };
}

// Random, because each lab in a notebook has its own copy of this module, so counters would collide.
const uniqueName = () => `lab-${crypto.getRandomValues(new Uint32Array(2)).join("")}`;

/**
 * A control under its label.
 * @param {string} label
 * @param {HTMLElement} control
 * @param {Child} [note]
 */
export function field(label, control, note) {
  control.id = uniqueName();
  return h("div", { class: "lab-field" }, h("label", { for: control.id }, label, note ? [" ", note] : []), control);
}

/**
 * A text field for a trait.
 * @param {Model} model
 * @param {"text" | "prompt" | "message"} trait
 * @param {string} label
 * @param {() => void} onChange
 * @param {() => void} onTyped  is called before the trait changes, and only if the user typed
 */
export function textField(model, trait, label, onChange, onTyped = () => {}) {
  const area = h("textarea", { rows: 2, spellcheck: "false", dir: "auto" });
  const save = bind(
    model,
    trait,
    () => area.value,
    (value) => {
      if (area.value !== value) area.value = value; // setting it would move the cursor
    },
    onChange,
  );
  area.addEventListener("input", () => {
    onTyped();
    save();
  });
  return field(label, area);
}

/**
 * A slider for a number.
 * @param {Model} model
 * @param {TraitOf<number>} trait
 * @param {string} label
 * @param {[min: number, max: number, step: number]} range
 * @param {() => void} onChange
 * @param {(value: number) => string} show  puts the value into words
 */
export function slider(model, trait, label, [min, max, step], onChange, show = String) {
  const input = h("input", { type: "range", min, max, step });
  const output = h("span", { "aria-hidden": "true" }); // screen readers read aria-valuetext instead
  const say = () => {
    output.textContent = show(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  const save = bind(
    model,
    trait,
    () => Number(input.value),
    (value) => {
      input.value = String(value);
      say();
    },
    onChange,
  );
  input.addEventListener("input", () => {
    say();
    save();
  });
  return field(label, input, output);
}

/**
 * Radio buttons for a trait.
 * @template {TraitOf<string>} K
 * @param {Model} model
 * @param {K} trait
 * @param {string} label
 * @param {[value: Traits[K], text: string][]} options
 * @param {() => void} onChange
 */
export function choice(model, trait, label, options, onChange) {
  const group = uniqueName();
  const buttons = options.map(([value, text]) => {
    const input = h("input", { type: "radio", name: group, value });
    return { value, input, shown: h("label", {}, input, " ", text) };
  });
  const save = bind(
    model,
    trait,
    () => buttons.find(({ input }) => input.checked)?.value ?? model.get(trait),
    (chosen) =>
      buttons.forEach(({ value, input }) => {
        input.checked = value === chosen;
      }),
    onChange,
  );
  buttons.forEach(({ input }) => input.addEventListener("change", save));
  return h(
    "fieldset",
    { class: "lab-choice" },
    h("legend", {}, label),
    buttons.map(({ shown }) => shown),
  );
}

/**
 * Three sliders for the sampling settings. Top-k 0 and top-p 1 mean no limit.
 * @param {Model} model
 * @param {() => void} onChange
 */
export function samplingSliders(model, onChange) {
  return [
    slider(model, "temperature", "Temperature", [0, 2, 0.05], onChange, (t) => (t === 0 ? "0 (greedy)" : t.toFixed(2))),
    slider(model, "top_k", "Top-k", [0, 100, 1], onChange, (k) => (k === 0 ? "all" : String(k))),
    slider(model, "top_p", "Top-p", [0.05, 1, 0.05], onChange, (p) => (p === 1 ? "all" : p.toFixed(2))),
  ];
}

const LARGEST_SEED = 2 ** 31 - 1;

/**
 * A field for the seed.
 * @param {Model} model
 * @param {() => void} onChange
 */
export function seedField(model, onChange) {
  const input = h("input", { type: "number", min: 0, max: LARGEST_SEED, step: 1 });
  const save = bind(
    model,
    "seed",
    () => Math.min(LARGEST_SEED, Math.max(0, Math.trunc(Number(input.value)) || 0)),
    (value) => {
      input.value = String(value);
    },
    onChange,
  );
  input.addEventListener("change", save);
  return field("Seed (same seed, same text)", input);
}

/**
 * The traits' sampling settings, as the engine expects them.
 * @param {Model} model
 * @returns {Settings}
 */
export const settingsOf = (model) => ({
  temperature: model.get("temperature"),
  top_k: model.get("top_k") || null,
  top_p: model.get("top_p") === 1 ? null : model.get("top_p"),
});

/**
 * A button. Use `enable` to disable it, because the `disabled` attribute would take the focus away.
 * @param {string} text
 * @param {() => void} onclick
 * @param {Attributes} attributes
 */
export function button(text, onclick, attributes = {}) {
  const pressed = () => {
    if (made.ariaDisabled !== "true") onclick();
  };
  const made = h("button", { type: "button", ...attributes, onclick: pressed }, text);
  return made;
}

/**
 * @param {HTMLElement} button
 * @param {boolean} yes
 */
export const enable = (button, yes) => {
  button.ariaDisabled = String(!yes);
};

/**
 * Make the tab key stop at one button of a group. The arrow keys move from there and press the button they reach.
 * @param {HTMLElement} group
 * @param {() => number} columns  buttons per row
 * @returns {(at: number) => void} a function that sets the button to stop at
 */
export function roving(group, columns = () => Infinity) {
  const buttons = () => [...group.querySelectorAll("button")];
  group.addEventListener("keydown", (event) => {
    /** @type {Record<string, number>} */
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() };
    const next = buttons()[buttons().findIndex((button) => button === event.target) + steps[event.key]];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.click();
  });
  return (at) =>
    buttons().forEach((button, i) => {
      button.tabIndex = i === at ? 0 : -1;
    });
}

/**
 * Text with visible white space.
 * @param {string} text
 */
export const visible = (text) => text.replace(/ /g, "·").replace(/\n/g, "↵").replace(/\t/g, "⇥") || "∅";

/**
 * A token's text in quotation marks, on one line.
 * @param {string} text
 */
export const quoted = (text) => `“${text.replace(/\n/g, "↵")}”`;

/** @param {number} p */
export function percent(p) {
  if (p === 0) return "0%";
  if (p < 0.0001) return "< 0.01%";
  const digits = p < 0.01 ? 2 : p < 0.0995 ? 1 : 0;
  return `${(100 * p).toFixed(digits)}%`;
}

/**
 * Functions that redraw the heat maps.
 * @type {WeakMap<HTMLCanvasElement, () => void>}
 */
const paints = new WeakMap();

/**
 * A table of numbers from -1 to 1 as a picture: cold colors above 0, warm colors below.
 * @param {number} rows
 * @param {number} columns
 * @param {(row: number, column: number) => number} number
 * @param {Attributes} attributes
 */
export function heatMap(rows, columns, number, attributes = {}) {
  const canvas = h("canvas", { width: columns, height: rows, ...attributes });
  const paint = () => {
    const context = canvas.getContext("2d");
    if (!context) return;
    const style = getComputedStyle(canvas);
    const [cold, warm] = [style.getPropertyValue("--lab-cold"), style.getPropertyValue("--lab-warm")];
    context.clearRect(0, 0, columns, rows);
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        const value = number(row, column);
        context.fillStyle = value > 0 ? cold : warm;
        context.globalAlpha = Math.abs(value);
        context.fillRect(column, row, 1, 1);
      }
  };
  paints.set(canvas, paint);
  requestAnimationFrame(paint); // the canvas inherits the page's colors only once it is in the page
  return canvas;
}

// A canvas does not follow the page into dark mode, so repaint it.
const themes = new MutationObserver(() =>
  document.querySelectorAll("canvas").forEach((canvas) => paints.get(canvas)?.()),
);
themes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
themes.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });

/** Whether the reader prefers a page in which nothing moves. */
export const wantsNoMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** A line for error messages, which screen readers announce. `tell(error)` fills it; `tell(null)` clears it. */
export function messageLine() {
  const line = h("p", { class: "lab-message", role: "status" });
  /** @param {unknown} error */
  const tell = (error) => {
    line.textContent = error instanceof Error ? error.message : error ? String(error) : "";
  };
  return { line, tell };
}

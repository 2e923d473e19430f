/** What the labs share: talking to the engine, and small pieces of a page. Everything typed becomes text, never markup. */

/** Makes an element: attributes by name, `on…` for listeners; children are elements or text, in lists of any depth. */
export const h = (name, attributes = {}, ...children) => filled(document.createElement(name), attributes, children);

/** The same for a drawing. */
export const svg = (name, attributes = {}, ...children) =>
  filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

function filled(element, attributes, children) {
  for (const child of children.flat(Infinity)) {
    if (typeof child !== "string" && !(child instanceof Node))
      throw new TypeError(`A child must be an element or text, but is ${child}.`);
    element.append(child);
  }
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(key, value === true ? "" : value);
  }
  return element;
}

/**
 * Connects to what computes: the worker of the page, or the kernel of the notebook. Both are spoken to by messages.
 * `ask(call, asked, onPart)` gives a promise of the answer; its `cancel()` ends the call early.
 */
export function connect(model) {
  const waiting = new Map();
  const hear = ({ id, part, done, error, broken }) => {
    if (broken) {
      waiting.forEach(({ reject }) => reject(new Error(broken)));
      return waiting.clear();
    }
    const call = waiting.get(id);
    if (!call) return;
    if (part !== undefined) return call.onPart(part);
    waiting.delete(id);
    if (error === undefined) call.resolve(done);
    else call.reject(new Error(error));
  };
  model.on("msg:custom", hear);
  return function ask(call, asked = {}, onPart = () => {}) {
    const id = crypto.getRandomValues(new Uint32Array(1))[0]; // other labs speak to the same engine
    const answer = new Promise((resolve, reject) => waiting.set(id, { resolve, reject, onPart }));
    model.send({ id, call, ...asked });
    answer.cancel = () => model.send({ cancel: id });
    return answer;
  };
}

/** A function that does `work` for the newest request only: while one is under way, only the last that came waits. */
export function latest(work, onError) {
  let busy = false;
  let again = false;
  return async function run() {
    if (busy) return void (again = true);
    busy = true;
    do {
      again = false;
      try {
        await work();
        onError(null);
      } catch (error) {
        onError(error);
      }
    } while (again);
    busy = false;
  };
}

/** Keeps a trait and a control in step, in both directions. */
export function bind(model, trait, read, write, onChange) {
  write(model.get(trait));
  model.on(`change:${trait}`, () => {
    write(model.get(trait));
    onChange();
  });
  return () => {
    if (model.get(trait) === read()) return;
    model.set(trait, read());
    model.save_changes();
  };
}

// In a notebook each lab has this module for itself, so a counter alone would give the same names twice.
const name = () => `lab-${crypto.getRandomValues(new Uint32Array(2)).join("")}`;

/** A control under its label. */
export function field(label, control, note = null) {
  control.id = name();
  return h("div", { class: "lab-field" }, h("label", { for: control.id }, label, note ? [" ", note] : []), control);
}

/** A text field of a trait. */
export function textField(model, trait, label, onChange, onTyped = () => {}) {
  const area = h("textarea", { rows: 2, spellcheck: "false", dir: "auto" });
  const save = bind(
    model,
    trait,
    () => area.value,
    (value) => {
      if (area.value !== value) area.value = value;
    },
    onChange,
  );
  area.addEventListener("input", () => {
    onTyped();
    save();
  });
  return field(label, area);
}

/** A slider of a number trait; `show` says its value in words. */
export function slider(model, trait, label, [min, max, step], onChange, show = String) {
  const input = h("input", { type: "range", min, max, step });
  const output = h("span", { "aria-hidden": "true" }); // a screen reader is told by the input itself
  const say = () => {
    output.textContent = show(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  const save = bind(
    model,
    trait,
    () => Number(input.value),
    (value) => {
      input.value = value;
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

/** A choice between a few, as radio buttons. */
export function choice(model, trait, label, options, onChange) {
  const group = name();
  const buttons = Object.entries(options).map(([value, text]) => {
    const input = h("input", { type: "radio", name: group, value });
    return { input, shown: h("label", {}, input, " ", text) };
  });
  const read = () => buttons.find(({ input }) => input.checked)?.input.value;
  const save = bind(
    model,
    trait,
    read,
    (value) =>
      buttons.forEach(({ input }) => {
        input.checked = input.value === value;
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

/** The settings of sampling, as three sliders; 0 for top-k and 1 for top-p mean that they cut nothing. */
export function samplingSliders(model, onChange) {
  return [
    slider(model, "temperature", "Temperature", [0, 2, 0.05], onChange, (t) => (t === 0 ? "0 (greedy)" : t.toFixed(2))),
    slider(model, "top_k", "Top-k", [0, 100, 1], onChange, (k) => (k === 0 ? "all" : String(k))),
    slider(model, "top_p", "Top-p", [0.05, 1, 0.05], onChange, (p) => (p === 1 ? "all" : p.toFixed(2))),
  ];
}

/** What the engine calls settings. */
export const settingsOf = (model) => ({
  temperature: model.get("temperature"),
  top_k: model.get("top_k") || null,
  top_p: model.get("top_p") === 1 ? null : model.get("top_p"),
});

/** A button; `enable` switches it off and on, without taking the focus from who has just pressed it. */
export const button = (text, onclick, attributes = {}) =>
  h(
    "button",
    {
      type: "button",
      ...attributes,
      onclick: ({ currentTarget }) => currentTarget.ariaDisabled !== "true" && onclick(),
    },
    text,
  );
export const enable = (button, yes) => {
  button.ariaDisabled = String(!yes);
};

/** Of many buttons, the tab key stops at one; arrow keys go on from there, `columns` of them a row. */
export function roving(group, columns = () => Infinity) {
  group.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() }[event.key];
    const next = group.children[[...group.children].indexOf(event.target) + by];
    if (!next?.matches("button")) return;
    event.preventDefault();
    next.focus();
    next.click();
  });
  return (chosen) =>
    [...group.children].forEach((child, i) => {
      child.tabIndex = i === chosen ? 0 : -1;
    });
}

/** White space one can see. */
export const visible = (text) => text.replace(/ /g, "·").replace(/\n/g, "↵").replace(/\t/g, "⇥") || "∅";

/** A token as a name: in quotation marks, spaces as they are. */
export const quoted = (text) => `“${text.replace(/\n/g, "↵")}”`;

export const percent = (p) =>
  p >= 0.0995
    ? `${(100 * p).toFixed(0)} %`
    : p >= 0.0001
      ? `${(100 * p).toFixed(p < 0.01 ? 2 : 1)} %`
      : p > 0
        ? "< 0.01 %"
        : "0 %";

/** A table of numbers as a picture: `color(row, column)` is above 0 for cold, below for warm, and -1 to 1. */
export function heatMap(rows, columns, color, attributes = {}) {
  const canvas = h("canvas", { width: columns, height: rows, ...attributes });
  const context = canvas.getContext("2d");
  canvas.paint = () => {
    const style = getComputedStyle(canvas);
    const [cold, warm] = [style.getPropertyValue("--lab-cold"), style.getPropertyValue("--lab-warm")];
    context.clearRect(0, 0, columns, rows);
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        const value = color(row, column);
        context.fillStyle = value > 0 ? cold : warm;
        context.globalAlpha = Math.abs(value);
        context.fillRect(column, row, 1, 1);
      }
  };
  requestAnimationFrame(canvas.paint); // once it is in the page, it knows the colours of the page
  return canvas;
}

// A canvas keeps its colours when the page turns dark: it is painted anew.
const themes = new MutationObserver(() => document.querySelectorAll(".lab canvas").forEach((canvas) => canvas.paint()));
themes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
themes.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });

/** A line for what went wrong, read aloud when it changes; `tell(error)` fills it, `tell(null)` empties it. */
export function messageLine() {
  const line = h("p", { class: "lab-message", role: "status" });
  return {
    line,
    tell: (error) => {
      line.textContent = error ? error.message : "";
    },
  };
}

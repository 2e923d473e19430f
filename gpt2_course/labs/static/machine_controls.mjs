/**
 * The controls around the drawing of the machine: a map of its parts, the heads, and the columns that are shown.
 *
 * @import { Model } from "../types.d.ts"
 */
import { PARTS, isInBlock } from "./machine_parts.mjs";
import { button, h } from "./ui.mjs";

/**
 * Buttons in a row; the chosen one is pressed. Keeps the focus when it is filled again.
 * @param {HTMLElement} group
 * @param {{ text: string, name?: string, isChosen: boolean, onPress: () => void }[]} choices
 */
function fill(group, choices) {
  const focused = [...group.querySelectorAll("button")].findIndex((one) => one === document.activeElement);
  const buttons = choices.map(({ text, name, isChosen, onPress }) =>
    button(text, onPress, { "aria-pressed": String(isChosen), "aria-label": name ?? text }),
  );
  group.replaceChildren(...buttons);
  buttons[focused]?.focus();
}

/**
 * The parts of the machine as buttons.
 * @param {(part: string, layer: number) => void} go
 */
export function makeMap(go) {
  const el = h("div", { class: "lab-bricks", role: "group", "aria-label": "Parts of the model" });
  /** @type {(part: string, layer: number, layers: number) => void} */
  function show(part, layer, layers) {
    const within = isInBlock(part) ? "block" : PARTS[part].within === "whole" ? part : PARTS[part].within || "whole";
    /** @type {(text: string, target: string, l?: number) => Parameters<typeof fill>[1][number]} */
    const brick = (text, target, l = 0) => ({
      text,
      name: target === "block" ? `Block ${l}` : text,
      isChosen: target === within && (target !== "block" || l === layer),
      // in a block, go to the same operation of another block
      onPress: () => go(target === "block" && isInBlock(part) ? part : target, l),
    });
    fill(el, [
      brick("Whole", "whole"),
      brick("Embeddings", "embeddings"),
      ...Array.from({ length: layers }, (_, l) => brick(l ? String(l) : "Block 0", "block", l)),
      brick("Output", "output"),
    ]);
  }
  return { el, show };
}

const PER_HEAD = ["q", "k", "v", "scores", "attention", "heads"];

/**
 * The heads as buttons, for the parts that differ by head.
 * @param {Model} model
 */
export function makeHeads(model) {
  const group = h("div", { class: "lab-bricks", role: "group", "aria-label": "Heads" });
  const el = h("div", {}, group);
  /** @type {(part: string, head: number, heads: number) => void} */
  function show(part, head, heads) {
    el.hidden = !PER_HEAD.includes(part);
    if (el.hidden) return;
    const choices = Array.from({ length: heads }, (_, i) => ({
      text: i ? String(i) : "Head 0",
      name: `Head ${i}`,
      isChosen: i === head,
      onPress() {
        model.set("head", i);
        model.save_changes();
      },
    }));
    fill(group, choices);
  }
  return { el, show };
}

/**
 * A slider for the first column that is shown.
 * @param {(from: number) => void} onMove
 */
export function makeWindow(onMove) {
  const input = h("input", { type: "range", step: 1, "aria-label": "Columns" });
  const said = h("span", { class: "lab-small", "aria-hidden": "true" });
  const el = h("div", { class: "lab-window" }, said, input);
  input.addEventListener("input", () => onMove(Number(input.value)));
  /** @type {(from: number, count: number, range: [first: number, end: number], left: number) => void} */
  function show(from, count, [first, end], left) {
    el.hidden = count >= end - first;
    el.style.marginLeft = `${left}px`;
    [input.min, input.max, input.value] = [String(first), String(end - count), String(from)];
    said.textContent = `Columns ${from} to ${from + count - 1} of ${first} to ${end - 1}`;
    input.setAttribute("aria-valuetext", said.textContent);
  }
  return { el, show };
}

/** What the shapes in the drawing of the whole machine mean. */
export function makeLegend() {
  /** @type {(look: string, text: string) => HTMLElement} */
  const entry = (look, text) => h("span", {}, h("span", { class: `lab-swatch ${look}`, "aria-hidden": "true" }), text);
  return h(
    "p",
    { class: "lab-small lab-legend" },
    entry("lab-swatch-links", "where the chosen token looks, on average over the heads"),
    entry("lab-swatch-dot", "how much the MLP adds"),
    entry("lab-swatch-stream", "the residual stream: blue above 0, orange below"),
  );
}

/**
 * Next-token lab: which tokens can come next, and why one of them was drawn.
 *
 * @import { Candidate, Lab, NextAnswer } from "../types.d.ts"
 */
import {
  button,
  connect,
  enable,
  h,
  latest,
  messageLine,
  percent,
  samplingSliders,
  settingsOf,
  textField,
} from "./ui.mjs";
import { uniform } from "./sampling.mjs";
import { nameOf } from "./token_names.mjs";

const SHOWN = 12;

/** @type {Lab["render"]} */
function render({ model, el }) {
  const ask = connect(model);
  const { line, tell } = messageLine();
  const text = h("p", { class: "lab-text", "aria-live": "polite", dir: "auto" });
  const list = h("ol", { class: "lab-bars", "aria-label": "Most likely next tokens. Press one to choose it." });
  const strip = h("div", { class: "lab-strip", "aria-hidden": "true" });
  const why = h("p", { role: "status" });
  /** @type {{ drawn: Candidate, after: number[] } | undefined} */
  let answer; // the drawn token, and the added tokens that it follows

  const added = () => model.get("added");
  const number = () => uniform(model.get("seed"), added().length);
  /** @param {number[]} ids */
  function setAdded(ids) {
    model.set("added", ids);
    model.save_changes();
  }
  /** @param {number} id */
  function add(id) {
    // Ignore a click on an outdated list, such as the second click of a double click.
    if (answer && String(answer.after) === String(added())) setAdded([...added(), id]);
  }

  const refresh = latest(async () => {
    const after = added();
    const prompt = model.get("prompt");
    const settings = settingsOf(model);
    const found = await ask("next", { prompt, added: after, settings, number: number(), count: SHOWN });
    const { bars, drawn } = found;
    answer = { drawn, after };
    text.replaceChildren(
      model.get("prompt"),
      ...found.added.map((token) => h("mark", {}, token.text)),
      h("span", { class: "lab-caret", "aria-hidden": "true" }),
    );
    const focused = [...list.children].findIndex((item) => item.contains(document.activeElement));
    const shown = bars.some(({ id }) => id === drawn.id) ? bars : [...bars.slice(0, -1), drawn];
    const largest = Math.max(...shown.map(({ p }) => p));
    const buttons = shown.map((token) => bar(token, token.p / largest, token.id === drawn.id));
    list.replaceChildren(...buttons.map((button) => h("li", {}, button)));
    if (focused >= 0) buttons[Math.min(focused, buttons.length - 1)].focus();
    drawStrip(found);
    why.textContent = explain(found);
    [undo, restart].forEach((button) => enable(button, added().length > 0));
    take.textContent = `Take ${nameOf(drawn)}`;
  }, tell);

  /** @type {(token: Candidate, share: number, isDrawn: boolean) => HTMLElement} */
  function bar(token, share, isDrawn) {
    return h(
      "button",
      {
        type: "button",
        class: isDrawn ? "lab-bar lab-drawn" : "lab-bar",
        "aria-label": `${nameOf(token)}, ${percent(token.p)}${isDrawn ? ", drawn" : ""}`,
        onclick: () => add(token.id),
      },
      h("span", { class: "lab-name", dir: "auto" }, nameOf(token)),
      h("span", { class: "lab-fill", style: `--share:${share}` }),
      h("span", { class: "lab-value" }, percent(token.p)),
    );
  }

  /**
   * Draw all probabilities end to end, with a pin at the random number.
   * @param {NextAnswer} answer
   */
  function drawStrip({ bars, drawn }) {
    let end = 0;
    const parts = bars
      .filter(({ p }) => p > 0)
      .map((token, i) => {
        const { id, p } = token;
        end += p;
        const look = `lab-part lab-color-${i % 6}${id === drawn.id ? " lab-drawn" : ""}`;
        return h("span", { class: look, style: `flex:${p}` }, p > 0.08 ? nameOf(token) : "");
      });
    if (end < 1 - 1e-9) {
      const rest = { class: "lab-part lab-rest", style: `flex:${1 - end}` };
      parts.push(h("span", rest, end < 0.9 ? "the rest" : ""));
    }
    if (model.get("temperature") > 0) parts.push(h("span", { class: "lab-pin", style: `left:${100 * number()}%` }));
    strip.replaceChildren(...parts);
  }

  /** @param {NextAnswer} answer */
  function explain({ drawn, possible }) {
    const name = nameOf(drawn);
    if (model.get("temperature") === 0) return `Greedy: always the most likely token, ${name}. Nothing is random.`;
    const [from, to] = [drawn.start, drawn.start + drawn.p].map((x) => x.toFixed(3));
    return (
      `The random number is ${number().toFixed(3)}. With the tokens laid end to end, most likely first, ` +
      `${name} covers ${from} to ${to}, so it is drawn. ` +
      `(${possible.toLocaleString("en")} token${possible === 1 ? "" : "s"} can be drawn.)`
    );
  }

  const take = button("Take it", () => answer && add(answer.drawn.id), { class: "lab-main" });
  const again = button("Draw another number", () => {
    model.set("seed", (model.get("seed") + 1) % 2 ** 31);
    model.save_changes();
  });
  const undo = button("Undo", () => setAdded(added().slice(0, -1)));
  const restart = button("Start over", () => setAdded([]));
  model.on("change:added", refresh);
  model.on("change:seed", refresh);
  el.className = "lab";
  el.append(
    textField(model, "prompt", "Your prompt", refresh, () => setAdded([])),
    text,
    list,
    strip,
    why,
    h("div", { class: "lab-row" }, take, again, undo, restart),
    h("div", { class: "lab-sliders" }, samplingSliders(model, refresh)),
    line,
  );
  return refresh();
}

/** @type {Lab} */
export default { needs: ["describe"], render };

/** Next-token lab: what may come next, and why the chosen token was chosen. */
import {
  bind,
  button,
  connect,
  enable,
  h,
  latest,
  messageLine,
  percent,
  quoted,
  samplingSliders,
  settingsOf,
  textField,
} from "./ui.mjs";
import { uniform } from "./sampling.mjs";

const SHOWN = 12;

function render({ model, el }) {
  const ask = connect(model);
  const { line, tell } = messageLine();
  const text = h("p", { class: "lab-text", "aria-live": "polite", dir: "auto" });
  const list = h("ol", { class: "lab-bars", "aria-label": "The likeliest next tokens; press one to choose it" });
  const strip = h("div", { class: "lab-strip", "aria-hidden": "true" });
  const why = h("p", { role: "status" });
  let answer = null;

  const added = () => model.get("added");
  const number = () => uniform(model.get("seed"), added().length);
  // A second click on what is no longer up to date must not add a token that was not meant.
  const add = (id) => answer && String(answer.to) === String(added()) && save("added", [...added(), id]);
  function save(trait, value) {
    model.set(trait, value);
    model.save_changes();
  }

  const refresh = latest(async () => {
    const to = added();
    const found = await ask("next", {
      prompt: model.get("prompt"),
      added: to,
      settings: settingsOf(model),
      number: number(),
      count: SHOWN,
    });
    answer = { ...found, to };
    const { bars, drawn, possible } = answer;
    text.replaceChildren(
      model.get("prompt"),
      ...answer.added.map((token) => h("mark", {}, token.text)),
      h("span", { class: "lab-caret", "aria-hidden": "true" }),
    );
    const focused = [...list.children].findIndex((item) => item.contains(document.activeElement));
    const shown = bars.some(({ id }) => id === drawn.id) ? bars : [...bars.slice(0, -1), drawn];
    list.replaceChildren(...shown.map((token) => h("li", {}, bar(token, token.id === drawn.id))));
    if (focused >= 0) list.children[Math.min(focused, list.children.length - 1)].firstChild.focus();
    drawStrip();
    why.textContent = explain(drawn, possible);
    [undo, restart].forEach((each) => enable(each, added().length > 0));
    take.textContent = `Take ${quoted(drawn.text)}`;
  }, tell);

  function bar(token, isDrawn) {
    const name = `${quoted(token.text)}, ${percent(token.p)}${isDrawn ? ", drawn" : ""}`;
    return h(
      "button",
      {
        type: "button",
        class: isDrawn ? "lab-bar lab-drawn" : "lab-bar",
        "aria-label": name,
        onclick: () => add(token.id),
      },
      h("span", { class: "lab-name", dir: "auto" }, quoted(token.text)),
      h("span", { class: "lab-fill", style: `--share:${token.p}` }),
      h("span", { class: "lab-value" }, percent(token.p)),
    );
  }

  /** All probabilities laid end to end, and where the random number falls. */
  function drawStrip() {
    const { bars, drawn } = answer;
    let end = 0;
    const parts = bars
      .filter(({ p }) => p > 0)
      .map(({ id, p, text: name }, i) => {
        end += p;
        return h(
          "span",
          { class: `lab-part lab-color-${i % 6}${id === drawn.id ? " lab-drawn" : ""}`, style: `flex:${p}` },
          p > 0.08 ? quoted(name) : "",
        );
      });
    if (end < 1 - 1e-9)
      parts.push(h("span", { class: "lab-part lab-rest", style: `flex:${1 - end}` }, end < 0.9 ? "the rest" : ""));
    const pin = h("span", { class: "lab-pin", style: `left:${100 * number()}%` });
    strip.replaceChildren(...parts, ...(model.get("temperature") === 0 ? [] : [pin]));
  }

  function explain(drawn, possible) {
    if (model.get("temperature") === 0)
      return `Greedy: the likeliest token is taken, ${quoted(drawn.text)}. No chance is involved.`;
    const [from, to] = [drawn.start, drawn.start + drawn.p].map((x) => x.toFixed(3));
    const among = `${possible.toLocaleString("en")} token${possible === 1 ? "" : "s"} can be drawn`;
    return `The number drawn is ${number().toFixed(3)}. Laid end to end, likeliest first, ${quoted(drawn.text)} covers ${from} to ${to}, so it is the one. (${among}.)`;
  }

  const take = button("Take it", () => add(answer?.drawn.id), { class: "lab-main" });
  const again = button("Draw another number", () => save("seed", (model.get("seed") + 1) % 2 ** 31));
  const undo = button("Undo", () => save("added", added().slice(0, -1)));
  const restart = button("Start again", () => save("added", []));
  ["added", "seed"].forEach((trait) =>
    bind(
      model,
      trait,
      () => model.get(trait),
      () => {},
      refresh,
    ),
  );
  el.className = "lab";
  el.append(
    textField(model, "prompt", "Beginning", refresh, () => save("added", [])),
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

export default { needs: ["describe"], render };

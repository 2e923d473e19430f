/**
 * Attention lab: which tokens each head looks at, and how predictions change without a head.
 *
 * @import { AttentionAnswer, Description, Lab } from "../types.d.ts"
 */
import {
  bind,
  button,
  connect,
  enable,
  field,
  h,
  heatMap,
  latest,
  messageLine,
  percent,
  roving,
  svg,
  textField,
} from "./ui.mjs";
import { explore, tipIn } from "./tip.mjs";
import { labelOf, nameOf } from "./token_names.mjs";

const MOST = 32; // tokens; with more, the squares would be too small to see
const ROW = 20; // pixels per token
const TOP = 70; // pixels for the names of the columns
const COLUMN = 13; // pixels; narrower columns have no room for a name each
const NO_SENTENCE = "Type a sentence to see which of its tokens look at which."; // also in labs/__init__.py

/** @type {(name: string, length: number) => string} */
const shorten = (name, length) => (name.length > length ? `${name.slice(0, length - 1)}…` : name);

/** @type {Lab["render"]} */
async function render({ model, el }) {
  const ask = connect(model);
  const { line, tell } = messageLine();
  const heads = h("div", { class: "lab-heads", role: "group", "aria-label": "All heads. Press one to enlarge it." });
  const label = "Attention of the chosen head. The arrow keys move from square to square.";
  const picture = h("div", { class: "lab-picture", role: "group", tabindex: 0, "aria-label": label });
  const pictureAndTip = h("div", { class: "lab-tipped" }, picture);
  const tip = tipIn(pictureAndTip);
  const words = h("p", { role: "status" });
  const predictions = h("p");
  const notice = h("p", { class: "lab-small" });
  const follow = h("input", { type: "range", min: 0, step: 1 });
  /** @type {Description | undefined} */
  let shape;
  /** @type {AttentionAnswer | undefined} */
  let answer;
  /** @type {{ left: number, cell: number } | undefined} */
  let grid; // where the squares begin and how wide they are
  let column = -1; // of the square whose weight is shown; its row is the token to follow

  /** @type {(layer: number, head: number) => boolean} */
  const isOff = (layer, head) => model.get("without").some(([l, n]) => l === layer && n === head);
  /** @type {(shape: Description) => [layer: number, head: number]} */
  const chosenIn = (shape) => [
    Math.min(model.get("layer"), shape.n_layer - 1),
    Math.min(model.get("head"), shape.n_head - 1),
  ];
  /**
   * How much token t looks at token s.
   * @type {(answer: AttentionAnswer, layer: number, head: number, t: number, s: number) => number}
   */
  const weight = ({ weights, tokens: { length: T } }, layer, head, t, s) => weights[layer][(head * T + t) * T + s];

  const stopAt = roving(heads, () => shape?.n_head ?? 1);

  const refresh = latest(async () => {
    shape ??= await ask("describe");
    const [text, without] = [model.get("text"), model.get("without")];
    rest.hidden = text === "";
    if (rest.hidden) {
      notice.textContent = NO_SENTENCE;
      return;
    }
    const whole = await ask("attention", { text, most: MOST, without: [] });
    const cut = without.length ? await ask("attention", { text, most: MOST, without }) : null;
    answer = cut ?? whole;
    const { tokens, left_out } = answer;
    notice.textContent = left_out
      ? `Only the first ${tokens.length} of ${tokens.length + left_out} tokens are shown.`
      : "";
    follow.max = String(tokens.length - 1);
    write(model.get("token"));
    drawHeads();
    drawChosen();
    /** @param {AttentionAnswer} answer */
    const list = ({ next }) =>
      next
        .slice(0, 5)
        .map((token) => `${nameOf(token)} ${percent(token.p)}`)
        .join(", ");
    predictions.textContent = cut
      ? `Next token with all heads: ${list(whole)}. With these heads off: ${list(cut)}.`
      : `Next token: ${list(whole)}.`;
  }, tell);

  /** Draw a small picture of each head, darker where a token looks. */
  function drawHeads() {
    if (!shape || !answer) return;
    const { n_head } = shape;
    const seen = answer;
    const T = answer.tokens.length;
    const [chosenLayer, chosenHead] = chosenIn(shape);
    const focused = [...heads.children].findIndex((head) => head === document.activeElement);
    heads.style.setProperty("--heads", String(n_head));
    const buttons = answer.weights.flatMap((_, layer) =>
      Array.from({ length: n_head }, (_, head) => {
        const off = isOff(layer, head);
        return h(
          "button",
          {
            type: "button",
            class: off ? "lab-head lab-off" : "lab-head",
            "aria-label": `Layer ${layer}, head ${head}${off ? ", turned off" : ""}`,
            "aria-pressed": String(layer === chosenLayer && head === chosenHead),
            onclick: () => choose(layer, head),
          },
          heatMap(T, T, (t, s) => weight(seen, layer, head, t, s)),
        );
      }),
    );
    heads.replaceChildren(...buttons);
    stopAt(chosenLayer * n_head + chosenHead);
    if (focused >= 0) buttons[focused].focus();
  }

  /** @type {(layer: number, head: number) => void} */
  function choose(layer, head) {
    model.set("layer", layer);
    model.set("head", head);
    model.save_changes();
  }

  /** Draw the chosen head: on the left, arcs from the token to follow; on the right, the whole table. */
  function drawChosen() {
    if (!shape || !answer) return;
    const seen = answer;
    const { tokens } = answer;
    const T = tokens.length;
    const [layer, head] = chosenIn(shape);
    const token = Number(follow.value);
    const width = Math.max(280, Math.min(picture.clientWidth || 640, 720));
    const isNarrow = width < 480;
    const [arcs, names] = isNarrow ? [48, 84] : [90, 110]; // widths in pixels
    const cell = Math.min(ROW, (width - arcs - names) / T);
    grid = { left: arcs + names, cell };
    const middle = (/** @type {number} */ t) => TOP + (t + 0.5) * ROW;
    const every = Math.ceil(COLUMN / cell); // narrow columns share a name
    const columns = tokens
      .filter((_, s) => s % every === 0)
      .map((token, i) => {
        const x = arcs + names + (i * every + 0.5) * cell + 4;
        return svg("text", { transform: `translate(${x} ${TOP - 6}) rotate(-90)` }, shorten(labelOf(token), 8));
      });
    const lines = tokens.slice(0, token + 1).map((_, s) => {
      const reach = Math.min(arcs - 6, 10 + 4 * (token - s));
      const [from, to] = [middle(token), middle(s)];
      return svg("path", {
        class: "lab-arc",
        d: `M${arcs - 2},${from}C${arcs - 2 - reach},${from} ${arcs - 2 - reach},${to} ${arcs - 2},${to}`,
        "stroke-width": 7 * weight(seen, layer, head, token, s),
      });
    });
    const rows = tokens.map((named, t) => {
      const y = TOP + t * ROW;
      const squares = tokens.slice(0, t + 1).map((_, s) =>
        svg("rect", {
          x: arcs + names + s * cell,
          y,
          width: cell,
          height: ROW,
          class: "lab-cell",
          "fill-opacity": weight(seen, layer, head, t, s).toFixed(3),
        }),
      );
      return svg(
        "g",
        { class: t === token ? "lab-followed" : "" },
        svg("rect", { x: 0, y, width: arcs + names - 6, height: ROW, class: "lab-hit" }),
        svg("rect", {
          x: arcs,
          y: y + 1,
          width: names - 6,
          height: ROW - 2,
          rx: 3,
          class: "lab-name-back",
          "fill-opacity": t <= token ? 0.4 * weight(seen, layer, head, token, t) : 0,
        }),
        svg("text", { x: arcs + 4, y: y + 14 }, shorten(labelOf(named), isNarrow ? 10 : 14)),
        squares,
      );
    });
    const height = TOP + T * ROW;
    const size = { width, height, viewBox: `0 0 ${width} ${height}`, class: "lab-attention", "aria-hidden": "true" };
    picture.replaceChildren(svg("svg", size, columns, rows, lines));
    showWeight();
    const off = isOff(layer, head);
    const name = nameOf(tokens[token]);
    const strongest = tokens
      .slice(0, token + 1)
      .map((named, s) => ({ named, weight: weight(seen, layer, head, token, s) }))
      .sort((a, b) => b.weight - a.weight)
      .slice(0, 3)
      .map(({ named, weight }) => `${nameOf(named)} ${percent(weight)}`)
      .join(", ");
    words.textContent = `Layer ${layer}, head ${head}${off ? " (turned off)" : ""}: ${name} looks at ${strongest}.`;
    follow.setAttribute("aria-valuetext", name);
    toggle.textContent = off ? "Turn this head on" : "Turn this head off";
    enable(all, model.get("without").length > 0);
  }

  /** @param {number} token */
  function go(token) {
    if (token === Number(follow.value)) return;
    follow.value = String(token);
    saveToken();
  }

  /** Show the weight of the square in `column`, if there is one in the row of the token to follow. */
  function showWeight() {
    const drawing = picture.querySelector("svg");
    const token = Number(follow.value);
    drawing?.querySelector(".lab-looked-at")?.remove();
    if (!drawing || !shape || !answer || !grid || column < 0 || column > token) return tip.hide();
    const [x, y] = [grid.left + column * grid.cell, TOP + token * ROW];
    drawing.append(svg("rect", { x, y, width: grid.cell, height: ROW, class: "lab-looked-at" }));
    const [from, to] = [answer.tokens[token], answer.tokens[column]].map(nameOf);
    const share = percent(weight(answer, ...chosenIn(shape), token, column));
    const { left, top } = drawing.getBoundingClientRect();
    tip.show(`${from} looks at ${to}: ${share}`, new DOMRect(left + x, top + y, grid.cell, ROW));
  }

  explore(picture, {
    here: () => [Number(follow.value), column],
    at(x, y) {
      const drawing = picture.querySelector("svg");
      if (!drawing || !grid) return [-1, -1];
      const { left, top } = drawing.getBoundingClientRect();
      const [row, at] = [Math.floor((y - top - TOP) / ROW), Math.floor((x - left - grid.left) / grid.cell)];
      return [row, at > row ? -1 : at]; // a token cannot look at later ones
    },
    look(row, at) {
      if (!answer || row < 0 || row >= answer.tokens.length) return;
      column = Math.min(at, row);
      if (row === Number(follow.value)) showWeight();
      else go(row);
    },
    away() {
      column = -1;
      showWeight();
    },
  });

  /** @param {number[][]} heads */
  function turnOff(heads) {
    model.set("without", heads);
    model.save_changes();
  }

  const toggle = button("Turn this head off", () => {
    if (!shape) return;
    const [layer, head] = chosenIn(shape);
    const others = model.get("without").filter(([l, n]) => l !== layer || n !== head);
    turnOff(isOff(layer, head) ? others : [...others, [layer, head]]);
  });
  const all = button("Turn all heads on", () => turnOff([]));
  const write = (/** @type {number} */ token) => {
    follow.value = token < 0 ? follow.max : String(Math.min(token, Number(follow.max)));
  };
  const saveToken = bind(model, "token", () => Number(follow.value), write, drawChosen);
  follow.addEventListener("input", saveToken);
  const redraw = () => {
    drawHeads();
    drawChosen();
  };
  model.on("change:layer", redraw);
  model.on("change:head", redraw);
  model.on("change:without", refresh);
  const controls = h("div", { class: "lab-row" }, field("Token to follow", follow), toggle, all);
  const rest = h("div", {}, heads, controls, words, pictureAndTip, predictions);
  const resized = new ResizeObserver(drawChosen);
  resized.observe(picture);
  el.className = "lab";
  el.append(textField(model, "text", "Your sentence", refresh), notice, rest, line);
  await refresh();
  return () => resized.disconnect();
}

/** @type {Lab} */
export default { needs: ["describe"], render };

/**
 * Walk-through: one sentence on its way through the model, step by step, with the real numbers.
 *
 * @import { ActivationAnswer, AttentionAnswer, Description, Lab } from "../types.d.ts"
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
  quoted,
  textField,
  visible,
} from "./ui.mjs";

const MOST = 16; // tokens

/**
 * The chapters' files, by number.
 * @type {Record<number, string>}
 */
const CHAPTERS = {
  2: "02_tokenizer",
  3: "03_embeddings",
  4: "04_attention",
  5: "05_many_heads",
  6: "06_transformer_block",
  7: "07_gpt2",
  9: "09_writing",
};

/** @typedef {{ name: string, layer: number | null, heading: string, sentence: string, chapter: number }} Station */

/** @type {[name: string, heading: string, sentence: string, chapter: number][]} */
const BEFORE_BLOCKS = [
  ["ids", "Tokens", "The text is split into tokens. Each token is a number, its ID in the vocabulary.", 2],
  ["token_embedding", "Token embedding", "Each token’s row in the embedding table: what the token means.", 3],
  ["position_embedding", "Position embedding", "Each position’s row in a second table: where the token is.", 3],
  ["embedding", "The sum", "Both are added. This is the start of the residual stream.", 3],
];

/** @type {typeof BEFORE_BLOCKS} */
const IN_A_BLOCK = [
  ["norm_1", "Layer norm", "Each token’s numbers are shifted and scaled into a range that suits the next layer.", 6],
  ["q", "Queries", "What each token is looking for. The channels of all heads are side by side.", 4],
  ["k", "Keys", "What each token offers to the queries that look for it.", 4],
  ["v", "Values", "What each token hands over to those that look at it.", 4],
  [
    "attention",
    "Attention",
    "Queries meet keys: in every head, how much each token (row) looks at itself and those before it (columns).",
    5,
  ],
  ["attention_out", "Attention output", "The values, mixed in these proportions, go through one more matrix.", 5],
  ["after_attention", "Added to the stream", "The output is added to the residual stream. Nothing is replaced.", 6],
  ["norm_2", "Layer norm", "The same again, before the second half of the block.", 6],
  [
    "mlp_hidden",
    "MLP, wide",
    "Each token on its own: four times as many numbers, passed through the GELU nonlinearity.",
    6,
  ],
  ["mlp_out", "MLP output", "Back to the model’s usual width.", 6],
  ["after_mlp", "Added to the stream", "The output is added, and the stream leaves this block.", 6],
];

/** @type {typeof BEFORE_BLOCKS} */
const AFTER_BLOCKS = [
  ["final_norm", "Final norm", "From here on, only the last token’s row is needed.", 7],
  [
    "logits",
    "The next token",
    "That row is compared with every token’s embedding, and the scores become probabilities.",
    9,
  ],
];

/**
 * The stations on the way through a model.
 * @param {number} layers
 * @returns {Station[]}
 */
function stations(layers) {
  /** @type {(table: typeof BEFORE_BLOCKS, layer?: number | null) => Station[]} */
  const rows = (table, layer = null) =>
    table.map(([name, heading, sentence, chapter]) => ({ name, layer, heading, sentence, chapter }));
  const blocks = Array.from({ length: layers }, (_, layer) => rows(IN_A_BLOCK, layer));
  return [...rows(BEFORE_BLOCKS), ...blocks.flat(), ...rows(AFTER_BLOCKS)];
}

/** @type {Lab["render"]} */
function render({ model, el }) {
  const ask = connect(model);
  const { line, tell } = messageLine();
  const title = h("h4", { class: "lab-title" });
  const what = h("p");
  const picture = h("div", { class: "lab-picture" });
  const numbers = h("p", { class: "lab-small", role: "status" });
  const input = h("input", { type: "range", min: 0, step: 1 });
  const bricks = h("div", {
    class: "lab-bricks",
    role: "group",
    "aria-label": "Parts of the model. Press one to jump to it.",
  });
  /** @type {Description | undefined} */
  let shape;
  /** @type {Station[]} */
  let all = [];
  /** @type {{ button: HTMLElement, first: number }[]} */
  let parts = []; // the first station of each part

  /** @param {Description} shape */
  function build({ n_layer }) {
    all = stations(n_layer);
    input.max = String(all.length - 1);
    /** @type {[name: string, first: number][]} */
    const firsts = [
      ["Tokens", 0],
      ["Embedding", 1],
      ...Array.from({ length: n_layer }, (_, l) => /** @type {[string, number]} */ ([`Block ${l}`, 4 + 11 * l])),
      ["Output", all.length - 2],
    ];
    parts = firsts.map(([name, first]) => ({ button: button(name, () => go(first)), first }));
    bricks.append(...parts.map(({ button }) => button));
  }

  const refresh = latest(async () => {
    if (!shape) {
      shape = await ask("describe");
      build(shape);
    }
    write(model.get("step"));
    const n = Number(input.value);
    const { name, layer, heading, sentence, chapter } = all[n];
    const text = model.get("text");
    const asked = { text, layer, most: MOST };
    let show;
    if (name === "logits") {
      const answer = await ask("attention", { text, without: [], most: MOST });
      const { vocab_size } = shape;
      show = () => showNext(answer, vocab_size);
    } else {
      const answer = await ask("activation", { ...asked, name: name === "ids" ? "token_embedding" : name });
      if (name === "ids") show = () => showIds(answer);
      else if (name === "attention") show = () => showAttention(answer);
      else show = () => showRows(answer, name);
    }
    title.textContent = `${n + 1} of ${all.length} · ${layer === null ? "" : `Block ${layer} · `}${heading}`;
    // In the book, the sidebar's table of contents links to the chapter.
    const link = document.querySelector(`.bd-sidebar-primary a[href$="${CHAPTERS[chapter]}.html"]`);
    const where = `Chapter ${chapter}`;
    const linked = link instanceof HTMLAnchorElement ? h("a", { href: link.href }, where) : where;
    what.replaceChildren(`${sentence} You build this in `, linked, ".");
    input.setAttribute("aria-valuetext", title.textContent);
    const current = parts.findLast(({ first }) => first <= n);
    parts.forEach((part) => part.button.setAttribute("aria-pressed", String(part === current)));
    enable(back, n > 0);
    enable(on, n < all.length - 1);
    show();
  }, tell);

  /** @param {ActivationAnswer} answer */
  function showIds({ tokens, left_out }) {
    const chips = tokens.map(({ text, id }, i) =>
      h("span", { class: `lab-token lab-color-${i % 6}` }, visible(text), h("small", {}, String(id))),
    );
    picture.replaceChildren(h("div", { class: "lab-tokens" }, chips));
    const T = tokens.length;
    const note = left_out ? ` Only the first ${T} of ${T + left_out} tokens are shown.` : "";
    numbers.textContent = `Shape: (${T},).${note}`;
  }

  // Use the square root, because next to a few large numbers, all others would look white.
  /** @param {number} x */
  const shade = (x) => Math.sign(x) * Math.sqrt(Math.abs(x));

  /**
   * Show numbers as colors, with one row per token: blue above 0, orange below.
   * @param {ActivationAnswer} answer
   * @param {string} name
   */
  function showRows({ tokens, values }, name) {
    const T = name === "final_norm" ? 1 : tokens.length;
    const C = values.length / T;
    const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0) || 1;
    const shown = tokens.slice(-T);
    const rows = shown.map(({ text }, t) => [
      h("span", { class: "lab-name", dir: "auto" }, visible(text)),
      heatMap(1, C, (_, i) => shade(values[t * C + i] / largest), { class: "lab-numbers" }),
    ]);
    picture.replaceChildren(h("div", { class: "lab-rows" }, rows));
    const first = values
      .slice((T - 1) * C, (T - 1) * C + 4)
      .map((v) => v.toFixed(2))
      .join(", ");
    numbers.textContent =
      `Shape: (${T}, ${C}). The row of ${quoted(shown[T - 1].text)} starts ${first}, … ` +
      `Blue is positive, orange is negative. The largest magnitude is ${largest.toFixed(2)}.`;
  }

  /** @param {ActivationAnswer} answer */
  function showAttention({ tokens, values }) {
    const T = tokens.length;
    const H = values.length / T ** 2;
    const heads = Array.from({ length: H }, (_, head) =>
      h(
        "figure",
        { class: "lab-head" },
        heatMap(T, T, (t, s) => values[(head * T + t) * T + s]),
      ),
    );
    picture.replaceChildren(h("div", { class: "lab-heads", style: `--heads:${H}` }, heads));
    numbers.textContent =
      `Shape: (${H}, ${T}, ${T}), ${H} heads. Each row adds up to 1. ` +
      "Everything above the diagonal is 0, because no token can look ahead.";
  }

  /**
   * @param {AttentionAnswer} answer
   * @param {number} vocabSize
   */
  function showNext({ next }, vocabSize) {
    const bars = next.map(({ text, p }) =>
      h(
        "li",
        {},
        h(
          "span",
          { class: "lab-bar" },
          h("span", { class: "lab-name", dir: "auto" }, quoted(text)),
          h("span", { class: "lab-fill", style: `--share:${p}` }),
          h("span", { class: "lab-value" }, percent(p)),
        ),
      ),
    );
    picture.replaceChildren(h("ol", { class: "lab-bars" }, bars));
    numbers.textContent = `${vocabSize.toLocaleString("en")} scores, one per token. These are the highest.`;
  }

  /** @param {number} step */
  function go(step) {
    input.value = String(step);
    save();
  }
  const back = button("◀ Back", () => go(Number(input.value) - 1));
  const on = button("Next ▶", () => go(Number(input.value) + 1), { class: "lab-main" });
  /** @param {number} step */
  const write = (step) => {
    input.value = String(step);
  };
  const save = bind(model, "step", () => Number(input.value), write, refresh);
  input.addEventListener("input", save);
  el.className = "lab";
  el.append(
    textField(model, "text", "Your sentence", refresh),
    bricks,
    h("div", { class: "lab-row" }, back, on, field("Step", input)),
    title,
    what,
    picture,
    numbers,
    line,
  );
  return refresh();
}

/** @type {Lab} */
export default { needs: ["describe"], render };

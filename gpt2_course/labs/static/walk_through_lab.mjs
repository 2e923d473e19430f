/** Walk-through: one sentence travels through the model, step by step, with its real numbers. */
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
const CHAPTERS = {
  2: "02_tokenizer",
  3: "03_embeddings",
  4: "04_attention",
  5: "05_many_heads",
  6: "06_transformer_block",
  7: "07_gpt2",
  9: "09_writing",
};

/** The stations of the way: activation, layer, title, what happens there, and the chapter that builds it. */
function stations(layers) {
  const blocks = Array.from({ length: layers }, (_, l) => [
    [
      "norm_1",
      l,
      "Layer norm",
      "Every token’s numbers are shifted and scaled, so that the next layer finds them in a range it knows.",
      6,
    ],
    ["q", l, "Queries", "What every token is looking for. The channels of all heads stand side by side.", 4],
    ["k", l, "Keys", "What every token offers to be found by.", 4],
    ["v", l, "Values", "What a token hands over to those who look at it.", 4],
    [
      "attention",
      l,
      "Attention",
      "Queries meet keys: how much each token (a row) looks at each one before it (a column), in every head.",
      5,
    ],
    [
      "attention_out",
      l,
      "What attention found",
      "The values, mixed in these proportions, and through a last matrix.",
      5,
    ],
    ["after_attention", l, "Added to the stream", "It is added to what was there before: nothing is replaced.", 6],
    ["norm_2", l, "Layer norm", "Once more, before the second half of the block.", 6],
    ["mlp_hidden", l, "The MLP, wide", "Every token for itself: four times as many numbers, bent by GELU.", 6],
    ["mlp_out", l, "What the MLP found", "Back to the usual width.", 6],
    ["after_mlp", l, "Added to the stream", "This leaves the block, and enters the next.", 6],
  ]).flat();
  return [
    ["ids", null, "Tokens", "The text is cut into tokens; each is a number from the list.", 2],
    ["token_embedding", null, "Token embedding", "For each token its row of the table: what it means.", 3],
    ["position_embedding", null, "Position embedding", "For each place its row of another table: where it stands.", 3],
    ["embedding", null, "The sum", "Both added up: the beginning of the residual stream.", 3],
    ...blocks,
    ["final_norm", null, "The last norm", "Only the newest token’s row is needed now.", 7],
    [
      "logits",
      null,
      "The next token",
      "That row is compared with the embedding of every token, and the scores become probabilities.",
      9,
    ],
  ];
}

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
    "aria-label": "Parts of the model; press one to go there",
  });
  let shape = null;
  let all = [];

  const refresh = latest(async () => {
    if (!shape) {
      shape = await ask("describe");
      all = stations(shape.n_layer);
      input.max = all.length - 1;
      const parts = [
        ["Tokens", 0],
        ["Embedding", 1],
        ...Array.from({ length: shape.n_layer }, (_, l) => [`Block ${l}`, 4 + 11 * l]),
        ["Output", all.length - 2],
      ];
      bricks.append(...parts.map(([name, first]) => button(name, () => go(first), { "data-first": first })));
    }
    write(model.get("step"));
    const n = Number(input.value);
    const [name, layer, heading, sentence, chapter] = all[n];
    const text = model.get("text");
    const answer =
      name === "logits"
        ? await ask("attention", { text, without: [], most: MOST })
        : await ask("activation", { text, name: name === "ids" ? "token_embedding" : name, layer, most: MOST });
    title.textContent = `${n + 1} of ${all.length} · ${layer === null ? "" : `Block ${layer} · `}${heading}`;
    // In the book the table of contents knows where a chapter is.
    const link = document.querySelector(`.bd-sidebar-primary a[href$="${CHAPTERS[chapter]}.html"]`);
    const named = `Chapter ${chapter}`;
    what.replaceChildren(`${sentence} `, link ? h("a", { href: link.href }, named) : named, " builds it.");
    input.setAttribute("aria-valuetext", title.textContent);
    const current = [...bricks.children].findLast((brick) => Number(brick.dataset.first) <= n);
    for (const brick of bricks.children) brick.setAttribute("aria-pressed", String(brick === current));
    enable(back, n > 0);
    enable(on, n < all.length - 1);
    if (name === "ids") showIds(answer);
    else if (name === "logits") showNext(answer);
    else if (name === "attention") showAttention(answer);
    else showRows(answer, name);
  }, tell);

  function showIds({ tokens, left_out }) {
    picture.replaceChildren(
      h(
        "div",
        { class: "lab-tokens" },
        tokens.map(({ text, id }, i) =>
          h("span", { class: `lab-token lab-color-${i % 6}` }, visible(text), h("small", {}, String(id))),
        ),
      ),
    );
    numbers.textContent = `Shape: (${tokens.length},)${left_out ? `. Only these first ${MOST} tokens are followed; ${left_out} are left out.` : ""}`;
  }

  // The root, because beside a few large numbers all others would be white.
  const shade = (x) => Math.sign(x) * Math.sqrt(Math.abs(x));

  /** Numbers as colours: blue above 0, orange below; the stronger, the further away. A row a token. */
  function showRows({ tokens, values }, name) {
    const T = name === "final_norm" ? 1 : tokens.length;
    const C = values.length / T;
    const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0) || 1;
    const named = tokens.slice(-T);
    picture.replaceChildren(
      h(
        "div",
        { class: "lab-rows" },
        named.map(({ text }, t) => {
          const canvas = heatMap(1, C, (_, i) => shade(values[t * C + i] / largest), { class: "lab-numbers" });
          return [h("span", { class: "lab-name", dir: "auto" }, visible(text)), canvas];
        }),
      ),
    );
    const first = values
      .slice((T - 1) * C, (T - 1) * C + 4)
      .map((v) => v.toFixed(2))
      .join(", ");
    numbers.textContent = `Shape: (${T}, ${C}). ${quoted(named[T - 1].text)} begins ${first}, … Blue is above 0, orange below; the strongest is ${largest.toFixed(2)}.`;
  }

  function showAttention({ tokens, values }) {
    const T = tokens.length;
    const H = values.length / T ** 2;
    picture.replaceChildren(
      h(
        "div",
        { class: "lab-heads", style: `--heads:${H}` },
        Array.from({ length: H }, (_, head) => {
          const canvas = heatMap(T, T, (t, s) => values[(head * T + t) * T + s]);
          return h("figure", { class: "lab-head" }, canvas);
        }),
      ),
    );
    numbers.textContent = `Shape: (${H}, ${T}, ${T}): ${H} heads. Each row adds up to 1; above the diagonal nothing, because nobody can look ahead.`;
  }

  function showNext({ next }) {
    picture.replaceChildren(
      h(
        "ol",
        { class: "lab-bars" },
        next.map(({ text, p }) =>
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
        ),
      ),
    );
    numbers.textContent = `${shape.vocab_size.toLocaleString("en")} scores, one a token; these are the highest.`;
  }

  function go(step) {
    input.value = step;
    save();
  }
  const back = button("◀ Back", () => go(Number(input.value) - 1));
  const on = button("Next ▶", () => go(Number(input.value) + 1), { class: "lab-main" });
  const write = (step) => {
    input.value = step;
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

export default { needs: ["describe"], render };

/** Tokenizer lab: a text in its tokens, and how a word came together, merge by merge. */
import {
  bind,
  button,
  choice,
  connect,
  enable,
  field,
  h,
  latest,
  messageLine,
  quoted,
  roving,
  textField,
  visible,
} from "./ui.mjs";

const LONGEST = 60; // characters of a word whose merges are shown
const hex = (bytes) => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
const plural = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;
const chip = (token, i, attributes = {}) =>
  h("span", { class: `lab-token lab-color-${i % 6}`, dir: "auto", ...attributes }, visible(token.text));

function render({ model, el }) {
  const ask = connect(model);
  const { line, tell } = messageLine();
  const counts = h("p", { class: "lab-counts", role: "status" });
  const row = h("div", { class: "lab-tokens", role: "group", "aria-label": "Tokens" });
  const detail = h("div", { class: "lab-detail" });
  const stopAt = roving(row);
  let shown = null; // the answer that is on the screen
  let chosen = null; // at first, one that came together of several bytes

  const refresh = latest(async () => {
    shown = await ask("tokenize", { text: model.get("text"), vocabulary: model.get("vocabulary") });
    const { tokens, count, characters, bytes } = shown;
    const each = count ? ` · ${(characters / count).toFixed(1)} characters a token` : "";
    counts.textContent = `${plural(count, "token")} · ${plural(characters, "character")} · ${plural(bytes, "byte")}${each}`;
    chosen ??= Math.max(
      0,
      tokens.findIndex((token) => token.bytes.length > 1),
    );
    chosen = Math.min(chosen, Math.max(0, tokens.length - 1));
    row.replaceChildren(
      ...tokens.map((token, i) =>
        h(
          "button",
          {
            type: "button",
            class: `lab-token lab-color-${i % 6}`,
            dir: "auto",
            title: `id ${token.id}`,
            "aria-pressed": String(i === chosen),
            onclick: () => choose(i),
          },
          visible(token.text),
        ),
      ),
      ...(count > tokens.length ? [` … and ${plural(count - tokens.length, "more token")}`] : []),
    );
    stopAt(chosen);
    await explain();
  }, tell);

  function choose(i) {
    row.children[chosen]?.setAttribute("aria-pressed", "false");
    chosen = i;
    row.children[chosen]?.setAttribute("aria-pressed", "true");
    stopAt(chosen);
    explain().catch(tell);
  }

  async function explain() {
    const token = shown.tokens[chosen];
    if (!token) return detail.replaceChildren("Type something.");
    const whole = [...shown.pieces[token.piece]];
    const piece = whole.slice(0, LONGEST).join("");
    const steps = await ask("merge_steps", { piece, vocabulary: model.get("vocabulary") });
    if (token !== shown.tokens[chosen]) return; // another one was chosen meanwhile
    const slider = h("input", { type: "range", min: 0, max: steps.length - 1, value: steps.length - 1 });
    const state = h("div", { class: "lab-tokens" });
    const words = h("p", { role: "status" });
    const show = () => {
      const n = Number(slider.value);
      const { tokens, rank, at } = steps[n];
      enable(back, n > 0);
      enable(on, n < steps.length - 1);
      state.replaceChildren(...tokens.map((t, i) => chip(t, i, i === at ? { class: "lab-token lab-new" } : {})));
      slider.setAttribute("aria-valuetext", `step ${n} of ${steps.length - 1}`);
      if (n === 0)
        words.textContent = `Step 0: the ${plural(tokens.length, "byte")} of ${quoted(piece)}, each a token of its own.`;
      else {
        const before = steps[n - 1].tokens;
        words.textContent = `Step ${n}: ${quoted(before[at].text)} and ${quoted(before[at + 1].text)} become ${quoted(tokens[at].text)}, by merge ${(rank + 1).toLocaleString("en")} of the list.`;
        if (n === steps.length - 1) words.textContent += " No other merge fits: done.";
      }
    };
    const go = (by) => () => {
      slider.value = Number(slider.value) + by;
      show();
    };
    const [back, on] = [button("◀ Unmerge", go(-1)), button("Merge ▶", go(1))];
    slider.addEventListener("input", show);
    detail.replaceChildren(
      h(
        "p",
        {},
        h("strong", { dir: "auto" }, quoted(token.text)),
        ` is token ${token.id.toLocaleString("en")}: ${plural(token.bytes.length, "byte")}, ${hex(token.bytes)}`,
      ),
      h(
        "div",
        { class: "lab-row" },
        back,
        on,
        field(`How ${quoted(piece)}${whole.length > LONGEST ? " (its beginning)" : ""} came together`, slider),
      ),
      state,
      words,
    );
    show();
  }

  ["text", "vocabulary"].forEach((trait) =>
    bind(
      model,
      trait,
      () => model.get(trait),
      () => {},
      () => {
        chosen = null;
      },
    ),
  );
  el.className = "lab";
  el.append(
    textField(model, "text", "Your text", refresh),
    choice(model, "vocabulary", "Vocabulary", { model: "the model’s own", gpt2: "GPT-2’s 50,257 tokens" }, refresh),
    line,
    counts,
    row,
    detail,
  );
  return refresh();
}

export default {
  needs: ["tokenize", { text: "", vocabulary: "model" }],
  mayNeed: [["tokenize", { text: "", vocabulary: "gpt2" }]], // once that button is pressed
  render,
};

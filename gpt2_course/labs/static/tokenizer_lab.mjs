/**
 * Tokenizer lab: a text as tokens, and how each word was built, merge by merge.
 *
 * @import { Lab, Token, TokenizeAnswer } from "../types.d.ts"
 */
import { button, choice, connect, enable, field, h, latest, messageLine, quoted, roving, textField } from "./ui.mjs";
import { bytesOf, isWhole, labelOf, nameOf } from "./token_names.mjs";

const LONGEST = 60; // characters of a word whose merges are shown

/** @type {(n: number, one: string) => string} */
const plural = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;

/**
 * What a token's chip shows: its text, its ID, and its bytes, which take the place of the text of an incomplete
 * character.
 * @param {Token} token
 */
const face = (token) => [
  h("span", { dir: "auto" }, labelOf(token)),
  h("small", {}, String(token.id)),
  isWhole(token) ? h("small", {}, bytesOf(token)) : [],
];

/** @type {Lab["render"]} */
function render({ model, el }) {
  const ask = connect(model);
  const { line, tell } = messageLine();
  const counts = h("p", { class: "lab-counts", role: "status" });
  const row = h("div", { class: "lab-tokens", role: "group", "aria-label": "Tokens" });
  const detail = h("div", { class: "lab-detail" });
  const stopAt = roving(row);
  /** @type {TokenizeAnswer | undefined} */
  let shown;
  /** @type {number | undefined} */
  let chosen; // initially the first token made of several bytes

  const refresh = latest(async () => {
    shown = await ask("tokenize", { text: model.get("text"), vocabulary: model.get("vocabulary") });
    const { tokens, count, characters, bytes } = shown;
    const parts = [plural(count, "token"), plural(characters, "character"), plural(bytes, "byte")];
    if (count) parts.push(`${(characters / count).toFixed(1)} characters per token`);
    counts.textContent = parts.join(" · ");
    const wanted = chosen ?? tokens.findIndex((token) => token.bytes.length > 1);
    chosen = Math.max(0, Math.min(wanted, tokens.length - 1));
    row.replaceChildren(
      ...tokens.map((token, i) =>
        h(
          "button",
          {
            type: "button",
            class: `lab-token lab-color-${i % 6}`,
            "aria-pressed": String(i === chosen),
            onclick: () => choose(i),
          },
          face(token),
        ),
      ),
      count > tokens.length ? ` … and ${plural(count - tokens.length, "more token")}` : "",
    );
    stopAt(chosen);
    await explain(shown, chosen);
  }, tell);

  /** @param {number} i */
  function choose(i) {
    if (!shown) return;
    chosen = i;
    [...row.children].forEach((token, n) => token.setAttribute("aria-pressed", String(n === i)));
    stopAt(i);
    explain(shown, i).catch(tell);
  }

  /**
   * Show how the word of a token was built.
   * @param {TokenizeAnswer} answer
   * @param {number} i
   */
  async function explain({ tokens, pieces }, i) {
    const token = tokens[i];
    if (!token) return detail.replaceChildren("Type something.");
    const word = [...pieces[token.piece]];
    const piece = word.slice(0, LONGEST).join("");
    const steps = await ask("merge_steps", { piece, vocabulary: model.get("vocabulary") });
    if (token !== shown?.tokens[chosen ?? 0]) return; // the user chose another one in the meantime
    const last = steps.length - 1;
    const slider = h("input", { type: "range", min: 0, max: last, value: last });
    const state = h("div", { class: "lab-tokens" });
    const words = h("p", { role: "status" });
    const show = () => {
      const n = Number(slider.value);
      const { tokens, rank, at } = steps[n];
      enable(back, n > 0);
      enable(on, n < last);
      state.replaceChildren(...tokens.map((token, i) => chip(token, i === at ? "lab-new" : `lab-color-${i % 6}`)));
      slider.setAttribute("aria-valuetext", `step ${n} of ${last}`);
      if (at === null) {
        words.textContent = `Step 0: the ${plural(tokens.length, "byte")} of ${quoted(piece)}, each its own token.`;
        return;
      }
      const [left, right] = steps[n - 1].tokens.slice(at).map(nameOf);
      words.textContent =
        `Step ${n}: ${left} and ${right} become ${nameOf(tokens[at])} ` +
        `(merge ${(rank + 1).toLocaleString("en")} in the list).${n === last ? " No other merge applies." : ""}`;
    };
    const go = (/** @type {number} */ by) => {
      slider.value = String(Number(slider.value) + by);
      show();
    };
    const back = button("◀ Unmerge", () => go(-1));
    const on = button("Merge ▶", () => go(1));
    slider.addEventListener("input", show);
    const name = h("strong", { dir: "auto" }, nameOf(token));
    const bytes = `${plural(token.bytes.length, "byte")}, ${isWhole(token) ? bytesOf(token) : "part of a character"}.`;
    const start = word.length > LONGEST ? " (the start of a longer word)" : "";
    detail.replaceChildren(
      h("p", {}, name, ` is token ${token.id.toLocaleString("en")}: ${bytes}`),
      h("div", { class: "lab-row" }, back, on, field(`How ${quoted(piece)}${start} came together`, slider)),
      state,
      words,
    );
    show();
  }

  /** @type {(token: Token, look: string) => HTMLElement} */
  const chip = (token, look) => h("span", { class: `lab-token ${look}` }, face(token));

  const forget = () => {
    chosen = undefined;
  };
  model.on("change:text", forget);
  model.on("change:vocabulary", forget);
  el.className = "lab";
  el.append(
    textField(model, "text", "Your text", refresh),
    choice(
      model,
      "vocabulary",
      "Vocabulary",
      [
        ["model", "the model’s own"],
        ["gpt2", "GPT-2’s 50,257 tokens"],
      ],
      refresh,
    ),
    line,
    counts,
    row,
    detail,
  );
  return refresh();
}

/** @type {Lab} */
export default {
  needs: ["tokenize", { text: "", vocabulary: "model" }],
  mayNeed: [["tokenize", { text: "", vocabulary: "gpt2" }]],
  render,
};

/**
 * Playground: the model writes one or more samples, with each token colored by how sure the model was.
 *
 * @import { Answer, Calls, Lab, Written } from "../types.d.ts"
 */
import {
  button,
  connect,
  enable,
  h,
  messageLine,
  percent,
  quoted,
  samplingSliders,
  seedField,
  settingsOf,
  slider,
  textField,
  wantsNoMotion,
} from "./ui.mjs";
import { tellParts } from "./tip.mjs";
import { addVerdict } from "./verdict.mjs";

const PROMPTS = [
  "Once upon a time",
  "The future of AI is",
  "The secret to happiness is",
  "A rain song for",
  "Question: Who likes to",
  "Listen well.",
];

const SCOPE =
  "This model knows only Tiny World, a small made-up world of stories, songs, and questions. It takes any text for " +
  "one from there.";

/** A word in the color for a doubt from 0 to 1. */
const shaded = (/** @type {string} */ text, /** @type {number} */ doubt, attributes = {}) =>
  h("span", { class: "lab-sure", style: `--doubt:${doubt.toFixed(3)}`, ...attributes }, text);

/**
 * @param {Calls["generate"]["done"]["cut"]} cut  the start of a prompt that did not fit into the model's context
 */
function tooLong({ tokens, text }) {
  const end = text.length > 40 ? `…${text.slice(-40)}` : text;
  const count = tokens === 1 ? "token was" : `${tokens.toLocaleString("en")} tokens were`;
  return `The prompt is too long for this model, so its first ${count} cut, up to ${quoted(end)}.`;
}

/** @type {Lab["render"]} */
function render({ model, el }) {
  const ask = connect(model);
  const { line, tell } = messageLine();
  const scope = h("p", { class: "lab-small" });
  const output = h("div", { class: "lab-samples" });
  /** @type {Answer<Calls["generate"]["done"]>[]} */
  let calls = []; // those in progress

  async function write() {
    stop();
    tell(null);
    const [prompt, seed, length] = [model.get("prompt"), model.get("seed"), model.get("length")];
    const settings = settingsOf(model);
    const cards = Array.from({ length: model.get("samples") }, (_, i) => card(prompt, seed + i));
    output.style.minHeight = `${output.offsetHeight}px`; // the page must not jump while the controls are moved
    output.replaceChildren(...cards.map(({ shown }) => shown));
    setRunning(true);
    const began = performance.now();
    const mine = cards.map(({ add }, i) => ask("generate", { prompt, seed: seed + i, settings, length }, add));
    calls = mine;
    const isOutdated = () => mine !== calls; // true once the user has pressed Write again
    try {
      /** @type {Promise<void>[]} */
      const verdicts = [];
      const finished = mine.map(async (call, i) => {
        const { tokens, cut } = await call;
        cards[i].finish(tokens, tokens === length ? ", the maximum length" : "");
        if (cut.tokens && !isOutdated()) tell(tooLong(cut));
        verdicts.push(addVerdict(ask, cards[i].words, prompt));
        return tokens;
      });
      const tokens = (await Promise.all(finished)).reduce((a, b) => a + b, 0);
      if (isOutdated()) return;
      const seconds = (performance.now() - began) / 1000;
      const rate = Math.round(tokens / Math.max(seconds, 1e-3));
      speed.textContent = `${tokens} tokens in ${seconds.toFixed(1)} s (${rate} per second)`;
      model.set(
        "texts",
        cards.map(({ text }) => text()),
      );
      model.save_changes();
      await Promise.all(verdicts);
    } catch (error) {
      if (!isOutdated()) tell(error);
    }
    if (isOutdated()) return;
    calls = [];
    output.style.minHeight = "";
    setRunning(false);
  }

  // Called when a setting changes. What the model writes next is shown in place of the text that is there.
  const rewrite = () => {
    if (output.hasChildNodes()) write();
  };

  const stop = () => calls.forEach((call) => call.cancel()); // text written so far stays

  /**
   * A sample that grows as the model writes.
   * @param {string} prompt
   * @param {number} seed
   */
  function card(prompt, seed) {
    const name = "The model’s text. The arrow keys show the probability of each token.";
    const words = h("p", { class: "lab-text", dir: "auto", role: "group", tabindex: 0, "aria-label": name }, prompt);
    const note = h("span", { class: "lab-small" }, `seed ${seed}`);
    const text = () => words.textContent ?? "";
    const copy = button("Copy", async () => {
      try {
        await navigator.clipboard.writeText(text());
        copy.textContent = "Copied";
      } catch {
        copy.textContent = "Your browser blocked copying";
      }
      setTimeout(() => {
        copy.textContent = "Copy";
      }, 1500);
    });
    const shown = h("article", { class: "lab-sample lab-tipped" }, words, h("div", { class: "lab-row" }, note, copy));
    tellParts(shown, words);
    /** @type {HTMLElement[]} */
    let waiting = [];
    const showWaiting = () => {
      words.append(...waiting);
      waiting = [];
    };
    return {
      shown,
      words,
      text,
      /** @param {Written} token */
      add({ text, p }) {
        if (text) waiting.push(shaded(text, 1 - p, { "data-said": `${quoted(text)}: ${percent(p)}` }));
        if (!wantsNoMotion()) showWaiting();
      },
      /** @type {(tokens: number, ending: string) => void} */
      finish(tokens, ending) {
        showWaiting();
        note.textContent = `seed ${seed} · ${tokens} tokens${ending}`;
      },
    };
  }

  const go = button("Write", write, { class: "lab-main", "aria-keyshortcuts": "Control+Enter Meta+Enter" });
  const halt = button("Stop", stop);
  const speed = h("span", { class: "lab-small", role: "status" });
  const setRunning = (/** @type {boolean} */ isRunning) => {
    enable(halt, isRunning);
    output.setAttribute("aria-busy", String(isRunning));
  };
  const reseed = button("New seed", () => {
    model.set("seed", crypto.getRandomValues(new Uint16Array(1))[0]);
    model.save_changes();
  });
  const suggestions = PROMPTS.map((prompt) =>
    button(
      prompt,
      () => {
        model.set("prompt", prompt);
        model.save_changes();
        write();
      },
      { class: "lab-suggestion" },
    ),
  );
  model.on("msg:custom", (message) => {
    if (message.write) write(); // `lab.write()` in a notebook
  });
  setRunning(false);
  const prompt = textField(model, "prompt", "Your prompt", () => {});
  prompt.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.stopPropagation(); // else JupyterLab runs the cell
    write();
  });
  ask("describe").then(({ name }) => {
    scope.textContent = name === "tiny-world" ? SCOPE : "";
  }, tell);
  const legend = [shaded("sure", 0), ", ", shaded("unsure", 0.5), ", ", shaded("surprised", 1)];
  el.className = "lab";
  el.append(
    prompt,
    scope,
    h("div", { class: "lab-row lab-suggestions" }, suggestions),
    h("div", { class: "lab-row" }, go, h("span", { class: "lab-small lab-keys" }, "Ctrl+Enter"), halt, reseed, speed),
    h(
      "div",
      { class: "lab-sliders" },
      samplingSliders(model, rewrite),
      slider(model, "length", "Maximum length", [10, 300, 10], rewrite, (n) => `${n} tokens`),
      slider(model, "samples", "Samples", [1, 4, 1], rewrite),
      seedField(model, rewrite),
    ),
    line,
    output,
    h(
      "p",
      { class: "lab-small" },
      "Colors show how sure the model was of each token: ",
      legend,
      ". Point at a token or tap it for its probability.",
    ),
  );
  write(); // like the static example, start with some text
  return stop;
}

/** @type {Lab} */
export default { needs: ["describe"], mayNeed: [["judge", { text: "" }]], render };

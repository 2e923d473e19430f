/**
 * Storyteller: the model continues a text token by token and shows what it chooses from. It lingers where it is unsure.
 *
 * @import { Candidate, Lab, NextAnswer } from "../types.d.ts"
 */
import { button, connect, enable, h, latest, messageLine, percent, slider, wantsNoMotion } from "./ui.mjs";
import { uniform } from "./sampling.mjs";
import { nameOf } from "./token_names.mjs";

const PROMPTS = ["Once upon a time", "A rain song for", "The secret to happiness is", "Question: Who likes to"];
const SHOWN = 5;
const MOST = 400; // tokens, for models that do not end their texts
const END = "<|endoftext|>";
const [QUICK, SLOW, GLOW] = [70, 420, 130]; // milliseconds: a sure choice, an unsure one, and showing what was chosen

/** A token on a bar: without the space before a word. @param {Candidate} token */
const wordOf = (token) => token.text.trim() || nameOf(token);

/** A probability in few characters. @param {number} p */
const short = (p) => (p < 0.01 ? "< 1%" : `${Math.round(100 * p)}%`);

/** @type {Lab["render"]} */
function render({ model, el }) {
  const ask = connect(model);
  const { line, tell } = messageLine();
  const name = "The model’s text. The arrow keys scroll it.";
  const story = h("p", { class: "lab-text lab-story", dir: "auto", role: "group", tabindex: 0, "aria-label": name });
  const list = h("ol", { class: "lab-bars", "aria-label": "Most likely next tokens. Press one to choose it." });
  const bars = Array.from({ length: SHOWN }, (_, i) => bar(() => pick(i)));
  list.append(...bars.map(({ shown }) => h("li", {}, shown)));

  /** @type {Candidate[]} */
  let taken = []; // the tokens after the prompt and what was written before the lab started
  /** @type {{ found: NextAnswer, after: number } | null} */
  let answer = null; // to which number of taken tokens
  let isWriting = !wantsNoMotion();
  let isOver = false;
  let isHeld = false; // by a reader who is about to choose a bar
  let isSeen = true;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const isMoving = () => isWriting && !isHeld && isSeen && !document.hidden && !isOver;

  const refresh = latest(async () => {
    clearTimeout(timer);
    const after = taken.length;
    const found = await ask("next", {
      prompt: model.get("prompt") + model.get("text"),
      added: taken.map(({ id }) => id),
      settings: { temperature: model.get("temperature"), top_k: null, top_p: null },
      number: uniform(model.get("seed"), after),
      count: SHOWN,
    });
    if (after !== taken.length) return; // a token was chosen in the meantime, and another answer is on its way
    answer = { found, after };
    showBars(found);
    goOn();
  }, tell);

  /** @param {NextAnswer} found */
  function showBars({ bars: likely, drawn }) {
    const shown = likely.some(({ id }) => id === drawn.id) ? likely : [...likely.slice(0, -1), drawn];
    const largest = Math.max(...shown.map(({ p }) => p));
    bars.forEach(({ show }, i) => show(shown[i], shown[i] && shown[i].p / largest));
  }

  /** Take the drawn token after a while: the less sure the model is, the longer. */
  function goOn() {
    if (!answer) return; // it is on its way, or about to be asked for
    clearTimeout(timer);
    if (!isMoving()) return;
    const { drawn, bars: likely } = answer.found;
    const doubt = taken.length ? 1 - Math.max(drawn.p, likely[0].p) : 0; // the page shows the first bars already
    timer = setTimeout(() => take(drawn), QUICK + (SLOW - QUICK) * doubt);
  }

  /** @param {Candidate} token */
  function take(token) {
    answer = null;
    bars.forEach(({ mark }) => mark(token.id));
    isOver = token.text === END || taken.length + 1 === MOST;
    if (token.text !== END) {
      taken.push(token);
      add(token);
    }
    if (isOver) showState();
    else timer = setTimeout(refresh, isMoving() ? GLOW * (1.5 - token.p) : 0);
  }

  /** @param {number} i */
  function pick(i) {
    const token = bars[i].token();
    if (!token || answer?.after !== taken.length) return; // the bars are outdated, as with a double click
    clearTimeout(timer);
    take(token);
  }

  /** @param {Candidate} token */
  function add(token) {
    const isAtEnd = story.scrollTop + story.clientHeight > story.scrollHeight - 8;
    const [, space, word] = /^(\s*)(.*)$/s.exec(token.text) ?? ["", "", ""];
    const look = { class: "lab-sure lab-now", style: `--doubt:${(1 - token.p).toFixed(3)}` };
    story.querySelector(".lab-now")?.classList.remove("lab-now");
    story.append(space, h("span", look, word));
    if (isAtEnd) story.scrollTop = story.scrollHeight;
  }

  function begin() {
    clearTimeout(timer);
    [taken, answer, isOver] = [[], null, false];
    story.replaceChildren(h("span", { class: "lab-begun" }, model.get("prompt")), model.get("text"));
    showState();
    return refresh();
  }

  const play = button("Pause", () => {
    isWriting = !isWriting;
    showState();
    if (answer) goOn();
    else refresh();
  });
  const another = button("New story", () => {
    const next = PROMPTS[(PROMPTS.indexOf(model.get("prompt")) + 1) % PROMPTS.length];
    model.set("seed", (model.get("seed") + 1) % 2 ** 31);
    model.set("text", "");
    if (next === model.get("prompt")) begin();
    else model.set("prompt", next); // which begins
    model.save_changes();
    isWriting = true;
    showState();
  });
  const hint = h("span", { class: "lab-small lab-hint" });
  function showState() {
    play.textContent = isWriting && !isOver ? "Pause" : "Write";
    enable(play, !isOver);
    hint.textContent = isOver ? "The end" : "or pick a word";
  }

  /** @type {(is: boolean) => void} */
  const hold = (is) => {
    isHeld = is;
    goOn();
  };
  for (const event of ["pointerenter", "pointerdown"]) list.addEventListener(event, () => hold(true));
  for (const event of ["pointerleave", "pointercancel", "focusout"]) list.addEventListener(event, () => hold(false));
  // A mouse or a finger leaves the focus behind, which must not hold the text.
  list.addEventListener("focusin", () => list.querySelector(":focus-visible") && hold(true));
  const seen = new IntersectionObserver((changes) => {
    isSeen = changes[changes.length - 1].isIntersecting; // a busy page reports several changes at once
    goOn();
  });
  seen.observe(el);
  document.addEventListener("visibilitychange", goOn);
  model.on("change:prompt", begin);
  model.on("change:text", begin);
  model.on("change:seed", refresh);
  el.className = "lab lab-storyteller";
  el.append(
    story,
    list,
    slider(model, "temperature", "Temperature", [0, 2, 0.05], refresh, (t) => (t ? t.toFixed(2) : "0 (greedy)")),
    h("div", { class: "lab-row lab-slot" }, play, another, hint, line),
  );
  const started = begin();
  return started.then(() => () => {
    clearTimeout(timer);
    seen.disconnect();
    document.removeEventListener("visibilitychange", goOn);
  });
}

/**
 * A bar that shows one token after another.
 * @param {() => void} onclick
 */
function bar(onclick) {
  const [name, fill] = [h("span", { class: "lab-name", dir: "auto" }), h("span", { class: "lab-fill" })];
  const value = h("span", { class: "lab-value" });
  const shown = h("button", { type: "button", class: "lab-bar", onclick }, name, fill, value);
  /** @type {Candidate | undefined} */
  let current;
  return {
    shown,
    token: () => current,
    /** @type {(token: Candidate | undefined, share: number) => void} */
    show(token, share) {
      current = token;
      shown.hidden = !token;
      shown.classList.remove("lab-drawn");
      if (!token) return;
      name.textContent = wordOf(token);
      value.textContent = short(token.p);
      fill.style.setProperty("--share", String(share));
      shown.ariaLabel = `${nameOf(token)}, ${percent(token.p)}`;
    },
    /** @param {number} id  of the token that was chosen */
    mark: (id) => void shown.classList.toggle("lab-drawn", current?.id === id),
  };
}

/** @type {Lab} */
export default { needs: ["describe"], render };

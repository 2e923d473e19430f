/**
 * Chat: a conversation with the model. One that was not trained on dialogues continues each message instead.
 * `Conversation` in `gpt2_course/chat.py` does the same without a page.
 *
 * @import { Answer, Calls, Lab, Turn } from "../types.d.ts"
 */
import { answerIn, isOver, promptOf, stripped } from "./dialogue.mjs";
import {
  button,
  connect,
  enable,
  h,
  messageLine,
  samplingSliders,
  seedField,
  settingsOf,
  textField,
  wantsNoMotion,
} from "./ui.mjs";

const NAMES = { user: "You", assistant: "Model" };
const CONTINUES = "This model was not trained on dialogues, so it continues each text you send.";
const FORGOTTEN = "The conversation has outgrown the model’s context: it no longer sees what is above this line.";

/**
 * What one of the speakers said.
 * @param {Turn} turn
 */
function bubble({ role, content }) {
  const words = h("p", { class: "lab-text", dir: "auto" }, content);
  const name = h("span", { class: "lab-small" }, NAMES[role]);
  return { shown: h("div", { class: `lab-bubble lab-${role}` }, name, words), words };
}

/** @type {Lab["render"]} */
function render({ model, el }) {
  const ask = connect(model);
  const { line, tell } = messageLine();
  const about = h("p", { class: "lab-small" });
  const hint = h("p", { class: "lab-small" }, "Nothing has been said yet.");
  const forgottenNote = h("p", { class: "lab-small lab-forgotten", "aria-live": "off" }, FORGOTTEN);
  // Screen readers announce what is added to the log. An answer grows outside of it, so they read it once, as a whole.
  const log = h("div", { role: "log" });
  const growing = h("div", { "aria-busy": "false" });
  const transcript = h("div", { class: "lab-transcript", role: "region", "aria-label": "Conversation", tabindex: 0 });
  transcript.append(hint, log, growing);
  /** @type {{ turn: Turn, shown: HTMLElement }[]} */
  const said = []; // what the log shows
  let forgotten = 0; // how many of them the model no longer sees
  let running = false;
  let stopped = false;
  /** @type {Answer<Calls["generate"]["done"]> | null} */
  let call = null;

  /**
   * Show these messages, keeping the bubbles that are there already.
   * @param {Turn[]} turns
   */
  function draw(turns) {
    const changed = said.findIndex(({ turn }, i) => turn.role !== turns[i]?.role || turn.content !== turns[i].content);
    const kept = changed < 0 ? said.length : changed;
    said.splice(kept).forEach(({ shown }) => shown.remove());
    said.push(...turns.slice(kept).map((turn) => ({ turn, shown: bubble(turn).shown })));
    log.append(...said.slice(kept).map(({ shown }) => shown));
    if (kept < forgotten) forget(0); // another conversation
    hint.hidden = said.length > 0;
    scroll();
  }

  /** @param {number} count  how many messages the model no longer sees */
  function forget(count) {
    forgotten = count;
    if (count === 0) forgottenNote.remove();
    else said[count].shown.before(forgottenNote);
  }

  const scroll = () => {
    transcript.scrollTop = transcript.scrollHeight;
  };
  const setRunning = (/** @type {boolean} */ isRunning) => {
    running = isRunning;
    enable(go, !running);
    enable(halt, running);
    enable(restart, !running && said.length > 0);
    growing.setAttribute("aria-busy", String(running));
  };

  /**
   * What the model continues to answer a question, and the most tokens it may write. The oldest messages are left out
   * if they do not fit into the context with room for an answer.
   * @param {Turn} question
   * @param {number} n_positions
   */
  async function fitted(question, n_positions) {
    const turns = model.get("messages");
    const length = model.get("length");
    const room = n_positions - Math.min(length, Math.floor(n_positions / 2));
    for (let from = forgotten; ; from += 2) {
      const prompt = promptOf([...turns.slice(from), question]);
      const { count } = await ask("tokenize", { text: prompt, vocabulary: "model" });
      if (count <= room) {
        if (from > forgotten) forget(from);
        return { prompt, length: Math.min(length, n_positions - count) };
      }
      if (from >= turns.length) {
        throw new Error(
          `The message is too long: it takes ${count} tokens, but only ${room} fit into the model’s context beside ` +
            "an answer. Shorten it.",
        );
      }
    }
  }

  /**
   * The model's answer to a question, which grows in the transcript until it is over or stopped.
   * @param {Turn} question
   */
  async function answerTo(question) {
    const { shown, words } = bubble({ role: "assistant", content: "…" });
    growing.append(shown);
    scroll();
    const { has_template, n_positions } = await ask("describe");
    const { prompt, length } = has_template
      ? await fitted(question, n_positions)
      : { prompt: question.content, length: model.get("length") };
    let written = "";
    let answer = "";
    if (stopped) return answer;
    const seed = model.get("seed") + model.get("messages").length / 2;
    call = ask("generate", { prompt, settings: settingsOf(model), seed, length }, ({ text }) => {
      written += text;
      answer = has_template ? answerIn(written) : stripped(written);
      const isAtEnd = transcript.scrollHeight - transcript.scrollTop - transcript.clientHeight < 30;
      if (answer && !wantsNoMotion()) words.textContent = answer;
      if (isAtEnd) scroll(); // but leave readers who have scrolled up alone
      if (has_template && isOver(written)) call?.cancel();
    });
    await call;
    return answer;
  }

  async function send() {
    if (running) return;
    tell(null);
    const content = model.get("message");
    if (!stripped(content)) {
      tell("The message is empty: write something.");
      return;
    }
    /** @type {Turn} */
    const question = { role: "user", content };
    draw([...model.get("messages"), question]);
    model.set("message", "");
    model.save_changes();
    stopped = false;
    setRunning(true);
    let answer = "";
    try {
      answer = await answerTo(question);
      if (!answer && !stopped) tell("The model said nothing. Try another seed, or another message.");
    } catch (error) {
      tell(error);
    }
    call = null;
    growing.replaceChildren();
    if (answer) model.set("messages", [...model.get("messages"), question, { role: "assistant", content: answer }]);
    else model.set("message", content + model.get("message")); // back into the field, so it is not lost
    model.save_changes();
    draw(model.get("messages"));
    setRunning(false);
  }

  function stop() {
    stopped = true;
    call?.cancel(); // what is written so far stays
  }

  const go = button("Send", send, { class: "lab-main" });
  const halt = button("Stop", stop);
  const restart = button("Start over", () => {
    tell(null);
    model.set("messages", []);
    model.save_changes();
  });
  model.on("change:messages", () => {
    if (running) return; // the messages are drawn when the answer is over
    draw(model.get("messages"));
    setRunning(false);
  });
  const field = textField(model, "message", "Your message", () => {});
  field.addEventListener("keydown", (event) => {
    event.stopPropagation(); // else JupyterLab swallows the line break of Shift+Enter
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  ask("describe").then(({ has_template }) => {
    about.textContent = has_template ? "" : CONTINUES;
  }, tell);
  draw(model.get("messages"));
  setRunning(false);
  el.className = "lab";
  el.append(
    about,
    transcript,
    field,
    h("div", { class: "lab-row" }, go, halt, restart),
    line,
    h(
      "div",
      { class: "lab-sliders" },
      samplingSliders(model, () => {}),
      seedField(model, () => {}),
    ),
  );
  return stop;
}

/** @type {Lab} */
export default { needs: ["describe"], render };

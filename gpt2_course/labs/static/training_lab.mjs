/**
 * Training lab: train a GPT-2 here and now, on a corner of Tiny World or on a text of your own. The training can be
 * paused and continues after a reload. The model can be downloaded and used in the page's other labs.
 *
 * @import { Answer, Lab, TrainingLabCalls, TrainingPart, TrainingSize } from "../types.d.ts"
 */
import { details, headline, trainingView, whole } from "./training_view.mjs";
import { bind, button, choice, connect, enable, field, h, messageLine, textField } from "./ui.mjs";

const OWN = "my own text";
/** @type {Record<TrainingSize, string>} */
const NAMES = { small: "small, for phones", medium: "medium", laptop: "the laptop’s, slow" };
const SECONDS = 5; // over which the speed is measured

/** Whether this device should get the smallest model unless its owner asks for more. */
function isSmall() {
  const { deviceMemory = 8, hardwareConcurrency: cores } = /** @type {Navigator & { deviceMemory?: number }} */ (
    navigator
  );
  return innerWidth <= 480 || (cores <= 4 && matchMedia("(pointer: coarse)").matches) || deviceMemory <= 2;
}

/** @type {Lab["render"]} */
async function render({ model, el }) {
  const ask = connect(model);
  const { line, tell } = messageLine();
  const { corners, progress: found, isRunning } = await ask("training");
  let progress = found;
  /** @type {Answer<TrainingLabCalls["train"]["done"]> | null} */
  let running = null;
  if (model.inPage && isSmall()) model.set("size", "small");
  if (progress) {
    const { corner, text, size, rate } = progress.wanted;
    model.set("corner", corner);
    model.set("text", text);
    model.set("size", size);
    model.set("rate", rate);
    model.save_changes();
  }

  // ---- controls ------------------------------------------------------------------------------------------------

  const intro = h(
    "p",
    {},
    "Train a GPT-2 from nothing. A small world is learned in minutes: its texts never end, the least possible loss " +
      "is known, and a judge checks what the model writes. Nothing leaves your computer.",
  );
  const select = h("select", {}, ...[...corners, OWN].map((corner) => h("option", {}, corner)));
  const own = textField(model, "text", "The text to learn", () => {});
  const saveCorner = bind(
    model,
    "corner",
    () => (select.value === OWN ? "" : select.value),
    (corner) => {
      if (corner && !corners.includes(corner))
        model.set("corner", corners[0]); // a link named one that does not exist
      else select.value = corner || OWN;
    },
    () => draw(),
  );
  select.addEventListener("change", saveCorner);
  const sizes = choice(
    model,
    "size",
    "Size of the model",
    /** @type {TrainingSize[]} */ (Object.keys(NAMES)).map((size) => [size, NAMES[size]]),
    () => {},
  );
  const what = h("fieldset", { class: "lab-plain" }, field("What it learns", select), own, sizes);
  const slide = h("input", { type: "range", min: -3, max: -1, step: 0.1 });
  const value = h("span", { "aria-hidden": "true" });
  const sayRate = () => {
    value.textContent = String(Number(model.get("rate").toPrecision(2)));
    slide.setAttribute("aria-valuetext", value.textContent);
  };
  const saveRate = bind(
    model,
    "rate",
    () => Number((10 ** Number(slide.value)).toPrecision(2)),
    (rate) => {
      slide.value = String(Math.log10(rate));
      sayRate();
    },
    () => {
      if (progress) ask("set_rate", { rate: model.get("rate") }).catch(tell);
    },
  );
  slide.addEventListener("input", saveRate);

  const main = button("Train", () => (running ? running.cancel() : train()), { class: "lab-main" });
  const again = button("Start over", () => confirmed(again, "Press again to discard this model", startOver));
  const save = button(model.inPage ? "Download the model" : "Save the model", () => download().catch(tell));
  const use = button("Use it in the other labs", () => handOver().catch(tell));

  // ---- training ------------------------------------------------------------------------------------------------

  /** Start or continue. */
  async function train() {
    tell(null);
    const wanted = progress
      ? null
      : { corner: model.get("corner"), text: model.get("text"), size: model.get("size"), rate: model.get("rate") };
    const call = ask("train", { wanted }, (part) => {
      take(part);
      drawSoon();
    });
    running = call;
    say(progress ? "Training continues." : "Preparing: reading texts and learning a vocabulary…");
    draw();
    try {
      const { isKept } = await call;
      if (progress) {
        const end = progress.step < progress.steps ? `Paused after step ${whole(progress.step)}.` : "Finished.";
        say(model.inPage ? `${end} ${isKept ? KEPT : NOT_KEPT}` : end);
      }
    } catch (error) {
      say("");
      tell(error);
    }
    running = null;
    draw();
  }

  /** @param {TrainingPart} part */
  function take(part) {
    if ("progress" in part) {
      progress = part.progress;
      times.length = 0;
      say("Training.");
    } else if (progress && "report" in part) {
      progress.reports.push(part.report);
      progress.verdicts = part.verdicts;
      const { step, loss } = part.report;
      const quarters = Math.floor((4 * step) / progress.steps);
      if (quarters > quarter) say(`${25 * quarters}% done: the loss on held-out text is ${loss.toFixed(2)}.`);
      quarter = quarters;
    } else if (progress && "step" in part) {
      progress.losses.push(part.loss);
      ({ step: progress.step, tokens: progress.tokens, seconds: progress.seconds } = part);
      times.push(part);
      while (times.length > 2 && times[0].seconds < part.seconds - SECONDS) times.shift();
    }
  }
  let quarter = 0; // of the steps
  /** @type {{ step: number, tokens: number, seconds: number }[]} */
  const times = []; // the latest steps

  async function startOver() {
    tell(null);
    await ask("forget_training");
    progress = null;
    quarter = 0;
    view.hide();
    say("");
    draw();
    main.focus();
  }

  async function download() {
    const { files, folder } = await ask("trained_model", { packed: true });
    if (folder) {
      say(`Saved in the folder ${folder}: GPT2.from_pretrained("${folder}") opens it. Here, it is lab.trained.`);
      return;
    }
    const [{ path, bytes }] = files;
    const address = URL.createObjectURL(new Blob([bytes], { type: "application/zip" }));
    h("a", { href: address, download: path }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    say(`Saved as ${path}. Unzip it; then GPT2.from_pretrained("my_gpt2") opens it, in gpt2_course and transformers.`);
  }

  async function handOver() {
    const { files } = await ask("trained_model", { packed: false });
    const given = files.map(({ path, bytes }) => ({ path, file: new Blob([bytes]) }));
    await /** @type {any} */ (ask)("open", { files: given }); // as if the reader had dropped the folder on the page
    say("From now on, the other labs of this page run your model.");
  }

  // ---- drawing -------------------------------------------------------------------------------------------------

  const status = h("p", { role: "status", class: "lab-small" }); // what screen readers announce
  const words = h("p", {});
  const facts = h("p", { class: "lab-small" });
  const say = (/** @type {string} */ text) => {
    status.textContent = text;
  };
  const view = trainingView();
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
  let isWaiting = false;
  let drawnReports = -1;
  /** Draw once before the next frame; with reduced motion, only after reports. */
  function drawSoon() {
    if (isWaiting || (isCalm.matches && progress?.reports.length === drawnReports)) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      draw();
    });
  }

  function draw() {
    own.hidden = model.get("corner") !== "";
    what.disabled = progress !== null || running !== null;
    main.textContent = running ? "Pause" : progress ? `Continue from step ${whole(progress.step)}` : "Train";
    main.hidden = !running && progress !== null && progress.step >= progress.steps;
    for (const one of [again, save, use]) one.hidden = !progress;
    use.hidden ||= !model.inPage;
    intro.hidden = progress !== null;
    enable(again, !running);
    words.textContent = progress ? headline(progress) : "";
    facts.textContent = progress ? details(progress, running ? times : []) : "";
    drawnReports = progress?.reports.length ?? -1;
    if (progress) view.show(progress);
  }

  el.className = "lab";
  el.append(
    intro,
    what,
    field("Learning rate", slide, value),
    h("div", { class: "lab-row" }, main, again),
    line,
    status,
    words,
    facts,
    view.all,
    h("div", { class: "lab-row" }, save, use),
  );
  const resized = new ResizeObserver(() => drawSoon());
  resized.observe(el);
  draw();
  if (isRunning)
    train(); // in a notebook, training continues while the page reloads
  else if (progress) say(`Here is your last training. ${model.inPage ? KEPT : ""}`);
  return () => {
    running?.cancel();
    resized.disconnect();
  };
}

const KEPT = "This browser keeps it, also if you reload the page.";
const NOT_KEPT = "This browser cannot keep it, so a reload of the page ends it.";

/**
 * Act only if a button is pressed twice in a row.
 * @param {HTMLElement} pressed
 * @param {string} question
 * @param {() => Promise<void>} act
 */
function confirmed(pressed, question, act) {
  const text = pressed.dataset.text ?? pressed.textContent ?? "";
  if (pressed.textContent === question) {
    pressed.textContent = text;
    act();
    return;
  }
  pressed.dataset.text = text;
  pressed.textContent = question;
  const calmDown = () => {
    pressed.textContent = text;
  };
  pressed.addEventListener("blur", calmDown, { once: true });
}

/** @type {Lab} */
export default { needs: ["training"], render };

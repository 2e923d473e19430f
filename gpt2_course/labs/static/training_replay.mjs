/**
 * Training replay: a slider through the model's training, with the loss, its floor, and a sample from each step. If the
 * costs of the rules were recorded, bars show how much of each is left.
 *
 * @import { Lab, Model, Report } from "../types.d.ts"
 */
import { bind, button, connect, field, h, messageLine, percent, svg } from "./ui.mjs";

const [HEIGHT, LEFT, BOTTOM, TOP] = [240, 40, 30, 18]; // pixels

/** @type {Lab["render"]} */
function render({ model, el }) {
  const ask = connect(model);
  const { line, tell } = messageLine();
  el.className = "lab";
  el.append(line);
  return ask("history").then(({ prompt, reports }) => show(model, el, prompt, reports), tell);
}

/**
 * @param {Model} model
 * @param {HTMLElement} el
 * @param {string} prompt  what the model continued in each report
 * @param {Report[]} reports
 */
function show(model, el, prompt, reports) {
  const last = reports.length - 1;
  const largest = Math.max(...reports.map(({ loss }) => loss));
  let width = 640;
  // The axis of steps is logarithmic, because most of the visible progress happens early.
  /** @param {number} step */
  const x = (step) => LEFT + ((width - LEFT - 10) * Math.log1p(step)) / Math.log1p(reports[last].step);
  /** @param {number} loss */
  const y = (loss) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - loss / largest);
  const dot = svg("circle", { r: 6, class: "lab-dot" });
  const guide = svg("line", { y1: TOP, y2: HEIGHT - BOTTOM, class: "lab-guide" });
  const curve = svg("svg", {
    class: "lab-curve",
    height: HEIGHT,
    role: "img",
    "aria-label": "The loss on unseen text falls toward the floor during training.",
  });

  /** Draw the axes and both curves in the available width. */
  function drawCurve() {
    width = Math.max(280, Math.min(el.clientWidth - 34 || 640, 720));
    /** @param {(report: Report) => number} value */
    const path = (value) =>
      reports
        .map((report, i) => `${i ? "L" : "M"}${x(report.step).toFixed(1)},${y(value(report)).toFixed(1)}`)
        .join("");
    const steps = [0, 10, 100, reports[last].step].map((step, i) =>
      svg("text", { x: x(step), y: HEIGHT - 10, "text-anchor": i === 3 ? "end" : "middle" }, step.toLocaleString("en")),
    );
    const losses = Array.from({ length: Math.floor(largest / 2) + 1 }, (_, i) => 2 * i).map((loss) =>
      svg("text", { x: LEFT - 8, y: y(loss) + 4, "text-anchor": "end" }, String(loss)),
    );
    curve.setAttribute("width", String(width));
    curve.replaceChildren(
      ...steps,
      ...losses,
      svg("text", { x: 0, y: 10 }, "loss, nats per token"),
      svg("path", { d: path(({ floor }) => floor), class: "lab-floor" }),
      svg("path", { d: path(({ loss }) => loss), class: "lab-loss" }),
      guide,
      dot,
    );
    draw();
  }

  const words = h("p", { role: "status" });
  const bars = Object.keys(reports[0].rules).map((rule) => {
    const fill = h("span", { class: "lab-fill" });
    const value = h("span", { class: "lab-value" });
    const bar = h("span", { class: "lab-bar" }, h("span", { class: "lab-name" }, rule), fill, value);
    return { rule, fill, value, bar };
  });
  const title = h("p", { class: "lab-small" }, "Still to learn of each rule of Tiny World:");
  const rules = h(
    "ol",
    { class: "lab-bars lab-rules", "aria-label": "Still to learn of each rule" },
    bars.map(({ bar }) => h("li", {}, bar)),
  );
  const sample = h("blockquote", {
    class: "lab-text",
    dir: "auto",
    tabindex: 0,
    "aria-label": "What the model wrote",
  });
  const input = h("input", { type: "range", min: 0, max: last, step: 1 });
  const play = button("Play", () => (timer === undefined ? start() : pause()));
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  function pause() {
    clearInterval(timer);
    timer = undefined;
    play.textContent = "Play";
    words.setAttribute("aria-live", "polite");
  }
  function start() {
    if (Number(input.value) === last) go(0);
    play.textContent = "Pause";
    words.setAttribute("aria-live", "off"); // a screen reader should not announce every step
    timer = setInterval(() => {
      if (Number(input.value) < last && el.isConnected) go(Number(input.value) + 1);
      else pause();
    }, 900);
  }
  /** @param {number} report */
  function go(report) {
    model.set("report", report);
    model.save_changes();
  }
  function draw() {
    const { step, loss, floor, sample: text, rules: costs } = reports[Number(input.value)];
    dot.setAttribute("cx", String(x(step)));
    dot.setAttribute("cy", String(y(loss)));
    guide.setAttribute("x1", String(x(step)));
    guide.setAttribute("x2", String(x(step)));
    const ratio = (loss / floor).toFixed(2);
    words.textContent =
      `Step ${step.toLocaleString("en")}: loss ${loss.toFixed(3)}, ` +
      `${ratio} times the floor of ${floor.toFixed(3)}.`;
    if (bars.length) {
      const [worst, cost] = Object.entries(costs).reduce((a, b) => (b[1] > a[1] ? b : a));
      const share = percent(cost / (loss - floor));
      words.textContent += ` The rule that costs it most: ${worst}, ${share} of the loss above the floor.`;
      bars.forEach(({ rule, fill, value, bar }) => {
        const left = Math.max(0, costs[rule] / reports[0].rules[rule]); // a few tokens may cost less than they should
        fill.style.setProperty("--share", String(Math.min(1, left)));
        value.textContent = percent(left);
        bar.classList.toggle("lab-drawn", rule === worst);
      });
    }
    input.setAttribute("aria-valuetext", `step ${step}`);
    sample.replaceChildren(h("b", {}, prompt), text);
  }
  /** @param {number} report */
  const write = (report) => {
    input.value = String(report < 0 ? last : Math.min(report, last));
  };
  const save = bind(model, "report", () => Number(input.value), write, draw);
  input.addEventListener("input", () => {
    pause();
    save();
  });
  const resized = new ResizeObserver(drawCurve);
  resized.observe(el);
  el.append(curve, h("div", { class: "lab-row" }, play, field("Training progress", input)), words);
  if (bars.length) el.append(title, rules);
  el.append(h("p", { class: "lab-small" }, "How the model continued the prompt (in bold):"), sample);
  drawCurve();
  return () => {
    pause();
    resized.disconnect();
  };
}

/** @type {Lab} */
export default { needs: ["history"], render };

/** Training replay: a slider over the training of the model. How far the loss was from the floor, and what it wrote then. */
import { bind, button, connect, field, h, messageLine, svg } from "./ui.mjs";

const [HEIGHT, LEFT, BOTTOM, TOP] = [240, 40, 30, 18];

function render({ model, el }) {
  const ask = connect(model);
  const { line, tell } = messageLine();
  el.className = "lab";
  el.append(line);
  return ask("history").then((history) => show(model, el, history), tell);
}

function show(model, el, { reports }) {
  const last = reports.length - 1;
  const most = Math.max(...reports.map(({ loss }) => loss));
  let width = 640;
  // Steps on a logarithmic axis: most of what can be seen happens early.
  const x = (step) => LEFT + ((width - LEFT - 10) * Math.log1p(step)) / Math.log1p(reports[last].step);
  const y = (loss) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - loss / most);
  const dot = svg("circle", { r: 6, class: "lab-dot" });
  const guide = svg("line", { y1: TOP, y2: HEIGHT - BOTTOM, class: "lab-guide" });
  const curve = svg("svg", {
    class: "lab-curve",
    height: HEIGHT,
    role: "img",
    "aria-label": "The loss on unseen text falls, step by step, towards the floor.",
  });

  /** The axes and the two lines, as wide as there is room. */
  function drawCurve() {
    width = Math.max(280, Math.min(el.clientWidth - 34 || 640, 720));
    const path = (value) =>
      reports
        .map((report, i) => `${i ? "L" : "M"}${x(report.step).toFixed(1)},${y(value(report)).toFixed(1)}`)
        .join("");
    const steps = [0, 10, 100, reports[last].step].map((step, i) =>
      svg("text", { x: x(step), y: HEIGHT - 10, "text-anchor": i === 3 ? "end" : "middle" }, step.toLocaleString("en")),
    );
    const losses = Array.from({ length: Math.floor(most / 2) + 1 }, (_, i) => 2 * i).map((loss) =>
      svg("text", { x: LEFT - 8, y: y(loss) + 4, "text-anchor": "end" }, String(loss)),
    );
    curve.setAttribute("width", width);
    curve.replaceChildren(
      ...steps,
      ...losses,
      svg("text", { x: 0, y: 10 }, "loss, nats a token"),
      svg("path", { d: path(({ floor }) => floor), class: "lab-floor" }),
      svg("path", { d: path(({ loss }) => loss), class: "lab-loss" }),
      guide,
      dot,
    );
    draw();
  }

  const words = h("p", { role: "status" });
  const sample = h("blockquote", { class: "lab-text", dir: "auto", tabindex: 0, "aria-label": "What the model wrote" });
  const input = h("input", { type: "range", min: 0, max: last, step: 1 });
  const play = button("Play", () => (timer ? pause() : start()));
  let timer = null;
  function pause() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
    words.setAttribute("aria-live", "polite");
  }
  function start() {
    if (Number(input.value) === last) go(0);
    play.textContent = "Pause";
    words.setAttribute("aria-live", "off"); // nobody wants to hear every step
    timer = setInterval(
      () => (Number(input.value) < last && el.isConnected ? go(Number(input.value) + 1) : pause()),
      900,
    );
  }
  function go(report) {
    model.set("report", report);
    model.save_changes();
  }
  function draw() {
    const { step, loss, floor, sample: text } = reports[Number(input.value)];
    dot.setAttribute("cx", x(step));
    dot.setAttribute("cy", y(loss));
    guide.setAttribute("x1", x(step));
    guide.setAttribute("x2", x(step));
    words.textContent = `Step ${step.toLocaleString("en")}: loss ${loss.toFixed(3)}, ${(loss / floor).toFixed(2)} times the floor of ${floor.toFixed(3)}.`;
    input.setAttribute("aria-valuetext", `step ${step}`);
    sample.textContent = text;
  }
  const write = (report) => {
    input.value = report < 0 ? last : Math.min(report, last);
  };
  const save = bind(model, "report", () => Number(input.value), write, draw);
  input.addEventListener("input", () => {
    pause();
    save();
  });
  const resized = new ResizeObserver(drawCurve);
  resized.observe(el);
  el.append(curve, h("div", { class: "lab-row" }, play, field("Training so far", input)), words, sample);
  drawCurve();
  return () => {
    pause();
    resized.disconnect();
  };
}

export default { needs: ["history"], render };

/** Training replay: a slider over the training of the model. How far the loss was from the floor, and what it wrote then. */
import { bind, button, connect, field, h, messageLine, svg } from "./ui.mjs";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [640, 240, 44, 30, 12];

function render({ model, el }) {
  const ask = connect(model);
  const { line, tell } = messageLine();
  el.className = "lab";
  el.append(line);
  return ask("history").then((reports) => show(model, el, reports), tell);
}

function show(model, el, reports) {
  const last = reports.length - 1;
  const most = Math.max(...reports.map(({ loss }) => loss));
  // Steps on a logarithmic axis: most of what can be seen happens early.
  const x = (step) => LEFT + ((WIDTH - LEFT - 8) * Math.log1p(step)) / Math.log1p(reports[last].step);
  const y = (loss) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - loss / most);
  const path = (value) => reports.map((report, i) => `${i ? "L" : "M"}${x(report.step).toFixed(1)},${y(value(report)).toFixed(1)}`).join("");
  const ticks = [0, 10, 100, 1000, reports[last].step].map((step) =>
    svg("text", { x: x(step), y: HEIGHT - 10, "text-anchor": step === reports[last].step ? "end" : "middle" }, step.toLocaleString("en")));
  const losses = Array.from({ length: Math.floor(most) + 1 }, (_, i) => i).filter((i) => i % 2 === 0).map((loss) =>
    svg("text", { x: LEFT - 8, y: y(loss) + 4, "text-anchor": "end" }, String(loss)));
  const dot = svg("circle", { r: 6, class: "lab-dot" });
  const guide = svg("line", { y1: TOP, y2: HEIGHT - BOTTOM, class: "lab-guide" });
  const curve = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "lab-curve", role: "img", "aria-label": "The loss on unseen text falls, step by step, towards the floor." },
    ticks, losses, svg("text", { x: LEFT, y: 10 }, "loss, nats a token"),
    svg("path", { d: path(({ floor }) => floor), class: "lab-floor" }), svg("path", { d: path(({ loss }) => loss), class: "lab-loss" }), guide, dot);

  const words = h("p", { role: "status" });
  const sample = h("blockquote", { class: "lab-text", dir: "auto" });
  const input = h("input", { type: "range", min: 0, max: last, step: 1 });
  const play = button("Play", () => (timer ? pause() : start()));
  let timer = null;
  function pause() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }
  function start() {
    if (Number(input.value) === last) go(0);
    play.textContent = "Pause";
    timer = setInterval(() => (Number(input.value) < last && el.isConnected ? go(Number(input.value) + 1) : pause()), 900);
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
    input.setAttribute("aria-valuetext", words.textContent);
    sample.textContent = text;
  }
  const write = (report) => { input.value = report < 0 ? last : Math.min(report, last); };
  const save = bind(model, "report", () => Number(input.value), write, draw);
  input.addEventListener("input", () => { pause(); save(); });
  el.append(curve, h("div", { class: "lab-row" }, play, field("Training so far", input)), words, sample);
  draw();
}

export default { needs: ["history"], render };

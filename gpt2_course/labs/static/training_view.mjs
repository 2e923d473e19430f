/**
 * What the training lab draws: the loss on its way to the floor, what is left of each rule, and what the model writes.
 *
 * @import { TrainingProgress, TrainingReport } from "../types.d.ts"
 */
import { h, percent, quoted, svg } from "./ui.mjs";

const [HIGH, SIDE, BELOW, ABOVE, END] = [240, 40, 30, 22, 12]; // pixels: the height and the margins of the curve
const TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20];
const MOST_POINTS = 300; // of the training loss, each the mean of some steps

/** @param {TrainingReport[]} reports */
const latestOf = (reports) => reports[reports.length - 1];

/** A drawing of a training, and `show`, which draws its current state. */
export function trainingView() {
  const curve = svg("svg", { class: "lab-curve", height: HIGH, role: "img" });
  const title = h("p", { class: "lab-small" }, "Still to learn of each rule of this corner:");
  const rules = h("ol", { class: "lab-bars lab-rules", "aria-label": "Still to learn of each rule" });
  const heading = h("p", { class: "lab-small" });
  const sample = h("blockquote", { class: "lab-text", dir: "auto", tabindex: 0, "aria-label": "What the model wrote" });
  const verdict = h("p", { class: "lab-small" });
  const count = h("p", {});
  const all = h("div", { hidden: true }, curve, title, rules, heading, sample, verdict, count);
  /** @type {TrainingReport | undefined} */
  let shown;

  /** @param {TrainingProgress} progress */
  function show(progress) {
    all.hidden = false;
    drawCurve(curve, progress, Math.max(280, Math.min(all.clientWidth || 640, 720)));
    const report = latestOf(progress.reports);
    const known = progress.floor !== null;
    title.hidden = rules.hidden = count.hidden = !known || !report;
    heading.hidden = sample.hidden = verdict.hidden = !report;
    if (!report || report === shown) return;
    shown = report;
    heading.textContent = `After ${report.step.toLocaleString("en")} steps, the model writes:`;
    sample.replaceChildren(...marked(report));
    verdict.textContent = inWords(report);
    if (!known) return;
    drawRules(rules, progress.reports[0].rules, report.rules);
    const { verdicts } = progress;
    const right = verdicts.filter(Boolean).length;
    const whose = verdicts.length === 1 ? "the first text" : `the last ${verdicts.length} texts`;
    count.replaceChildren("The judge: ", h("strong", {}, `${right} of ${whose}`), " keep all rules of Tiny World.");
  }
  const hide = () => {
    all.hidden = true;
    shown = undefined;
  };
  return { all, show, hide };
}

/**
 * The loss on held-out text with a dot for each report, the loss of each batch as a thin line behind it, and the floor.
 * The axis of the loss is logarithmic, so that the last steps to the floor can be seen.
 * @param {SVGSVGElement} curve
 * @param {TrainingProgress} progress
 * @param {number} width
 */
function drawCurve(curve, { steps, floor, losses, reports }, width) {
  const every = Math.ceil(losses.length / MOST_POINTS);
  /** @type {[step: number, loss: number][]} */
  const batches = [];
  for (let i = 0; i < losses.length; i += every) {
    const some = losses.slice(i, i + every);
    batches.push([i + some.length / 2, some.reduce((a, b) => a + b, 0) / some.length]);
  }
  const seen = [...batches.map(([, loss]) => loss), ...reports.map(({ loss }) => loss), floor ?? Infinity];
  const bottom = 0.9 * Math.min(...seen, 2);
  const top = 1.05 * Math.max(...seen.filter(Number.isFinite), 6);
  const x = (/** @type {number} */ step) => SIDE + ((width - SIDE - END) * step) / steps;
  const y = (/** @type {number} */ loss) =>
    ABOVE + ((HIGH - ABOVE - BELOW) * Math.log(top / Math.max(loss, bottom))) / Math.log(top / bottom);
  /** @param {[step: number, loss: number][]} points */
  const path = (points) =>
    points.map(([step, loss], i) => `${i ? "L" : "M"}${x(step).toFixed(1)},${y(loss).toFixed(1)}`).join("");
  const ticks = TICKS.filter((loss) => loss > bottom && loss < top);
  curve.setAttribute("width", String(width));
  curve.setAttribute("aria-label", description({ steps, floor, reports }));
  curve.replaceChildren(
    svg("text", { x: 0, y: 10 }, "loss, nats per token (logarithmic)"),
    ...ticks.flatMap((loss) => [
      svg("line", { x1: SIDE, x2: width - END, y1: y(loss), y2: y(loss), class: "lab-guide lab-faint" }),
      svg("text", { x: SIDE - 8, y: y(loss) + 4, "text-anchor": "end" }, String(loss)),
    ]),
    ...[0, steps / 2, steps].map((step, i) =>
      svg(
        "text",
        { x: x(step), y: HIGH - 10, "text-anchor": ["start", "middle", "end"][i] },
        `${i === 2 ? "step " : ""}${step.toLocaleString("en")}`,
      ),
    ),
    ...(floor === null
      ? []
      : [
          svg("path", { d: `M${SIDE},${y(floor)}H${width - END}`, class: "lab-floor" }),
          svg("text", { x: width - END, y: y(floor) - 6, "text-anchor": "end" }, `floor ${floor.toFixed(3)}`),
        ]),
    svg("path", { d: path(batches), class: "lab-loss lab-faint" }),
    svg("path", { d: path(reports.map(({ step, loss }) => [step, loss])), class: "lab-loss" }),
    ...reports.map(({ step, loss }) => svg("circle", { cx: x(step), cy: y(loss), r: 2.5, class: "lab-dot" })),
  );
}

/** @param {Pick<TrainingProgress, "steps" | "floor" | "reports">} progress */
function description({ steps, floor, reports }) {
  if (!reports.length) return "The loss, of which nothing is known yet.";
  const [first, last] = [reports[0], latestOf(reports)];
  const goal = floor === null ? "Nobody knows the floor of this text" : `The floor is ${floor.toFixed(2)}`;
  return (
    `After ${last.step} of ${steps} steps, the loss on held-out text has gone from ${first.loss.toFixed(2)} ` +
    `to ${last.loss.toFixed(2)}. ${goal}.`
  );
}

/**
 * A bar for each rule: what is left of its first cost. The rule that costs most is marked.
 * @param {HTMLElement} list
 * @param {Record<string, number>} first
 * @param {Record<string, number>} costs
 */
function drawRules(list, first, costs) {
  const [worst] = Object.entries(costs).reduce((a, b) => (b[1] > a[1] ? b : a));
  list.replaceChildren(
    ...Object.keys(first).map((rule) => {
      const left = Math.max(0, costs[rule] / first[rule]); // a few tokens may cost less than they should
      const bar = h(
        "span",
        { class: rule === worst ? "lab-bar lab-drawn" : "lab-bar" },
        h("span", { class: "lab-name" }, rule),
        h("span", { class: "lab-fill", style: `--share:${Math.min(1, left).toFixed(4)}` }),
        h("span", { class: "lab-value" }, percent(left)),
      );
      return h("li", {}, bar);
    }),
  );
}

/**
 * A sample with its first mistake marked.
 * @param {TrainingReport} report
 */
function marked({ sample, verdict }) {
  if (!verdict || verdict.at === null || verdict.at >= sample.length) return [sample || "∅"];
  const { at } = verdict;
  const [word] = /^\s*\S+/.exec(sample.slice(at)) ?? [sample.slice(at)];
  return [sample.slice(0, at), h("mark", { class: "lab-mistake" }, word), sample.slice(at + word.length)];
}

/**
 * The judge's verdict on a sample.
 * @param {TrainingReport} report
 */
function inWords({ sample, verdict }) {
  if (!verdict) return "Read it yourself: the judge knows only Tiny World.";
  const { accepted, at, expected } = verdict;
  if (accepted) return "✓ The judge finds no mistake.";
  if (at === null || at >= sample.length)
    return "✗ The judge: the text is not finished. Up to here, it has no mistake.";
  const [words = ""] = expected;
  if (at === 0) return "✗ The judge: no text of this corner begins like this.";
  const instead = words.trim() ? `Tiny World could say ${quoted(words.trim().slice(0, 40))}` : "the text should end";
  return `✗ The judge finds the first mistake at the mark: there, ${instead}.`;
}

/** @param {number} n */
export const whole = (n) => Math.round(n).toLocaleString("en");

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 55) return `${Math.max(5, 5 * Math.round(seconds / 5))} seconds`;
  const minutes = Math.round(seconds / 60);
  return minutes === 1 ? "1 minute" : `${minutes} minutes`;
}

/** A step, and what had been done after it.
 * @typedef {{ step: number, tokens: number, seconds: number }} Moment
 */

/**
 * How far a training has come, in a sentence.
 * @param {TrainingProgress} progress
 */
export function headline({ step, steps, floor, reports }) {
  const report = reports[reports.length - 1];
  const start = `Step ${whole(step)} of ${whole(steps)}`;
  if (!report) return `${start}.`;
  const loss = `${start}: loss ${report.loss.toFixed(3)} on held-out text`;
  if (floor === null) return `${loss}. Nobody knows the floor of your text.`;
  return `${loss}, ${(report.loss / floor).toFixed(2)} times the floor of ${floor.toFixed(3)}.`;
}

/**
 * The size and the speed of a training.
 * @param {TrainingProgress} progress
 * @param {Moment[]} times  the latest steps; none if the training pauses
 */
export function details({ step, steps, parameters, tokens }, times) {
  const facts = [`${whole(parameters)} parameters`, `${whole(tokens)} tokens read`];
  const [first, last] = [times[0], times[times.length - 1]];
  const seconds = last ? last.seconds - first.seconds : 0;
  if (seconds) {
    const speed = (last.step - first.step) / seconds;
    facts.push(`${whole((last.tokens - first.tokens) / seconds)} tokens per second`);
    facts.push(`${speed < 10 ? speed.toFixed(1) : whole(speed)} steps per second`);
    if (step < steps) facts.push(`about ${duration((steps - step) / speed)} left`);
  }
  return facts.join(" · ");
}

/**
 * How one number of the drawing came about, in real numbers.
 *
 * @import { Child, How } from "../types.d.ts"
 */
import { inDigits } from "./machine_draw.mjs";
import { gelu } from "./machine_operations.mjs";
import { h, percent, svg } from "./ui.mjs";

const LISTED = 5; // products that are shown one by one

/** @param {number} n */
const otherOnes = (n) => `${n.toLocaleString("en")} other${n === 1 ? "" : "s"}`;

/** @type {(x: number) => string} */
const inBrackets = (x) => (x < 0 ? `(${inDigits(x, 3)})` : inDigits(x, 3));

/** @type {(...cells: Child[]) => HTMLElement} */
const line = (...cells) =>
  h(
    "tr",
    {},
    cells.map((cell, i) => h(i ? "td" : "th", i ? {} : { scope: "row" }, cell)),
  );

/** @type {(heads: string[], lines: HTMLElement[], total: HTMLElement) => HTMLElement} */
const table = (heads, lines, total) =>
  h(
    "div",
    { class: "lab-sum", tabindex: 0, role: "region", "aria-label": "The calculation" },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((head) => h("th", { scope: "col" }, head)),
        ),
      ),
      h("tbody", {}, lines),
      h("tfoot", {}, total),
    ),
  );

/**
 * Numbers as bars, up or down from a line; the one at `chosen` stands out.
 * @param {number[]} numbers
 * @param {string} what
 * @param {number} [chosen]
 */
function bars(numbers, what, chosen = -1) {
  const [width, height] = [600, 64];
  const most = numbers.reduce((m, x) => Math.max(m, Math.abs(x)), 1e-9);
  const step = width / numbers.length;
  /** @type {(keep: (x: number, i: number) => boolean) => string} */
  const path = (keep) =>
    numbers
      .map((x, i) => {
        if (!keep(x, i)) return "";
        const size = (x / most) * (height / 2 - 2);
        const [left, wide] = [i * step, step * 0.86].map((v) => v.toFixed(2));
        return `M${left},${height / 2}v${(-size).toFixed(2)}h${wide}v${size.toFixed(2)}z`;
      })
      .join("");
  return svg(
    "svg",
    {
      viewBox: `0 0 ${width} ${height}`,
      preserveAspectRatio: "none",
      class: "lab-products",
      role: "img",
      "aria-label": what,
    },
    svg("path", { d: path((x, i) => x >= 0 && i !== chosen), class: "lab-plus" }),
    svg("path", { d: path((x, i) => x < 0 && i !== chosen), class: "lab-minus" }),
    svg("path", { d: path((_, i) => i === chosen), class: "lab-ink" }),
    svg("path", { d: `M0,${height / 2}h${width}`, class: "lab-flow" }),
  );
}

/**
 * The largest products of a dot product, and the sum of the others.
 * @param {number[]} row
 * @param {number[]} column
 */
export function largestProducts(row, column) {
  const products = row.map((x, i) => ({ i, a: x, b: column[i], product: x * column[i] }));
  const ordered = products.toSorted((a, b) => Math.abs(b.product) - Math.abs(a.product));
  const listed = ordered.slice(0, row.length <= LISTED + 1 ? row.length : LISTED);
  const others = ordered.slice(listed.length);
  return { listed, others: others.length, rest: others.reduce((sum, { product }) => sum + product, 0) };
}

/**
 * @param {Extract<How, { kind: "product" }>} how
 * @param {string[]} names  of the numbers that are multiplied, if they have any
 */
function product({ row, column, bias, divisor, value, isMasked }, names) {
  const { listed, others, rest } = largestProducts(row, column);
  const lines = listed.map(({ i, a, b, product }) =>
    line(names[i] ?? String(i), inDigits(a, 3), "×", inDigits(b, 3), "=", inDigits(product, 3)),
  );
  if (others) lines.push(line(otherOnes(others), "", "", "", "", inDigits(rest, 3)));
  if (bias !== null) lines.push(line("bias", "", "", "", "", inDigits(bias, 3)));
  const sum = value * divisor;
  if (divisor !== 1) {
    lines.push(line("sum", "", "", "", "", inDigits(sum, 3)));
    lines.push(line(`divided by √${row.length}`, inDigits(sum, 3), "÷", inDigits(divisor, 3), "=", inDigits(value, 3)));
  }
  const total = isMasked ? "crossed out: a later token" : "the number";
  return [
    h(
      "p",
      {},
      `Row times column: ${row.length.toLocaleString("en")} products, added up${bias === null ? "" : ", plus a bias"}` +
        `${divisor === 1 ? "" : `, divided by the root of ${row.length}`}.`,
    ),
    row.length > 1
      ? bars(
          row.map((x, i) => x * column[i]),
          `The ${row.length} products as bars`,
        )
      : [],
    table(
      [names.length ? "token" : "number", "row", "", "column", "", "product"],
      lines,
      line(total, "", "", "", "", inDigits(value, 3)),
    ),
  ];
}

/** @param {Extract<How, { kind: "norm" }>} how */
function norm({ x, at, mean, deviation, weight, bias, value }) {
  const centered = x[at] - mean;
  const scaled = centered / deviation;
  /** @type {(what: string, formula: string, result: number) => HTMLElement} */
  const step = (what, formula, result) => line(what, formula, inDigits(result, 3));
  return [
    h("p", {}, `The row’s ${x.length} numbers, as they were. The bar in the color of this text is this column.`),
    bars(x, "The numbers of the row as bars", at),
    table(
      ["step", "in numbers", "result"],
      [
        step("minus the row’s mean", `${inDigits(x[at], 3)} − ${inBrackets(mean)}`, centered),
        step("divided by its standard deviation", `${inDigits(centered, 3)} ÷ ${inDigits(deviation, 3)}`, scaled),
        step("times the column’s weight", `${inDigits(scaled, 3)} × ${inBrackets(weight)}`, scaled * weight),
      ],
      step("plus its bias", `${inDigits(scaled * weight, 3)} + ${inBrackets(bias)}`, value),
    ),
  ];
}

/** @param {Extract<How, { kind: "softmax" }>} how */
function shares({ scores, names, at, left, rest, temperature, value }) {
  if (at >= scores.length) {
    return [h("p", {}, "This token comes later, so its score was crossed out before softmax. Its weight is 0.")];
  }
  if (temperature === 0) return [h("p", {}, "At temperature 0, the token with the highest logit is certain.")];
  const scaled = scores.map((x) => x / (temperature ?? 1));
  const largest = Math.max(...scaled);
  const powers = scaled.map((x) => Math.exp(x - largest));
  const total = powers.reduce((sum, x) => sum + x, rest);
  const order = scores.map((_, i) => i).sort((a, b) => powers[b] - powers[a] || a - b);
  const listed = order.slice(0, 8);
  if (!listed.includes(at)) listed[listed.length - 1] = at;
  const others = scores.length - listed.length + left;
  const isScaled = temperature !== null && temperature !== 1;
  const lines = listed.map((i) => {
    const cells = [inDigits(scores[i]), isScaled ? [inDigits(scaled[i])] : [], inDigits(powers[i], 4)].flat();
    const row = line(names[i], ...cells, percent(powers[i] / total));
    if (i === at) row.className = "lab-this";
    return row;
  });
  const gap = isScaled ? [""] : [];
  if (others > 0) {
    const sum = listed.reduce((sum, i) => sum - powers[i], total);
    lines.push(line(otherOnes(others), "", ...gap, inDigits(sum, 4), percent(Math.max(0, sum / total))));
  }
  const heads = ["token", "score", isScaled ? [`÷ ${inDigits(temperature)}`] : [], "power", "share"].flat();
  return [
    h(
      "p",
      {},
      `Each score${isScaled ? ", divided by the temperature," : ""} becomes a power of e: e to the score minus the ` +
        `largest one, ${inDigits(largest)}. Divided by their sum, the powers are shares: ` +
        `${inDigits(powers[at], 4)} ÷ ${inDigits(total, 4)} = ${percent(value)}.`,
    ),
    table(heads, lines, line("sum", "", ...gap, inDigits(total, 4), "100%")),
  ];
}

/** @param {Extract<How, { kind: "gelu" }>} how */
function curve({ x, value }) {
  const [width, height, most] = [280, 140, Math.max(3, Math.abs(x) * 1.15)];
  const across = (/** @type {number} */ v) => width / 2 + (v / most) * (width / 2);
  const down = (/** @type {number} */ v) => height - 24 - (v / most) * (height - 34);
  const points = Array.from({ length: 81 }, (_, i) => ((i - 40) / 40) * most);
  return [
    h(
      "p",
      {},
      `GELU(${inDigits(x, 3)}) = ${inDigits(value, 3)}. ${
        x > 1
          ? "Far above 0, a number stays nearly as it is."
          : x < -1
            ? "Far below 0, almost nothing is left."
            : "Near 0, a part of the number is left."
      }`,
    ),
    svg(
      "svg",
      {
        viewBox: `0 0 ${width} ${height}`,
        width,
        height,
        class: "lab-gelu",
        role: "img",
        "aria-label": `The curve of GELU with a point at ${inDigits(x)}`,
      },
      svg("path", { d: `M0,${down(0)}H${width}M${width / 2},0V${height}`, class: "lab-guide" }),
      svg("path", {
        d: `M${points.map((v) => `${across(v).toFixed(1)},${down(gelu(v)).toFixed(1)}`).join("L")}`,
        class: "lab-curve-line",
      }),
      svg("path", { d: `M${across(x)},${down(0)}V${down(value)}H${width / 2}`, class: "lab-flow" }),
      svg("circle", { cx: across(x), cy: down(value), r: 5, class: "lab-dot" }),
    ),
  ];
}

/**
 * @param {How} how
 * @param {string[]} names  of the numbers in a row that is multiplied, if they have any
 * @returns {Child[]}
 */
export function explain(how, names) {
  switch (how.kind) {
    case "product":
      return product(how, names);
    case "norm":
      return norm(how);
    case "softmax":
      return shares(how);
    case "gelu":
      return curve(how);
    case "sum":
      return [
        table(
          ["", "number"],
          how.terms.map(({ name, value }) => line(name, inDigits(value, 3))),
          line("sum", inDigits(how.value, 3)),
        ),
      ];
    case "lookup":
      return [
        h(
          "p",
          {},
          `Looked up in row ${how.row.toLocaleString("en")} of the ${how.table} table, which has ` +
            `${how.rows.toLocaleString("en")} rows. The number was learned in training: ${inDigits(how.value, 3)}.`,
        ),
      ];
  }
}

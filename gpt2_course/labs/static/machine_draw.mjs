/**
 * What the drawings of GPT-2 are made of: shapes in SVG and, for large matrices, pictures on top of them.
 *
 * @import { Box, Child, Drawing } from "../types.d.ts"
 */
import { heatMap, quoted, svg } from "./ui.mjs";

/** @returns {Drawing} */
export const emptyDrawing = () => ({ height: 0, shapes: [], pictures: [], marks: [], boxes: new Map() });

/** @type {(text: string, length: number) => string} */
export const cut = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

/**
 * A number with two decimals and a real minus sign.
 * @param {number} x
 */
export const inDigits = (x, digits = 2) => {
  const size = Math.abs(x).toFixed(Math.abs(x) < 100 ? digits : Math.max(0, digits - 1));
  return x < 0 && Number(size) > 0 ? `−${size}` : size;
};

/**
 * A token's text in quotation marks, which no line break splits.
 * @param {string} text
 */
export const inQuotes = (text) => quoted(text).replaceAll(" ", "\u00a0");

/** @type {(x: number, y: number, text: string, look?: string, anchor?: "start" | "middle" | "end") => SVGElement} */
export const label = (x, y, text, look = "", anchor = "start") =>
  svg("text", { x, y, class: look, "text-anchor": anchor }, text);

/** @type {(box: Box, look: string, more?: import("../types.d.ts").Attributes) => SVGElement} */
export const rect = ({ x, y, width, height }, look, more = {}) =>
  svg("rect", { x, y, width, height, class: look, ...more });

/**
 * Shapes that can be pressed, by pointer or keyboard.
 * @param {string} name  for screen readers
 * @param {string} look
 * @param {() => void} onPress
 * @param {...Child} children
 */
export function pressable(name, look, onPress, ...children) {
  /** @param {KeyboardEvent} event */
  const onKey = (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    onPress();
  };
  return svg(
    "g",
    {
      role: "button",
      tabindex: 0,
      class: `lab-press ${look}`,
      "aria-label": name,
      onclick: onPress,
      onkeydown: /** @type {(event: Event) => void} */ (onKey),
    },
    ...children,
  );
}

/**
 * A function that makes a picture of a matrix. The square root of each number is shown, because next to a few large
 * numbers, all others would look white.
 * @param {Box} box
 * @param {number} rows
 * @param {number} columns
 * @param {(row: number, column: number) => number} number
 * @param {string} look
 * @returns {() => HTMLElement}
 */
export const picture =
  ({ x, y, width, height }, rows, columns, number, look = "") =>
  () => {
    let largest = 1e-9;
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) largest = Math.max(largest, Math.abs(number(r, c)));
    /** @param {number} v */
    const shade = (v) => Math.sign(v) * Math.sqrt(Math.abs(v) / largest);
    return heatMap(rows, columns, (r, c) => shade(number(r, c)), {
      class: `lab-matrix ${look}`,
      style: `left:${x}px;top:${y}px;width:${width}px;height:${height}px`,
      "aria-hidden": "true",
    });
  };

/**
 * A line through points, with an arrowhead at its end.
 * @param {[x: number, y: number][]} points
 * @param {string} look
 */
export function arrow(points, look = "") {
  const [[ax, ay], [bx, by]] = points.slice(-2);
  const length = Math.hypot(bx - ax, by - ay) || 1;
  const [ux, uy] = [(bx - ax) / length, (by - ay) / length];
  const [x, y] = [bx - 7 * ux, by - 7 * uy];
  return svg(
    "g",
    { class: look },
    svg("path", { d: `M${points.join("L")}`, class: "lab-flow" }),
    svg("path", { d: `M${bx},${by}L${x - 4 * uy},${y + 4 * ux}L${x + 4 * uy},${y - 4 * ux}z`, class: "lab-arrowhead" }),
  );
}

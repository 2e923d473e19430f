/**
 * The drawing of one operation: its matrices as one writes them by hand. The input is on the left, the weights are on
 * top, and each number of the result is where a row and a column meet.
 *
 * @import { Box, Drawing, Input, Operation, Scene } from "../types.d.ts"
 */
import { cut, emptyDrawing, inDigits, label, picture, pressable, rect } from "./machine_draw.mjs";
import { percent, quoted, svg, visible } from "./ui.mjs";

const CELL_HEIGHT = 28; // pixels
const TOP = 92; // the height of a matrix on top

/**
 * Where the parts of the drawing are, and how many columns of numbers fit.
 * @param {number} width
 * @param {Operation} op
 */
export function spaceFor(width, op) {
  const isNarrow = width < 480;
  const names = isNarrow ? 70 : 104;
  const left = op.left ? (isNarrow ? 40 : Math.min(130, Math.max(64, op.left.n * 4))) : 0;
  const grid = names + (left ? left + (isNarrow ? 8 : 14) : 0);
  const [first, end] = op.range ?? [0, op.columns];
  const room = width - grid - 2;
  const cell = Math.max(isNarrow ? 46 : 50, Math.min(isNarrow ? 50 : 60, Math.floor(room / (end - first))));
  const count = Math.max(1, Math.min(end - first, Math.floor(room / cell)));
  return { isNarrow, names, left, grid, cell, first, end, count };
}

/**
 * A number of the result, in a few characters.
 * @param {Operation} op
 * @param {number} row
 * @param {number} column
 */
export const shownNumber = (op, row, column) =>
  op.asShare ? percent(op.number(row, column)) : inDigits(op.number(row, column));

/**
 * @param {Scene} scene
 * @param {string} title
 * @param {Operation} op
 * @param {number} from  the first column that is shown
 * @param {number[][] | null} weights  of the columns that are shown
 * @returns {Drawing}
 */
export function drawMatrix(scene, title, op, from, weights) {
  const { width, row: chosenRow, column: chosenColumn } = scene;
  const { isNarrow, names, left, grid, cell, first, end, count } = spaceFor(width, op);
  const T = op.rows.length;
  const drawing = emptyDrawing();
  const { shapes, pictures, marks, boxes } = drawing;
  const right = grid + count * cell;
  const columns = Array.from({ length: count }, (_, i) => from + i);
  const at = chosenColumn - from;
  let y = 0;

  /** @type {(area: Box) => void} */
  const mark = (area) => void marks.push(rect(area, "lab-mark"));

  /**
   * An input as a picture, which leads to the part that makes it.
   * @type {(input: Input, area: Box, number: Input["number"], rows: number, columns: number) => void}
   */
  function source({ title, from: [part, layer] }, area, number, rows, columns) {
    boxes.set(`${part} ${layer ?? 0}`, area);
    shapes.push(
      pressable(`${title}: zoom to it`, "lab-box", () => scene.go(part, layer ?? 0), rect(area, "lab-source")),
    );
    pictures.push(picture(area, rows, columns, number));
  }

  // the matrix on top: other numbers of the text, or weights
  const top = op.top ?? (weights && op.weights && op.weights.n > 1 ? { ...op.weights, number: weightAt } : null);
  /** @type {(i: number, column: number) => number} */
  function weightAt(i, column) {
    return weights?.[column - from]?.[i] ?? 0;
  }
  if (top) {
    shapes.push(label(grid, y + 14, `× ${top.title}, ${top.n} × ${end - first}`, "lab-soft"));
    const height = Math.min(TOP, Math.max(28, top.n * 8));
    const area = { x: grid, y: y + 20, width: count * cell, height };
    const number = (/** @type {number} */ i, /** @type {number} */ c) => top.number(i, from + c);
    if (op.top) source(op.top, area, number, top.n, count);
    else pictures.push(picture(area, top.n, count, number));
    mark({ x: grid + at * cell, y: area.y - 1, width: cell, height: height + 2 });
    y = area.y + height + 8;
  }

  // inputs with the same shape
  (op.above ?? []).forEach((input, i) => {
    shapes.push(label(grid, y + 14, `${i ? "+ " : ""}${input.title}`, "lab-soft"));
    const height = T * Math.max(5, Math.min(10, 80 / T));
    const area = { x: grid, y: y + 20, width: count * cell, height };
    source(input, area, (t, c) => input.number(t, from + c), T, count);
    const step = height / T;
    mark({ x: grid + at * cell, y: area.y + chosenRow * step - 1, width: cell, height: step + 2 });
    y = area.y + height + 8;
  });

  // headings
  if (op.left) {
    shapes.push(label(names, y + 14, `${op.left.title}, ${T} × ${op.left.n}`, "lab-soft"));
    y += 18;
  }
  const equals = op.above || top ? "= " : "";
  shapes.push(label(grid, y + 14, `${equals}${title}, ${T} × ${end - first}`, "lab-strong"));
  y += 20;
  columns.forEach((c, i) => {
    const name = op.names ? cut(op.names[c], Math.floor(cell / 9)) : String(c);
    shapes.push(label(grid + (i + 0.5) * cell, y + 13, name, i === at ? "lab-strong" : "lab-soft", "middle"));
  });
  y += 20;

  // rows
  let largest = 1e-9;
  for (let t = 0; t < T; t++)
    for (let c = first; c < end; c++) if (!op.isMasked?.(t, c)) largest = Math.max(largest, Math.abs(op.number(t, c)));
  const lines = op.rows.map(({ text }, t) => {
    const top = y + t * CELL_HEIGHT;
    shapes.push(
      rect({ x: 0, y: top + 2, width: names - 6, height: CELL_HEIGHT - 4 }, "lab-face lab-role-token", { rx: 4 }),
      label(6, top + 18, cut(visible(text), isNarrow ? 8 : 12), t === chosenRow ? "lab-strong" : ""),
    );
    const cells = columns.map((c, i) => cellAt(t, c, { x: grid + i * cell, y: top, width: cell, height: CELL_HEIGHT }));
    return svg("g", { role: "row", "aria-label": quoted(text) }, cells);
  });
  shapes.push(svg("g", { role: "grid", "aria-label": `${title}. Arrow keys move from number to number.` }, lines));
  if (op.left) {
    const { left: input } = op;
    source(input, { x: names, y, width: left, height: T * CELL_HEIGHT }, input.number, T, input.n);
    mark({ x: names - 1, y: y + chosenRow * CELL_HEIGHT, width: left + 2, height: CELL_HEIGHT });
  }
  y += T * CELL_HEIGHT + 8;

  // where these columns are in the whole matrix
  if (count < end - first) {
    const scale = (right - grid) / (end - first);
    const height = Math.max(14, Math.min(40, T * 4));
    const area = { x: grid, y, width: right - grid, height };
    pictures.push(
      picture(
        area,
        T,
        end - first,
        (t, c) => (op.isMasked?.(t, first + c) ? 0 : op.number(t, first + c)),
        "lab-smooth",
      ),
    );
    mark({ x: grid + (from - first) * scale, y: y - 2, width: count * scale, height: height + 4 });
    y += height + 6;
  }
  drawing.height = y;
  return drawing;

  /** @type {(t: number, c: number, area: Box) => SVGElement} */
  function cellAt(t, c, area) {
    const isMasked = op.isMasked?.(t, c) ?? false;
    const isChosen = t === chosenRow && c === chosenColumn;
    const number = op.number(t, c);
    const shown = shownNumber(op, t, c);
    const middle = area.x + cell / 2;
    const inside = { x: area.x + 1, y: area.y + 1, width: cell - 2, height: CELL_HEIGHT - 2 };
    const strength = isMasked ? 0 : 0.42 * Math.sqrt(Math.abs(number) / largest);
    const name = op.names ? quoted(op.names[c]) : `column ${c}`;
    return svg(
      "g",
      {
        role: "gridcell",
        class: isChosen ? "lab-cell-of lab-chosen" : "lab-cell-of",
        tabindex: isChosen ? 0 : -1,
        "data-cell": `${t},${c}`,
        "aria-label": `${quoted(op.rows[t].text)}, ${name}: ${isMasked ? "crossed out" : shown}`,
        "aria-selected": String(isChosen),
        onclick: () => scene.choose(t, c),
        onpointerenter: /** @type {(event: Event) => void} */ (
          (event) => event instanceof PointerEvent && event.pointerType === "mouse" && scene.preview([t, c])
        ),
        onpointerleave: () => scene.preview(null),
      },
      rect(inside, number < 0 ? "lab-minus" : "lab-plus", { rx: 3, "fill-opacity": strength.toFixed(3) }),
      label(middle, area.y + 18, shown, isMasked ? "lab-number lab-soft" : "lab-number", "middle"),
      isMasked
        ? svg("path", {
            d: `M${area.x + 6},${area.y + CELL_HEIGHT - 6}L${area.x + cell - 6},${area.y + 6}`,
            class: "lab-cross",
          })
        : [],
    );
  }
}

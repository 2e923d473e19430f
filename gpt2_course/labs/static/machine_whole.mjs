/**
 * The drawing of the whole machine: one lane per token, from the text to the next token. On a wide screen, lanes run
 * from left to right; on a narrow one, from top to bottom.
 *
 * @import { Box, Drawing, Scene } from "../types.d.ts"
 */
import { cut, emptyDrawing, label, picture, pressable, rect } from "./machine_draw.mjs";
import { nextProbabilities } from "./machine_operations.mjs";
import { percent, quoted, svg, visible } from "./ui.mjs";

export const NARROW = 560; // pixels

/**
 * Coordinates along the lanes and across them.
 * @param {boolean} isWide
 */
const axes = (isWide) => ({
  /** @type {(along: number, across: number) => string} */
  point: (along, across) => (isWide ? `${along},${across}` : `${across},${along}`),
  /** @type {(along: number, across: number, length: number, breadth: number) => Box} */
  box: (along, across, length, breadth) =>
    isWide
      ? { x: along, y: across, width: length, height: breadth }
      : { x: across, y: along, width: breadth, height: length },
});

/**
 * The root of the mean square of each token's row.
 * @param {number[]} values
 * @param {number} C
 */
const sizes = (values, C) =>
  Array.from({ length: values.length / C }, (_, t) =>
    Math.sqrt(values.slice(t * C, (t + 1) * C).reduce((sum, x) => sum + x * x, 0) / C),
  );

/**
 * @param {Scene} scene
 * @returns {Drawing}
 */
export function drawWhole(scene) {
  const { width, machine, row: chosen, go, choose } = scene;
  const { n_embd: C, n_head: H, n_layer: L } = machine.shape;
  const { tokens } = machine;
  const T = tokens.length;
  const isWide = width >= NARROW;
  const { point, box } = axes(isWide);
  const drawing = emptyDrawing();
  const { shapes, pictures, boxes } = drawing;

  // sizes along the lanes
  const longest = Math.max(...tokens.map(({ text }) => Math.min(11, visible(text).length)));
  const [names, embed, gap, bars] = isWide ? [88, 36, 8, width < 680 ? 160 : 180] : [18 + 7 * longest, 34, 8, 0];
  const from = isWide ? 42 : 62; // where lanes start across, after headings
  const lane = isWide ? (T > 10 ? 24 : 28) : Math.min(30, (width - from) / T);
  const breadth = T * lane;
  const start = isWide ? 0 : 4; // along
  const blocksAt = start + names + gap + embed + gap;
  const block = isWide ? (width - blocksAt - bars - 26) / L : 62;
  const end = blocksAt + L * block;
  const middle = (/** @type {number} */ t) => from + (t + 0.5) * lane;

  /** @type {(along: number, length: number, name: string, more: string) => void} */
  const heading = (along, length, name, more) => {
    if (isWide) {
      shapes.push(label(along + length / 2, 14, name, "lab-strong", "middle"));
      if (more) shapes.push(label(along + length / 2, 30, more, "lab-soft", "middle"));
    } else {
      shapes.push(label(0, along + length / 2 + (more ? -3 : 4), name, "lab-strong"));
      if (more) shapes.push(label(0, along + length / 2 + 12, more, "lab-soft"));
    }
  };

  // lanes and their tokens
  heading(start, names, "Tokens", isWide ? "" : String(T));
  tokens.forEach(({ text, id }, t) => {
    const name = cut(visible(text), isWide ? 10 : 11);
    const chip = box(start, from + t * lane + 2, names - 4, lane - 4);
    shapes.push(
      rect(box(start + names - 4, middle(t) - 3, end - start - names + 8, 6), "lab-lane"),
      pressable(
        `Token ${t + 1}: ${quoted(text)}, ID ${id}. ${t === chosen ? "Its links are shown." : "Show its links."}`,
        t === chosen ? "lab-chip lab-chosen" : "lab-chip",
        () => choose(t, 0),
        rect(chip, "lab-face lab-role-token", { rx: 4 }),
        t < scene.unchanged ? [] : rect(box(start, from + t * lane + 2, 3, lane - 4), "lab-new-lane"),
        isWide
          ? label(chip.x + 6, middle(t) + 4, name)
          : svg("text", { x: chip.y + 6, y: -middle(t) + 4, transform: "rotate(90)" }, name),
      ),
    );
  });

  /** @type {(part: string, layer: number, name: string, area: Box, ...inside: SVGElement[]) => void} */
  const opens = (part, layer, name, area, ...inside) => {
    boxes.set(`${part} ${layer}`, area);
    shapes.push(pressable(name, "lab-box", () => go(part, layer), rect(area, "lab-frame", { rx: 6 }), ...inside));
  };

  // embeddings
  const embedAt = start + names + gap;
  heading(embedAt, embed, isWide ? "Embed" : "Embed", isWide ? `${C} each` : "");
  opens("embeddings", 0, "Embeddings: zoom in", box(embedAt, from, embed, breadth));
  const stream = (/** @type {string} */ name, /** @type {number | null} */ layer) => {
    const values = machine.get(name, layer);
    return (/** @type {number} */ t, /** @type {number} */ i) => values[t * C + i];
  };
  /** @type {(along: number, length: number, number: (t: number, i: number) => number) => void} */
  const strip = (along, length, number) => {
    const area = box(along, from, length, breadth);
    pictures.push(
      isWide ? picture(area, T, C, number, "lab-smooth") : picture(area, C, T, (i, t) => number(t, i), "lab-smooth"),
    );
  };
  strip(embedAt + 4, embed - 8, stream("embedding", null));

  // blocks: links, dots, and the stream that leaves
  for (let l = 0; l < L; l++) {
    const at = blocksAt + l * block;
    const weights = machine.get("attention", l);
    const after = sizes(machine.get("after_attention", l), C);
    const added = sizes(machine.get("mlp_out", l), C);
    const [links, dots] = [block * 0.5, block * 0.16];
    const lines = [];
    for (let t = 0; t < T; t++)
      for (let s = 0; s <= t; s++) {
        let mean = 0;
        for (let head = 0; head < H; head++) mean += weights[(head * T + t) * T + s] / H;
        if (mean < 0.04) continue;
        const [a, b] = [at + 5, at + links];
        const bend = (a + b) / 2;
        const d = `M${point(a, middle(s))}C${point(bend, middle(s))} ${point(bend, middle(t))} ${point(b, middle(t))}`;
        const look = t === chosen ? "lab-gaze lab-chosen" : "lab-gaze";
        const line = svg("path", { d, class: look, "stroke-width": (0.6 + 5 * mean).toFixed(2) });
        if (t === chosen) lines.push(line);
        else lines.unshift(line);
      }
    const points = tokens.map((_, t) => {
      const [cx, cy] = point(at + links + dots / 2, middle(t)).split(",");
      return svg("circle", {
        cx,
        cy,
        r: Math.min(6, 1.5 + (3 * added[t]) / after[t]).toFixed(1),
        class: "lab-mlp-dot",
      });
    });
    const shown = isWide && block < 50 ? String(l) : `Block ${l}`;
    heading(at, block, shown, "");
    opens("block", l, `Block ${l}: zoom in`, box(at + 2, from, block - 4, breadth), ...lines, ...points);
    strip(at + links + dots, block - links - dots - 5, stream("after_mlp", l));
  }
  if (isWide && block < 50) shapes.push(label(blocksAt + (L * block) / 2, 30, "blocks", "lab-soft", "middle"));

  // the next token
  const p = nextProbabilities(machine.get("logits"), scene.temperature);
  const shown = machine.next.slice(0, isWide ? Math.max(5, Math.min(10, Math.floor((breadth + 20) / 24))) : 8);
  const most = Math.max(...shown.map(({ id }) => p[id]));
  const rowHeight = 24;
  const left = isWide ? end + 26 : 0;
  const top = isWide ? Math.max(from - 4, from + (breadth - shown.length * rowHeight) / 2) : end + 48;
  const room = (isWide ? bars : width) - 86 - 54;
  const out = {
    x: left - 4,
    y: top - 2,
    width: (isWide ? bars : width) + (isWide ? 4 : 0),
    height: shown.length * rowHeight + 4,
  };
  const head = isWide ? { x: left - 4, y: 0, width: 104, height: 26 } : { x: 0, y: end + 18, width: 104, height: 26 };
  boxes.set("output 0", out);
  shapes.push(
    pressable(
      "Next token: zoom in",
      "lab-box",
      () => go("output"),
      rect(head, "lab-frame", { rx: 6 }),
      label(head.x + 10, head.y + 17, "Next token ›", "lab-strong"),
    ),
  );
  shown.forEach((token, i) => {
    const y = top + i * rowHeight;
    const share = p[token.id];
    const to = isWide ? `${left - 2},${y + 12}` : `${Math.min(width - 10, 90 + (room / shown.length) * i)},${top - 6}`;
    const [a, b] = isWide ? [end + 2, middle(T - 1)] : [middle(T - 1), end + 2];
    const bend = isWide ? `${a + 14},${b} ${left - 16},${y + 12}` : `${a},${b + 20} ${to.split(",")[0]},${top - 26}`;
    if (isWide)
      shapes.push(
        svg("path", { d: `M${a},${b}C${bend} ${to}`, class: "lab-fan", "stroke-width": (0.7 + 7 * share).toFixed(2) }),
      );
    shapes.push(
      pressable(
        `${quoted(token.text)}, ${percent(share)}. Add it to the sentence.`,
        "lab-bar-row",
        () => scene.add(token),
        rect({ x: left, y: y + 1, width: out.width - 6, height: rowHeight - 2 }, "lab-frame lab-plain", { rx: 4 }),
        label(left + 4, y + 16, cut(visible(token.text), 11)),
        rect({ x: left + 86, y: y + 5, width: Math.max(1, (room * share) / most), height: 14 }, "lab-probability", {
          rx: 2,
        }),
        label(left + out.width - 10, y + 16, percent(share), "lab-number", "end"),
      ),
    );
  });
  if (!isWide)
    shapes.push(svg("path", { d: `M${middle(T - 1)},${end + 2}V${top - 6}`, class: "lab-fan", "stroke-width": 4 }));
  drawing.height = isWide
    ? Math.max(from + breadth, top + shown.length * rowHeight) + 6
    : top + shown.length * rowHeight + 6;
  return drawing;
}

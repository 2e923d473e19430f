/**
 * The drawing of a block: the residual stream on the left, and what attention and the MLP add to it.
 *
 * @import { Box, Drawing, Scene } from "../types.d.ts"
 */
import { arrow, emptyDrawing, label, picture, pressable, rect } from "./machine_draw.mjs";
import { operation } from "./machine_operations.mjs";
import { PARTS } from "./machine_parts.mjs";
import { filledIn } from "./machine_words.mjs";
import { svg } from "./ui.mjs";

const GAP = 12;
const TITLE = 26; // of a panel

const right = (/** @type {Box} */ { x, width }) => x + width;
const bottomOf = (/** @type {Box} */ { y, height }) => y + height;
const center = (/** @type {Box} */ { x, width }) => x + width / 2;
const mid = (/** @type {Box} */ { y, height }) => y + height / 2;

/**
 * @param {Scene} scene
 * @returns {Drawing}
 */
export function drawBlock(scene) {
  const { width, machine, layer, head, go, chooseHead } = scene;
  const { shape, tokens } = machine;
  const { n_embd: C, n_head: H } = shape;
  const T = tokens.length;
  const drawing = emptyDrawing();
  const { shapes, pictures, boxes } = drawing;
  const isWide = width >= 560;
  const belt = isWide ? 104 : 82;
  const panel = { x: belt + 18, width: width - belt - 19 };
  const tall = Math.max(30, Math.min(64, T * 5)); // pictures of (T, C)

  /** @type {(...points: [x: number, y: number][]) => void} */
  const line = (...points) => void shapes.push(arrow(points));

  /**
   * A card: a part's name, its numbers as a picture, and its shape.
   * @param {string} name
   * @param {Box} area
   * @param {() => void} onPress
   */
  function card(name, area, onPress = () => go(name, layer), title = PARTS[name].short) {
    const { x, y, width, height } = area;
    const { role, shape: letters } = PARTS[name];
    const op = operation(name, machine, layer, head, 1);
    boxes.set(`${name} ${layer}`, area);
    const size = filledIn(letters, shape, T, layer).replace(", ", " × ").replace(/[()]/g, "");
    shapes.push(
      pressable(
        `${PARTS[name].title}, ${size}: zoom in`,
        "lab-box",
        onPress,
        rect(area, `lab-frame lab-role-${role}`, { rx: 6 }),
        label(x + width / 2, y + 17, title, "lab-strong", "middle"),
        height > 62 ? label(x + width / 2, y + height - 7, size, "lab-soft", "middle") : [],
      ),
    );
    const room = height - 24 - (height > 62 ? 22 : 7);
    const isSquare = op.columns === T && op.names !== undefined;
    const side = Math.min(room, width - 16);
    const inside = isSquare
      ? { x: x + (width - side) / 2, y: y + 24 + (room - side) / 2, width: side, height: side }
      : { x: x + 8, y: y + 24, width: width - 16, height: room };
    const number = (/** @type {number} */ r, /** @type {number} */ c) => (op.isMasked?.(r, c) ? 0 : op.number(r, c));
    pictures.push(picture(inside, T, op.columns, number, isSquare ? "" : "lab-smooth"));
  }

  const at = panel.x + 10;
  const room = panel.width - 20;
  const full = tall + 46;

  /** @type {(y: number, height: number, title: string, role: string) => void} */
  const frame = (y, height, title, role) => {
    shapes.push(
      rect({ x: panel.x, y, width: panel.width, height }, `lab-panel lab-role-${role}`, { rx: 8 }),
      label(panel.x + 12, y + 19, title, "lab-strong"),
    );
  };

  /**
   * Cards in rows of equally wide columns; returns the area of each.
   * @param {string[][]} rows
   * @param {number} top
   */
  function inRows(rows, top, height = full) {
    /** @type {Record<string, Box>} */
    const areas = {};
    rows.forEach((row, r) =>
      row.forEach((name, c) => {
        const each = (room - GAP * (row.length - 1)) / row.length;
        areas[name] = { x: at + c * (each + GAP), y: top + r * (height + GAP), width: each, height };
      }),
    );
    return areas;
  }

  // attention
  const top = TITLE + 4;
  /** @type {Record<string, Box>} */
  let areas;
  const small = 58;
  if (isWide) {
    const height = 3 * small + 2 * 8;
    areas = inRows([["norm_1", "q", "scores", "attention", "heads", "attention_out"]], top, height);
    const { x, width } = areas.q;
    ["q", "k", "v"].forEach((name, i) => {
      areas[name] = { x, y: top + i * (small + 8), width, height: small };
    });
    for (const name of ["norm_1", "scores", "attention", "heads", "attention_out"]) {
      const isTop = name === "scores" || name === "attention";
      areas[name] = {
        ...areas[name],
        y: isTop ? top : top + (height - full) / 2,
        height: isTop ? 2 * small + 8 : full,
      };
    }
  } else {
    areas = inRows([["norm_1"], ["q", "k", "v"], ["scores", "attention"], ["attention_out", "heads"]], top);
  }
  const lowest = Math.max(...Object.values(areas).map(({ y, height }) => y + height));
  const mini = 28;
  const perRow = Math.max(1, Math.floor((room + 4) / (mini + 4)));
  const miniTop = lowest + 26;
  const attentionHeight = miniTop + Math.ceil(H / perRow) * (mini + 4) + 8;
  frame(0, attentionHeight, isWide ? "" : "Attention", "attention");
  if (isWide) shapes.push(label(right(areas.norm_1) + 14, 19, "Attention: tokens look at each other", "lab-strong"));
  const { norm_1, q, k, v, scores, attention, heads, attention_out } = areas;
  if (isWide) {
    for (const to of [q, k, v]) line([right(norm_1), mid(norm_1)], [to.x, mid(to)]);
    line([right(q), mid(q)], [scores.x, mid(q)]);
    line([right(k), mid(k)], [scores.x, mid(k)]);
    line([right(scores), mid(scores)], [attention.x, mid(scores)]);
    line([right(attention), mid(attention)], [heads.x, mid(heads) - 12]);
    line([right(v), mid(v)], [right(attention), mid(v)], [heads.x, mid(heads) + 20]);
  } else {
    for (const to of [q, k, v]) line([center(to), bottomOf(norm_1)], [center(to), to.y]);
    line([center(q), bottomOf(q)], [center(q), scores.y]);
    line([center(k) - 14, bottomOf(k)], [center(k) - 14, scores.y]);
    line([right(scores), mid(scores)], [attention.x, mid(scores)]);
    line([center(attention), bottomOf(attention)], [center(attention), heads.y]);
    const side = panel.x + panel.width - 5; // values go around the weights
    line([right(v), mid(v)], [side, mid(v)], [side, mid(heads)], [right(heads), mid(heads)]);
  }
  if (isWide) line([right(heads), mid(heads)], [attention_out.x, mid(heads)]);
  else line([heads.x, mid(heads)], [right(attention_out), mid(heads)]);
  for (const [name, area] of Object.entries(areas)) card(name, area);

  // heads
  shapes.push(label(at, lowest + 18, `Heads: number ${head} is shown`, "lab-soft"));
  const weights = machine.get("attention", layer);
  for (let h = 0; h < H; h++) {
    const area = {
      x: at + (h % perRow) * (mini + 4),
      y: miniTop + Math.floor(h / perRow) * (mini + 4),
      width: mini,
      height: mini,
    };
    shapes.push(
      pressable(
        `Head ${h}${h === head ? ", shown" : ": show it"}`,
        h === head ? "lab-box lab-chosen" : "lab-box",
        () => chooseHead(h),
        rect(area, "lab-frame", { rx: 3 }),
      ),
    );
    const inside = { x: area.x + 3, y: area.y + 3, width: mini - 6, height: mini - 6 };
    pictures.push(picture(inside, T, T, (t, s) => weights[(h * T + t) * T + s]));
  }

  // MLP
  const mlpAt = attentionHeight + 40;
  const inMlp = isWide
    ? inRows([["norm_2", "mlp_expand", "mlp_hidden", "mlp_out"]], mlpAt + top)
    : inRows(
        [
          ["norm_2", "mlp_expand"],
          ["mlp_out", "mlp_hidden"],
        ],
        mlpAt + top,
      );
  const mlpHeight = Math.max(...Object.values(inMlp).map(({ y, height }) => y + height)) - mlpAt + 12;
  frame(mlpAt, mlpHeight, isWide ? "MLP: each token on its own" : "MLP", "mlp");
  const { norm_2, mlp_expand, mlp_hidden, mlp_out } = inMlp;
  line([right(norm_2), mid(norm_2)], [mlp_expand.x, mid(norm_2)]);
  if (isWide) {
    line([right(mlp_expand), mid(mlp_expand)], [mlp_hidden.x, mid(mlp_hidden)]);
    line([right(mlp_hidden), mid(mlp_hidden)], [mlp_out.x, mid(mlp_out)]);
  } else {
    line([center(mlp_expand), bottomOf(mlp_expand)], [center(mlp_expand), mlp_hidden.y]);
    line([mlp_hidden.x, mid(mlp_hidden)], [right(mlp_out), mid(mlp_hidden)]);
  }
  for (const [name, area] of Object.entries(inMlp)) card(name, area);

  // the residual stream
  const end = mlpAt + mlpHeight;
  const joins = [attentionHeight + 16, end + 16];
  const cards = [0, joins[0] + 22, joins[1] + 22];
  const bottom = cards[2] + full;
  /** @type {(from: number, to: number) => void} */
  const carry = (from, to) =>
    void shapes.push(rect({ x: belt / 2 - 8, y: from, width: 16, height: to - from }, "lab-belt"));
  joins.forEach((join, i) => {
    carry(cards[i] + full + 1, join - 10);
    carry(join + 10, cards[i + 1] + 1);
    const [reads, adds] = [
      [norm_1, attention_out],
      [norm_2, mlp_out],
    ][i];
    const y = cards[i] + 14;
    if (isWide && i === 0) line([belt, y], [center(reads), y], [center(reads), reads.y]);
    else line([belt, mid(reads)], [reads.x, mid(reads)]);
    if (isWide) line([center(adds), bottomOf(adds)], [center(adds), join], [belt / 2 + 11, join]);
    else line([adds.x, mid(adds)], [panel.x + 5, mid(adds)], [panel.x + 5, join], [belt / 2 + 11, join]);
    shapes.push(
      svg("circle", { cx: belt / 2, cy: join, r: 10, class: "lab-join" }),
      label(belt / 2, join + 6, "+", "lab-sign", "middle"),
    );
  });
  const enters = layer === 0 ? "embedding" : "after_mlp";
  drawStream(cards[0], enters, layer === 0 ? 0 : layer - 1, "Stream in");
  drawStream(cards[1], "after_attention", layer, "Stream");
  drawStream(cards[2], "after_mlp", layer, "Stream out");
  drawing.height = bottom + 4;
  return drawing;

  /** @type {(y: number, name: string, layer: number, title: string) => void} */
  function drawStream(y, name, from, title) {
    const area = { x: 1, y: y + 1, width: belt - 2, height: full };
    const values = machine.get(name, name === "embedding" ? null : from);
    boxes.set(`${name} ${from}`, area);
    shapes.push(
      pressable(
        `${title}, ${T} × ${C}: zoom in`,
        "lab-box",
        () => go(name, from),
        rect(area, "lab-frame lab-role-stream", { rx: 6 }),
        label(belt / 2, y + 18, title, "lab-strong", "middle"),
        label(belt / 2, y + full - 6, `${T} × ${C}`, "lab-soft", "middle"),
      ),
    );
    const inside = { x: 9, y: y + 25, width: belt - 18, height: tall };
    pictures.push(picture(inside, T, C, (t, c) => values[t * C + c], "lab-smooth"));
  }
}

/**
 * The drawing of a block: the residual stream on the left, and what attention and the MLP add to it.
 *
 * @import { Box, Drawing, Scene } from "../types.d.ts"
 */
import { emptyDrawing, label, picture, pressable, rect } from "./machine_draw.mjs";
import { operation } from "./machine_operations.mjs";
import { PARTS, filledIn } from "./machine_parts.mjs";
import { svg } from "./ui.mjs";

const GAP = 12;
const TITLE = 26; // of a panel

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
  const belt = isWide ? 104 : 74;
  const panel = { x: belt + 20, width: width - belt - 21 };
  const tall = Math.max(30, Math.min(64, T * 5)); // pictures of (T, C)

  /** @type {(d: string, look?: string) => void} */
  const line = (d, look = "") => {
    shapes.push(svg("path", { d, class: `lab-flow ${look}` }));
  };

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
    areas = inRows([["norm_1"], ["q", "k", "v"], ["scores", "attention"], ["heads", "attention_out"]], top);
  }
  const lowest = Math.max(...Object.values(areas).map(({ y, height }) => y + height));
  const mini = 28;
  const perRow = Math.max(1, Math.floor((room + 4) / (mini + 4)));
  const miniTop = lowest + 26;
  const attentionHeight = miniTop + Math.ceil(H / perRow) * (mini + 4) + 8;
  frame(0, attentionHeight, isWide ? "Attention: tokens look at each other" : "Attention", "attention");
  const right = (/** @type {Box} */ { x, width }) => x + width;
  const mid = (/** @type {Box} */ { y, height }) => y + height / 2;
  const { norm_1, q, k, v, scores, attention, heads, attention_out } = areas;
  if (isWide) {
    for (const to of [q, k, v]) line(`M${right(norm_1)},${mid(norm_1)}L${to.x},${mid(to)}`);
    line(`M${right(q)},${mid(q)}H${scores.x}`);
    line(`M${right(k)},${mid(k)}H${scores.x}`);
    line(`M${right(scores)},${mid(scores)}H${attention.x}`);
    line(`M${right(attention)},${mid(attention)}L${heads.x},${mid(heads) - 8}`);
    line(`M${right(v)},${mid(v)}H${right(attention)}L${heads.x},${mid(heads) + 14}`);
    line(`M${right(heads)},${mid(heads)}H${attention_out.x}`);
  } else {
    const bottom = (/** @type {Box} */ { y, height }) => y + height;
    for (const to of [q, k, v]) line(`M${to.x + to.width / 2},${bottom(norm_1)}V${to.y}`);
    line(`M${q.x + q.width / 2},${bottom(q)}V${scores.y}M${k.x + k.width / 2 - 8},${bottom(k)}V${scores.y}`);
    line(`M${right(scores)},${mid(scores)}H${attention.x}`);
    line(`M${attention.x + attention.width / 2},${bottom(attention)}L${heads.x + heads.width - 12},${heads.y}`);
    line(`M${right(v) - 4},${bottom(v)}V${scores.y - 5}`);
    line(`M${right(heads)},${mid(heads)}H${attention_out.x}`);
  }
  for (const [name, area] of Object.entries(areas)) card(name, area);

  // heads
  shapes.push(label(at, lowest + 18, `Head ${head} of 0 to ${H - 1}`, "lab-soft"));
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
          ["mlp_hidden", "mlp_out"],
        ],
        mlpAt + top,
      );
  const mlpHeight = Math.max(...Object.values(inMlp).map(({ y, height }) => y + height)) - mlpAt + 12;
  frame(mlpAt, mlpHeight, isWide ? "MLP: each token on its own" : "MLP", "mlp");
  const { norm_2, mlp_expand, mlp_hidden, mlp_out } = inMlp;
  line(`M${right(norm_2)},${mid(norm_2)}H${mlp_expand.x}`);
  if (isWide) line(`M${right(mlp_expand)},${mid(mlp_expand)}H${mlp_hidden.x}`);
  else line(`M${mlp_expand.x + 20},${mlp_expand.y + full}L${right(mlp_hidden) - 20},${mlp_hidden.y}`);
  line(`M${right(mlp_hidden)},${mid(mlp_hidden)}H${mlp_out.x}`);
  for (const [name, area] of Object.entries(inMlp)) card(name, area);

  // the residual stream
  const end = mlpAt + mlpHeight;
  const joins = [attentionHeight + 16, end + 16];
  const cards = [0, joins[0] + 22, joins[1] + 22];
  const bottom = cards[2] + full;
  shapes.unshift(rect({ x: belt / 2 - 9, y: 4, width: 18, height: bottom - 8 }, "lab-belt", { rx: 9 }));
  line(`M${belt},${mid({ x: 0, y: 0, width: belt, height: full })}H${norm_1.x}`, "lab-role-stream");
  line(`M${belt},${mid({ x: 0, y: cards[1], width: belt, height: full })}H${norm_2.x}`, "lab-role-stream");
  for (const [i, from] of [attention_out, mlp_out].entries()) {
    const x = from.x + from.width / 2;
    line(`M${x},${from.y + from.height}V${joins[i]}H${belt / 2 + 10}`, "lab-role-stream");
    shapes.push(
      svg("circle", { cx: belt / 2, cy: joins[i], r: 10, class: "lab-join" }),
      label(belt / 2, joins[i] + 5, "+", "lab-sign", "middle"),
    );
  }
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

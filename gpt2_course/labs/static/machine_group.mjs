/**
 * The drawings of the embeddings and of the output: the operations in them, with all their numbers as pictures.
 *
 * @import { Box, Drawing, Scene } from "../types.d.ts"
 */
import { cut, emptyDrawing, inDigits, label, picture, pressable, rect } from "./machine_draw.mjs";
import { nextProbabilities } from "./machine_operations.mjs";
import { PARTS } from "./machine_parts.mjs";
import { percent, quoted, visible } from "./ui.mjs";

const ROW = 26; // pixels per token

/**
 * Three tables side by side: token + position = sum.
 * @param {Scene} scene
 * @returns {Drawing}
 */
export function drawEmbeddings({ width, machine, go }) {
  const { tokens, shape } = machine;
  const C = shape.n_embd;
  const drawing = emptyDrawing();
  const { shapes, pictures, boxes } = drawing;
  const isNarrow = width < 480;
  const names = isNarrow ? 104 : 150;
  const sign = isNarrow ? 18 : 26;
  const each = (width - names - 2 * sign - 4) / 3;
  const top = 48;
  const height = tokens.length * ROW;
  shapes.push(label(0, 18, "Tokens", "lab-strong"), label(names - 12, 18, "IDs", "lab-soft", "end"));
  tokens.forEach(({ text, id }, t) => {
    const y = top + t * ROW;
    shapes.push(
      rect({ x: 0, y: y + 2, width: names - 8, height: ROW - 4 }, "lab-face lab-role-token", { rx: 4 }),
      label(6, y + 17, cut(visible(text), isNarrow ? 6 : 11)),
      label(names - 14, y + 17, String(id), "lab-number", "end"),
    );
  });
  ["token_embedding", "position_embedding", "embedding"].forEach((name, i) => {
    const x = names + i * (each + sign);
    const { short, role } = PARTS[name];
    const values = machine.get(name);
    const area = { x, y: 0, width: each, height: top + height + 4 };
    boxes.set(`${name} 0`, area);
    shapes.push(
      pressable(
        `${PARTS[name].title}: zoom in`,
        "lab-box",
        () => go(name),
        rect(area, `lab-frame lab-role-${role}`, { rx: 6 }),
        label(x + each / 2, 18, short, "lab-strong", "middle"),
        label(x + each / 2, 34, `${tokens.length} × ${C}`, "lab-soft", "middle"),
      ),
    );
    if (i < 2) shapes.push(label(x + each + sign / 2, top + height / 2 + 6, "+="[i], "lab-sign", "middle"));
    const inside = { x: x + 5, y: top, width: each - 10, height };
    pictures.push(picture(inside, tokens.length, C, (t, c) => values[t * C + c], "lab-smooth"));
  });
  drawing.height = top + height + 6;
  return drawing;
}

/**
 * The last row of the stream, the logits it makes, and their probabilities.
 * @param {Scene} scene
 * @returns {Drawing}
 */
export function drawOutput({ width, machine, temperature, go, add }) {
  const { tokens, shape, next } = machine;
  const C = shape.n_embd;
  const drawing = emptyDrawing();
  const { shapes, pictures, boxes } = drawing;
  /** @type {(part: string, area: Box, look: string, ...inside: SVGElement[]) => void} */
  const opens = (part, area, look, ...inside) => {
    boxes.set(`${part} 0`, area);
    shapes.push(
      pressable(
        `${PARTS[part].title}: zoom in`,
        "lab-box",
        () => go(part),
        rect(area, `lab-frame lab-role-${look}`, { rx: 6 }),
        ...inside,
      ),
    );
  };

  const last = cut(quoted(tokens[tokens.length - 1].text), 14);
  opens(
    "final_norm",
    { x: 1, y: 1, width: width - 2, height: 60 },
    "norm",
    label(10, 20, "Final norm", "lab-strong"),
    label(92, 20, `the last row, of ${last}`, "lab-soft"),
  );
  const normed = machine.get("final_norm");
  pictures.push(picture({ x: 10, y: 30, width: width - 20, height: 22 }, 1, C, (_, i) => normed[i], "lab-smooth"));
  const table = `${shape.vocab_size.toLocaleString("en")} token embeddings`;
  shapes.push(label(10, 84, width < 480 ? `↓ times ${table}` : `↓ multiplied by each of ${table}`, "lab-soft"));

  const logits = machine.get("logits");
  const p = nextProbabilities(logits, temperature);
  const most = Math.max(...next.map(({ id }) => p[id]));
  const top = 98;
  const rowsAt = top + 34;
  const [names, scores] = width < 480 ? [88, 64] : [130, 110];
  const height = 34 + next.length * ROW + 6;
  const barsAt = names + scores + 12;
  opens(
    "logits",
    { x: names, y: top, width: scores, height },
    "token",
    label(names + scores / 2, top + 20, "Logits", "lab-strong", "middle"),
  );
  opens(
    "probabilities",
    { x: barsAt, y: top, width: width - barsAt - 1, height },
    "probability",
    label(barsAt + 10, top + 20, "Softmax", "lab-strong"),
  );
  next.forEach((token, i) => {
    const y = rowsAt + i * ROW;
    const share = p[token.id];
    const room = width - barsAt - 66;
    shapes.push(
      pressable(
        `${quoted(token.text)}, ${percent(share)}. Add it to the sentence.`,
        "lab-bar-row",
        () => add(token),
        rect({ x: 0, y: y + 1, width: names - 6, height: ROW - 2 }, "lab-frame lab-plain", { rx: 4 }),
        label(6, y + 17, cut(visible(token.text), width < 480 ? 10 : 15)),
      ),
      label(names + scores / 2 + 20, y + 17, inDigits(logits[token.id]), "lab-number", "end"),
      rect({ x: barsAt + 10, y: y + 5, width: Math.max(1, (room * share) / most), height: 16 }, "lab-probability", {
        rx: 2,
      }),
      label(width - 8, y + 17, percent(share), "lab-number", "end"),
    );
  });
  drawing.height = top + height + 2;
  return drawing;
}

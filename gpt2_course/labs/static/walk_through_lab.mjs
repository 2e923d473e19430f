/**
 * Walk-through: GPT-2 as one drawing with the real numbers of a sentence, from the whole machine to a single number, and
 * a guided tour through it.
 *
 * @import { Drawing, Lab, Machine, Operation, Scene, Token } from "../types.d.ts"
 */
import { drawBlock } from "./machine_block.mjs";
import { drawEmbeddings, drawOutput } from "./machine_group.mjs";
import { explain } from "./machine_how.mjs";
import { drawMatrix, shownNumber, spaceFor } from "./machine_matrix.mjs";
import { placesOf, reader } from "./machine_numbers.mjs";
import { operation } from "./machine_operations.mjs";
import { CHAPTERS, PARTS, filledIn, isInBlock, tour } from "./machine_parts.mjs";
import { drawWhole } from "./machine_whole.mjs";
import { button, connect, enable, h, latest, messageLine, quoted, slider, svg, textField } from "./ui.mjs";

/** @type {Record<string, (scene: Scene) => Drawing>} */
const DRAWINGS = { whole: drawWhole, embeddings: drawEmbeddings, block: drawBlock, output: drawOutput };

/** @type {Lab["render"]} */
async function render({ model, el }) {
  const ask = connect(model);
  const read = reader(ask);
  const { line, tell } = messageLine();
  const stops = tour((await ask("describe")).n_layer);
  const title = h("h4", { class: "lab-title" });
  const what = h("p");
  const map = h("div", { class: "lab-bricks", role: "group", "aria-label": "Parts of the model" });
  const stage = h("div", { class: "lab-stage" });
  const how = h("div", { class: "lab-how" });
  const changes = h("p", { class: "lab-small", role: "status" });
  /** @type {Machine | undefined} */
  let machine;
  let [row, column, from] = [-1, 0, 0]; // the chosen number, and the first column that is shown
  /** @type {Operation | null} */
  let op = null;
  /** @type {{ weights: number[][], biases: number[] } | null} */
  let behind = null;
  let shown = ""; // the part on the stage, with its layer
  /** @type {Drawing["boxes"]} */
  let boxes = new Map();

  const step = () => Math.min(model.get("step"), stops.length - 1);
  /** @returns {[part: string, layer: number]} */
  const place = () => {
    const part = model.get("part");
    if (!Object.hasOwn(PARTS, part)) return stops[step()];
    const layer = isInBlock(part) ? Math.min(model.get("layer"), (machine?.shape.n_layer ?? 1) - 1) : 0;
    return [part, layer];
  };

  const refresh = latest(async () => {
    const text = model.get("text");
    const [part, layer] = place();
    const old = machine;
    machine = await read(text, (layers) => placesOf(part, layer, layers));
    if (old && old.tokens !== machine.tokens) sayChanges(old.tokens, machine.tokens);
    await draw();
  }, tell);

  /** @type {(old: Token[], now: Token[]) => void} */
  function sayChanges(old, now) {
    const same = now.findIndex(({ id }, t) => old[t]?.id !== id);
    const kept = same < 0 ? now.length : same;
    row = now.length - 1;
    changes.textContent = kept
      ? `The ${kept === 1 ? "lane" : `${kept} lanes`} up to ${quoted(now[kept - 1].text)} did not change, because no token looks ahead.`
      : "";
  }

  async function draw() {
    if (!machine) return;
    const [part, layer] = place();
    const { shape, tokens, left_out } = machine;
    const head = Math.min(model.get("head"), shape.n_head - 1);
    const key = `${part} ${layer}`;
    const T = tokens.length;
    if (row < 0 || row >= T) row = T - 1;
    op = Object.hasOwn(DRAWINGS, part) ? null : operation(part, machine, layer, head, model.get("temperature"));
    const width = Math.max(260, stage.clientWidth || 640);
    if (op) {
      const { first, end, count } = spaceFor(width, op);
      column = Math.max(first, Math.min(column, end - 1));
      if (from > column || from + count <= column || from + count > end) from = Math.min(column, end - count);
      from = Math.max(first, from);
      const shownRow = Math.min(row, op.rows.length - 1);
      const columns = Array.from({ length: count }, (_, i) => from + i);
      behind = op.weights
        ? await ask("weights", {
            name: op.weights.name,
            layer: op.weights.layer,
            columns: op.weights.ids ? columns.map((c) => op?.weights?.ids?.[c] ?? 0) : columns,
          })
        : null;
      setWindow(first, end, count);
      paint(drawMatrix(scene(shownRow), PARTS[part].title, op, from, behind && behind.weights));
      explainAt(shownRow, column);
    } else {
      setWindow(0, 0, 0);
      how.replaceChildren();
      paint(DRAWINGS[part](scene(row)));
    }
    window.hidden = !op || window.hidden;
    temperature.hidden = !["whole", "output", "probabilities"].includes(part);
    const n = step();
    const isStop = !Object.hasOwn(PARTS, model.get("part"));
    const path = isInBlock(part) && part !== "block" ? `Block ${layer} · ` : "";
    title.textContent = path + filledIn(PARTS[part].title, shape, T, layer);
    const { chapter, says } = PARTS[part];
    // In the book, the sidebar's table of contents links to the chapter.
    const link = document.querySelector(`.bd-sidebar-primary a[href$="${CHAPTERS[chapter]}.html"]`);
    const where = `Chapter ${chapter}`;
    const linked = link instanceof HTMLAnchorElement ? h("a", { href: link.href }, where) : where;
    const note = left_out ? ` Only the first ${T} of ${T + left_out} tokens are shown.` : "";
    what.replaceChildren(`${filledIn(says, shape, T, layer)} You build this in `, linked, `.${note}`);
    progress.textContent = isStop ? `Stop ${n + 1} of ${stops.length}` : `The tour waits at stop ${n + 1}`;
    enable(back, n > 0 || !isStop);
    enable(on, n < stops.length - 1 || !isStop);
    enable(out, part !== "whole");
    drawMap(part, layer);
    shown = key;

    /** @type {(row: number) => Scene} */
    function scene(row) {
      return {
        width,
        machine: /** @type {Machine} */ (machine),
        layer,
        head,
        temperature: model.get("temperature"),
        row,
        column,
        go,
        choose,
        chooseHead,
        preview,
        add,
      };
    }

    /** @param {Drawing} drawing */
    function paint(drawing) {
      const isNew = key !== shown && shown !== "";
      const focused = document.activeElement?.closest("[data-cell]") && stage.contains(document.activeElement);
      const size = { width, height: drawing.height, viewBox: `0 0 ${width} ${drawing.height}` };
      const sheet = h(
        "div",
        { class: "lab-sheet", style: `height:${drawing.height}px` },
        svg(
          "svg",
          { ...size, class: "lab-machine", role: "group", "aria-label": title.textContent ?? "" },
          drawing.shapes,
        ),
        drawing.pictures,
      );
      if (isNew) zoom(sheet, drawing);
      boxes = drawing.boxes;
      stage.replaceChildren(sheet);
      if (focused) /** @type {SVGElement | null} */ (stage.querySelector("[tabindex='0'][data-cell]"))?.focus();
    }

    /**
     * Let the new drawing grow out of the part that was pressed, or shrink to it.
     * @type {(sheet: HTMLElement, drawing: Drawing) => void}
     */
    function zoom(sheet, drawing) {
      const into = boxes.get(key);
      const outOf = drawing.boxes.get(shown);
      const box = into ?? outOf;
      if (!box) return;
      const scale = box.width / width;
      sheet.style.setProperty(
        "--from",
        into
          ? `translate(${box.x}px, ${box.y}px) scale(${scale})`
          : `scale(${1 / scale}) translate(${-box.x}px, ${-box.y}px)`,
      );
      sheet.classList.add("lab-zooms");
    }
  }

  /** @type {(row: number, column: number) => void} */
  function explainAt(row, column) {
    if (!op) return;
    const [part, layer] = place();
    const name = op.names ? quoted(op.names[column]) : `column ${column}`;
    const token = quoted(op.rows[row].text);
    const whatItIs = `${path(part, layer)}: ${token}, ${name} = ${op.isMasked?.(row, column) ? "crossed out" : shownNumber(op, row, column)}`;
    const at = column - from;
    const found = op.how(row, column, behind?.weights[at] ?? [], behind?.biases[at] ?? 0);
    const names = part === "heads" && machine ? machine.tokens.map(({ text }) => quoted(text)) : [];
    how.replaceChildren(h("h5", { class: "lab-title", role: "status" }, whatItIs), ...nodes(explain(found, names)));
  }

  /** @type {(children: import("../types.d.ts").Child[]) => (Node | string)[]} */
  const nodes = (children) => /** @type {(Node | string)[]} */ (/** @type {unknown[]} */ (children).flat(Infinity));
  /** @type {(part: string, layer: number) => string} */
  const path = (part, layer) => (isInBlock(part) ? `${PARTS[part].title} of block ${layer}` : PARTS[part].title);

  /** @type {(part: string, layer?: number) => void} */
  function go(part, layer = 0) {
    if (isInBlock(part)) model.set("layer", layer);
    model.set("part", part);
    model.save_changes();
  }
  /** @param {number} step */
  function visit(step) {
    model.set("part", "");
    model.set("step", Math.max(0, Math.min(step, stops.length - 1)));
    model.save_changes();
  }
  /** @type {(row: number, column: number) => void} */
  function choose(r, c) {
    [row, column] = [r, c];
    redraw();
  }
  /** @param {number} head */
  function chooseHead(head) {
    model.set("head", head);
    model.save_changes();
  }
  /** @param {[number, number] | null} cell */
  function preview(cell) {
    if (op) explainAt(cell ? cell[0] : Math.min(row, op.rows.length - 1), cell ? cell[1] : column);
  }
  /** @param {Token} token */
  function add(token) {
    model.set("text", model.get("text") + token.text);
    model.save_changes();
  }
  const redraw = latest(draw, tell);

  /** @type {(part: string, layer: number) => void} */
  function drawMap(part, layer) {
    const layers = machine?.shape.n_layer ?? 0;
    const inside = PARTS[part].within === "whole" || part === "whole" ? part : PARTS[part].within;
    /** @type {[string, number, string][]} */
    const bricks = [
      ["whole", 0, "Whole"],
      ["embeddings", 0, "Embeddings"],
      ...Array.from({ length: layers }, (_, l) => /** @type {[string, number, string]} */ (["block", l, `Block ${l}`])),
      ["output", 0, "Output"],
    ];
    const focused = [...map.children].indexOf(/** @type {Element} */ (document.activeElement));
    map.replaceChildren(
      ...bricks.map(([name, l, text]) =>
        button(text, () => go(name, l), {
          "aria-pressed": String(name === inside && (name !== "block" || l === layer)),
        }),
      ),
    );
    if (focused >= 0) /** @type {HTMLElement} */ (map.children[focused]).focus();
  }

  const back = button("◀ Back", () => visit(Object.hasOwn(PARTS, model.get("part")) ? step() : step() - 1));
  const on = button("Next ▶", () => visit(step() + 1), { class: "lab-main" });
  const out = button("Zoom out", () => {
    const [part, layer] = place();
    if (part !== "whole") go(PARTS[part].within, layer);
  });
  const progress = h("span", { class: "lab-small" });

  const input = h("input", { type: "range", step: 1, "aria-label": "First column shown" });
  const window = h("div", { class: "lab-window" }, input);
  input.addEventListener("input", () => {
    from = Number(input.value);
    column = Math.max(from, Math.min(column, from + Number(input.dataset.count) - 1));
    redraw();
  });
  /** @type {(first: number, end: number, count: number) => void} */
  function setWindow(first, end, count) {
    window.hidden = count >= end - first;
    [input.min, input.max, input.value] = [String(first), String(end - count), String(from)];
    input.dataset.count = String(count);
    input.setAttribute("aria-valuetext", `Columns ${from} to ${from + count - 1}`);
  }
  const temperature = h(
    "div",
    {},
    slider(model, "temperature", "Temperature", [0, 2, 0.05], redraw, (t) => (t === 0 ? "0 (greedy)" : t.toFixed(2))),
  );

  el.addEventListener("keydown", (event) => {
    const target = /** @type {Element} */ (event.target);
    if (event.key === "Escape" && !target.matches("textarea")) out.click();
    /** @type {Record<string, [number, number] | undefined>} */
    const moves = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    const move = moves[event.key];
    if (!move || target.matches("textarea, input")) return;
    if (target.matches("[data-cell]") && op) {
      event.preventDefault();
      const { first, end } = spaceFor(stage.clientWidth, op);
      choose(
        Math.max(0, Math.min(Math.min(row, op.rows.length - 1) + move[0], op.rows.length - 1)),
        Math.max(first, Math.min(column + move[1], end - 1)),
      );
    } else if (move[1] && tourButtons.contains(target)) {
      event.preventDefault();
      visit(step() + move[1]);
    }
  });
  const tourButtons = h("div", { class: "lab-row lab-tour" }, back, on, progress, out);
  for (const trait of /** @type {const} */ (["part", "layer", "step", "head"])) model.on(`change:${trait}`, refresh);
  const resized = new ResizeObserver(() => redraw());
  el.className = "lab";
  el.append(
    textField(model, "text", "Your sentence", refresh),
    changes,
    map,
    tourButtons,
    title,
    what,
    stage,
    window,
    temperature,
    how,
    line,
  );
  await refresh();
  resized.observe(stage);
  return () => resized.disconnect();
}

/** @type {Lab} */
export default { needs: ["describe"], render };

/**
 * Walk-through: GPT-2 as one drawing with the real numbers of a sentence, from the whole machine to a single number,
 * and a guided tour through it.
 *
 * @import { Drawing, Lab, Machine, Operation, Scene, Token, WeightsAnswer } from "../types.d.ts"
 */
import { drawBlock } from "./machine_block.mjs";
import { makeHeads, makeLegend, makeMap, makeWindow } from "./machine_controls.mjs";
import { inQuotes } from "./machine_draw.mjs";
import { drawEmbeddings, drawOutput } from "./machine_group.mjs";
import { explain } from "./machine_how.mjs";
import { drawMatrix, shownNumber, spaceFor } from "./machine_matrix.mjs";
import { MOST, placesOf, reader } from "./machine_numbers.mjs";
import { operation } from "./machine_operations.mjs";
import { CHAPTERS, PARTS, isInBlock, tour } from "./machine_parts.mjs";
import { makeStage } from "./machine_stage.mjs";
import { drawWhole } from "./machine_whole.mjs";
import { compared, filledIn, inWords } from "./machine_words.mjs";
import { button, connect, enable, h, latest, messageLine, slider, textField, visible } from "./ui.mjs";

/** @type {Record<string, (scene: Scene) => Drawing>} */
const DRAWINGS = { whole: drawWhole, embeddings: drawEmbeddings, block: drawBlock, output: drawOutput };
const WITH_TEMPERATURE = ["whole", "output", "probabilities"];

/** @type {Lab["render"]} */
async function render({ model, el }) {
  const ask = connect(model);
  const read = reader(ask);
  const { line, tell } = messageLine();
  const { n_layer: layers } = await ask("describe");
  const stops = tour(layers);
  const title = h("h4", { class: "lab-title" });
  const what = h("p");
  const words = h("p", { class: "lab-title", role: "status" });
  const how = h("div", {});
  const changes = h("p", { class: "lab-small", role: "status" });
  const stage = makeStage();
  /** @type {Machine | undefined} */
  let machine;
  /**
   * The operation that is drawn. It changes at once and with its drawing: while the next one is being computed, the
   * mouse is over the old one.
   * @type {{ op: Operation, machine: Machine, part: string, layer: number, from: number,
   *   behind: WeightsAnswer | null } | null}
   */
  let shown = null; // `behind` has the weights of the columns that are shown, the first of which is `from`
  let [row, column, first] = [-1, 0, 0]; // the chosen number, and the first column to show
  let unchanged = Infinity;
  let painted = ""; // what the pictures depend on
  let drawn = ""; // the part that is drawn, with its layer and head
  let drawnText = "";

  const isOnTour = () => !Object.hasOwn(PARTS, model.get("part"));
  const stop = () => Math.min(model.get("step"), stops.length - 1);
  /** @returns {[part: string, layer: number]} */
  const place = () => {
    if (isOnTour()) return stops[stop()];
    const part = model.get("part");
    return [part, isInBlock(part) ? Math.min(model.get("layer"), layers - 1) : 0];
  };

  const refresh = latest(async () => {
    const [part, layer] = place();
    const [old, oldText, text] = [machine, drawnText, model.get("text")];
    machine = await read(text, (layers) => placesOf(part, layer, layers));
    drawnText = text;
    if (old && oldText !== text) {
      [unchanged, changes.textContent] = compared(old.tokens, machine.tokens);
      row = machine.tokens.length - 1;
    }
    await draw(machine, part, layer);
  }, tell);

  /** @type {(machine: Machine, part: string, layer: number) => Promise<void>} */
  async function draw(machine, part, layer) {
    const { shape, tokens } = machine;
    const head = Math.min(model.get("head"), shape.n_head - 1);
    const temperature = model.get("temperature");
    const isOther = drawn !== `${part} ${layer} ${head}`;
    if (row < 0 || row >= tokens.length) row = tokens.length - 1;
    /** @type {Scene} */
    const scene = {
      ...{ width: stage.width(), machine, layer, head, temperature, row, column, unchanged },
      ...{ go, choose, chooseHead, preview, add },
    };
    if (Object.hasOwn(DRAWINGS, part)) {
      shown = null;
      const looks = `${stage.width()} ${drawn} ${model.get("text")}`;
      stage.show(`${part} ${layer}`, DRAWINGS[part](scene), PARTS[part].title, !isOther && looks === painted);
      painted = looks;
      words.textContent = inWords(part, machine, layer, head, row, temperature);
      how.replaceChildren();
      columns.el.hidden = true;
    } else {
      const op = operation(part, machine, layer, head, temperature);
      scene.row = Math.min(row, op.rows.length - 1);
      if (isOther) column = firstChoice(op, scene.row, column);
      await drawOperation(op, scene, part);
    }
    drawn = `${part} ${layer} ${head}`;
    map.show(part, layer, layers);
    heads.show(part, head, shape.n_head);
    legend.hidden = part !== "whole";
    temperatureField.hidden = !WITH_TEMPERATURE.includes(part);
    describe(machine, part, layer);
  }

  /**
   * The column to explain first: the largest number if columns have names, such as the token that gets most attention.
   * @type {(op: Operation, row: number, column: number) => number}
   */
  function firstChoice({ names, number, isMasked }, row, column) {
    if (!names) return column;
    const all = names.map((_, c) => (isMasked?.(row, c) ? -Infinity : number(row, c)));
    return all.indexOf(Math.max(...all));
  }

  /** @type {(op: Operation, scene: Scene, part: string) => Promise<void>} */
  async function drawOperation(op, scene, part) {
    const { first: start, end, count, grid } = spaceFor(scene.width, op);
    column = Math.max(start, Math.min(column, end - 1));
    if (first > column || first + count <= column) first = column;
    first = Math.max(start, Math.min(first, end - count));
    const [from, { machine, layer }] = [first, scene];
    const asked = op.weights;
    const columnsOf = (/** @type {number[]} */ ids) =>
      Array.from({ length: count }, (_, i) => ids[from + i] ?? from + i);
    const behind = asked
      ? await ask("weights", { name: asked.name, layer: asked.layer, columns: columnsOf(asked.ids ?? []) })
      : null;
    shown = { op, machine, part, layer, from, behind };
    const drawing = drawMatrix({ ...scene, column }, PARTS[part].title, op, from, behind && behind.weights);
    stage.show(`${part} ${layer}`, drawing, PARTS[part].title);
    columns.show(from, count, [start, end], grid);
    explainAt(scene.row, column);
  }

  /**
   * The tour's text, and where it is.
   * @type {(machine: Machine, part: string, layer: number) => void}
   */
  function describe({ shape, tokens: { length: T }, left_out }, part, layer) {
    const { chapter, says, title: name } = PARTS[part];
    const inBlock = isInBlock(part) && part !== "block" ? `Block ${layer} · ` : "";
    title.textContent = inBlock + filledIn(name, shape, T, layer);
    // In the book, the sidebar's table of contents links to the chapter.
    const link = document.querySelector(`.bd-sidebar-primary a[href$="${CHAPTERS[chapter]}.html"]`);
    const where = `chapter ${chapter}`;
    const linked = link instanceof HTMLAnchorElement ? h("a", { href: link.href }, where) : where;
    const note = left_out ? ` Only the first ${T} of ${T + left_out} tokens are shown.` : "";
    what.replaceChildren(`${filledIn(says, shape, T, layer)} You build this in `, linked, `.${note}`);
    const n = stop() + 1;
    progress.textContent = isOnTour() ? `${n} of ${stops.length}` : "";
    back.textContent = isOnTour() ? "◀ Back" : `Resume the tour at ${n}`;
    enable(back, n > 1 || !isOnTour());
    enable(on, n < stops.length);
    enable(out, part !== "whole");
  }

  /** @type {(row: number, column: number) => void} */
  function explainAt(row, column) {
    if (!shown) return;
    const { op, machine, part, layer, from, behind } = shown;
    const named = op.rows.length === 1 ? machine.next : machine.tokens; // the tokens that columns stand for
    const name = op.names ? inQuotes(named[column].text) : `column ${column}`;
    const number = op.isMasked?.(row, column) && !op.asShare ? "crossed out" : shownNumber(op, row, column);
    const { title } = PARTS[part];
    const which = isInBlock(part) ? `${title} in block ${layer}` : title;
    words.textContent = `${which}: ${inQuotes(op.rows[row].text)}, ${name} = ${number}`;
    const at = column - from;
    const found = op.how(row, column, behind?.weights[at] ?? [], behind?.biases[at] ?? 0);
    const names = part === "heads" ? machine.tokens.map(({ text }) => visible(text)) : [];
    const parts = /** @type {unknown[]} */ (explain(found, names)).flat(Infinity);
    how.replaceChildren(.../** @type {Node[]} */ (parts));
  }

  // ---- what the drawing asks for ---------------------------------------------------------------------------------

  /** @type {(part: string, layer?: number) => void} */
  function go(part, layer = 0) {
    if (isInBlock(part)) model.set("layer", layer);
    model.set("part", part);
    model.save_changes();
  }
  /** @type {(row: number, column: number) => void} */
  function choose(toRow, toColumn) {
    [row, column] = [toRow, toColumn];
    refresh();
  }
  /** @param {number} head */
  function chooseHead(head) {
    model.set("head", head);
    model.save_changes();
  }
  /** @param {[row: number, column: number] | null} cell */
  function preview(cell) {
    if (shown) explainAt(...(cell ?? [Math.min(row, shown.op.rows.length - 1), column]));
  }
  /** @param {Token} token */
  function add(token) {
    if (machine && machine.tokens.length >= MOST) {
      tell(`The drawing has room for ${MOST} tokens. Shorten your sentence to add one.`);
      return;
    }
    model.set("text", model.get("text") + token.text);
    model.save_changes();
  }

  // ---- the tour --------------------------------------------------------------------------------------------------

  /** @param {number} step */
  function visit(step) {
    model.set("part", "");
    model.set("step", Math.max(0, Math.min(step, stops.length - 1)));
    model.save_changes();
  }
  const back = button("◀ Back", () => visit(isOnTour() ? stop() - 1 : stop()));
  const on = button("Next ▶", () => visit(stop() + 1), { class: "lab-main" });
  const progress = h("span", { class: "lab-small" });
  const out = button("Zoom out", () => {
    const [part, layer] = place();
    if (part !== "whole") go(PARTS[part].within, layer);
  });
  const tourButtons = h("div", { class: "lab-row lab-tour" }, back, on, progress, out);

  const legend = makeLegend();
  const map = makeMap(go);
  const heads = makeHeads(model);
  const columns = makeWindow((to) => {
    const count = shown ? spaceFor(stage.width(), shown.op).count : 1;
    first = to;
    column = Math.max(first, Math.min(column, first + count - 1));
    refresh();
  });
  const temperatureField = slider(model, "temperature", "Temperature", [0, 2, 0.05], refresh, (t) =>
    t === 0 ? "0 (greedy)" : t.toFixed(2),
  );

  /** @type {Record<string, [rows: number, columns: number] | undefined>} */
  const arrows = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  el.addEventListener("keydown", (event) => {
    const target = /** @type {Element} */ (event.target);
    if (event.key === "Escape" && !target.matches("textarea")) out.click();
    const move = arrows[event.key];
    if (!move || target.matches("textarea, input")) return;
    if (shown && target.matches("[data-cell]")) {
      const { first: start, end } = spaceFor(stage.width(), shown.op);
      const last = shown.op.rows.length - 1;
      const to = Math.max(0, Math.min(Math.min(row, last) + move[0], last));
      choose(to, Math.max(start, Math.min(column + move[1], end - 1)));
    } else if (move[1] && tourButtons.contains(target)) visit(stop() + move[1]);
    else return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would move to another cell
  });
  for (const trait of /** @type {const} */ (["part", "layer", "step", "head"])) model.on(`change:${trait}`, refresh);
  const resized = new ResizeObserver(() => refresh());
  el.className = "lab";
  el.append(textField(model, "text", "Your sentence", refresh), changes, map.el, tourButtons, title, what, heads.el);
  el.append(stage.el, legend, columns.el, temperatureField, words, how, line);
  await refresh();
  resized.observe(stage.el);
  return () => resized.disconnect();
}

/** @type {Lab} */
export default { needs: ["describe"], render };

/**
 * The place where one drawing of the machine follows another, as if the reader zoomed in or out.
 *
 * @import { Drawing } from "../types.d.ts"
 */
import { h, svg } from "./ui.mjs";

export function makeStage() {
  const el = h("div", { class: "lab-stage" });
  let shown = ""; // the part on the stage and its layer
  /** @type {Drawing["boxes"]} */
  let boxes = new Map();
  const width = () => Math.max(260, Math.floor(el.clientWidth) || 640);
  const stops = () => /** @type {SVGElement[]} */ ([...el.querySelectorAll("[tabindex='0']")]);

  /**
   * Let the new drawing grow out of the part that was pressed, or shrink into its place. Style sheets do the rest, so
   * nothing moves for readers who prefer that.
   * @type {(sheet: HTMLElement, key: string, drawing: Drawing) => void}
   */
  function zoom(sheet, key, drawing) {
    const into = boxes.get(key);
    const box = into ?? drawing.boxes.get(shown);
    if (!box) return;
    const scale = box.width / width();
    const from = into
      ? `translate(${box.x}px, ${box.y}px) scale(${scale})`
      : `scale(${1 / scale}) translate(${-box.x}px, ${-box.y}px)`;
    sheet.style.setProperty("--from", from);
    sheet.classList.add("lab-zooms");
  }

  /**
   * Show a drawing. With `keeps`, the pictures of the last one stay, because only shapes changed.
   * @type {(key: string, drawing: Drawing, name: string, keeps?: boolean) => void}
   */
  function show(key, drawing, name, keeps = false) {
    const focused = stops().findIndex((stop) => stop === document.activeElement);
    const wasCell = document.activeElement?.matches("[data-cell]") ?? false;
    const size = { width: width(), height: drawing.height };
    const view = { ...size, viewBox: `0 0 ${size.width} ${size.height}` };
    const sheet = h(
      "div",
      { class: "lab-sheet", style: `height:${drawing.height}px` },
      svg("svg", { ...view, class: "lab-machine", role: "group", "aria-label": name }, drawing.shapes),
      keeps ? [...el.querySelectorAll("canvas")] : drawing.pictures.map((make) => make()),
      drawing.marks.length ? svg("svg", { ...view, class: "lab-marks", "aria-hidden": "true" }, drawing.marks) : [],
    );
    const isOther = key !== shown;
    if (isOther && shown) zoom(sheet, key, drawing);
    el.replaceChildren(sheet);
    if (focused >= 0) {
      const cell = stops().find((stop) => stop.matches("[data-cell]"));
      (cell && (isOther || wasCell) ? cell : stops()[isOther ? 0 : focused])?.focus();
    }
    [shown, boxes] = [key, drawing.boxes];
  }
  return { el, width, show };
}

/** Labels that appear where a reader points, taps, or moves with the arrow keys. */
import { h } from "./ui.mjs";

let mouse = ""; // where it was last
document.addEventListener("pointermove", ({ clientX, clientY }) => {
  mouse = `${clientX} ${clientY}`;
});

/**
 * Call `point` when a mouse moves over a part of the page and `leave` when it leaves. If the part has the focus, the
 * page may scroll under a mouse that does not move, which calls neither.
 * @param {HTMLElement} part
 * @param {(event: PointerEvent) => void} point
 * @param {() => void} leave
 */
function onMouse(part, point, leave) {
  /** @param {PointerEvent} event */
  const isStill = ({ clientX, clientY }) => part === document.activeElement && mouse === `${clientX} ${clientY}`;
  part.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "touch" && !isStill(event)) point(event);
  });
  part.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "touch" && !isStill(event)) leave();
  });
}

/**
 * Create a label in a box. Screen readers announce its text.
 * @param {HTMLElement} box  must have the class `lab-tipped`
 */
export function tipIn(box) {
  const tip = h("span", { class: "lab-tip", "aria-live": "polite" });
  box.append(tip);
  return {
    /**
     * @param {string} text
     * @param {DOMRect} place  what the label explains, in coordinates of the window
     */
    show(text, place) {
      tip.textContent = text;
      const { left, top, width } = box.getBoundingClientRect();
      tip.style.left = `${Math.max(0, Math.min(place.left - left, width - tip.offsetWidth))}px`;
      tip.style.top = `${place.top - top - tip.offsetHeight - 3}px`;
    },
    hide() {
      tip.textContent = "";
    },
  };
}

/**
 * Show what a text's parts have in `data-said`: at the part that the reader points at or taps, and, once the text has
 * the focus, at the one reached with the arrow keys. Escape hides the label.
 * @param {HTMLElement} box  contains the text and must have the class `lab-tipped`
 * @param {HTMLElement} text  must be focusable
 */
export function tellParts(box, text) {
  const tip = tipIn(box);
  /** @type {HTMLElement | null | undefined} */
  let told;
  const parts = () => /** @type {HTMLElement[]} */ ([...text.querySelectorAll("[data-said]")]);
  /** @param {HTMLElement | null | undefined} part */
  function tell(part) {
    told?.classList.remove("lab-told");
    told = part;
    told?.classList.add("lab-told");
    if (told) tip.show(told.dataset.said ?? "", [...told.getClientRects()].at(-1) ?? told.getBoundingClientRect());
    else tip.hide();
  }
  /** @param {Event} event */
  const tellTarget = ({ target }) => {
    const part = parts().find((part) => part.contains(/** @type {Node} */ (target)));
    if (part !== told) tell(part);
  };
  text.addEventListener("click", tellTarget);
  onMouse(text, tellTarget, () => tell(null));
  text.addEventListener("focus", () => tell(told ?? parts()[0]));
  text.addEventListener("blur", () => tell(null));
  text.addEventListener("keydown", (event) => {
    const all = parts();
    const at = all.findIndex((part) => part === told);
    /** @type {Record<string, number>} */
    const next = {
      ArrowLeft: Math.max(at - 1, 0),
      ArrowRight: Math.min(at + 1, all.length - 1),
      Home: 0,
      End: all.length - 1,
    };
    if (!(event.key in next) && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation(); // else JupyterLab moves to another cell
    tell(all[next[event.key]]);
  });
}

/**
 * Let readers look at the squares of a table in a picture: by pointing, tapping, or with the arrow keys.
 * @param {HTMLElement} picture  must be focusable
 * @param {{
 *   here(): [row: number, column: number],
 *   at(x: number, y: number): [row: number, column: number],
 *   look(row: number, column: number): void,
 *   away(): void,
 * }} table  the square that is looked at, with column -1 if there is none; the one at a point of the window; a function
 *   that looks at a square, which need not exist; one that looks at none
 */
export function explore(picture, { here, at, look, away }) {
  /** @param {MouseEvent} event */
  const point = ({ clientX, clientY }) => look(...at(clientX, clientY));
  picture.addEventListener("click", point);
  onMouse(picture, point, away);
  picture.addEventListener("blur", away);
  picture.addEventListener("focus", () => {
    const [row, column] = here();
    if (column < 0) look(row, row);
  });
  picture.addEventListener("keydown", (event) => {
    /** @type {Record<string, [down: number, right: number]>} */
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key === "Escape") away();
    if (!steps[event.key]) return;
    event.preventDefault();
    event.stopPropagation(); // else JupyterLab moves to another cell
    const [row, column] = here();
    const [down, right] = steps[event.key];
    look(row + down, Math.max(0, column + right));
  });
}

/* `seeing.py` runs this in a page. A fault is a sentence that says what is wrong and where. */

const SMALLEST = 11; // pixels; the smallest text that can be read
const PLAIN_TEXT = "pre, code, kbd, samp, textarea"; // may show "undefined" and "NaN" on purpose
const WRONG_WORDS = /\[object |\b(?:undefined|NaN|Infinity)\b/;
const SPOKEN = ["aria-label", "aria-valuetext", "title", "alt"];

const isSeen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
const shorten = (text) => text.replace(/\s+/g, " ").trim().slice(0, 60);
const whereIs = (element) => {
  const way = [];
  for (let e = element; e && way.length < 3 && e !== document.body; e = e.parentElement) {
    way.unshift(e.localName + (e.classList.length ? `.${[...e.classList].join(".")}` : ""));
  }
  return way.join(" > ");
};

/** A computed color as [r, g, b, a], from 0 to 255 and 0 to 1. */
function parsed(color) {
  const numbers = color
    .replace(/^color\(srgb|^rgba?\(/, "")
    .match(/[\d.e+-]+/g)
    ?.map(Number);
  const [r, g, b, a = 1] = numbers ?? [0, 0, 0, 0];
  if (/^color\(srgb/.test(color)) return [255 * r, 255 * g, 255 * b, a];
  if (/^rgba?\(/.test(color)) return [r, g, b, a];
  if (color === "none") return [0, 0, 0, 0];
  throw new Error(`The color ${color} has an unknown format.`);
}

/** One color on top of another. */
function over([r, g, b, a], [R, G, B, A]) {
  const alpha = a + A * (1 - a);
  const mix = (x, X) => (alpha ? (x * a + X * A * (1 - a)) / alpha : 0);
  return [mix(r, R), mix(g, G), mix(b, B), alpha];
}
const faded = ([r, g, b, a], by) => [r, g, b, a * by];
const luminance = ([r, g, b]) => {
  const [R, G, B] = [r, g, b].map((x) => (x / 255 <= 0.04045 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * R + 0.7152 * G + 0.0722 * B;
};

/** For each bitmap in an SVG, a function from a position (0 to 1 in both directions) to its color there. */
async function bitmapsIn(part) {
  const found = new Map();
  for (const image of part.querySelectorAll("svg image")) {
    const bitmap = new Image();
    bitmap.src = image.href.baseVal;
    await bitmap.decode();
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    found.set(image, (x, y) => {
      const [r, g, b, a] = context.getImageData(Math.floor(x * bitmap.width), Math.floor(y * bitmap.height), 1, 1).data;
      return [r, g, b, a / 255];
    });
  }
  return found;
}

/** The color under the middle of a text in an SVG, from the shapes drawn before it. */
function drawnUnder(text, bitmaps) {
  const box = text.getBoundingClientRect();
  const middle = new DOMPoint(box.left + box.width / 2, box.top + box.height / 2);
  let ground = [0, 0, 0, 0];
  for (const shape of text.ownerSVGElement.querySelectorAll("rect, path, circle, polygon, ellipse, image")) {
    if (text.compareDocumentPosition(shape) & Node.DOCUMENT_POSITION_FOLLOWING) break;
    if (shape.closest("defs, clipPath")) continue;
    const { fill, fillOpacity, opacity } = getComputedStyle(shape);
    const place = middle.matrixTransform(shape.getScreenCTM().inverse());
    if (bitmaps.has(shape)) {
      const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => shape[name].baseVal.value);
      const [right, down] = [(place.x - x) / width, (place.y - y) / height];
      if (right >= 0 && right < 1 && down >= 0 && down < 1)
        ground = over(faded(bitmaps.get(shape)(right, down), opacity), ground);
    } else if (fill !== "none" && shape.isPointInFill(place)) {
      ground = over(faded(parsed(fill), fillOpacity * opacity), ground);
    }
  }
  return ground;
}

/** The contrast between an element's text and its background (WCAG 2). */
function contrast(element, bitmaps) {
  const style = getComputedStyle(element);
  const inSvg = element instanceof SVGElement;
  let ground = inSvg ? drawnUnder(element, bitmaps) : [0, 0, 0, 0];
  let text = over(inSvg ? faded(parsed(style.fill), Number(style.fillOpacity)) : parsed(style.color), ground);
  for (let e = element; e; e = e.parentElement) {
    const { backgroundColor, opacity } = getComputedStyle(e);
    if (e instanceof HTMLElement || e.localName === "svg") {
      text = over(text, parsed(backgroundColor));
      ground = over(ground, parsed(backgroundColor));
    }
    text = faded(text, opacity);
    ground = faded(ground, opacity);
  }
  const white = [255, 255, 255, 1];
  const [a, b] = [over(text, white), over(ground, white)].map(luminance);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

/** An element's font size in pixels on the screen. */
function textSize(element) {
  const size = parseFloat(getComputedStyle(element).fontSize);
  if (!(element instanceof SVGElement)) return size;
  const { a, b, c, d } = element.getScreenCTM();
  return size * Math.sqrt(Math.abs(a * d - b * c));
}

/** The visible text nodes; text for screen readers only is clipped to a pixel. */
function textsIn(part) {
  const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  const texts = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (
      !node.data.trim() ||
      element.closest("script, style, title, desc, .visually-hidden, .sr-only") ||
      !isSeen(element)
    )
      continue;
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (box.width > 1 && box.height > 1) texts.push({ node, element });
  }
  return texts;
}

function* wrongWords({ part, texts }) {
  for (const { node, element } of texts) {
    if (!element.closest(PLAIN_TEXT) && WRONG_WORDS.test(node.data))
      yield `“${shorten(node.data)}” is shown in ${whereIs(element)}`;
  }
  for (const element of part.querySelectorAll(SPOKEN.map((name) => `[${name}]`).join())) {
    for (const name of SPOKEN) {
      const said = element.getAttribute(name) ?? "";
      if (WRONG_WORDS.test(said)) yield `${name} of ${whereIs(element)} is “${shorten(said)}”`;
    }
  }
  for (const element of part.querySelectorAll("input, textarea")) {
    if (isSeen(element) && /\[object |^(?:undefined|NaN|Infinity)$/.test(element.value))
      yield `“${shorten(element.value)}” is the value of ${whereIs(element)}`;
  }
}

function* emptyPictures({ part }) {
  for (const canvas of part.querySelectorAll("canvas")) {
    if (!isSeen(canvas)) continue;
    const { width, height } = canvas;
    const box = canvas.getBoundingClientRect();
    const pixels =
      width && height ? new Uint32Array(canvas.getContext("2d").getImageData(0, 0, width, height).data.buffer) : [];
    const isPlain = pixels.length > 1 ? pixels.every((pixel) => pixel === pixels[0]) : !pixels[0];
    if (isPlain || box.width < 2 || box.height < 2) yield `an empty canvas: ${whereIs(canvas)}`;
  }
  for (const drawing of part.querySelectorAll("svg")) {
    if (!isSeen(drawing) || drawing.parentElement.closest("svg")) continue;
    const isDrawn = (shape) => {
      const { width, height } = shape.getBoundingClientRect();
      const { fill, fillOpacity, stroke } = getComputedStyle(shape);
      return width + height > 0 && isSeen(shape) && ((fill !== "none" && fillOpacity > 0) || stroke !== "none");
    };
    const box = drawing.getBoundingClientRect();
    const shapes = [
      ...drawing.querySelectorAll("path, rect, circle, ellipse, line, polyline, polygon, text, image, use"),
    ];
    if (box.width < 2 || box.height < 2 || !shapes.some(isDrawn)) yield `an empty drawing: ${whereIs(drawing)}`;
  }
}

/** Whether an element is a subscript or superscript, which may be smaller than the rest of its line. */
const isScript = (element) =>
  element.closest("sub, sup") ||
  (element.localName === "tspan" &&
    [...element.parentElement.children].some((other) => textSize(other) > 1.2 * textSize(element)));

function* smallText({ texts }) {
  for (const { node, element } of texts) {
    const size = textSize(element);
    if (size < SMALLEST * (isScript(element) ? 0.7 : 1) - 0.05)
      yield `“${shorten(node.data)}” is only ${size.toFixed(1)} px high in ${whereIs(element)}`;
  }
}

function* faintText({ texts, bitmaps }) {
  for (const { node, element } of texts) {
    if (element.closest(":disabled, [aria-disabled=true]")) continue; // as in WCAG
    const size = textSize(element);
    const isLarge = size >= 24 || (size >= 18.66 && getComputedStyle(element).fontWeight >= 700);
    const found = contrast(element, bitmaps);
    if (found < (isLarge ? 3 : 4.5) - 0.005)
      yield `“${shorten(node.data)}” has a contrast of ${found.toFixed(2)} in ${whereIs(element)}`;
  }
}

function* brokenWords({ texts }) {
  const range = document.createRange();
  for (const { node, element } of texts) {
    if (!element.closest("td, th")) continue;
    for (const word of node.data.matchAll(/[\p{L}\p{N}]+/gu)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const tops = new Set(
        [...range.getClientRects()].filter((box) => box.width > 0).map((box) => Math.round(box.top)),
      );
      if (tops.size > 1) yield `“${word[0]}” is broken in ${whereIs(element)}`;
    }
  }
}

/** Notes in the margin stand beside the text, and what is wide must not reach into them. */
function* coveredNotes({ texts, part }) {
  const wide = [...part.querySelectorAll("pre, svg, img, canvas, table")].filter(isSeen);
  for (const { node, element } of texts) {
    const note = element.closest("aside.margin, .chapter-facts");
    if (!note) continue;
    const box = note.getBoundingClientRect();
    const covers = (other) => {
      const { left, right, top, bottom } = other.getBoundingClientRect();
      return left < box.right && right > box.left && top < box.bottom && bottom > box.top;
    };
    if (wide.some((other) => !note.contains(other) && !other.contains(note) && covers(other)))
      yield `something covers the note “${shorten(node.data)}”`;
  }
}

/** A picture of the book cuts off what leaves its frame. */
function* cutWords({ texts }) {
  const range = document.createRange();
  for (const { node, element } of texts) {
    const picture = element.closest(".picture svg");
    if (!picture) continue;
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    const frame = picture.getBoundingClientRect();
    if (box.left < frame.left - 1 || box.right > frame.right + 1) yield `“${shorten(node.data)}” leaves its picture`;
  }
}

function* tooWide() {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) yield `the page is ${scrollWidth} px wide on a ${clientWidth} px screen`;
}

function* foreignRequests() {
  for (const { name } of performance.getEntriesByType("resource")) {
    const url = new URL(name);
    if (url.protocol.startsWith("http") && url.host !== location.host) yield `a request to ${url.host}`;
  }
}

const frame = () => new Promise((go) => requestAnimationFrame(go));

async function lookAt(part) {
  await frame(); // labs repaint their pictures in the next frame
  await frame();
  const seen = { part, texts: textsIn(part), bitmaps: await bitmapsIn(part) };
  const checks = [
    wrongWords,
    emptyPictures,
    smallText,
    faintText,
    brokenWords,
    coveredNotes,
    cutWords,
    tooWide,
    foreignRequests,
  ];
  return [...new Set(checks.flatMap((check) => [...check(seen)]))];
}

/** Everything that a press may change: markup, field values, pictures, scroll positions, and full screen. */
function stateOfPage() {
  const copy = document.documentElement.cloneNode(true);
  copy.querySelectorAll(".tooltip").forEach((tip) => tip.remove());
  copy.querySelectorAll("[aria-describedby]").forEach((element) => element.removeAttribute("aria-describedby"));
  const fields = [...document.querySelectorAll("input, textarea, select, dialog, details")].map((e) => [
    e.value,
    e.checked,
    e.open,
  ]);
  const scrolled = [...document.querySelectorAll("*")]
    .filter((e) => e.scrollTop || e.scrollLeft)
    .map((e) => [e.scrollTop, e.scrollLeft]);
  const pictures = [...document.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL());
  const menus = [...document.querySelectorAll(":popover-open")].map((menu) => menu.id);
  return JSON.stringify([copy.outerHTML, fields, scrolled, pictures, menus, document.fullscreenElement !== null]);
}

async function pressAll(part) {
  const buttons = () =>
    [...part.querySelectorAll("button")].filter(
      (button) => isSeen(button) && !button.matches(":disabled, [aria-disabled=true], [aria-pressed=true]"),
    );
  const idle = [];
  const count = buttons().length;
  for (let i = 0; i < count; i++) {
    const button = buttons()[i];
    if (!button) break; // an earlier press removed it
    const before = stateOfPage();
    const name = shorten(button.getAttribute("aria-label") || button.textContent || button.title);
    button.click();
    let tries = 120;
    while (stateOfPage() === before && tries--) await frame();
    if (tries < 0) idle.push(`“${name}” changes nothing: ${whereIs(button)}`);
  }
  return idle;
}

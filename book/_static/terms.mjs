/*
 * The glossary: a card with the definition of a term that is pointed at, focused, or touched; and a field that filters
 * the glossary's page. A card follows its term in the page's order, so the Tab key leads from the term to the card's
 * links. Escape closes it. Definitions are fetched from `glossary.json` when the first card is asked for.
 */

const HOME = new URL("..", import.meta.url);
const GLOSSARY = new URL("book/glossary.html", HOME);
const DELAY = 250; // milliseconds: a pointer on its way across the text opens nothing

/** @typedef {{ name: string, definition: string, taught: [number, string][] }} Term */

/** @type {Promise<Record<string, Term>> | undefined} */
let terms;
/** @type {HTMLElement | undefined} */
let card;
let timer = 0;

function loadedTerms() {
  terms ??= fetch(new URL("glossary.json", import.meta.url)).then((answer) => answer.json());
  terms.catch(() => (terms = undefined)); // so that the next term tries again; until then, it is only a link
  return terms;
}

/** @param {HTMLAnchorElement} link */
function termOf(link) {
  const { pathname, hash } = new URL(link.href);
  return pathname === GLOSSARY.pathname && hash.slice(1);
}

function close() {
  clearTimeout(timer);
  card?.previousElementSibling?.removeAttribute("aria-describedby");
  card?.remove();
  card = undefined;
}

/** @param {HTMLAnchorElement} link */
async function open(link) {
  clearTimeout(timer);
  if (card?.previousElementSibling === link) return;
  const term = (await loadedTerms().catch(() => undefined))?.[termOf(link) || ""];
  if (!term || !link.isConnected) return;
  close();
  card = document.createElement("span");
  card.className = "term-card";
  card.popover = "manual";
  const definition = document.createElement("span");
  definition.id = "term-definition";
  const name = document.createElement("strong");
  name.textContent = term.name;
  definition.append(name, ` ${term.definition}`);
  const links = document.createElement("span");
  links.className = "term-links";
  /** @param {string} text @param {URL} address */
  const add = (text, address) => {
    const more = document.createElement("a");
    more.textContent = text;
    more.href = address.href;
    links.append(more, " ");
  };
  for (const [number, page] of term.taught) add(`Chapter ${number}`, new URL(page, HOME));
  add("Glossary", new URL(link.href));
  card.append(definition, links);
  link.after(card);
  link.setAttribute("aria-describedby", definition.id);
  card.showPopover();
  place();
}

/** Put the card below its term, or above it if there is more room, within the window. */
function place() {
  const at = card?.previousElementSibling?.getClientRects()[0];
  if (!card || !at) return;
  const { width, height } = card.getBoundingClientRect();
  const below = at.bottom + height < innerHeight || at.top < innerHeight - at.bottom;
  card.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
  card.style.top = `${below ? at.bottom : at.top - height}px`;
}

/** @param {EventTarget | null} target */
function linkAt(target) {
  const link = target instanceof Element ? target.closest("article a") : null;
  return link instanceof HTMLAnchorElement && termOf(link) && !link.closest(".term-card") ? link : null;
}

/**
 * Whether something is the term of a card, or in the card.
 * @param {HTMLElement} shown @param {EventTarget | null} target
 */
function holds(shown, target) {
  return target instanceof Node && (shown.contains(target) || Boolean(shown.previousElementSibling?.contains(target)));
}

function connectCards() {
  document.addEventListener("pointerover", ({ target, pointerType }) => {
    const link = linkAt(target);
    if (pointerType === "touch") return;
    clearTimeout(timer);
    if (link) timer = setTimeout(() => void open(link), DELAY);
    else if (card && !holds(card, target) && !holds(card, document.activeElement)) timer = setTimeout(close, DELAY);
  });
  document.addEventListener("focusin", ({ target }) => {
    const link = linkAt(target);
    if (link) void open(link);
    else if (card && !holds(card, target)) close();
  });
  // The first touch shows the card, which has a link to the glossary.
  document.addEventListener("click", (event) => {
    const link = linkAt(event.target);
    const touched = event instanceof PointerEvent && event.pointerType === "touch";
    if (link && touched && card?.previousElementSibling !== link) {
      event.preventDefault();
      void open(link);
    } else if (!link && card && !holds(card, event.target)) close();
  });
  document.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !card) return;
    const link = card.previousElementSibling;
    if (card.contains(document.activeElement) && link instanceof HTMLElement) link.focus();
    close();
  });
  for (const moved of ["scroll", "resize"]) addEventListener(moved, place, { passive: true });
}

/** @param {Element} page the glossary's outermost section */
function connectFilter(page) {
  const sections = [...page.querySelectorAll(":scope > section")];
  const label = document.createElement("label");
  label.className = "glossary-filter";
  label.textContent = "Filter the terms";
  const input = document.createElement("input");
  input.type = "search";
  input.className = "form-control";
  const status = document.createElement("p");
  status.setAttribute("role", "status");
  label.append(input);
  sections[0].before(label, status);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    let left = 0;
    for (const section of sections) {
      const text = section.textContent?.toLowerCase() ?? "";
      const fits = words.every((word) => text.includes(word));
      section.toggleAttribute("hidden", !fits);
      document
        .querySelector(`.bd-sidebar-secondary a[href="#${section.id}"]`)
        ?.parentElement?.toggleAttribute("hidden", !fits);
      left += Number(fits);
    }
    status.textContent = left === sections.length ? "" : `${left} of ${sections.length} terms`;
  });
}

if ("popover" in HTMLElement.prototype && location.pathname !== GLOSSARY.pathname) connectCards();
const glossary = location.pathname === GLOSSARY.pathname && document.querySelector("article > section");
if (glossary) connectFilter(glossary);

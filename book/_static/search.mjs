/*
 * The search field: results appear below it while one types, in the dialog that the theme opens with Ctrl+K and on the
 * page search.html. Arrow keys walk through the results, Enter opens the first one. The index is fetched when the field
 * is first used.
 */
import { excerpt, Finder } from "./find.mjs";

const INDEX = new URL("search.json", import.meta.url);
const HOME = new URL("..", import.meta.url);
const HINT = "Try “why sqrt d”, “loss is nan”, or “what is a token”.";

/** @type {Promise<Finder> | undefined} */
let finder;

function loadedFinder() {
  finder ??= fetch(INDEX).then(async (answer) => {
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    return new Finder(await answer.json());
  });
  finder.catch(() => (finder = undefined)); // so that the next letter tries again
  return finder;
}

/**
 * An element with a class and children; strings are text, never markup.
 * @param {string} tag
 * @param {string} name
 * @param {...(Node | string)} children
 */
function element(tag, name, ...children) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...children);
  return made;
}

/** @param {import("./find.mjs").Found} found */
function shown(found) {
  const { section } = found;
  const link = document.createElement("a");
  link.href = new URL(`${section.page}.html${section.id ? `#${section.id}` : ""}`, HOME).href;
  const pieces = excerpt(found).map(({ text, marked }) => (marked ? element("mark", "", text) : text));
  link.append(element("span", "find-heading", section.heading));
  if (section.above.length) link.append(element("span", "find-above", section.above.join(" › ")));
  if (section.text) link.append(element("span", "find-text", ...pieces));
  return element("li", "", link);
}

/** @param {HTMLFormElement} form */
function connect(form) {
  const input = form.querySelector("input");
  if (!input) return;
  const status = element("p", "find-status", HINT);
  status.setAttribute("role", "status");
  const list = element("ol", "find-results");
  const box = element("div", "find", status, list);
  form.after(box);
  const links = () => [...list.querySelectorAll("a")];
  let latest = 0;

  async function find() {
    const query = input?.value.trim() ?? "";
    const mine = ++latest;
    if (!query) {
      list.replaceChildren();
      status.textContent = HINT;
      return;
    }
    try {
      const found = (await loadedFinder()).find(query);
      if (mine !== latest) return; // more has been typed
      list.replaceChildren(...found.map(shown));
      const one = found.length === 1;
      status.textContent = found.length
        ? `${found.length} ${one ? "result" : "results"}`
        : `Nothing found for “${query}”. Try fewer or other words.`;
    } catch {
      status.textContent = "The search index could not be loaded. Check your connection and type again.";
    }
  }

  input.addEventListener("focus", () => void loadedFinder().catch(() => {}), { once: true });
  input.addEventListener("input", () => void find());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await find();
    links()[0]?.click();
  });
  /** @param {KeyboardEvent} event */
  const walk = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const stops = [input, ...links()];
    const next = stops[stops.indexOf(/** @type {any} */ (document.activeElement)) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  };
  form.addEventListener("keydown", walk);
  box.addEventListener("keydown", walk);
  list.addEventListener("click", ({ target }) => {
    if (target instanceof Element && target.closest("a")) form.closest("dialog")?.close(); // it may be on this page
  });
  const asked = new URLSearchParams(location.search).get("q");
  if (asked && !form.closest("dialog")) {
    input.value = asked;
    void find();
  }
}

for (const form of document.querySelectorAll("form.bd-search")) if (form instanceof HTMLFormElement) connect(form);

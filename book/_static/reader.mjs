/*
 * What every page does for a reader who comes back: it notes the place and what was read to the end, marks the chapters
 * in the contents and on the wall, and offers to continue on the front page. It loads the quiz's and the review's
 * modules where they are needed.
 */
import { element, pageOf, recall, remember } from "./memory.mjs";

const CHAPTER = /^chapters\/\d\d_\w+$/;
const here = pageOf(location.href);

/** The links to chapters in the contents, in order. */
function chapterLinks() {
  const links = [...document.querySelectorAll(".bd-sidebar-primary .toctree-l1 > a")]; // not those of its sections
  return links.filter((a) => a instanceof HTMLAnchorElement).filter(({ href }) => CHAPTER.test(pageOf(href)));
}

/** The innermost section that begins above the middle of the window. */
function currentSection() {
  const sections = [...document.querySelectorAll("article section[id]")];
  return sections.findLast((section) => section.getBoundingClientRect().top < innerHeight / 2);
}

/** Where the reader is: the section, or the next chapter's beginning if this one has been read to its end. */
function place() {
  const section = currentSection();
  const pages = chapterLinks().map((link) => pageOf(link.href));
  const next = pages[pages.indexOf(here) + 1];
  if (section?.matches(":last-child") && recall().read.has(here) && next) return { page: next, id: "", heading: "" };
  const heading = section?.querySelector("h2, h3");
  const text = [...(heading?.childNodes ?? [])].filter((node) => !(node instanceof HTMLAnchorElement));
  const isTop = !section || section.querySelector("h1");
  return {
    page: here,
    id: isTop ? "" : section.id,
    heading: isTop ? "" : text.map((node) => node.textContent).join(""),
  };
}

/** On a chapter's page: note the place when the reader leaves, and that the chapter was read at its end. */
function follow() {
  addEventListener("pagehide", () => remember((memory) => (memory.last = place())));
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") remember((memory) => (memory.last = place()));
  });
  const end = document.querySelector("article > section > section:last-of-type");
  if (!end) return;
  const box = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox" }));
  end.append(element("label", { class: "read-box" }, box, " I have read this chapter"));
  box.checked = recall().read.has(here);
  const store = () => {
    remember(({ read }) => (box.checked ? read.add(here) : read.delete(here)));
    mark();
  };
  box.addEventListener("change", store);
  const seen = new IntersectionObserver((changes) => {
    if (!changes.some(({ isIntersecting }) => isIntersecting)) return;
    seen.disconnect(); // once per visit: a box that was cleared stays so
    if (box.checked) return;
    box.checked = true;
    store();
  });
  seen.observe(box);
}

/** Mark the chapters that were read in the contents and on the wall, and the solved exercises on the wall. */
function mark() {
  const { read, solved } = recall();
  for (const mark of document.querySelectorAll(".read-mark")) mark.remove();
  for (const link of chapterLinks())
    if (read.has(pageOf(link.href)))
      link.append(element("span", { class: "read-mark", role: "img", "aria-label": "read" }, "✓"));
  const bricks = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".brick")]);
  for (const brick of bricks) {
    const isRead = read.has(pageOf(brick.getAttribute("href") ?? ""));
    const studs = [...brick.querySelectorAll("i")];
    studs.forEach((stud, i) => stud.classList.toggle("solved", solved.has(`${brick.dataset.chapter}.${i + 1}`)));
    const count = studs.filter((stud) => stud.classList.contains("solved")).length;
    brick.classList.toggle("read", isRead);
    const state = `${isRead ? ", read" : ""}${count ? `, ${count} of ${studs.length} exercises solved` : ""}`;
    if (state) brick.setAttribute("aria-label", brick.textContent + state);
    else brick.removeAttribute("aria-label");
  }
  const isBegun = read.size + solved.size > 0;
  document.querySelector(".brick-wall")?.classList.toggle("begun", isBegun);
}

/** On the front page: the button leads to where the reader left. */
function offerToContinue() {
  const { last } = recall();
  const chapter = chapterLinks().find((link) => pageOf(link.href) === last?.page);
  const start = document.querySelector("h1 + p + p > a");
  if (!last || !chapter || !(start instanceof HTMLAnchorElement)) return;
  const [, number, name] = /^\s*(?:(\d+)\.)?\s*(.*)$/s.exec(chapter.textContent?.replace("✓", "") ?? "") ?? [];
  start.href = chapter.href + (last.id && `#${last.id}`);
  const where = `${number ? `Chapter ${number}, ` : ""}${name.trim()}${last.heading && `: ${last.heading}`}`;
  start.replaceChildren("Continue", element("small", {}, where));
}

function show() {
  mark();
  if (here === "book/intro") offerToContinue();
}

if (CHAPTER.test(here)) follow();
show();
addEventListener("pageshow", show); // a page that comes back from the browser's cache
addEventListener("storage", show); // another tab has noted something
document.addEventListener("course-progress", show); // this page has
if (document.querySelector(".quiz")) void import("./quiz.mjs").then(({ connect }) => connect());
const page = document.querySelector("#progress");
if (page instanceof HTMLElement) void import("./progress.mjs").then(({ mount }) => mount(page));

/* The page "Your progress": the review of quiz questions, what is done so far, the progress file, and forgetting. */
import { DAYS, element, forget, NEVER, note, recall, remember, today } from "./memory.mjs";

/**
 * @typedef {{ text: string, right: boolean, because: string }} Answer
 * @typedef {{ chapter: number, question: string, answers: Answer[] }} Question
 * @typedef {{ number: number, name: string, page: string, exercises: string[] }} Chapter
 * @typedef {{ chapters: Chapter[], questions: Question[] }} Course
 */

const HOME = new URL("..", import.meta.url);
const LARGEST_FILE = 100_000; // bytes; a progress file has less than a thousand
const BLOCKED = "This browser does not let the page store anything, so nothing is remembered.";

/** @param {HTMLElement} page */
export async function mount(page) {
  /** @type {Course} */
  let course;
  try {
    const answer = await fetch(new URL("course.json", import.meta.url));
    course = await answer.json();
  } catch {
    page.replaceChildren(element("p", {}, "This page could not be loaded whole. Check your connection and reload it."));
    return;
  }
  const [review, done, file] = [1, 2, 3].map(() => element("section"));
  const show = () => {
    showReview(review, course);
    showDone(done, course);
    showFile(file, course, show);
    document.dispatchEvent(new Event("course-progress")); // the marks in the contents
  };
  page.replaceChildren(review, done, file);
  if (!remember(() => {})) page.prepend(element("p", { class: "progress-blocked" }, BLOCKED));
  show();
}

// ---- review ---------------------------------------------------------------------------------------------------------

/** @param {HTMLElement} part @param {Course} course */
function showReview(part, course) {
  const { answered } = recall();
  const known = course.questions.filter(({ question }) => answered.has(question));
  const dayOf = (/** @type {Question} */ { question }) => answered.get(question)?.due ?? NEVER;
  const due = known.filter((question) => dayOf(question) <= today()).sort((a, b) => dayOf(a) - dayOf(b));
  const heading = element("h2", { tabindex: "-1" }, "Review");
  if (due.length) {
    const start = element("button", { type: "button", class: "progress-main" }, "Start");
    start.addEventListener("click", () => ask(part, course, due, 0, 0));
    const text = due.length === 1 ? "One question is due. " : `${due.length} questions are due. `;
    part.replaceChildren(heading, element("p", {}, text, start));
    return;
  }
  const next = Math.min(...known.map(dayOf), NEVER);
  const count = known.filter((question) => dayOf(question) === next).length;
  const first = element("a", { href: chapterAddress(course.chapters[0], "quiz") }, "first quiz");
  const nothing =
    next < NEVER
      ? [`Nothing is due today. Next: ${count} ${count === 1 ? "question" : "questions"} on ${dateOf(next)}.`]
      : known.length
        ? ["You know the answers to all questions that you were asked. Nothing is due."]
        : ["Nothing to review yet. The ", first, " is at the end of chapter 1."];
  part.replaceChildren(heading, element("p", {}, ...nothing));
}

/**
 * Ask the questions that are due, one at a time.
 * @param {HTMLElement} part @param {Course} course @param {Question[]} due @param {number} i @param {number} right
 */
function ask(part, course, due, i, right) {
  const heading = element("h2", { tabindex: "-1" }, "Review");
  if (i === due.length) {
    showReview(part, course);
    part.firstElementChild?.after(element("p", { role: "status" }, `Done: ${right} of ${due.length} right.`));
    if (part.firstElementChild instanceof HTMLElement) part.firstElementChild.focus();
    return;
  }
  const { chapter, question, answers } = due[i];
  const about = course.chapters.find(({ number }) => number === chapter);
  const count = element("p", { class: "progress-count" }, `Question ${i + 1} of ${due.length}`);
  const result = element("div", { role: "status" });
  const buttons = shuffled(answers).map((answer) => {
    const button = element("button", { type: "button", class: "progress-answer" }, answer.text);
    button.addEventListener("click", () => choose(answer));
    return { answer, button };
  });
  const asked = element("p", { tabindex: "-1" }, element("strong", {}, question));
  part.replaceChildren(heading, count, asked, ...buttons.map(({ button }) => button), result);
  asked.focus();

  /** @param {Answer} chosen */
  function choose(chosen) {
    remember((memory) => note(memory, question, chosen.right));
    for (const { answer, button } of buttons) {
      button.setAttribute("disabled", "");
      if (answer === chosen || answer.right) button.prepend(answer.right ? "✓ " : "✗ ");
      if (answer === chosen) button.classList.add("chosen");
    }
    const truth = answers.find((answer) => answer.right);
    const days = DAYS[recall().answered.get(question)?.right ?? 0];
    const after = days
      ? `It comes back in ${days} ${days === 1 ? "day" : "days"}.`
      : "You know it: it doesn't come back.";
    const next = element("button", { type: "button", class: "progress-main" }, i + 1 < due.length ? "Next" : "Finish");
    next.addEventListener("click", () => ask(part, course, due, i + 1, right + Number(chosen.right)));
    result.append(element("p", {}, element("strong", {}, chosen.right ? "✓ Right. " : "✗ No. "), chosen.because));
    if (!chosen.right && truth)
      result.append(element("p", {}, element("strong", {}, `✓ ${truth.text} `), truth.because));
    const link = about ? [element("a", { href: chapterAddress(about) }, `Chapter ${chapter}, ${about.name}`)] : [];
    result.append(element("p", { class: "progress-count" }, `${after} `, ...link), next);
    next.focus();
  }
}

// ---- what is done ---------------------------------------------------------------------------------------------------

/** @param {HTMLElement} part @param {Course} course */
function showDone(part, course) {
  const { read, answered, solved } = recall();
  const table = element("table", { class: "table progress-table" });
  const rows = course.chapters.map((chapter) => {
    const asked = course.questions.filter((each) => each.chapter === chapter.number);
    const right = asked.filter(({ question }) => answered.get(question)?.first).length;
    const tried = asked.filter(({ question }) => answered.has(question)).length;
    const done = chapter.exercises.filter((number) => solved.has(number)).length;
    const isRead = read.has(chapter.page.replace(/\.html$/, ""));
    return element(
      "tr",
      {},
      element(
        "th",
        { scope: "row" },
        element("a", { href: chapterAddress(chapter) }, `${chapter.number} ${chapter.name}`),
      ),
      element("td", {}, isRead ? "✓" : "–"),
      element("td", {}, tried ? `${right}/${asked.length}` : "–"),
      element("td", {}, done ? `${done}/${chapter.exercises.length}` : "–"),
    );
  });
  const names = ["Chapter", "Read", "Quiz", "Exercises"];
  const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
  table.append(element("thead", {}, head), element("tbody", {}, ...rows));
  const caption = element("p", { class: "progress-count" }, "Quiz: right at the first try. Exercises: solved.");
  part.replaceChildren(element("h2", {}, "So far"), table, caption);
}

// ---- the progress file, and forgetting ------------------------------------------------------------------------------

/** @param {HTMLElement} part @param {Course} course @param {() => void} show */
function showFile(part, course, show) {
  const known = course.chapters.flatMap(({ exercises }) => exercises);
  const status = element("p", { role: "status" });
  const input = /** @type {HTMLInputElement} */ (
    element("input", { type: "file", accept: ".json", id: "progress-file" })
  );
  input.addEventListener("change", async () => {
    const file = input.files?.[0];
    if (!file) return;
    const numbers = await solvedIn(file, known);
    input.value = ""; // so that the same file can be chosen again
    if (typeof numbers === "string") {
      status.textContent = numbers;
      return;
    }
    const before = recall().solved.size;
    const isStored = remember(({ solved }) => numbers.forEach((number) => solved.add(number)));
    const added = recall().solved.size - before;
    show();
    tell(part, isStored ? `${file.name} was read: ${added} more solved exercises.` : BLOCKED);
  });
  const save = element("button", { type: "button" }, "Download solved.json");
  save.addEventListener("click", () => download("solved.json", JSON.stringify([...recall().solved].sort()) + "\n"));
  const clear = element("button", { type: "button" }, "Forget everything …");
  const really = element("p", { hidden: "" }, "What you read, answered, and solved is forgotten on this computer. ");
  const yes = element("button", { type: "button" }, "Forget it");
  const no = element("button", { type: "button" }, "Keep it");
  really.append(yes, " ", no);
  clear.addEventListener("click", () => {
    really.hidden = false;
    no.focus();
  });
  no.addEventListener("click", () => {
    really.hidden = true;
    clear.focus();
  });
  yes.addEventListener("click", () => {
    const isForgotten = forget();
    show();
    tell(part, isForgotten ? "Everything is forgotten." : BLOCKED);
  });
  part.replaceChildren(
    element("h2", {}, "Take it along"),
    element("p", {}, element("label", { for: "progress-file" }, "Progress file from a notebook: "), input),
    element("p", {}, save, " ", clear),
    really,
    status,
  );
}

/** @param {HTMLElement} part @param {string} text */
function tell(part, text) {
  const status = part.querySelector("[role=status]");
  if (status) status.textContent = text;
}

/**
 * The exercises in a progress file, or a sentence that says why there are none.
 * @param {File} file @param {string[]} known
 * @returns {Promise<string[] | string>}
 */
async function solvedIn(file, known) {
  const wrong = `${file.name} is not a progress file: choose the one that progress().save() wrote.`;
  if (file.size > LARGEST_FILE) return wrong;
  try {
    const numbers = JSON.parse(await file.text());
    if (!Array.isArray(numbers)) return wrong;
    const unknown = numbers.find((number) => !known.includes(number));
    return unknown === undefined ? numbers : `${file.name} names an exercise that does not exist: ${String(unknown)}.`;
  } catch {
    return wrong;
  }
}

/** @param {string} name @param {string} text */
function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

// ---- helpers --------------------------------------------------------------------------------------------------------

/** @param {Chapter} chapter @param {string} [section] */
function chapterAddress(chapter, section = "") {
  return new URL(chapter.page + (section && `#${section}`), HOME).href;
}

/** @param {number} day counted from 1970 */
function dateOf(day) {
  const options = /** @type {const} */ ({ weekday: "long", month: "long", day: "numeric", timeZone: "UTC" });
  return new Date(day * 24 * 60 * 60 * 1000).toLocaleDateString("en-US", options);
}

/** A copy in random order (Fisher and Yates, 1938).
 * @template T
 * @param {T[]} items
 */
function shuffled(items) {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}

/*
 * What the page remembers about its reader, in this browser's storage and nowhere else. What comes from the storage or
 * from a file is checked; anything broken counts as forgotten.
 */

const KEY = "gpt2-course";
/** After how many days a question is asked again; a wrong answer starts over (Leitner, 1972). */
export const DAYS = [1, 3, 7, 21];
export const NEVER = Number.MAX_SAFE_INTEGER; // instead of a day: known by now, and not asked again

/**
 * A place in a chapter: its page, such as "chapters/04_attention", and a section's anchor and heading.
 * @typedef {{ page: string, id: string, heading: string }} Place
 * An answered question: whether the first answer was right, how often it was right since in a row, and on which day it
 * is asked again.
 * @typedef {{ first: boolean, right: number, due: number }} Answered
 * @typedef {{ last: Place | null, read: Set<string>, answered: Map<string, Answered>, solved: Set<string> }} Memory
 */

/** @returns {Memory} */
export function recall() {
  /** @type {any} */
  let stored;
  try {
    stored = JSON.parse(localStorage.getItem(KEY) ?? "{}");
  } catch {
    stored = {}; // the storage is blocked, or what it contains is not ours
  }
  const { last, read, answered, solved } = stored ?? {};
  const place = isText(last?.page) && isText(last?.id) && isText(last?.heading);
  return {
    last: place ? { page: last.page, id: last.id, heading: last.heading } : null,
    read: new Set(texts(read)),
    answered: new Map(Array.isArray(answered) ? answered.filter(isAnswered) : []),
    solved: new Set(texts(solved)),
  };
}

/**
 * Change what is remembered; false if this browser does not let the page store anything.
 * @param {(memory: Memory) => void} change
 */
export function remember(change) {
  const memory = recall();
  change(memory);
  const { last, read, answered, solved } = memory;
  try {
    localStorage.setItem(KEY, JSON.stringify({ last, read: [...read], answered: [...answered], solved: [...solved] }));
    return true;
  } catch {
    return false;
  }
}

/** Forget everything; false if this browser does not let the page do so. */
export function forget() {
  try {
    localStorage.removeItem(KEY);
    return true;
  } catch {
    return false;
  }
}

/** The number of this day, counted from 1970, by the reader's clock. */
export function today() {
  const now = new Date();
  return Math.floor((now.getTime() / 60_000 - now.getTimezoneOffset()) / (24 * 60));
}

/**
 * Note an answer: the first one to a question, or one in a review.
 * @param {Memory} memory
 * @param {string} question
 * @param {boolean} isRight
 */
export function note(memory, question, isRight) {
  const before = memory.answered.get(question);
  const right = before && isRight ? before.right + 1 : 0;
  const due = right < DAYS.length ? today() + DAYS[right] : NEVER;
  memory.answered.set(question, { first: before?.first ?? isRight, right, due });
}

/** The page of the book at an address, such as "chapters/04_attention".
 * @param {string} address
 */
export function pageOf(address) {
  const home = new URL("..", import.meta.url).pathname;
  const { pathname } = new URL(address, location.href);
  return pathname.startsWith(home) ? pathname.slice(home.length).replace(/\.html$/, "") : "";
}

/**
 * An element with attributes and children; strings are text, never markup.
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** @param {unknown} value */
function isText(value) {
  return typeof value === "string" && value.length < 1000;
}

/** @param {unknown} value */
function texts(value) {
  return Array.isArray(value) ? value.filter(isText) : [];
}

/** @param {any} entry */
function isAnswered(entry) {
  const [question, answer] = Array.isArray(entry) ? entry : [];
  const { first, right, due } = answer ?? {};
  return (
    isText(question) && typeof first === "boolean" && Number.isInteger(right) && right >= 0 && typeof due === "number"
  );
}

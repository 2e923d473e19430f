/**
 * What Tiny World's judge says of a text in the playground: a line below the text, and a mark at its first mistake.
 *
 * @import { Ask } from "../types.d.ts"
 */
import { h, quoted } from "./ui.mjs";

const OURS = "tiny-world"; // the shipped model, which always tries to write a document of Tiny World
const TAKEN_UP = 60; // a text of another model is one if it writes this many characters without a mistake
const KINDS = {
  story: "a whole story",
  reading: "a whole story with its questions",
  song: "a whole song",
  facts: "a whole page of questions",
  musing: "a whole thought",
};
const MOST_SHOWN = 3; // of what the world could say instead
const LONGEST = 5; // words of each

/**
 * Judge a text and show the verdict below it. Texts that do not try to be documents of Tiny World get none.
 * @param {Ask} ask
 * @param {HTMLElement} shown  the element that shows the text
 * @param {string} prompt  how the text begins
 */
export async function addVerdict(ask, shown, prompt) {
  const text = shown.textContent ?? "";
  try {
    const [{ name }, verdict] = await Promise.all([ask("describe"), ask("judge", { text })]);
    const at = verdict.at ?? text.length;
    if (name !== OURS && at < prompt.length + TAKEN_UP && !verdict.accepted) return;
    const line = h("p", { class: "lab-small lab-verdict" });
    shown.after(line);
    if (verdict.accepted) line.append(h("strong", {}, "✓ No mistake"), `: ${KINDS[verdict.kind]} of Tiny World.`);
    else if (at === text.length) line.append("Not finished; no mistake so far.");
    else if (at < prompt.length) line.append("The prompt is not from Tiny World, so the judge has no opinion.");
    else {
      const [start, end] = wordAt(text, at, verdict.expected[0]);
      mark(shown, start, end);
      const wrong = quoted(text.slice(start, end).replace(/^ /, ""));
      line.append(h("strong", {}, "✗ First mistake"), `: ${wrong}. ${instead(text, at, verdict.expected)}`);
    }
  } catch (error) {
    shown.after(h("p", { class: "lab-small lab-verdict" }, error instanceof Error ? error.message : String(error)));
  }
}

const isInWord = (/** @type {string | undefined} */ letter) => letter !== undefined && /[\p{L}\p{N}'’-]/u.test(letter);

/**
 * Where the word before a position starts; the position itself if there is none.
 * @param {string} text
 * @param {number} at
 */
function wordBefore(text, at) {
  while (isInWord(text[at - 1])) at--;
  return at;
}

/**
 * Where the word with the first wrong character starts and ends; if that character is between words, the next one.
 * @param {string} text
 * @param {number} at
 * @param {string} expected  what should be there
 */
function wordAt(text, at, expected) {
  const start = isInWord(text[at]) || isInWord(expected[0]) ? wordBefore(text, at) : at;
  let end = at;
  while (isInWord(text[end])) end++;
  if (end === start) end += /^\s*(?:[\p{L}\p{N}'’-]+|\S|$)/u.exec(text.slice(at))?.[0].length ?? 0;
  return [start, end];
}

/**
 * What Tiny World could say, in a sentence. Each option begins with the word that it completes, if there is one.
 * @param {string} text
 * @param {number} at
 * @param {string[]} expected
 */
function instead(text, at, expected) {
  const options = expected.map((rest) => {
    const begun = rest && !/^\s/.test(rest) ? text.slice(wordBefore(text, at), at) : "";
    const words = `${begun}${rest}`.trim().split(/\s+/);
    return words.slice(0, LONGEST).join(" ") + (words.length > LONGEST ? " …" : "");
  });
  if (!options[0]) return "In Tiny World, the text ends before that.";
  const shown = [...new Set(options.filter(Boolean))].map(quoted);
  if (shown.length === 1) return `Tiny World says ${shown[0]}.`;
  const more = shown.length > MOST_SHOWN ? ["something else"] : [];
  const listed = [...shown.slice(0, MOST_SHOWN), ...more];
  const comma = listed.length > 2 ? "," : "";
  return `Tiny World says ${listed.slice(0, -1).join(", ")}${comma} or ${listed[listed.length - 1]}.`;
}

/**
 * Mark a part of an element's text, whatever elements it is in.
 * @param {HTMLElement} element
 * @param {number} start
 * @param {number} end
 */
function mark(element, start, end) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) nodes.push(/** @type {globalThis.Text} */ (walker.currentNode));
  let at = 0;
  for (const node of nodes) {
    const { length } = node;
    const [from, to] = [Math.max(start - at, 0), Math.min(end - at, length)];
    at += length;
    if (from >= to) continue;
    const part = node.splitText(from);
    part.splitText(to - from);
    const mark = h("mark", { class: "lab-mistake" });
    part.replaceWith(mark);
    mark.append(part);
  }
}

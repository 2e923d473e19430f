/**
 * The judge of Tiny World: a text follows the rules if the grammar could have produced it. `tiny_world/judge.py` is the
 * same in Python.
 *
 * @import { Expected, KindOfDocument, Mistake, Tables, Verdict } from "../types.d.ts"
 */
import { Reading } from "./reading.mjs";

/**
 * Judge a complete document. The mistake is reported at the furthest position that any derivation reaches.
 * @param {string} text
 * @param {KindOfDocument[]} kinds  the grammars that could have produced it
 * @param {Tables} tables
 * @returns {Verdict}
 */
export function judge(text, kinds, tables) {
  let best = new Reading(text);
  let kindOfBest = /** @type {Verdict["kind"]} */ ("story");
  for (const { kind, logProb, node } of kinds) {
    const reading = new Reading(text);
    for (const way of reading.ways(node, logProb)) {
      if (way.at === text.length) return { ...NO_MISTAKE, kind, log_prob: way.logProb };
      if (way.at > reading.furthest) {
        reading.furthest = way.at;
        reading.expected = [{ what: "end", words: "", start: way.at }];
      }
    }
    if (reading.furthest > best.furthest) [best, kindOfBest] = [reading, kind];
  }
  // A contradicted fact explains more than a name, and a name more than the sentences that could have followed instead.
  const explains = (/** @type {Expected} */ { what }) => Number(what.includes(".")) + Number(what !== "sentence");
  const expected = best.expected.sort((a, b) => explains(b) - explains(a));
  const at = best.furthest;
  const mistake = mistakeAt(text, kindOfBest, at, expected[0]?.what ?? "sentence", tables);
  const options = expected.length ? expected.map(({ words, start }) => words.slice(at - start)) : [""];
  return { accepted: false, kind: kindOfBest, mistake, log_prob: null, at, expected: [...new Set(options)] };
}

const NO_MISTAKE = { accepted: true, mistake: null, at: null, expected: [] };

/**
 * The kind of mistake at a position where the grammar expected `what`.
 * @param {string} text
 * @param {Verdict["kind"]} kind
 * @param {number} at
 * @param {string} what
 * @param {Tables} tables
 * @returns {Mistake}
 */
function mistakeAt(text, kind, at, what, { pronouns, rhymes }) {
  if (at === text.length) return "end";
  if (what === "sentence" && kind === "song") {
    const start = text.slice(0, at).lastIndexOf("\n") + 1;
    const [line] = text.slice(start).split("\n", 1);
    let end = line.length;
    while (",.".includes(line.charAt(end - 1)) && end > 0) end--;
    const last = line.slice(line.lastIndexOf(" ", end - 1) + 1, end);
    if (rhymes.some((words) => words.includes(last))) return "rhyme";
  }
  if (what === "end" || what === "sentence" || what === "chorus") return what;
  const path = what.split(".").slice(1);
  if (!path.length) return "name";
  return pronouns.includes(path[path.length - 1]) ? "pronoun" : "fact";
}

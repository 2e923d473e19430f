/**
 * Learns a vocabulary by byte-pair encoding: count pairs, merge the most frequent, repeat. gpt2_course/bpe.py learns
 * the same merges from the same text.
 */
import { END_OF_TEXT, SPELLINGS, Tokenizer } from "./tokenizer.mjs";

/**
 * The text of a `merges.txt` for a vocabulary of at most `vocabSize` tokens; fewer if no pairs are left. Of equally
 * frequent pairs, the one with the smaller ids is merged first. `<|endoftext|>` separates documents.
 * @param {Iterable<string>} texts
 * @param {number} vocabSize
 */
export function learnMerges(texts, vocabSize) {
  if (!(Number.isInteger(vocabSize) && vocabSize >= 257 && vocabSize <= 65536)) {
    throw new Error(`A vocabulary must have 257 to 65536 tokens, but ${vocabSize} were asked for.`);
  }
  // Each word is a string with one character per token, so a pair is a string of two characters: `split` finds all its
  // occurrences in a word, and `join` puts the new token in their place.
  const { words, counts } = countWords(texts);
  /** @type {Map<string, number>} */
  const pairCounts = new Map();
  /** @type {Map<string, Set<number>>} */
  const wordsWith = new Map(); // words that contain the pair, or once did
  /** @type {(i: number, sign: 1 | -1) => void} */
  const count = (i, sign) => {
    const word = words[i];
    for (let at = 0; at + 1 < word.length; at++) {
      const pair = word.slice(at, at + 2);
      pairCounts.set(pair, (pairCounts.get(pair) ?? 0) + sign * counts[i]);
      if (sign < 0) continue;
      const found = wordsWith.get(pair);
      if (found) found.add(i);
      else wordsWith.set(pair, new Set([i]));
    }
  };
  for (let i = 0; i < words.length; i++) count(i, 1);

  const spellings = [...SPELLINGS];
  const lines = ["#version: 0.2"];
  while (spellings.length < vocabSize - 1) {
    let best = "";
    let most = 0;
    for (const [pair, n] of pairCounts) if (n > most || (n === most && pair < best)) [best, most] = [pair, n];
    if (most === 0) break;
    const [left, right] = [spellings[best.charCodeAt(0)], spellings[best.charCodeAt(1)]];
    const made = String.fromCharCode(spellings.length);
    lines.push(`${left} ${right}`);
    spellings.push(left + right);
    for (const i of wordsWith.get(best) ?? []) {
      if (!words[i].includes(best)) continue;
      count(i, -1);
      words[i] = words[i].split(best).join(made);
      count(i, 1);
    }
    pairCounts.delete(best);
    wordsWith.delete(best);
  }
  return [...lines, ""].join("\n");
}

/**
 * The distinct words, one character per byte, and how often each occurs.
 * @param {Iterable<string>} texts
 */
function countWords(texts) {
  const bytes = new Tokenizer("");
  /** @type {Map<string, number>} */
  const found = new Map();
  for (const text of texts) {
    for (const document of text.split(END_OF_TEXT)) {
      for (const piece of bytes.pieces(document)) found.set(piece, (found.get(piece) ?? 0) + 1);
    }
  }
  const words = [...found.keys()].map((piece) => String.fromCharCode(...bytes.byteIds(piece)));
  return { words, counts: [...found.values()] };
}

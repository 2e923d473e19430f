/**
 * What the drawings of the machine say in words.
 *
 * @import { Description, Machine, Token } from "../types.d.ts"
 */
import { inQuotes } from "./machine_draw.mjs";
import { nextProbabilities } from "./machine_operations.mjs";
import { percent } from "./ui.mjs";

/**
 * What a drawing shows, in a sentence with its numbers.
 * @param {string} part
 * @param {Machine} machine
 * @param {number} layer
 * @param {number} head
 * @param {number} row  the chosen token
 * @param {number} temperature
 */
export function inWords(part, machine, layer, head, row, temperature) {
  const { tokens, next, shape } = machine;
  const T = tokens.length;
  const { text, id } = tokens[row];
  /** @type {(l: number, heads: number[]) => string} */
  const looks = (l, heads) => {
    const weights = machine.get("attention", l);
    const mean = tokens.slice(0, row + 1).map((_, s) => {
      return heads.reduce((sum, h) => sum + weights[(h * T + row) * T + s], 0) / heads.length;
    });
    const most = mean.indexOf(Math.max(...mean));
    const where = most === row ? "itself" : inQuotes(tokens[most].text);
    return `${inQuotes(text)} looks most at ${where} (${percent(mean[most])})`;
  };
  const best = () => {
    const p = nextProbabilities(machine.get("logits"), temperature)[next[0].id];
    return `The most likely next token is ${inQuotes(next[0].text)}, with ${percent(p)}.`;
  };
  switch (part) {
    case "whole": {
      const heads = Array.from({ length: shape.n_head }, (_, h) => h);
      return `${best()} In block ${shape.n_layer - 1}, ${looks(shape.n_layer - 1, heads)}, on average over its heads.`;
    }
    case "embeddings":
      return `${inQuotes(text)} is token ${id.toLocaleString("en")}, at position ${row}.`;
    case "block":
      return `In head ${head} of block ${layer}, ${looks(layer, [head])}.`;
    default:
      return best();
  }
}

/**
 * What an edit of the text left as it was: the number of tokens, and a sentence.
 * @param {Token[]} old
 * @param {Token[]} now
 * @returns {[unchanged: number, sentence: string]}
 */
export function compared(old, now) {
  const first = now.findIndex(({ id }, t) => old[t]?.id !== id);
  const same = first < 0 ? now.length : first;
  if (same === 0) return [same, "Every lane changed."];
  const lanes = same === 1 ? "The first lane" : `The first ${same} lanes`;
  return [same, `${lanes}, up to ${inQuotes(now[same - 1].text)}, did not change, because no token looks ahead.`];
}

/**
 * Put a model's sizes in place of letters.
 * @param {string} text
 * @param {Description} shape
 * @param {number} T
 * @param {number} layer
 */
export function filledIn(text, { n_embd: C, n_head, vocab_size, n_positions }, T, layer) {
  /** @type {Record<string, number>} */
  const sizes = { C, D: C / n_head, F: 4 * C, V: vocab_size, P: n_positions, T, l: layer };
  return text
    .replace(/\{(\w)\}/g, (_, letter) => sizes[letter].toLocaleString("en"))
    .replace("4C", String(4 * C))
    .replace(/(?<=\(.*)\b([TCV])\b(?=.*\))/g, (letter) => String(sizes[letter]));
}

/**
 * From a model's logits to the next token. Chapter 10 builds this in PyTorch; the settings mean the same in both.
 *
 * @import { Settings } from "../types.d.ts"
 */

/** Tolerance for sums of probabilities, so that 0.5 + 0.3 reaches a top_p of 0.8. The Python package uses the same. */
const ROUNDING = 1e-6;

/**
 * A pseudorandom number in [0, 1) for a seed and an index, which are combined and scrambled by MurmurHash3's finalizer
 * (Austin Appleby, 2011). Indices count from 1, because the finalizer maps 0 to 0. `gpt2_course.labs.kernel.uniform`
 * returns the same numbers.
 * @param {number} seed
 * @param {number} index
 */
export function uniform(seed, index) {
  let h = (Math.imul(seed, 0x9e3779b9) + index + 1) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

/**
 * Probabilities (V) from logits (V), in float64.
 * @param {ArrayLike<number> & Iterable<number>} logits
 */
export function softmax(logits, temperature = 1) {
  let largest = -Infinity;
  for (const logit of logits) if (logit > largest) largest = logit;
  const p = new Float64Array(logits.length);
  let sum = 0;
  for (let i = 0; i < p.length; i++) sum += p[i] = Math.exp((logits[i] - largest) / temperature);
  for (let i = 0; i < p.length; i++) p[i] /= sum;
  return p;
}

/**
 * Token ids by probability (V), highest first; if two are equal, the smaller id comes first. Most callers need only the
 * first few, so each range of probabilities is sorted only if a caller gets that far.
 * @param {Float64Array | number[]} p
 */
export function* mostLikelyFirst(p) {
  /** @type {number[][]} */
  const ranges = [1e-2, 1e-3, 1e-4, 1e-5, -1].map(() => []);
  for (let id = 0; id < p.length; id++) {
    const x = p[id];
    ranges[x > 1e-3 ? (x > 1e-2 ? 0 : 1) : x > 1e-4 ? 2 : x > 1e-5 ? 3 : 4].push(id);
  }
  for (const ids of ranges) yield* ids.sort((a, b) => p[b] - p[a] || a - b);
}

/**
 * Probabilities (V) after temperature, top-k, and top-p, in this order. They add up to 1. Tokens tied with the k-th
 * stay in. At temperature 0, the first of the largest logits has probability 1.
 * @param {Float32Array | number[]} logits
 * @param {Settings} settings
 */
export function probabilities(logits, { temperature, top_k, top_p }) {
  if (temperature === 0) {
    let best = 0;
    for (let id = 1; id < logits.length; id++) if (logits[id] > logits[best]) best = id;
    const p = new Float64Array(logits.length);
    p[best] = 1;
    return p;
  }
  let p = softmax(logits, temperature);
  if (top_k !== null && top_k < p.length) {
    let n = 0;
    let kth = 0;
    for (const id of mostLikelyFirst(p)) {
      kth = p[id];
      if (++n === top_k) break;
    }
    p = normalized(p.map((x) => (x < kth ? 0 : x)));
  }
  if (top_p !== null && top_p < 1) {
    const kept = new Float64Array(p.length);
    let sum = 0; // of the tokens kept so far
    for (const id of mostLikelyFirst(p)) {
      if (sum > 0 && sum >= top_p - ROUNDING) break; // keep at least one token
      kept[id] = p[id];
      sum += p[id];
    }
    p = normalized(kept);
  }
  return p;
}

/** @param {Float64Array} p */
function normalized(p) {
  const sum = p.reduce((a, b) => a + b, 0);
  return p.map((x) => x / sum);
}

/**
 * The token at a number in [0, 1) when the probabilities (V) are laid end to end, most likely first; if two are equal,
 * the smaller id comes first. Sorting 50,257 of them for each token would take longer than the model does, so they are
 * first counted by their leading bits (sign, exponent, and 5 digits), and only those with the right ones are sorted.
 * @param {Float64Array | number[]} p
 * @param {number} number
 */
export function draw(p, number) {
  const numbers = Float64Array.from(p);
  const words = new Uint32Array(numbers.buffer); // two per number, the leading one last
  const leading = (/** @type {number} */ id) => words[2 * id + 1] >>> 15;
  const sums = new Float64Array(1 << 15);
  for (let id = 0; id < numbers.length; id++) sums[leading(id)] += numbers[id];
  let end = 0; // of the tokens passed so far
  let bits = 0;
  for (let i = sums.length - 1; i >= 0; i--) {
    if (sums[i] === 0) continue;
    bits = i; // the last ones if the sum was rounded to slightly below 1
    if (number < end + sums[i]) break;
    end += sums[i];
  }
  const ordered = numbers.filter((_, id) => leading(id) === bits).sort();
  let i = ordered.length - 1;
  for (end += ordered[i]; i > 0 && number >= end && ordered[i - 1] > 0; end += ordered[i]) i--;
  let id = numbers.indexOf(ordered[i]);
  for (let before = ordered.lastIndexOf(ordered[i]) - i; before > 0; before--) id = numbers.indexOf(ordered[i], id + 1);
  return id;
}

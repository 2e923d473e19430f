/**
 * From a model's scores to the next token, over the whole vocabulary. Chapter 9 builds it; the settings mean what they
 * mean in `gpt2_course.sampling`.
 *
 * @typedef {{temperature: number, top_k: number | null, top_p: number | null}} Settings  temperature 0 is greedy
 */

/** What rounding may take from a sum of probabilities: 0.5 + 0.3 reaches a top_p of 0.8. As in `gpt2_course.sampling`. */
const ROUNDING = 1e-6;

/** A number in [0, 1) for each seed and place: a counter, scrambled until it looks like chance (MurmurHash3's finalizer,
 * Austin Appleby, 2011). `gpt2_course.labs.kernel.uniform` gives the same. */
export function uniform(seed, place) {
  let h = (Math.imul(seed, 0x9e3779b9) + place) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

/** Probabilities of scores (V), in float64. */
export function softmax(logits, temperature = 1) {
  let largest = -Infinity;
  for (const logit of logits) if (logit > largest) largest = logit;
  const p = new Float64Array(logits.length);
  let sum = 0;
  for (let i = 0; i < p.length; i++) sum += p[i] = Math.exp((logits[i] - largest) / temperature);
  for (let i = 0; i < p.length; i++) p[i] /= sum;
  return p;
}

/** The ids of probabilities (V), likeliest first; of equals, the smaller id. Few who ask want them all, so the many
 * that are hardly ever drawn are sorted last, and only for those who come that far. */
export function* likeliestFirst(p) {
  const likely = [];
  const unlikely = [];
  for (let id = 0; id < p.length; id++) (p[id] > 1e-3 ? likely : unlikely).push(id);
  const order = (a, b) => p[b] - p[a] || a - b;
  yield* likely.sort(order);
  yield* unlikely.sort(order);
}

/** Probabilities (V) after temperature, top-k and top-p, in this order. Adds up to 1.
 * @param {Settings} settings */
export function probabilities(logits, { temperature, top_k, top_p }) {
  if (temperature === 0) {
    const p = new Float64Array(logits.length);
    p[logits.indexOf(logits.reduce((a, b) => Math.max(a, b)))] = 1;
    return p;
  }
  let p = softmax(logits, temperature);
  if (top_k !== null && top_k < p.length) {
    let n = 0;
    let least = 0;
    for (const id of likeliestFirst(p)) {
      least = p[id];
      if (++n === top_k) break;
    }
    p = normalised(p.map((x) => (x < least ? 0 : x))); // tokens as likely as the k-th stay in
  }
  if (top_p !== null && top_p < 1) {
    const kept = new Float64Array(p.length);
    let before = 0; // what the likelier tokens already cover
    for (const id of likeliestFirst(p)) {
      if (before > 0 && before >= top_p - ROUNDING) break; // the likeliest is always kept
      kept[id] = p[id];
      before += p[id];
    }
    p = normalised(kept);
  }
  return p;
}

const normalised = (p) => {
  const sum = p.reduce((a, b) => a + b, 0);
  return p.map((x) => x / sum);
};

/** The token on which a number in [0, 1) falls, when probabilities are laid end to end, likeliest first. */
export function draw(p, number) {
  let end = 0;
  let last = 0;
  for (const id of likeliestFirst(p)) {
    if (p[id] === 0) break; // rounding left the sum a hair below 1
    end += p[id];
    last = id;
    if (number < end) break;
  }
  return last;
}

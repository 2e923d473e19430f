/**
 * The parts of GPT-2, each forward and backward. Backward, a part gets the gradient of the loss for its output, adds up
 * the gradients for its parameters, and passes on the gradient for its input.
 *
 * A gradient has the name of its number with a d in front. Everything is in `numbers`, the kernels' memory, and given
 * by the index at which it begins. Shapes: N tokens, C channels, H heads of D = C / H channels, S tokens in a document.
 *
 * @import { Kernels, Linear, Norm } from "../types.d.ts"
 */
import { matrix, roundUp4, transposed } from "./kernels.mjs";

/**
 * y (N, nOut) = x (N, nIn) Wᵀ + b, with W (nOut, nIn) and b (nOut).
 * @param {Kernels} kernels
 * @param {Linear} layer
 * @param {{ N: number, x: number, y: number }} given
 */
export function linear({ numbers, multiply }, { weight, bias, nIn, nOut }, { N, x, y }) {
  for (let t = 0; t < N; t++) numbers.copyWithin(y + t * nOut, bias, bias + nOut);
  multiply(matrix(y, N, nOut), matrix(x, N, nIn), transposed(matrix(weight, nOut, nIn)), true);
}

/**
 * dx = dy W, dW += dyᵀ x, db += the sum of dy over all tokens.
 * @param {Kernels} kernels
 * @param {Linear} layer
 * @param {{ N: number, x: number, dx: number, dy: number }} given
 */
export function linearBackward({ numbers, multiply }, { weight, dWeight, dBias, nIn, nOut }, { N, x, dx, dy }) {
  multiply(matrix(dx, N, nIn), matrix(dy, N, nOut), matrix(weight, nOut, nIn));
  multiply(matrix(dWeight, nOut, nIn), transposed(matrix(dy, N, nOut)), matrix(x, N, nIn), true);
  for (let t = 0; t < N; t++) add(numbers, dBias, dy + t * nOut, nOut);
}

/**
 * y (N, C): each row of x shifted to mean 0 and scaled to variance 1, then times the weight, plus the bias.
 * @param {Kernels} kernels
 * @param {Norm} norm
 * @param {{ N: number, x: number, y: number }} given
 */
export function layerNorm({ numbers }, { weight, bias, C, epsilon }, { N, x, y }) {
  for (let t = 0; t < N; t++, x += C, y += C) {
    const { mean, scale } = meanAndScale(numbers, x, C, epsilon);
    for (let i = 0; i < C; i++) {
      numbers[y + i] = (numbers[x + i] - mean) * scale * numbers[weight + i] + numbers[bias + i];
    }
  }
}

/**
 * Add to dx what comes through a layer norm. Let n be a row of x at mean 0 and variance 1, and dn = dy · weight. Then
 * a row of dx is scale · (dn − mean(dn) − n · mean(dn · n)): a change of x along the ones or along n changes no n.
 * @param {Kernels} kernels
 * @param {Norm} norm
 * @param {{ N: number, x: number, dx: number, dy: number }} given
 */
export function layerNormBackward({ numbers }, { weight, dWeight, dBias, C, epsilon }, { N, x, dx, dy }) {
  for (let t = 0; t < N; t++, x += C, dx += C, dy += C) {
    const { mean, scale } = meanAndScale(numbers, x, C, epsilon);
    let sum = 0; // of dn
    let along = 0; // the sum of dn · n
    for (let i = 0; i < C; i++) {
      const n = (numbers[x + i] - mean) * scale;
      const d = numbers[dy + i];
      const dn = d * numbers[weight + i];
      numbers[dWeight + i] += d * n;
      numbers[dBias + i] += d;
      sum += dn;
      along += dn * n;
    }
    for (let i = 0; i < C; i++) {
      const n = (numbers[x + i] - mean) * scale;
      numbers[dx + i] += scale * (numbers[dy + i] * numbers[weight + i] - sum / C - (n * along) / C);
    }
  }
}

/**
 * @param {Float32Array} numbers
 * @param {number} x
 * @param {number} C
 * @param {number} epsilon
 */
function meanAndScale(numbers, x, C, epsilon) {
  let mean = 0;
  for (let i = 0; i < C; i++) mean += numbers[x + i];
  mean /= C;
  let variance = 0;
  for (let i = 0; i < C; i++) variance += (numbers[x + i] - mean) ** 2;
  return { mean, scale: 1 / Math.sqrt(variance / C + epsilon) };
}

/**
 * Attention in each document, head by head: from qkv (N, 3C), the weights, (S, S) for each document and head, one
 * after the other, and the heads side by side, (N, C).
 * @param {Kernels} kernels
 * @param {{
 *   C: number, H: number, documents: number[], qkv: number, weights: number, heads: number, about: number,
 * }} given
 */
export function attend({ multiply, softmax }, { C, H, documents, qkv, weights, heads, about }) {
  const D = C / H;
  for (const [S, h, start, place] of documentsAndHeads(documents, H)) {
    const from = qkv + start * 3 * C + h * D;
    const q = matrix(from, S, D, 3 * C);
    const k = matrix(from + C, S, D, 3 * C);
    const v = matrix(from + 2 * C, S, D, 3 * C);
    const p = matrix(weights + place, S, S, roundUp4(S));
    multiply(p, q, transposed(k)); // the scores
    softmax(p, { causal: true, scale: 1 / Math.sqrt(D), gain: 1 }, about);
    multiply(matrix(heads + start * C + h * D, S, D, C), p, v);
  }
}

/**
 * From the gradient for the heads, the gradient for qkv.
 * @param {Kernels} kernels
 * @param {{
 *   C: number, H: number, documents: number[], qkv: number, dQkv: number,
 *   weights: number, dWeights: number, dHeads: number,
 * }} given  `dWeights` is room for one document and head
 */
export function attendBackward(
  { multiply, softmaxBackward },
  { C, H, documents, qkv, dQkv, weights, dWeights, dHeads },
) {
  const D = C / H;
  for (const [S, h, start, place] of documentsAndHeads(documents, H)) {
    const at = start * 3 * C + h * D;
    const [q, k, v] = [0, C, 2 * C].map((part) => matrix(qkv + at + part, S, D, 3 * C));
    const [dq, dk, dv] = [0, C, 2 * C].map((part) => matrix(dQkv + at + part, S, D, 3 * C));
    const p = matrix(weights + place, S, S, roundUp4(S));
    const dp = matrix(dWeights, S, S, roundUp4(S));
    const dy = matrix(dHeads + start * C + h * D, S, D, C);
    multiply(dv, transposed(p), dy);
    multiply(dp, dy, transposed(v));
    softmaxBackward(dp.at, p, 1 / Math.sqrt(D)); // dp becomes the gradient for the scores
    multiply(dq, dp, k);
    multiply(dk, transposed(dp), q);
  }
}

/**
 * Each document's length S, with each head, the document's first token, and the index of the head's weights.
 * @param {number[]} documents
 * @param {number} H
 */
function* documentsAndHeads(documents, H) {
  let start = 0;
  let place = 0;
  for (const S of documents) {
    for (let h = 0; h < H; h++, place += S * roundUp4(S)) yield [S, h, start, place];
    start += S;
  }
}

/**
 * x (n) += y (n)
 * @param {Float32Array} numbers
 * @param {number} x
 * @param {number} y
 * @param {number} n
 */
export function add(numbers, x, y, n) {
  for (let i = 0; i < n; i++) numbers[x + i] += numbers[y + i];
}

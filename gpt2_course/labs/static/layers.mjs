/**
 * The parts of GPT-2, each forward and backward. Backward, a part gets the gradient of the loss for its output, adds up
 * the gradients for its parameters, and passes on the gradient for its input.
 *
 * A gradient has the name of its number with a d in front. Everything is in `numbers`, the kernels' memory, and given
 * by the index at which it begins. Shapes: N tokens, C channels, H heads of D = C / H channels, S tokens in a document.
 *
 * @import { Kernels, Linear } from "../types.d.ts"
 */
import { HALF, matrix, roundUp4, transposed } from "./kernels.mjs";

/**
 * y (N, nOut) = x (N, nIn) Wᵀ + b, with W (nOut, nIn) and b (nOut).
 * @param {Kernels} kernels
 * @param {Linear} layer
 * @param {{ N: number, x: number, y: number }} given
 */
export function linear({ numbers, multiply }, { weight, bias, nIn, nOut }, { N, x, y }) {
  for (let t = 0; t < N; t++) numbers.copyWithin(y + t * nOut, bias, bias + nOut);
  multiply(matrix(y, N, nOut), matrix(x, N, nIn), transposed(matrix(weight, nOut, nIn)), { accumulate: true });
}

/**
 * dx = dy W, dW += dyᵀ x, db += the sum of dy over all tokens.
 * @param {Kernels} kernels
 * @param {Linear} layer
 * @param {{ N: number, x: number, dx: number, dy: number }} given
 */
export function linearBackward({ multiply, addRows }, { weight, dWeight, dBias, nIn, nOut }, { N, x, dx, dy }) {
  multiply(matrix(dx, N, nIn), matrix(dy, N, nOut), matrix(weight, nOut, nIn));
  multiply(matrix(dWeight, nOut, nIn), transposed(matrix(dy, N, nOut)), matrix(x, N, nIn), { accumulate: true });
  addRows(dBias, dy, N, nOut);
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
    multiply(p, q, transposed(k), { half: HALF.result }); // the scores
    softmax(p, { causal: true, scale: 1 / Math.sqrt(D), gain: 1 }, about);
    multiply(matrix(heads + start * C + h * D, S, D, C), p, v, { half: HALF.noLater });
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
    multiply(dv, transposed(p), dy, { half: HALF.noEarlier });
    multiply(dp, dy, transposed(v), { half: HALF.result });
    softmaxBackward(dp.at, p, 1 / Math.sqrt(D)); // dp becomes the gradient for the scores
    multiply(dq, dp, k, { half: HALF.noLater });
    multiply(dk, transposed(dp), q, { half: HALF.noEarlier });
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

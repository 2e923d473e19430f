/**
 * The engine's inner loop in plain JavaScript, without vector instructions.
 *
 * @import { InnerLoop } from "../types.d.ts"
 */

/**
 * x (T, nIn) times the transpose of w (nOut, nIn), plus b (nOut): (T, nOut). The model spends nearly all its time here,
 * so the loop computes four outputs per pass over x. Sums are in float64, because rounding them to float32, as PyTorch
 * does, would take twice as long. simd.mjs does the same with vector instructions, three times as fast. If w is in 8
 * bits, each sum is multiplied by the scale of its row.
 * @type {InnerLoop["linear"]}
 */
function linear(x, w, b, nIn, nOut, scale) {
  const T = x.length / nIn;
  const y = new Float32Array(T * nOut);
  for (let o = 0; o < nOut; o += 4) {
    const o1 = Math.min(o + 1, nOut - 1); // past the end, repeat the last output
    const o2 = Math.min(o + 2, nOut - 1);
    const o3 = Math.min(o + 3, nOut - 1);
    const w0 = o * nIn;
    const w1 = o1 * nIn;
    const w2 = o2 * nIn;
    const w3 = o3 * nIn;
    for (let t = 0; t < T; t++) {
      const from = t * nIn;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let i = 0; i < nIn; i++) {
        const xi = x[from + i];
        s0 += xi * w[w0 + i];
        s1 += xi * w[w1 + i];
        s2 += xi * w[w2 + i];
        s3 += xi * w[w3 + i];
      }
      if (scale) {
        s0 *= scale[o];
        s1 *= scale[o1];
        s2 *= scale[o2];
        s3 *= scale[o3];
      }
      const to = t * nOut;
      y[to + o] = s0 + b[o];
      y[to + o1] = s1 + b[o1];
      y[to + o2] = s2 + b[o2];
      y[to + o3] = s3 + b[o3];
    }
  }
  return y;
}

/**
 * The inner loop for browsers without vector instructions.
 * @type {InnerLoop}
 */
export const plain = { linear, keep: (values) => values };

/**
 * The weights behind output `o` of a matrix with `nIn` inputs; `scale` belongs to weights in 8 bits.
 * @param {Float32Array | Int8Array} matrix
 * @param {number} o
 * @param {number} nIn
 * @param {Float32Array} [scale]
 */
export function rowOf(matrix, o, nIn, scale) {
  const row = matrix.subarray(o * nIn, (o + 1) * nIn);
  return Float32Array.from(row, (number) => number * (scale?.[o] ?? 1));
}

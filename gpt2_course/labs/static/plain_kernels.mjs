/**
 * The loops of training in plain JavaScript. types.d.ts says what each computes.
 *
 * @import { Kernels } from "../types.d.ts"
 */

/**
 * The kernels without vector instructions.
 * @param {Float32Array} numbers
 * @returns {Kernels}
 */
export function plainKernels(numbers) {
  return {
    numbers,

    multiply(c, a, b, { accumulate = false } = {}) {
      for (let m = 0; m < a.rows; m++) {
        for (let n = 0; n < b.columns; n++) {
          const to = c.at + m * c.down + n;
          let sum = accumulate ? numbers[to] : 0;
          let left = a.at + m * a.down;
          let right = b.at + n * b.right;
          for (let k = 0; k < a.columns; k++, left += a.right, right += b.down) sum += numbers[left] * numbers[right];
          numbers[to] = sum;
        }
      }
    },

    addRows(to, x, rows, C) {
      for (let i = 0; i < rows * C; i++) numbers[to + (i % C)] += numbers[x + i];
    },

    layerNorm({ weight, bias, C, epsilon }, { N, x, y }) {
      for (let t = 0; t < N; t++, x += C, y += C) {
        const { mean, scale } = moments(numbers.subarray(x, x + C), epsilon);
        for (let i = 0; i < C; i++) {
          numbers[y + i] = (numbers[x + i] - mean) * scale * numbers[weight + i] + numbers[bias + i];
        }
      }
    },

    layerNormBackward({ weight, dWeight, dBias, C, epsilon }, { N, x, dx, dy }) {
      for (let t = 0; t < N; t++, x += C, dx += C, dy += C) {
        const { mean, scale } = moments(numbers.subarray(x, x + C), epsilon);
        let sum = 0; // of dn, the gradient for n
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
          // A change of x along the ones, or along n itself, does not change n
          numbers[dx + i] += scale * (numbers[dy + i] * numbers[weight + i] - sum / C - (n * along) / C);
        }
      }
    },

    gelu(y, x, n) {
      for (let i = 0; i < n; i++) numbers[y + i] = numbers[x + i] * gate(numbers[x + i]);
    },

    geluBackward(d, x, n) {
      for (let i = 0; i < n; i++) {
        const v = numbers[x + i];
        const open = gate(v);
        numbers[d + i] *= open + v * open * (1 - open) * 2 * SLOPE * (1 + 3 * CUBE * v * v);
      }
    },

    softmax(x, { causal, scale, gain }, about) {
      for (let row = 0; row < x.rows; row++) {
        const start = x.at + row * x.down;
        const end = start + (causal ? row + 1 : x.columns);
        let largest = -Infinity;
        for (let i = start; i < end; i++) largest = Math.max(largest, numbers[i]);
        let sum = 0;
        for (let i = start; i < end; i++) sum += numbers[i] = Math.exp(scale * (numbers[i] - largest));
        for (let i = start; i < end; i++) numbers[i] *= gain / sum;
        numbers.fill(0, end, start + x.down);
        numbers[about + 2 * row] = scale * largest;
        numbers[about + 2 * row + 1] = sum;
      }
    },

    softmaxBackward(d, p, scale) {
      for (let start = 0; start < p.rows * p.down; start += p.down) {
        let mean = 0;
        for (let i = start; i < start + p.down; i++) mean += numbers[p.at + i] * numbers[d + i];
        for (let i = start; i < start + p.down; i++)
          numbers[d + i] = numbers[p.at + i] * scale * (numbers[d + i] - mean);
      }
    },
  };
}

const SLOPE = Math.sqrt(2 / Math.PI);
const CUBE = 0.044715;

/**
 * The factor of x in GELU(x) = x · ½(1 + tanh(√(2/π)(x + 0.044715 x³))), without the loss of digits in 1 + tanh.
 * @param {number} x
 */
const gate = (x) => 1 / (1 + Math.exp(-2 * SLOPE * (x + CUBE * x * x * x)));

/**
 * The mean of a row, and the factor that scales its variance to 1.
 * @param {Float32Array} row
 * @param {number} epsilon
 */
function moments(row, epsilon) {
  let mean = 0;
  for (const v of row) mean += v / row.length;
  let variance = 0;
  for (const v of row) variance += (v - mean) ** 2 / row.length;
  return { mean, scale: 1 / Math.sqrt(variance + epsilon) };
}

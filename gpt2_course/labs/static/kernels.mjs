/**
 * The loops in which training spends its time: products of matrices, GELU, softmax. They exist twice, in WebAssembly
 * with vector instructions (kernels.wat) and here in plain JavaScript, for browsers that have none.
 *
 * All numbers of a model are in one Float32Array, made once. So a step leaves no garbage, and both versions address a
 * number by its index.
 *
 * @import { Kernels, Matrix } from "../types.d.ts"
 */

/**
 * A matrix of `rows` × `columns` that begins at an index. One row lies `down` numbers after the other.
 * @param {number} at
 * @param {number} rows
 * @param {number} columns
 * @returns {Matrix}
 */
export const matrix = (at, rows, columns, down = columns) => ({ at, rows, columns, down, right: 1 });

/**
 * The same numbers, with rows and columns exchanged.
 * @param {Matrix} m
 * @returns {Matrix}
 */
export const transposed = ({ at, rows, columns, down, right }) => ({
  at,
  rows: columns,
  columns: rows,
  down: right,
  right: down,
});

/** @param {number} n */
export const roundUp4 = (n) => (n + 3) & ~3;

const TILE = 32;
const BLOCK = 256; // rows of a, and numbers per row, that kernels.wat copies at once

/**
 * Memory for `length` numbers, all 0, and the kernels that work on it.
 * @param {Uint8Array<ArrayBuffer> | null} wasm  the contents of kernels.wasm; null for the plain kernels
 * @param {number} length
 * @param {number} widest  the most columns of a product
 * @returns {Kernels}
 */
export function kernelsFor(wasm, length, widest) {
  if (!wasm) return plainKernels(new Float32Array(length));
  const scratch = roundUp4(length);
  const bytes = 4 * (scratch + TILE + BLOCK * BLOCK + BLOCK * (widest + 8));
  const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / 65536) });
  /** @type {Record<"multiply" | "gelu" | "geluBackward" | "softmax" | "softmaxBackward", (...n: number[]) => void>} */
  let loops;
  try {
    // The module is so small that compiling it at once blocks nothing.
    loops = /** @type {any} */ (new WebAssembly.Instance(new WebAssembly.Module(wasm), { js: { memory } }).exports);
  } catch {
    return plainKernels(new Float32Array(length));
  }
  return {
    numbers: new Float32Array(memory.buffer, 0, length),
    multiply(c, a, b, accumulate = false) {
      loops.multiply(
        ...[4 * c.at, 4 * c.down],
        ...[4 * a.at, 4 * a.down, 4 * a.right],
        ...[4 * b.at, 4 * b.down, 4 * b.right],
        ...[a.rows, b.columns, a.columns, Number(accumulate), 4 * scratch],
      );
    },
    gelu: (y, x, n) => loops.gelu(4 * y, 4 * x, n),
    geluBackward: (d, x, n) => loops.geluBackward(4 * d, 4 * x, n),
    softmax: (x, { causal, scale, gain }, about) =>
      loops.softmax(4 * x.at, x.rows, x.columns, 4 * x.down, Number(causal), scale, gain, 4 * about),
    softmaxBackward: (d, p, scale) => loops.softmaxBackward(4 * d, 4 * p.at, p.rows, 4 * p.down, scale),
  };
}

/**
 * The kernels without vector instructions.
 * @param {Float32Array} numbers
 * @returns {Kernels}
 */
function plainKernels(numbers) {
  return {
    numbers,

    multiply(c, a, b, accumulate = false) {
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

/**
 * The loops in which training spends its time: products of matrices, GELU, softmax. They exist twice, in WebAssembly
 * with vector instructions (kernels.wat) and in plain JavaScript (plain_kernels.mjs), for browsers that have none.
 *
 * All numbers of a model are in one Float32Array, made once. So a step leaves no garbage, and both versions address a
 * number by its index.
 *
 * @import { Kernels, Matrix } from "../types.d.ts"
 */
import { plainKernels } from "./plain_kernels.mjs";

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

/**
 * Which half of a product to leave out, where no token sees a later one: half of the result, or of the first factor,
 * which is 0 after or before the diagonal.
 */
export const HALF = { none: 0, result: 1, noLater: 2, noEarlier: 3 };

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
  const without = () => plainKernels(new Float32Array(length));
  if (!wasm) return without();
  const scratch = roundUp4(length);
  const bytes = 4 * (scratch + TILE + BLOCK * BLOCK + BLOCK * (widest + 8));
  const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / 65536) });
  /** @type {Record<Exclude<keyof Kernels, "numbers">, (...given: number[]) => void>} */
  let loops;
  try {
    // The module is so small that compiling it at once blocks nothing.
    loops = /** @type {any} */ (new WebAssembly.Instance(new WebAssembly.Module(wasm), { js: { memory } }).exports);
  } catch {
    return without();
  }
  const numbers = new Float32Array(memory.buffer, 0, length);
  const plain = plainKernels(numbers);
  return {
    numbers,
    multiply(c, a, b, { accumulate = false, half = HALF.none } = {}) {
      loops.multiply(
        ...[4 * c.at, 4 * c.down],
        ...[4 * a.at, 4 * a.down, 4 * a.right],
        ...[4 * b.at, 4 * b.down, 4 * b.right],
        ...[a.rows, b.columns, a.columns, Number(accumulate), half, 4 * scratch],
      );
    },
    addRows(to, x, rows, C) {
      if (C % 4) plain.addRows(to, x, rows, C);
      else loops.addRows(4 * to, 4 * x, rows, C);
    },
    layerNorm(norm, { N, x, y }) {
      const { weight, bias, C, epsilon } = norm;
      if (C % 4) plain.layerNorm(norm, { N, x, y });
      else loops.layerNorm(4 * weight, 4 * bias, 4 * x, 4 * y, N, C, epsilon);
    },
    layerNormBackward(norm, { N, x, dx, dy }) {
      const { weight, dWeight, dBias, C, epsilon } = norm;
      if (C % 4) plain.layerNormBackward(norm, { N, x, dx, dy });
      else loops.layerNormBackward(4 * weight, 4 * dWeight, 4 * dBias, 4 * x, 4 * dx, 4 * dy, N, C, epsilon);
    },
    gelu: (y, x, n) => loops.gelu(4 * y, 4 * x, n),
    geluBackward: (d, x, n) => loops.geluBackward(4 * d, 4 * x, n),
    softmax: (x, { causal, scale, gain }, about) =>
      loops.softmax(4 * x.at, x.rows, x.columns, 4 * x.down, Number(causal), scale, gain, 4 * about),
    softmaxBackward: (d, p, scale) => loops.softmaxBackward(4 * d, 4 * p.at, p.rows, 4 * p.down, scale),
  };
}

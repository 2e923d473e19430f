/**
 * Weights in 8 bits, as in `gpt2_course/quantization.py`: a row of a matrix produces one output. Its largest absolute
 * value is mapped to 127, and every number of the row is rounded to the nearest of the levels from -127 to 127.
 *
 * @import { Tensor, Tensors } from "../types.d.ts"
 */

const LEVELS = 127; // on each side of 0
const TINY = 2 ** -126; // the smallest normal float32; a row of zeros stays a row of zeros
const ROUND = 1.5 * 2 ** 52; // adding and subtracting it rounds to the nearest integer, and halves to even

/**
 * A matrix (…, nIn), one row per output, as numbers in 8 bits of the same size and one scale per row:
 * values ≈ numbers × scale.
 * @param {Float32Array} values
 * @param {number} nIn
 */
export function quantizeRows(values, nIn) {
  const numbers = new Int8Array(values.length);
  const scale = new Float32Array(values.length / nIn);
  for (let row = 0, start = 0; row < scale.length; row++, start += nIn) {
    let largest = 0;
    for (let i = start; i < start + nIn; i++) largest = Math.max(largest, Math.abs(values[i]));
    scale[row] = Math.max(largest / LEVELS, TINY);
    const s = scale[row]; // rounded to float32
    for (let i = start; i < start + nIn; i++) numbers[i] = Math.fround(values[i] / s) + ROUND - ROUND;
  }
  return { values: numbers, scale };
}

/**
 * A matrix stored as (nIn, nOut), as in GPT-2's files, with one row per output instead.
 * @param {Float32Array} stored
 * @param {number} nIn
 * @param {number} nOut
 */
export function transpose(stored, nIn, nOut) {
  const rows = new Float32Array(stored.length);
  for (let i = 0; i < nIn; i++) for (let o = 0; o < nOut; o++) rows[o * nIn + i] = stored[i * nOut + o];
  return rows;
}

/**
 * A tensor of GPT-2 with its matrix in 8 bits; norms, biases, and position embeddings keep their 32 bits.
 * @param {string} name
 * @param {Tensor} tensor  with values in 32 bits
 * @returns {Tensor}
 */
export function inEightBits(name, { shape, values }) {
  const [nIn, nOut] = shape;
  if (!(values instanceof Float32Array)) return { shape, values };
  if (name === "wte.weight") return { shape, ...quantizeRows(values, shape[1]) };
  if (!/(c_attn|c_proj|c_fc)\.weight$/.test(name)) return { shape, values };
  return { shape, ...quantizeRows(transpose(values, nIn, nOut), nIn) };
}

/**
 * Give a matrix x.weight in 8 bits, (nOut, nIn), its scales, which files have as x.scale, (nOut); see
 * `eight_bit_tensors` in gpt2_course/quantization.py.
 * @param {Tensors} tensors
 * @param {string} name
 */
export function takeScale(tensors, name) {
  const scales = name.replace(/weight$/, "scale");
  const [matrix, scale] = [tensors.get(name), tensors.get(scales)];
  if (!matrix || scales === name || matrix.shape.length !== 2 || String(scale?.shape) !== String(matrix.shape[0])) {
    throw new Error(`${name.slice(0, 80)} is in 8 bits (I8) without a scale for each row: save the model again.`);
  }
  tensors.delete(scales);
  const shape = name === "wte.weight" ? matrix.shape : [...matrix.shape].reverse(); // the shape that GPT-2's files have
  const numbers = /** @type {Float32Array} */ (scale?.values);
  tensors.set(name, { shape, scale: numbers, get values() { return matrix.values; } }); // prettier-ignore
}

/**
 * The parameters of a GPT-2: names, shapes, and the layout of files.
 *
 * @import { Config } from "../types.d.ts"
 */

const TRANSPOSED = /(c_attn|c_proj|c_fc)\.weight$/; // (in, out) in files, (out, in) in PyTorch and here

/**
 * The name in a model's file and the shape in PyTorch of each parameter.
 * @param {Config} config
 * @returns {[name: string, shape: number[]][]}
 */
export function parameterShapes({ vocab_size: V, n_positions, n_embd: C, n_layer }) {
  /** @type {(name: string, ...shape: number[]) => [string, number[]][]} */
  const both = (name, ...shape) => [
    [`${name}.weight`, shape],
    [`${name}.bias`, [shape[0]]],
  ];
  const blocks = Array.from({ length: n_layer }, (_, l) => [
    ...both(`h.${l}.ln_1`, C),
    ...both(`h.${l}.attn.c_attn`, 3 * C, C),
    ...both(`h.${l}.attn.c_proj`, C, C),
    ...both(`h.${l}.ln_2`, C),
    ...both(`h.${l}.mlp.c_fc`, 4 * C, C),
    ...both(`h.${l}.mlp.c_proj`, C, 4 * C),
  ]);
  return [["wte.weight", [V, C]], ["wpe.weight", [n_positions, C]], ...blocks.flat(), ...both("ln_f", C)];
}

/** @param {number[]} shape */
export const sizeOf = (shape) => shape.reduce((a, b) => a * b);

/**
 * The shape of a parameter in a model's file.
 * @param {string} name
 * @param {number[]} shape
 */
export const storedShape = (name, shape) => (TRANSPOSED.test(name) ? shape.toReversed() : shape);

/**
 * A copy of a parameter's values of this shape, transposed if files and PyTorch differ.
 * @param {string} name
 * @param {Float32Array} values
 * @param {number[]} shape
 */
export function converted(name, values, [rows, columns]) {
  if (!TRANSPOSED.test(name)) return values.slice();
  const made = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) made[c * rows + r] = values[r * columns + c];
  return made;
}

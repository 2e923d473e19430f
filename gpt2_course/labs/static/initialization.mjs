/**
 * The parameters before the first step, from the same distributions as in `gpt2_course` (`GPT2._init_weights` and
 * `start_as_copier`), but with numbers of their own.
 *
 * @import { Parameter, TrainingConfig } from "../types.d.ts"
 */
import { uniform } from "./sampling.mjs";

/**
 * A function that draws from a normal distribution with standard deviation 1 (Box & Muller, 1958).
 * @param {number} seed
 */
function normals(seed) {
  let drawn = 0;
  return () => {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform(seed, drawn++))); // 1 − u is above 0
    return radius * Math.cos(2 * Math.PI * uniform(seed, drawn++));
  };
}

/**
 * Fill a new model's parameters.
 * @param {Map<string, Parameter>} parameters
 * @param {TrainingConfig} config
 * @param {number} seed
 */
export function initialize(parameters, { n_embd: C, n_layer, initializer_range: std, copying_start }, seed) {
  const normal = normals(seed);
  for (const [name, { shape, values }] of parameters) {
    if (shape.length === 1)
      values.fill(name === "ln_f.weight" ? 0.5 : name.includes("ln_") && name.endsWith("weight") ? 1 : 0);
    // The residual stream is a sum of 2 × n_layer terms, whose standard deviation should not depend on their number.
    const scale = name.endsWith("c_proj.weight") ? std / Math.sqrt(2 * n_layer) : std;
    if (shape.length === 2) for (let i = 0; i < values.length; i++) values[i] = scale * normal();
  }
  if (!copying_start) return;
  const size = std * Math.sqrt(C); // the ratio of a random (C, C) matrix's norm to an orthogonal one's
  for (let l = 0; l < n_layer; l++) {
    const [qkv, projection] = ["c_attn", "c_proj"].map(
      (part) => /** @type {Parameter} */ (parameters.get(`h.${l}.attn.${part}.weight`)).values,
    );
    const alike = orthogonal(C, size, normal);
    const passed = orthogonal(C, size, normal);
    qkv.set(alike); // queries
    qkv.set(alike, C * C); // keys: so each token looks at similar ones
    qkv.set(passed, 2 * C * C); // values
    for (let r = 0; r < C; r++) for (let c = 0; c < C; c++) projection[c * C + r] = passed[r * C + c]; // undoes them
  }
}

/**
 * A random matrix (n, n) of orthogonal rows of this length, by the method of Gram and Schmidt: from each row, subtract
 * what it shares with those before it.
 * @param {number} n
 * @param {number} length
 * @param {() => number} normal
 */
function orthogonal(n, length, normal) {
  const rows = Array.from({ length: n }, () => Float64Array.from({ length: n }, normal));
  rows.forEach((row, r) => {
    for (const before of rows.slice(0, r)) {
      const shared = dot(row, before);
      for (let i = 0; i < n; i++) row[i] -= shared * before[i];
    }
    const norm = Math.sqrt(dot(row, row));
    for (let i = 0; i < n; i++) row[i] /= norm;
  });
  return Float32Array.from({ length: n * n }, (_, i) => length * rows[Math.floor(i / n)][i % n]);
}

/**
 * @param {Float64Array} a
 * @param {Float64Array} b
 */
function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/**
 * Reads model folders in Hugging Face's layout, `config.json` and `model.safetensors`, as `gpt2_course/checkpoint.py`
 * does.
 *
 * @import { Config, Tensors } from "../types.d.ts"
 */

/** Other names that transformers accepts for GPT-2's settings. */
const ALIASES = {
  hidden_size: "n_embd",
  max_position_embeddings: "n_positions",
  num_attention_heads: "n_head",
  num_hidden_layers: "n_layer",
};

/**
 * A model's shape, from the text of its config.json.
 * @param {string} json
 * @returns {Config}
 */
export function readConfig(json) {
  const config = { layer_norm_epsilon: 1e-5, ...JSON.parse(json) };
  for (const [alias, name] of Object.entries(ALIASES)) {
    if (!(alias in config)) continue;
    config[name] ??= config[alias];
    if (config[name] !== config[alias]) {
      throw new Error(
        `config.json has ${name}=${config[name]} and ${alias}=${config[alias]}, but they are the same setting.`,
      );
    }
  }
  for (const name of ["vocab_size", "n_positions", "n_embd", "n_layer", "n_head"]) {
    const value = config[name];
    if (!(Number.isInteger(value) && value > 0)) {
      const found = value === undefined ? "missing" : JSON.stringify(value);
      throw new Error(`${name} in config.json must be an integer of at least 1, but is ${found}.`);
    }
  }
  return config;
}

/**
 * Functions that read a tensor's bytes, by dtype.
 * @type {Record<string, (bytes: ArrayBuffer) => Float32Array>}
 */
const READERS = {
  F32: (bytes) => new Float32Array(bytes),
  F16: (bytes) => Float32Array.from(new Uint16Array(bytes), fromHalf),
  // bfloat16 is the upper half of a float32
  BF16: (bytes) => new Float32Array(Uint32Array.from(new Uint16Array(bytes), (half) => half << 16).buffer),
};

// Prefixes that PyTorch adds to the names of compiled or distributed models, and of models with a head.
const WRAPPERS = ["_orig_mod", "module", "transformer"];
const NOT_WEIGHTS = /\.attn\.(bias|masked_bias)$/; // the causal mask, which older folders store, too

/**
 * The tensors in a safetensors file: a JSON header with the type, shape, and location of each, then the numbers.
 * @param {ArrayBuffer} file
 * @returns {Tensors}
 */
export function readSafetensors(file) {
  const truncated = () => new Error("The weights file is truncated. Reload the page to fetch it again.");
  const headerLength = file.byteLength < 8 ? Infinity : Number(new DataView(file).getBigUint64(0, true));
  if (headerLength > file.byteLength - 8) throw truncated();
  /** @type {Record<string, { dtype: string, shape: number[], data_offsets: [number, number] }>} */
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, headerLength)));
  /** @type {Tensors} */
  const tensors = new Map();
  delete header.__metadata__;
  for (const [stored, { dtype, shape, data_offsets }] of Object.entries(header)) {
    const name = stored
      .split(".")
      .filter((part) => !WRAPPERS.includes(part))
      .join(".");
    if (NOT_WEIGHTS.test(name)) continue;
    const [start, end] = data_offsets;
    const bytes = file.slice(8 + headerLength + start, 8 + headerLength + end);
    const n = shape.reduce((a, b) => a * b, 1);
    if (!READERS[dtype]) {
      throw new Error(`${name} has dtype ${dtype}, but only ${Object.keys(READERS).join(", ")} are supported.`);
    }
    if (bytes.byteLength !== n * (dtype === "F32" ? 4 : 2)) throw truncated();
    tensors.set(name, { shape, values: READERS[dtype](bytes) });
  }
  const head = tensors.get("lm_head.weight");
  if (head) {
    // Some folders store the token embedding under the head's name, or under both.
    tensors.delete("lm_head.weight");
    const table = tensors.get("wte.weight") ?? head;
    if (!head.values.every((v, i) => v === table.values[i])) {
      throw new Error(
        "The weights have a separate output head (lm_head.weight), but GPT-2 reuses its token embedding.",
      );
    }
    tensors.set("wte.weight", table);
  }
  return tensors;
}

/**
 * Decode an IEEE 754 half: 1 bit for the sign, 5 for the exponent, 10 for the fraction.
 * @param {number} bits
 */
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -14 * (fraction / 1024);
}

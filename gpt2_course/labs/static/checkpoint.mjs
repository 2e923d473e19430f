/**
 * Model folders in Hugging Face's layout, `config.json` and `model.safetensors`, as `gpt2_course/checkpoint.py` reads them.
 */

// As transformers reads them.
const ALIASES = {
  hidden_size: "n_embd",
  max_position_embeddings: "n_positions",
  num_attention_heads: "n_head",
  num_hidden_layers: "n_layer",
};

/** The shape of a model, from the text of its config.json.
 * @param {string} json
 * @returns {import("./engine.mjs").Config} */
export function readConfig(json) {
  const config = { layer_norm_epsilon: 1e-5, ...JSON.parse(json) };
  for (const [alias, name] of Object.entries(ALIASES)) {
    if (!(alias in config)) continue;
    config[name] ??= config[alias];
    if (config[name] !== config[alias]) {
      throw new Error(
        `config.json says ${name}=${config[name]} and ${alias}=${config[alias]}, but both mean the same.`,
      );
    }
  }
  for (const name of ["vocab_size", "n_positions", "n_embd", "n_layer", "n_head"]) {
    if (!(Number.isInteger(config[name]) && config[name] > 0)) {
      throw new Error(
        `config.json must say ${name}, a whole number of at least 1, but says ${config[name] ?? "nothing"}.`,
      );
    }
  }
  return config;
}

/** The numbers of a tensor's bytes, by the name of their type. */
const READERS = {
  F32: (bytes) => new Float32Array(bytes),
  F16: (bytes) => Float32Array.from(new Uint16Array(bytes), fromHalf),
  BF16: (bytes) => new Float32Array(Uint32Array.from(new Uint16Array(bytes), (half) => half << 16).buffer), // cut in half
};

// What PyTorch puts before or into a name: of a compiled model, one on several cards, one with a head.
const WRAPPERS = ["_orig_mod", "module", "transformer"];
const NOT_WEIGHTS = /\.attn\.(bias|masked_bias)$/; // older folders also store the causal mask

/** The tensors of a safetensors file: a header in JSON with each one's type, shape and place, then the numbers.
 * @param {ArrayBuffer} file
 * @returns {Map<string, {shape: number[], values: Float32Array}>} */
export function readSafetensors(file) {
  const headerLength = file.byteLength < 8 ? Infinity : Number(new DataView(file).getBigUint64(0, true));
  if (headerLength > file.byteLength - 8) throw new Error("The weights are cut short: fetch them again.");
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, headerLength)));
  const tensors = new Map();
  delete header.__metadata__;
  for (const [
    written,
    {
      dtype,
      shape,
      data_offsets: [start, end],
    },
  ] of Object.entries(header)) {
    const name = written
      .split(".")
      .filter((part) => !WRAPPERS.includes(part))
      .join(".");
    if (NOT_WEIGHTS.test(name)) continue;
    const bytes = file.slice(8 + headerLength + start, 8 + headerLength + end);
    const n = shape.reduce((a, b) => a * b, 1);
    if (!READERS[dtype])
      throw new Error(`${name} has numbers of type ${dtype}; ${Object.keys(READERS).join(", ")} can be read.`);
    if (bytes.byteLength !== n * (dtype === "F32" ? 4 : 2))
      throw new Error("The weights are cut short: fetch them again.");
    tensors.set(name, { shape, values: READERS[dtype](bytes) });
  }
  const head = tensors.get("lm_head.weight");
  if (head) {
    // the token embedding once more, or in its place
    tensors.delete("lm_head.weight");
    const table = tensors.get("wte.weight") ?? head;
    if (!head.values.every((v, i) => v === table.values[i])) {
      throw new Error("The weights have an output head of their own, but GPT-2's head is its token embedding.");
    }
    tensors.set("wte.weight", table);
  }
  return tensors;
}

/** The number that 16 bits stand for: a sign, an exponent of 5 bits, a fraction of 10 (IEEE 754). */
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -14 * (fraction / 1024);
}

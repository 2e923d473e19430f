/**
 * Reads model folders in Hugging Face's layout, `config.json` and safetensors files, as `gpt2_course/checkpoint.py`
 * does.
 *
 * @import { Config, SafetensorsFile, StoredTensor, Tensor, Tensors } from "../types.d.ts"
 */
import { takeScale } from "./quantization.mjs";

/** Other names that transformers accepts for GPT-2's settings. */
const ALIASES = {
  hidden_size: "n_embd",
  max_position_embeddings: "n_positions",
  num_attention_heads: "n_head",
  num_hidden_layers: "n_layer",
};

/**
 * The largest shape, beyond which a model would exhaust the memory without a clear error.
 * @type {Record<string, number>}
 */
const MOST = { vocab_size: 1e7, n_positions: 1e7, n_embd: 1e5, n_layer: 1000, n_head: 1e5 };

/**
 * Settings that change the network, with the values this engine supports.
 * @type {Record<string, unknown[]>}
 */
const FIXED = {
  model_type: ["gpt2"],
  activation_function: ["gelu_new", "gelu_pytorch_tanh"], // two names for the same function
  scale_attn_weights: [true],
  scale_attn_by_inverse_layer_idx: [false],
  tie_word_embeddings: [true],
  add_cross_attention: [false],
};

/**
 * A JSON object from the text of a file.
 * @param {string} json
 * @param {string} file  its name, for error messages
 * @returns {Record<string, unknown>}
 */
export function parseObject(json, file) {
  let content;
  try {
    content = JSON.parse(json.replace(/^\ufeff/, ""));
  } catch {
    throw new Error(`${file} is not valid JSON: save or download the model again.`);
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new Error(`${file} must contain a JSON object: save or download the model again.`);
  }
  return content;
}

/**
 * A model's shape, from the text of its config.json.
 * @param {string} json
 * @returns {Config}
 */
export function readConfig(json) {
  /** @type {any} */
  const config = { layer_norm_epsilon: 1e-5, ...parseObject(json, "config.json") };
  for (const [alias, name] of Object.entries(ALIASES)) {
    if (!(alias in config)) continue;
    config[name] ??= config[alias];
    if (config[name] !== config[alias]) {
      throw new Error(
        `config.json has ${name}=${config[name]} and ${alias}=${config[alias]}, but they are the same setting.`,
      );
    }
  }
  for (const [name, known] of Object.entries(FIXED)) {
    if (known.includes(config[name] ?? known[0])) continue;
    const [found, wanted] = [config[name], known[0]].map((value) => JSON.stringify(value));
    throw new Error(`config.json has ${name}=${found.slice(0, 60)}, but this GPT-2 supports only ${wanted}.`);
  }
  for (const [name, most] of Object.entries(MOST)) {
    const value = config[name];
    if (!(Number.isInteger(value) && value > 0)) {
      const found = value === undefined ? "missing" : JSON.stringify(value);
      throw new Error(`${name} in config.json must be an integer of at least 1, but is ${found}.`);
    }
    if (value > most) throw new Error(`${name} in config.json must be at most ${most}, but is ${value}.`);
  }
  const { n_embd, n_head, n_inner, layer_norm_epsilon } = config;
  if (n_embd % n_head) throw new Error(`config.json has n_embd=${n_embd}, which n_head=${n_head} does not divide.`);
  if ((n_inner ?? 4 * n_embd) !== 4 * n_embd) {
    throw new Error(`config.json has n_inner=${JSON.stringify(n_inner)}, but this GPT-2 supports only 4 × n_embd.`);
  }
  if (!(layer_norm_epsilon > 0 && layer_norm_epsilon < Infinity)) {
    throw new Error(`layer_norm_epsilon in config.json must be above 0, but is ${JSON.stringify(layer_norm_epsilon)}.`);
  }
  return config;
}

/**
 * The name and shape of every tensor of a model.
 * @param {Pick<Config, "vocab_size" | "n_positions" | "n_embd" | "n_layer">} config
 * @returns {Generator<[name: string, shape: number[]]>}
 */
export function* shapesOf({ vocab_size, n_positions, n_embd: C, n_layer }) {
  yield ["wte.weight", [vocab_size, C]];
  yield ["wpe.weight", [n_positions, C]];
  /** @type {[name: string, shape: number[]][]} */
  const parts = [
    ["ln_1", [C]],
    ["attn.c_attn", [C, 3 * C]],
    ["attn.c_proj", [C, C]],
    ["ln_2", [C]],
    ["mlp.c_fc", [C, 4 * C]],
    ["mlp.c_proj", [4 * C, C]],
  ];
  for (let layer = 0; layer < n_layer; layer++)
    for (const [part, shape] of parts) {
      yield [`h.${layer}.${part}.weight`, shape];
      yield [`h.${layer}.${part}.bias`, shape.slice(-1)];
    }
  yield ["ln_f.weight", [C]];
  yield ["ln_f.bias", [C]];
}

/**
 * Throw an error unless the weights are exactly those that the config describes.
 * @param {Config} config
 * @param {Tensors} tensors
 */
export function matchShapes(config, tensors) {
  const wanted = new Map(shapesOf(config));
  for (const [name, shape] of wanted) {
    const tensor = tensors.get(name);
    if (String(tensor?.shape) === String(shape)) continue;
    const found = tensor ? `has (${tensor.shape.join(", ")})` : "is missing";
    throw new Error(
      `The weights do not match config.json: ${name} should have shape (${shape.join(", ")}), but ${found}.`,
    );
  }
  const other = [...tensors.keys()].find((name) => !wanted.has(name));
  if (other) throw new Error(`The weights do not match config.json: ${other.slice(0, 80)} is not part of this GPT-2.`);
}

/**
 * Bytes per number, and a function that reads a tensor's bytes, by dtype.
 * @type {Record<string, [bytes: number, read: (bytes: ArrayBuffer) => Float32Array | Int8Array]>}
 */
const READERS = {
  F64: [8, (bytes) => new Float32Array(new Float64Array(bytes))],
  F32: [4, (bytes) => new Float32Array(bytes)],
  F16: [2, (bytes) => Float32Array.from(new Uint16Array(bytes), fromHalf)],
  // bfloat16 is the upper half of a float32
  BF16: [2, (bytes) => new Float32Array(Uint32Array.from(new Uint16Array(bytes), (half) => half << 16).buffer)],
  I8: [1, (bytes) => new Int8Array(bytes)],
};

// Prefixes that PyTorch adds to the names of compiled or distributed models, and of models with a head.
const WRAPPERS = ["_orig_mod", "module", "transformer"];
const NOT_WEIGHTS = /\.attn\.(bias|masked_bias)$/; // the causal mask, which older folders store, too
const LONGEST_HEADER = 1e8; // bytes, as in the safetensors library

/**
 * The length of a safetensors file's header, from the file's first 8 bytes.
 * @param {ArrayBuffer} bytes
 * @param {number} size  of the file, in bytes
 * @param {string} file  its name, for error messages
 */
export function headerLength(bytes, size, file) {
  const length = bytes.byteLength < 8 ? Infinity : Number(new DataView(bytes).getBigUint64(0, true));
  if (length > size - 8) throw truncated(file);
  if (length > LONGEST_HEADER) throw damaged(file);
  return length;
}

/** @param {string} file */
const truncated = (file) => new Error(`${file} is truncated: copy or download it again.`);
/** @param {string} file */
const damaged = (file) => new Error(`${file} is not a safetensors file, or it is damaged: save the model again.`);

/**
 * Where each tensor is in a safetensors file, from its header: JSON with each tensor's type, shape, and location.
 * @param {Uint8Array} json
 * @param {number} size  of the file, in bytes
 * @param {string} file  its name, for error messages
 * @returns {StoredTensor[]}  in the order in which they are stored
 */
export function parseHeader(json, size, file) {
  /** @type {unknown} */
  let header;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch {
    throw damaged(file);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) throw damaged(file);
  const found = Object.entries(header)
    .filter(([name]) => name !== "__metadata__")
    .map(([stored, entry]) => {
      const { dtype, shape, data_offsets } = entry ?? {};
      const lists = [shape, data_offsets];
      if (!lists.every((list) => Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n >= 0))) {
        throw damaged(file);
      }
      const parts = stored.split(".").filter((part) => !WRAPPERS.includes(part));
      return { name: parts.join("."), dtype, shape, start: data_offsets[0], end: data_offsets[1] };
    })
    .sort((a, b) => a.start - b.start);
  let end = 0; // the tensors lie end to end
  for (const tensor of found) {
    if (tensor.start !== end || !(tensor.end >= end)) throw damaged(file);
    end = tensor.end;
  }
  const offset = 8 + json.length;
  if (offset + end > size) throw truncated(file);
  if (offset + end < size) throw damaged(file);
  return found
    .filter(({ name }) => !NOT_WEIGHTS.test(`.${name}`))
    .map(({ name, dtype, shape, start, end }) => {
      if (!Object.hasOwn(READERS, dtype)) {
        const known = Object.keys(READERS).join(", ");
        throw new Error(
          `${name.slice(0, 80)} has dtype ${String(dtype).slice(0, 20)}, but only ${known} are supported.`,
        );
      }
      const n = shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1);
      if (end - start !== n * READERS[dtype][0]) throw damaged(file);
      return { name, dtype, shape, start: offset + start, end: offset + end };
    });
}

/**
 * A tensor's numbers from its bytes.
 * @param {string} dtype
 * @param {ArrayBuffer} bytes
 */
export const decode = (dtype, bytes) => READERS[dtype][1](bytes);

/**
 * The tensors in safetensors files. Each is read from its file when its `values` are asked for, so that a large model
 * is never in memory twice.
 * @param {SafetensorsFile[]} files
 * @returns {Tensors}
 */
export function openSafetensors(files) {
  /** @type {Tensors} */
  const tensors = new Map();
  /** @type {string[]} */
  const inEightBits = [];
  for (const { name: file, size, read } of files) {
    const length = headerLength(read(0, Math.min(8, size)), size, file);
    for (const { name, dtype, shape, start, end } of parseHeader(new Uint8Array(read(8, 8 + length)), size, file)) {
      if (tensors.has(name)) {
        throw new Error(
          `The weights contain ${name.slice(0, 80)} twice, under different prefixes or in different files.`,
        );
      }
      tensors.set(name, { shape, get values() { return decode(dtype, read(start, end)); } }); // prettier-ignore
      if (dtype === "I8") inEightBits.push(name);
    }
  }
  for (const name of inEightBits) takeScale(tensors, name);
  const head = tensors.get("lm_head.weight");
  if (head) {
    // Some folders store the token embedding under the head's name, or under both.
    tensors.delete("lm_head.weight");
    const table = tensors.get("wte.weight") ?? head;
    if (table !== head && !equal(head, table)) {
      throw new Error(
        "The weights have a separate output head (lm_head.weight), but GPT-2 reuses its token embedding.",
      );
    }
    tensors.set("wte.weight", table);
  }
  return tensors;
}

/** @type {(a: Tensor, b: Tensor) => boolean} */
function equal({ shape, values: a }, { shape: other, values: b }) {
  return String(shape) === String(other) && a.every((v, i) => v === b[i]);
}

/**
 * All tensors in a safetensors file that is in memory.
 * @param {ArrayBuffer} file
 * @returns {Tensors}
 */
export function readSafetensors(file) {
  const whole = { name: "model.safetensors", size: file.byteLength, read: file.slice.bind(file) };
  return new Map([...openSafetensors([whole])].map(([name, tensor]) => [name, { ...tensor }]));
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

/**
 * GPT-2 in plain JavaScript. It reads model folders in Hugging Face's layout and runs them with a key-value cache.
 * Chapters 3 to 7 build the same network in PyTorch, with the same names.
 *
 * Matrices are Float32Arrays in row-major order. Shapes: T tokens, C channels, H heads of D = C / H channels, V tokens
 * in the vocabulary, S tokens so far.
 *
 * @import { Cache, Config, InnerLoop, Layer, Look, Tensor, Tensors } from "../types.d.ts"
 */
import { matchShapes } from "./checkpoint.mjs";
import { plain, rowOf } from "./plain.mjs";
import { transpose } from "./quantization.mjs";

/**
 * Shift each row of x (T, C) to mean 0, scale it to variance 1, then apply the learned weight and bias.
 * @param {Float32Array} x
 * @param {{ weight: Float32Array, bias: Float32Array }} parameters
 * @param {number} epsilon
 */
function layerNorm(x, { weight, bias }, epsilon) {
  const C = weight.length;
  const y = new Float32Array(x.length);
  for (let row = 0; row < x.length; row += C) {
    let mean = 0;
    for (let i = 0; i < C; i++) mean += x[row + i] / C;
    let variance = 0;
    for (let i = 0; i < C; i++) variance += (x[row + i] - mean) ** 2 / C;
    const scale = 1 / Math.sqrt(variance + epsilon);
    for (let i = 0; i < C; i++) y[row + i] = (x[row + i] - mean) * scale * weight[i] + bias[i];
  }
  return y;
}

/**
 * The tanh approximation of GELU, which GPT-2 was trained with (Hendrycks & Gimpel, 2016).
 * @param {Float32Array} x
 */
function gelu(x) {
  const slope = Math.sqrt(2 / Math.PI);
  return x.map((v) => 0.5 * v * (1 + Math.tanh(slope * (v + 0.044715 * v * v * v))));
}

/** @type {(a: Float32Array, b: Float32Array) => Float32Array} */
const sum = (a, b) => a.map((v, i) => v + b[i]);

export class GPT2 {
  /**
   * @param {Config} config
   * @param {Tensors} tensors
   * @param {InnerLoop} innerLoop
   * @param {number} known  number of tokens in the tokenizer; further rows of the embedding table are padding
   */
  constructor(config, tensors, { linear, keep } = plain, known = config.vocab_size) {
    if (known > config.vocab_size) {
      throw new Error(
        `The tokenizer has ${known} tokens, but the model's vocabulary has only ${config.vocab_size}. ` +
          "Use the tokenizer that belongs to the model.",
      );
    }
    this.config = config;
    this.known = known;
    const { n_embd: C, n_layer, vocab_size: V } = config;
    matchShapes(config, tensors);
    const read = (/** @type {string} */ name) => /** @type {Tensor} */ (tensors.get(name));
    const take = (/** @type {string} */ name) => /** @type {Float32Array} */ (read(name).values);
    /**
     * A linear layer, and the weights behind one of its outputs. GPT-2's files store (nIn, nOut); one row per output,
     * as with 8 bits, is faster to read.
     * @type {(name: string, nIn: number, nOut: number) => Layer}
     */
    const linearOf = (name, nIn, nOut) => {
      const { values, scale } = read(`${name}.weight`);
      const weight = keep(values instanceof Int8Array ? values : transpose(values, nIn, nOut));
      const scales = scale && keep(scale);
      const bias = keep(take(`${name}.bias`));
      /** @param {number} o */
      const behind = (o) => ({ weights: rowOf(weight, o, nIn, scales), bias: bias[o] });
      return Object.assign((/** @type {Float32Array} */ x) => linear(x, weight, bias, nIn, nOut, scales), { behind });
    };
    /** @type {(name: string) => Layer} */
    const normOf = (name) => {
      const parameters = { weight: take(`${name}.weight`), bias: take(`${name}.bias`) };
      /** @param {number} o */
      const behind = (o) => ({ weights: parameters.weight.subarray(o, o + 1), bias: parameters.bias[o] });
      return Object.assign((/** @type {Float32Array} */ x) => layerNorm(x, parameters, config.layer_norm_epsilon), {
        behind,
      });
    };
    const { values, scale } = read("wte.weight");
    this.tokenEmbedding = keep(values);
    this.tokenScale = scale && keep(scale); // one per token, if the embedding is in 8 bits
    this.positionEmbedding = take("wpe.weight");
    this.blocks = Array.from({ length: n_layer }, (_, l) => ({
      norm1: normOf(`h.${l}.ln_1`),
      qkv: linearOf(`h.${l}.attn.c_attn`, C, 3 * C),
      projection: linearOf(`h.${l}.attn.c_proj`, C, C),
      norm2: normOf(`h.${l}.ln_2`),
      expand: linearOf(`h.${l}.mlp.c_fc`, C, 4 * C),
      shrink: linearOf(`h.${l}.mlp.c_proj`, 4 * C, C),
    }));
    this.finalNorm = normOf("ln_f");
    const noBias = keep(new Float32Array(V));
    /** The output head is the token embedding. @param {Float32Array} x */
    this.head = (x) => linear(x, this.tokenEmbedding, noBias, C, V, this.tokenScale);
  }

  get parameters() {
    const { vocab_size: V, n_positions, n_embd: C, n_layer } = this.config;
    return (V + n_positions) * C + n_layer * (12 * C * C + 13 * C) + 2 * C;
  }

  /**
   * A token's row in the embedding table, (C).
   * @param {number} id
   */
  embeddingOf(id) {
    const row = this.tokenEmbedding.subarray(id * this.config.n_embd, (id + 1) * this.config.n_embd);
    const scale = this.tokenScale?.[id];
    return scale === undefined ? row : Float32Array.from(row, (v) => v * scale);
  }

  /** @returns {Cache} */
  newCache(positions = this.config.n_positions) {
    const { n_layer, n_embd } = this.config;
    const empty = () => Array.from({ length: n_layer }, () => new Float32Array(positions * n_embd));
    return { length: 0, keys: empty(), values: empty() };
  }

  /**
   * The logits for the token after `ids`, (V), one per known token. With `everywhere`, the logits after each of `ids`,
   * (T, V), padding included.
   * @param {number[]} ids  continue from the tokens in the cache
   * @param {{ cache?: Cache, look?: Look, without?: number[][], everywhere?: boolean }} options  `without` lists the
   *   heads to turn off, as [layer, head]
   */
  forward(ids, { cache = this.newCache(ids.length), look = () => {}, without = [], everywhere = false } = {}) {
    const { n_embd: C, n_positions } = this.config;
    const T = ids.length;
    const start = cache.length;
    if (start + T > n_positions) {
      throw new Error(`Got ${start + T} tokens, but this model has only ${n_positions} positions.`);
    }
    cache.length += T;
    const tokens = new Float32Array(T * C);
    ids.forEach((id, t) => tokens.set(this.embeddingOf(id), t * C));
    const positions = this.positionEmbedding.subarray(start * C, (start + T) * C);
    let x = sum(tokens, positions); // (T, C), the residual stream
    look("token_embedding", null, tokens);
    look("position_embedding", null, positions);
    look("embedding", null, x);
    this.blocks.forEach((block, layer) => {
      /** @type {(name: string, values: Float32Array) => Float32Array} */
      const see = (name, values) => (look(name, layer, values), values);
      const qkv = block.qkv(see("norm_1", block.norm1(x))); // (T, 3C)
      const turnedOff = without.filter(([l]) => l === layer).map(([, head]) => head);
      const heads = this.attend(qkv, cache.keys[layer], cache.values[layer], start, see, turnedOff); // (T, C)
      x = see("after_attention", sum(x, see("attention_out", block.projection(heads))));
      const wide = see("mlp_expand", block.expand(see("norm_2", block.norm2(x)))); // (T, 4C)
      const hidden = see("mlp_hidden", gelu(wide));
      x = see("after_mlp", sum(x, see("mlp_out", block.shrink(hidden))));
    });
    const rows = everywhere ? x : x.subarray((T - 1) * C);
    const normed = this.finalNorm(rows);
    look("final_norm", null, normed);
    const scores = this.head(normed);
    const logits = everywhere ? scores : scores.subarray(0, this.known);
    look("logits", null, logits);
    return logits;
  }

  /**
   * Attention of T tokens, the first at position `start`, to all tokens up to themselves: heads side by side, (T, C).
   * @param {Float32Array} qkv  (T, 3C)
   * @param {Float32Array} keys
   * @param {Float32Array} values
   * @param {number} start
   * @param {(name: string, values: Float32Array) => void} see
   * @param {number[]} turnedOff  heads
   */
  attend(qkv, keys, values, start, see, turnedOff) {
    const { n_embd: C, n_head: H } = this.config;
    const D = C / H;
    const T = qkv.length / (3 * C);
    const S = start + T;
    const q = new Float32Array(T * C);
    for (let t = 0; t < T; t++) {
      q.set(qkv.subarray(t * 3 * C, t * 3 * C + C), t * C);
      keys.set(qkv.subarray(t * 3 * C + C, t * 3 * C + 2 * C), (start + t) * C);
      values.set(qkv.subarray(t * 3 * C + 2 * C, (t + 1) * 3 * C), (start + t) * C);
    }
    see("q", q);
    see("k", keys.subarray(start * C, S * C));
    see("v", values.subarray(start * C, S * C));
    const weights = new Float32Array(H * T * S); // later tokens keep weight 0
    const y = new Float32Array(T * C);
    const mixed = new Float64Array(D);
    for (let h = 0; h < H; h++) {
      for (let t = 0; t < T; t++) {
        const row = (h * T + t) * S;
        const seen = start + t + 1;
        const at = t * C + h * D;
        let largest = -Infinity;
        for (let s = 0, from = h * D; s < seen; s++, from += C) {
          let score = 0;
          for (let i = 0; i < D; i++) score += q[at + i] * keys[from + i];
          score /= Math.sqrt(D);
          weights[row + s] = score;
          if (score > largest) largest = score;
        }
        let total = 0;
        for (let s = 0; s < seen; s++) total += weights[row + s] = Math.exp(weights[row + s] - largest);
        for (let s = 0; s < seen; s++) weights[row + s] /= total;
        if (turnedOff.includes(h)) continue;
        mixed.fill(0);
        for (let s = 0, from = h * D; s < seen; s++, from += C) {
          const weight = weights[row + s];
          for (let i = 0; i < D; i++) mixed[i] += weight * values[from + i];
        }
        y.set(mixed, at);
      }
    }
    see("attention", weights); // (H, T, S)
    see("heads", y);
    return y;
  }

  /**
   * Yield the logits (V) after `ids`, then after each id passed to `next(id)`.
   *
   * Positions are absolute, so a full window cannot slide by one token. Instead, it drops its older half and recomputes
   * the newer half. The Python package does the same, so both write the same text.
   * @param {number[]} ids
   * @returns {Generator<Float32Array, never, number>}
   */
  *continuing(ids) {
    const { n_positions } = this.config;
    const text = ids.slice(-n_positions);
    let cache = this.newCache();
    let fresh = text.slice();
    while (true) {
      const id = yield this.forward(fresh, { cache });
      text.push(id);
      fresh = [id];
      if (cache.length === n_positions) {
        cache = this.newCache();
        fresh = text.slice(-Math.max(1, Math.floor(n_positions / 2)));
      }
    }
  }
}

/**
 * GPT-2 in plain JavaScript. It reads a model folder in Hugging Face's layout as it stands and runs it token by token,
 * with a key–value cache. Chapters 3 to 7 build the same in PyTorch, under the same names.
 *
 * Matrices are Float32Arrays, row after row. Shapes: T tokens, C channels, H heads of D = C / H channels, V tokens in the
 * vocabulary, S tokens seen so far.
 *
 * @typedef {{vocab_size: number, n_positions: number, n_embd: number, n_layer: number, n_head: number,
 *   layer_norm_epsilon: number}} Config  a folder's config.json
 * @typedef {{length: number, keys: Float32Array[], values: Float32Array[]}} Cache  of each layer (n_positions, C)
 * @typedef {(name: string, layer: number | null, values: Float32Array) => void} Look
 *   is shown every activation, in the order in which they are computed; copy what you keep
 */

/**
 * x (T, nIn) times the transpose of w (nOut, nIn), plus b: (T, nOut). Nearly all of a model's time goes by here, so four
 * outputs are computed at a time, each x being read once for all four. (To round the sums to float32 on the way, as
 * PyTorch does, would take twice as long. simd.mjs does the same on vectors, three times as fast.)
 */
function linear(x, w, b, nIn, nOut) {
  const T = x.length / nIn;
  const y = new Float32Array(T * nOut);
  for (let o = 0; o < nOut; o += 4) {
    const o1 = Math.min(o + 1, nOut - 1); // past the end, the last one again
    const o2 = Math.min(o + 2, nOut - 1);
    const o3 = Math.min(o + 3, nOut - 1);
    const w0 = o * nIn;
    const w1 = o1 * nIn;
    const w2 = o2 * nIn;
    const w3 = o3 * nIn;
    for (let t = 0; t < T; t++) {
      const from = t * nIn;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let i = 0; i < nIn; i++) {
        const xi = x[from + i];
        s0 += xi * w[w0 + i];
        s1 += xi * w[w1 + i];
        s2 += xi * w[w2 + i];
        s3 += xi * w[w3 + i];
      }
      const to = t * nOut;
      y[to + o] = s0 + b[o];
      y[to + o1] = s1 + b[o1];
      y[to + o2] = s2 + b[o2];
      y[to + o3] = s3 + b[o3];
    }
  }
  return y;
}

/** The inner loop of the engine: `linear`, and where the matrices it is given are to be kept. */
export const plain = { linear, keep: (values) => values };

/** Each row of x (T, C) shifted to mean 0 and scaled to variance 1, then by the learned gain and bias. */
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

/** The tanh form of GELU, with which GPT-2 was trained (Hendrycks & Gimpel, 2016). */
function gelu(x) {
  const slope = Math.sqrt(2 / Math.PI);
  return x.map((v) => 0.5 * v * (1 + Math.tanh(slope * (v + 0.044715 * v * v * v))));
}

const sum = (a, b) => a.map((v, i) => v + b[i]);

export class GPT2 {
  /** @param {Config} config
   *  @param {ReturnType<typeof import("./checkpoint.mjs").readSafetensors>} tensors
   *  @param {typeof plain} innerLoop
   *  @param {number} known  how many tokens the tokenizer knows; rows beyond them only make the table a round size */
  constructor(config, tensors, { linear, keep } = plain, known = config.vocab_size) {
    if (known > config.vocab_size) {
      throw new Error(
        `The tokenizer knows ${known} tokens, but the model ${config.vocab_size}: they do not belong together.`,
      );
    }
    this.config = config;
    this.known = known;
    const { n_embd: C, n_layer, vocab_size: V, n_positions } = config;
    const take = (name, ...shape) => {
      const tensor = tensors.get(name);
      if (String(tensor?.shape) !== String(shape)) {
        throw new Error(
          `The weights do not fit config.json: ${name} should be ${shape}, but is ${tensor?.shape ?? "not there"}.`,
        );
      }
      return tensor.values;
    };
    // GPT-2's files hold (nIn, nOut); a row for each output reads faster.
    const linearOf = (name, nIn, nOut) => {
      const stored = take(`${name}.weight`, nIn, nOut);
      const weight = keep(new Float32Array(stored.length));
      for (let i = 0; i < nIn; i++) for (let o = 0; o < nOut; o++) weight[o * nIn + i] = stored[i * nOut + o];
      const bias = keep(take(`${name}.bias`, nOut));
      return (x) => linear(x, weight, bias, nIn, nOut);
    };
    const normOf = (name) => {
      const parts = { weight: take(`${name}.weight`, C), bias: take(`${name}.bias`, C) };
      return (x) => layerNorm(x, parts, config.layer_norm_epsilon);
    };
    this.tokenEmbedding = keep(take("wte.weight", V, C));
    this.positionEmbedding = take("wpe.weight", n_positions, C);
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
    this.head = (x) => linear(x, this.tokenEmbedding, noBias, C, V); // the embedding, read backwards
  }

  get parameters() {
    const { vocab_size: V, n_positions, n_embd: C, n_layer } = this.config;
    return (V + n_positions) * C + n_layer * (12 * C * C + 13 * C) + 2 * C;
  }

  /** @returns {Cache} */
  newCache() {
    const { n_layer, n_positions, n_embd } = this.config;
    const empty = () => Array.from({ length: n_layer }, () => new Float32Array(n_positions * n_embd));
    return { length: 0, keys: empty(), values: empty() };
  }

  /**
   * The scores of every known token to come after the last of `ids`, (V); after each of them, (T, V), if `everywhere`,
   * and then those of unknown ones too.
   * `ids` go on from what the cache has seen. Heads named in `without`, as [layer, head], contribute nothing.
   * @param {number[]} ids
   * @param {{cache?: Cache, look?: Look, without?: number[][], everywhere?: boolean}} options
   */
  forward(ids, { cache = this.newCache(), look = () => {}, without = [], everywhere = false } = {}) {
    const { n_embd: C, n_positions } = this.config;
    const T = ids.length;
    const start = cache.length;
    if (start + T > n_positions) {
      throw new Error(`${start + T} tokens were given, but this model has only ${n_positions} positions.`);
    }
    cache.length += T;
    const tokens = new Float32Array(T * C);
    ids.forEach((id, t) => tokens.set(this.tokenEmbedding.subarray(id * C, (id + 1) * C), t * C));
    const positions = this.positionEmbedding.subarray(start * C, (start + T) * C);
    let x = sum(tokens, positions); // (T, C), the residual stream
    look("token_embedding", null, tokens);
    look("position_embedding", null, positions);
    look("embedding", null, x);
    this.blocks.forEach((block, layer) => {
      const see = (name, values) => (look(name, layer, values), values);
      const qkv = block.qkv(see("norm_1", block.norm1(x))); // (T, 3C)
      const switchedOff = without.filter(([l]) => l === layer).map(([, head]) => head);
      const heads = this.attend(qkv, cache.keys[layer], cache.values[layer], start, see, switchedOff); // (T, C)
      x = see("after_attention", sum(x, see("attention_out", block.projection(heads))));
      const hidden = see("mlp_hidden", gelu(block.expand(see("norm_2", block.norm2(x))))); // (T, 4C)
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

  /** Attention of T tokens, the first of them at position `start`, to all up to themselves: heads side by side, (T, C). */
  attend(qkv, keys, values, start, see, switchedOff) {
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
    const weights = new Float32Array(H * T * S); // what a token may not see stays 0
    const y = new Float32Array(T * C);
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
        if (switchedOff.includes(h)) continue;
        for (let i = 0; i < D; i++) {
          let mixed = 0;
          for (let s = 0, from = h * D + i; s < seen; s++, from += C) mixed += weights[row + s] * values[from];
          y[at + i] = mixed;
        }
      }
    }
    see("attention", weights); // (H, T, S)
    see("heads", y);
    return y;
  }

  /**
   * Yields the logits (V) after `ids`, and after each id that is sent back by `next(id)`.
   *
   * A full window cannot move on by one token, because positions are absolute: it drops its older half, and the newer
   * half is computed anew. `gpt2_course.sampling.generate_tokens` does the same, and so both write the same text.
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

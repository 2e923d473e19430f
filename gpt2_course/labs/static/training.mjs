/**
 * How GPT-2 learns, in plain JavaScript: the forward pass, the loss, and then backward through each step of the forward
 * pass to the gradient for every parameter. In PyTorch, `loss.backward()` does this. engine.mjs runs the same network.
 *
 * Shapes: N tokens, C channels, H heads of D = C / H channels, V tokens in the vocabulary, S tokens in a document.
 * All rows of a batch lie one after the other as N tokens, because only attention cares where one ends.
 *
 * @import { Batch } from "./batches.mjs"
 * @import { Config, Linear, Norm, Parameter, Row, Tensors } from "../types.d.ts"
 */
import { batchesOf, checkRows } from "./batches.mjs";
import { kernelsFor, matrix, roundUp4, transposed } from "./kernels.mjs";
import { add, attend, attendBackward, linear, linearBackward } from "./layers.mjs";
import { converted, parameterShapes, sizeOf, storedShape } from "./parameters.mjs";

const LEAST_TOKENS = 512; // per pass: fewer would leave the products of matrices too small to be fast
export class TrainableGPT2 {
  /**
   * @param {Config} config
   * @param {number} context  tokens in the longest row
   * @param {Uint8Array<ArrayBuffer> | null} wasm  the contents of kernels.wasm; null for plain JavaScript
   */
  constructor(config, context, wasm) {
    const { vocab_size: V, n_embd: C, n_head: H, n_layer } = config;
    if (C % H) throw new Error(`n_embd=${C} cannot be split into n_head=${H} equal heads.`);
    if (context > config.n_positions) {
      throw new Error(`Rows of ${context} tokens do not fit into this model's ${config.n_positions} positions.`);
    }
    this.config = config;
    this.context = context;
    this.room = Math.max(context, LEAST_TOKENS);
    const N = this.room;
    let length = 0;
    /** @param {number} n */
    const take = (n) => (length += roundUp4(n)) - roundUp4(n); // the index of the first of n new numbers
    const shapes = parameterShapes(config);
    const places = new Map(shapes.map(([name, shape]) => [name, take(sizeOf(shape))]));
    this.gradientsAt = take(length); // gradients have the same layout as parameters, one block later
    this.workspace = length; // free between two passes; the optimizer uses it, too
    this.layers = Array.from({ length: n_layer }, () => ({
      x: take(N * C), // the residual stream
      norm1: take(N * C),
      qkv: take(N * 3 * C),
      weights: take(H * N * roundUp4(context)), // of attention: for each document and head, (S, S)
      heads: take(N * C),
      middle: take(N * C), // the residual stream after attention
      norm2: take(N * C),
      expanded: take(N * 4 * C),
      hidden: take(N * 4 * C),
    }));
    this.x = take(N * C); // the residual stream after the last block
    this.normed = take(N * C);
    this.logits = take(N * roundUp4(V));
    this.about = take(2 * Math.max(N, context)); // what softmax says about each row
    this.dx = take(N * C); // the gradient for the residual stream
    this.dNormed = take(N * C);
    this.dQkv = take(N * 3 * C);
    this.dHeads = take(N * C);
    this.dWeights = take(context * roundUp4(context));
    this.dHidden = take(N * 4 * C);
    length = Math.max(length, this.workspace + 10 * C * C); // Muon's matrices
    this.kernels = kernelsFor(wasm, length, Math.max(V, 4 * C, context));
    this.numbers = this.kernels.numbers;
    /** @type {Map<string, Parameter>} */
    this.parameters = new Map();
    for (const [name, shape] of shapes) {
      const at = /** @type {number} */ (places.get(name));
      const size = sizeOf(shape);
      const values = this.numbers.subarray(at, at + size);
      const gradient = this.numbers.subarray(this.gradientsAt + at, this.gradientsAt + at + size);
      this.parameters.set(name, { shape, at, values, gradient });
    }
    /** @param {string} name */
    const parameter = (name) => /** @type {Parameter} */ (this.parameters.get(name));
    /** @param {string} name */
    const indices = (name) => {
      const [weight, bias] = [parameter(`${name}.weight`).at, parameter(`${name}.bias`).at];
      return { weight, bias, dWeight: this.gradientsAt + weight, dBias: this.gradientsAt + bias };
    };
    /** @type {(name: string) => Linear} */
    const linearOf = (name) => {
      const [nOut, nIn] = parameter(`${name}.weight`).shape;
      return { ...indices(name), nIn, nOut };
    };
    /** @type {(name: string) => Norm} */
    const normOf = (name) => ({ ...indices(name), C, epsilon: config.layer_norm_epsilon });
    this.wte = parameter("wte.weight");
    this.wpe = parameter("wpe.weight");
    this.blocks = this.layers.map((_, l) => ({
      norm1: normOf(`h.${l}.ln_1`),
      qkv: linearOf(`h.${l}.attn.c_attn`),
      projection: linearOf(`h.${l}.attn.c_proj`),
      norm2: normOf(`h.${l}.ln_2`),
      expand: linearOf(`h.${l}.mlp.c_fc`),
      shrink: linearOf(`h.${l}.mlp.c_proj`),
    }));
    this.finalNorm = normOf("ln_f");
  }

  // ---- in and out ----------------------------------------------------------------------------------------------

  /**
   * Take over the weights of a model's file.
   * @param {Tensors} tensors
   */
  load(tensors) {
    for (const [name, { shape, values }] of this.parameters) {
      const tensor = tensors.get(name);
      const wanted = storedShape(name, shape);
      if (!tensor || String(tensor.shape) !== String(wanted)) {
        const found = tensor ? `has (${tensor.shape.join(", ")})` : "is missing";
        throw new Error(`${name} should have shape (${wanted.join(", ")}), but ${found}.`);
      }
      values.set(converted(name, tensor.values, wanted));
    }
  }

  /**
   * A copy of the parameters, or of their gradients, in the layout of a model's file.
   * @param {"values" | "gradient"} which
   * @returns {Tensors}
   */
  tensors(which = "values") {
    return new Map(
      [...this.parameters].map(([name, { shape, [which]: values }]) => [
        name,
        { shape: storedShape(name, shape), values: converted(name, values, shape) },
      ]),
    );
  }

  // ---- a step's gradients --------------------------------------------------------------------------------------

  forgetGradients() {
    this.numbers.fill(0, this.gradientsAt, this.workspace);
  }

  /** Clear everything but the parameters, because 0 times a NaN left by a loss without bounds would be NaN again. */
  clear() {
    this.numbers.fill(0, this.gradientsAt);
  }

  /**
   * Add the gradients of the rows' loss to each parameter's `gradient`. Return the loss: the sum of −ln p(target) over
   * the targets that count, divided by `count`, their number in the whole batch.
   * @param {Row[]} rows
   * @param {number} count
   * @param {number | null} separator  the token at which documents begin that are read one by one; null if a row is
   *   read as one text
   */
  backward(rows, count, separator) {
    let loss = 0;
    for (const batch of this.batches(rows, separator)) {
      this.forward(batch);
      const losses = this.predict(batch, 1 / count);
      for (let t = 0; t < losses.length; t++) loss += losses[t] / count;
      this.headBackward(batch);
      for (let l = this.layers.length - 1; l >= 0; l--) this.blockBackward(l, batch);
      this.embeddingBackward(batch);
    }
    return loss;
  }

  /**
   * −ln p(target) of each target, in nats, row after row; 0 if it does not count.
   * @param {Row[]} rows
   * @param {number | null} separator
   */
  losses(rows, separator) {
    const losses = new Float32Array(rows.reduce((n, { tokens }) => n + tokens.length, 0));
    let done = 0;
    for (const batch of this.batches(rows, separator)) {
      this.forward(batch);
      losses.set(this.predict(batch, 1), done);
      done += batch.tokens.length;
    }
    return losses;
  }

  /**
   * @param {Row[]} rows
   * @param {number | null} separator
   */
  batches(rows, separator) {
    checkRows(rows, { context: this.context, vocab_size: this.config.vocab_size });
    return batchesOf(rows, separator, this.room);
  }

  // ---- forward -------------------------------------------------------------------------------------------------

  /**
   * From tokens to the residual stream after the last block, normalized.
   * @param {Batch} batch
   */
  forward({ tokens, positions, documents }) {
    const { kernels, numbers } = this;
    const { n_embd: C, n_head: H } = this.config;
    const N = tokens.length;
    for (let t = 0; t < N; t++) {
      const x = this.layers[0].x + t * C;
      numbers.copyWithin(x, this.wte.at + tokens[t] * C, this.wte.at + (tokens[t] + 1) * C);
      add(numbers, x, this.wpe.at + positions[t] * C, C);
    }
    for (const [l, { x, norm1, qkv, weights, heads, middle, norm2, expanded, hidden }] of this.layers.entries()) {
      const block = this.blocks[l];
      const next = this.layers[l + 1]?.x ?? this.x;
      kernels.layerNorm(block.norm1, { N, x, y: norm1 });
      linear(kernels, block.qkv, { N, x: norm1, y: qkv });
      attend(kernels, { C, H, documents, qkv, weights, heads, about: this.about });
      linear(kernels, block.projection, { N, x: heads, y: middle });
      add(numbers, middle, x, N * C);
      kernels.layerNorm(block.norm2, { N, x: middle, y: norm2 });
      linear(kernels, block.expand, { N, x: norm2, y: expanded });
      kernels.gelu(hidden, expanded, N * 4 * C);
      linear(kernels, block.shrink, { N, x: hidden, y: next });
      add(numbers, next, middle, N * C);
    }
    kernels.layerNorm(this.finalNorm, { N, x: this.x, y: this.normed });
  }

  /**
   * The loss of each token, (N). The logits are replaced by the gradient for them, which is the probabilities, minus 1
   * at the target, all times `gain`.
   * @param {Batch} batch
   * @param {number} gain
   */
  predict({ targets }, gain) {
    const { numbers, kernels } = this;
    const { vocab_size: V, n_embd: C } = this.config;
    const N = targets.length;
    const logits = matrix(this.logits, N, V, roundUp4(V));
    kernels.multiply(logits, matrix(this.normed, N, C), transposed(matrix(this.wte.at, V, C)));
    const losses = Float32Array.from(targets, (target, t) =>
      target < 0 ? 0 : -numbers[logits.at + t * logits.down + target],
    );
    kernels.softmax(logits, { causal: false, scale: 1, gain }, this.about);
    for (let t = 0; t < N; t++) {
      const row = logits.at + t * logits.down;
      if (targets[t] < 0) {
        numbers.fill(0, row, row + V);
        continue;
      }
      losses[t] += numbers[this.about + 2 * t] + Math.log(numbers[this.about + 2 * t + 1]); // ln Σ exp(logits)
      numbers[row + targets[t]] -= gain;
    }
    return losses;
  }

  // ---- backward ------------------------------------------------------------------------------------------------

  /** @param {Batch} batch */
  headBackward({ tokens }) {
    const { kernels, numbers, dx } = this;
    const { vocab_size: V, n_embd: C } = this.config;
    const N = tokens.length;
    const dLogits = matrix(this.logits, N, V, roundUp4(V));
    kernels.multiply(matrix(this.dNormed, N, C), dLogits, matrix(this.wte.at, V, C));
    const dTable = matrix(this.wte.at + this.gradientsAt, V, C);
    kernels.multiply(dTable, transposed(dLogits), matrix(this.normed, N, C), { accumulate: true });
    numbers.fill(0, dx, dx + N * C);
    kernels.layerNormBackward(this.finalNorm, { N, x: this.x, dx, dy: this.dNormed });
  }

  /**
   * From the gradient for the residual stream after a block to that before it. Each part adds to the stream, so its
   * gradient goes both through the part and past it.
   * @param {number} l
   * @param {Batch} batch
   */
  blockBackward(l, { tokens, documents }) {
    const { kernels, dx, dNormed, dQkv, dHeads, dWeights, dHidden } = this;
    const { n_embd: C, n_head: H } = this.config;
    const { x, norm1, qkv, weights, heads, middle, norm2, expanded, hidden } = this.layers[l];
    const block = this.blocks[l];
    const N = tokens.length;
    linearBackward(kernels, block.shrink, { N, x: hidden, dx: dHidden, dy: dx });
    kernels.geluBackward(dHidden, expanded, N * 4 * C);
    linearBackward(kernels, block.expand, { N, x: norm2, dx: dNormed, dy: dHidden });
    kernels.layerNormBackward(block.norm2, { N, x: middle, dx, dy: dNormed });
    linearBackward(kernels, block.projection, { N, x: heads, dx: dHeads, dy: dx });
    attendBackward(kernels, { C, H, documents, qkv, dQkv, weights, dWeights, dHeads });
    linearBackward(kernels, block.qkv, { N, x: norm1, dx: dNormed, dy: dQkv });
    kernels.layerNormBackward(block.norm1, { N, x, dx, dy: dNormed });
  }

  /** @param {Batch} batch */
  embeddingBackward({ tokens, positions }) {
    const { n_embd: C } = this.config;
    for (let t = 0; t < tokens.length; t++) {
      add(this.numbers, this.gradientsAt + this.wte.at + tokens[t] * C, this.dx + t * C, C);
      add(this.numbers, this.gradientsAt + this.wpe.at + positions[t] * C, this.dx + t * C, C);
    }
  }
}

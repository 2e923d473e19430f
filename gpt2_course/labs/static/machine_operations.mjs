/**
 * The parts of GPT-2 as operations on matrices. What follows from the engine's numbers is computed here, so that every
 * number can be traced without waiting.
 *
 * @import { Input, Machine, Operation, Place } from "../types.d.ts"
 */
import { before } from "./machine_numbers.mjs";
import { softmax } from "./sampling.mjs";
import { visible } from "./ui.mjs";

/**
 * The dot product of two vectors.
 * @param {number[]} a
 * @param {number[]} b
 */
export const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);

/** @type {(x: number) => number} */
export const gelu = (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/** @type {(n: number, number: (i: number) => number) => number[]} */
const list = (n, number) => Array.from({ length: n }, (_, i) => number(i));

/**
 * The probabilities of the next token at a temperature; at 0, the most likely token is certain.
 * @param {number[]} logits
 * @param {number} temperature
 */
export const nextProbabilities = (logits, temperature) => softmax(logits, Math.max(temperature, 1e-3));

/**
 * A part of the machine as an operation on matrices.
 * @param {string} part
 * @param {Machine} machine
 * @param {number} layer
 * @param {number} head
 * @param {number} temperature
 * @returns {Operation}
 */
export function operation(part, machine, layer, head, temperature) {
  const { tokens, next, shape } = machine;
  const { n_embd: C, n_head, n_layer, vocab_size } = shape;
  const T = tokens.length;
  const D = C / n_head;
  /** @type {(name: string, layer?: number | null, n?: number) => (row: number, column: number) => number} */
  const at = (name, layer = null, n = C) => {
    const values = machine.get(name, layer);
    return (row, column) => values[row * n + column];
  };
  /** @type {(title: string, from: Place, number: Input["number"], n?: number) => Input} */
  const input = (title, from, number, n = C) => ({ title, from, n, number });
  /** @type {[number, number]} */
  const range = [head * D, (head + 1) * D];
  const stream = (/** @type {number} */ t, /** @type {number} */ i) => at(...before(layer))(t, i);
  /** @type {(name: string, ofLast?: boolean) => Operation} */
  const embedded = (name, isToken = false) => ({
    rows: tokens,
    columns: C,
    number: at(name),
    how: (t, i) => ({
      kind: "lookup",
      table: isToken ? "token embedding" : "position embedding",
      row: isToken ? tokens[t].id : t,
      rows: isToken ? vocab_size : shape.n_positions,
      value: at(name)(t, i),
    }),
  });
  /** @type {(first: Input, second: Input, number: Input["number"]) => Operation} */
  const added = (first, second, number) => ({
    rows: tokens,
    columns: C,
    above: [first, second],
    number,
    how: (t, i) => ({
      kind: "sum",
      terms: [first, second].map(({ title, number }) => ({ name: title, value: number(t, i) })),
      value: number(t, i),
    }),
  });
  /** @type {(x: Input["number"], from: Place, name: string, layer: Place[1], rows?: Machine["tokens"]) => Operation} */
  const normed = (x, from, name, layer, rows = tokens) => ({
    rows,
    columns: C,
    above: [input("Residual stream", from, x)],
    weights: { title: "Weight", n: 1, name, layer },
    number: at(name, layer),
    how(t, i, [weight], bias) {
      const row = list(C, (j) => x(t, j));
      const mean = row.reduce((a, b) => a + b, 0) / C;
      const deviation = Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / C + shape.layer_norm_epsilon);
      return { kind: "norm", x: row, at: i, mean, deviation, weight, bias, value: at(name, layer)(t, i) };
    },
  });
  /**
   * An input times a matrix of weights, plus a bias.
   * @type {(left: Input, name: string, more?: Partial<Operation>, columns?: number) => Operation}
   */
  const linear = (left, name, more = {}, columns = C) => ({
    rows: tokens,
    columns,
    left,
    weights: { title: "Weights", n: left.n, name, layer },
    number: at(name, layer, columns),
    how: (t, i, weights, bias) => ({
      kind: "product",
      row: list(left.n, (j) => left.number(t, j)),
      column: weights,
      bias,
      divisor: 1,
      isMasked: false,
      value: at(name, layer, columns)(t, i),
    }),
    ...more,
  });
  const names = tokens.map(({ text }) => visible(text));
  const q = (/** @type {number} */ t) => list(D, (i) => at("q", layer)(t, head * D + i));
  const k = (/** @type {number} */ t) => list(D, (i) => at("k", layer)(t, head * D + i));
  const score = (/** @type {number} */ t, /** @type {number} */ s) => dot(q(t), k(s)) / Math.sqrt(D);
  const weight = (/** @type {number} */ t, /** @type {number} */ s) =>
    machine.get("attention", layer)[(head * T + t) * T + s];
  const last = tokens.slice(-1);
  const likely = next.map(({ text }) => visible(text));
  const wide = 4 * C;
  switch (part) {
    case "token_embedding":
      return embedded(part, true);
    case "position_embedding":
      return embedded(part);
    case "embedding":
      return added(
        input("Token embedding", ["token_embedding", null], at("token_embedding")),
        input("Position embedding", ["position_embedding", null], at("position_embedding")),
        at(part),
      );
    case "norm_1":
      return normed(stream, before(layer), part, layer);
    case "q":
    case "k":
    case "v":
      return linear(input("Norm", ["norm_1", layer], at("norm_1", layer)), part, { range });
    case "scores":
      return {
        rows: tokens,
        columns: T,
        names,
        left: input("Queries", ["q", layer], (t, i) => at("q", layer)(t, head * D + i), D),
        top: input("Keys", ["k", layer], (i, s) => at("k", layer)(s, head * D + i), D),
        number: score,
        isMasked: (t, s) => s > t,
        how: (t, s) => ({
          kind: "product",
          row: q(t),
          column: k(s),
          bias: null,
          divisor: Math.sqrt(D),
          isMasked: s > t,
          value: score(t, s),
        }),
      };
    case "attention":
      return {
        rows: tokens,
        columns: T,
        names,
        above: [input("Scores", ["scores", layer], (t, s) => (s > t ? 0 : score(t, s)), T)],
        number: weight,
        isMasked: (t, s) => s > t,
        asShare: true,
        how: (t, s) => ({
          kind: "softmax",
          scores: list(t + 1, (s) => score(t, s)),
          names: names.slice(0, t + 1),
          at: s,
          left: 0,
          rest: 0,
          temperature: null,
          value: weight(t, s),
        }),
      };
    case "heads":
      return {
        rows: tokens,
        columns: C,
        range,
        left: input("Attention weights", ["attention", layer], weight, T),
        top: input("Values", ["v", layer], (s, i) => at("v", layer)(s, i), T),
        number: at(part, layer),
        how: (t, i) => {
          const h = Math.floor(i / D);
          return {
            kind: "product",
            row: list(T, (s) => machine.get("attention", layer)[(h * T + t) * T + s]),
            column: list(T, (s) => at("v", layer)(s, i)),
            bias: null,
            divisor: 1,
            isMasked: false,
            value: at(part, layer)(t, i),
          };
        },
      };
    case "attention_out":
      return linear(input("Mixed values", ["heads", layer], at("heads", layer)), part);
    case "after_attention":
      return added(
        input("Residual stream", before(layer), stream),
        input("Output of attention", ["attention_out", layer], at("attention_out", layer)),
        at(part, layer),
      );
    case "norm_2":
      return normed(at("after_attention", layer), ["after_attention", layer], part, layer);
    case "mlp_expand":
      return linear(input("Norm", ["norm_2", layer], at("norm_2", layer)), part, {}, wide);
    case "mlp_hidden":
      return {
        rows: tokens,
        columns: wide,
        above: [input("Before GELU", ["mlp_expand", layer], at("mlp_expand", layer, wide), wide)],
        number: at(part, layer, wide),
        how: (t, i) => ({
          kind: "gelu",
          x: at("mlp_expand", layer, wide)(t, i),
          value: at(part, layer, wide)(t, i),
        }),
      };
    case "mlp_out":
      return linear(input("After GELU", ["mlp_hidden", layer], at("mlp_hidden", layer, wide), wide), part);
    case "after_mlp":
      return added(
        input("Residual stream", ["after_attention", layer], at("after_attention", layer)),
        input("Output of the MLP", ["mlp_out", layer], at("mlp_out", layer)),
        at(part, layer),
      );
    case "final_norm": {
      const end = at("after_mlp", n_layer - 1);
      return normed((_, i) => end(T - 1, i), before(n_layer), part, null, last);
    }
    case "logits": {
      const logits = machine.get(part);
      const ids = next.map(({ id }) => id);
      return {
        rows: last,
        columns: ids.length,
        names: likely,
        left: input("Final norm", ["final_norm", null], at("final_norm")),
        weights: { title: "Token embeddings", n: C, name: part, layer: null, ids },
        number: (_, i) => logits[ids[i]],
        how: (_, i, column) => ({
          kind: "product",
          row: list(C, (j) => at("final_norm")(0, j)),
          column,
          bias: null,
          divisor: 1,
          isMasked: false,
          value: logits[ids[i]],
        }),
      };
    }
    case "probabilities": {
      const logits = machine.get("logits");
      const p = nextProbabilities(logits, temperature);
      const shown = next.map(({ id }) => logits[id]);
      return {
        rows: last,
        columns: next.length,
        names: likely,
        above: [input("Logits", ["logits", null], (_, i) => shown[i], shown.length)],
        asShare: true,
        number: (_, i) => p[next[i].id],
        how: (_, i) => ({
          kind: "softmax",
          scores: shown,
          names: likely,
          at: i,
          left: logits.length - shown.length,
          rest: Math.max(0, 1 - next.reduce((sum, { id }) => sum + p[id], 0)) / p[next[0].id],
          temperature,
          value: p[next[i].id],
        }),
      };
    }
    default:
      throw new Error(`${part} is not an operation.`);
  }
}

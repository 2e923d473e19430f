/**
 * The numbers behind the drawing of GPT-2, from the engine.
 *
 * @import { Ask, Description, Machine, Place } from "../types.d.ts"
 */

export const MOST = 16; // tokens

/**
 * The activation that enters a block.
 * @param {number} layer
 * @returns {Place}
 */
export const before = (layer) => (layer === 0 ? ["embedding", null] : ["after_mlp", layer - 1]);

/**
 * The activations that a part of the drawing shows.
 * @param {string} part
 * @param {number} l  layer
 * @param {number} layers
 * @returns {Place[]}
 */
export function placesOf(part, l, layers) {
  /** @type {Place[]} */
  const output = [before(layers), ["final_norm", null], ["logits", null]];
  /** @type {Place[]} */
  const embeddings = [
    ["token_embedding", null],
    ["position_embedding", null],
    ["embedding", null],
  ];
  if (part === "whole") {
    const inBlocks = Array.from({ length: layers }, (_, l) =>
      ["attention", "after_attention", "mlp_out", "after_mlp"].map((name) => /** @type {Place} */ ([name, l])),
    );
    return [["embedding", null], ...inBlocks.flat(), ["logits", null]];
  }
  if (["output", "final_norm", "logits", "probabilities"].includes(part)) return output;
  if (["embeddings", ...embeddings.map(([name]) => name)].includes(part)) return embeddings;
  const names = ["norm_1", "q", "k", "v", "attention", "heads", "attention_out", "after_attention"];
  const mlp = ["norm_2", "mlp_expand", "mlp_hidden", "mlp_out", "after_mlp"];
  return [before(l), ...[...names, ...mlp].map((name) => /** @type {Place} */ ([name, l]))];
}

/**
 * A reader of the numbers of a text, which asks the engine only for those it does not have yet.
 * @param {Ask} ask
 */
export function reader(ask) {
  /** @type {Description | undefined} */
  let shape;
  let known = "";
  /** @type {Map<string, number[]>} */
  let values = new Map();
  /** @type {Omit<Machine, "get"> | undefined} */
  let found;
  /**
   * @param {string} text
   * @param {(layers: number) => Place[]} placesIn
   * @returns {Promise<Machine>}
   */
  return async function read(text, placesIn) {
    shape ??= await ask("describe");
    const kept = text === known ? values : new Map();
    const places = placesIn(shape.n_layer).filter((place) => !kept.has(String(place)));
    if (places.length || text !== known || !found) {
      const answer = await ask("activations", { text, places, most: MOST });
      places.forEach((place, i) => kept.set(String(place), answer.values[i]));
      found = { shape, tokens: answer.tokens, left_out: answer.left_out, next: answer.next };
      [known, values] = [text, kept];
    }
    return {
      ...found,
      get(name, layer = null) {
        const row = kept.get(String([name, layer]));
        if (!row) throw new Error(`The numbers of ${name} were not loaded.`);
        return row;
      },
    };
  };
}

/**
 * The weights behind the model's numbers.
 *
 * @import { Behind, Layer } from "../types.d.ts"
 * @import { GPT2 } from "./engine.mjs"
 */
import { rowOf } from "./plain.mjs";

/**
 * The weights that column `o` of an activation is computed with, and the bias. For a norm, it is one weight; for the
 * logits, they are the row of the token embedding.
 * @param {GPT2} model
 * @param {string} name
 * @param {number | null} layer
 * @param {number} o
 * @returns {Behind}
 */
export function behind(model, name, layer, o) {
  const { n_embd: C } = model.config;
  if (name === "logits" && layer === null) {
    return { weights: rowOf(model.tokenEmbedding, o, C, model.tokenScale), bias: 0 };
  }
  if (name === "final_norm" && layer === null) return model.finalNorm.behind(o);
  const block = model.blocks[layer ?? -1];
  const at = ["q", "k", "v"].indexOf(name);
  if (block && at >= 0) return block.qkv.behind(at * C + o);
  /** @type {Record<string, Layer | undefined>} */
  const layers = {
    norm_1: block?.norm1,
    attention_out: block?.projection,
    norm_2: block?.norm2,
    mlp_expand: block?.expand,
    mlp_out: block?.shrink,
  };
  const found = layers[name];
  if (!found) throw new Error(`No weights make the activation ${name} in layer ${layer}.`);
  return found.behind(o);
}

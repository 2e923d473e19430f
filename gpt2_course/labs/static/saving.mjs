/**
 * Writes model folders in Hugging Face's layout, as `gpt2_course/checkpoint.py` and `Tokenizer.save` do.
 *
 * @import { Tensors } from "../types.d.ts"
 */

/**
 * A safetensors file: a JSON header with the type, shape, and place of each tensor, then the numbers.
 * @param {Tensors} tensors
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function writeSafetensors(tensors) {
  /** @type {Record<string, object>} */
  const header = { __metadata__: { format: "pt" } };
  let end = 0;
  for (const [name, { shape, values }] of tensors) {
    header[`transformer.${name}`] = { dtype: "F32", shape, data_offsets: [end, (end += values.byteLength)] };
  }
  const text = JSON.stringify(header);
  const json = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8)); // so that the numbers are aligned
  const file = new Uint8Array(8 + json.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  let at = 8 + json.length;
  for (const { values } of tensors.values()) {
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength;
  }
  return file;
}

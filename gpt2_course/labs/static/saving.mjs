/**
 * Writes model folders in Hugging Face's layout, as `GPT2.save_pretrained` does, and zip files to download them in.
 *
 * @import { Tensors, TrainingConfig } from "../types.d.ts"
 */
import { crc32 } from "./crc32.mjs";
import { END_OF_TEXT, SPELLINGS } from "./tokenizer.mjs";

/**
 * The files of a model's folder, by name.
 * @param {TrainingConfig} config
 * @param {Tensors} tensors
 * @param {string} merges  the text of a `merges.txt`
 * @returns {Map<string, Uint8Array<ArrayBuffer>>}
 */
export function modelFolder({ copying_start: _, ...config }, tensors, merges) {
  const vocabulary = [...SPELLINGS];
  const lines = merges.split("\n").filter((line) => line && !line.startsWith("#version"));
  vocabulary.push(...lines.map((line) => line.replace(" ", "")), END_OF_TEXT);
  const endOfText = vocabulary.length - 1;
  const settings = {
    model_type: "gpt2",
    architectures: ["GPT2LMHeadModel"],
    activation_function: "gelu_new",
    bos_token_id: endOfText,
    eos_token_id: endOfText,
    ...config,
    ...{ embd_pdrop: 0, attn_pdrop: 0, resid_pdrop: 0 },
  };
  const tokenizer = {
    tokenizer_class: "GPT2Tokenizer",
    ...{ bos_token: END_OF_TEXT, eos_token: END_OF_TEXT, unk_token: END_OF_TEXT },
    additional_special_tokens: [],
    clean_up_tokenization_spaces: false,
  };
  const ids = new Map(vocabulary.map((token, id) => [token, id]));
  /** @type {[string, string][]} */
  const texts = [
    ["config.json", JSON.stringify(settings, null, 2)],
    ["vocab.json", `{${[...ids].map(([token, id]) => `${JSON.stringify(token)}:${id}`).join(",")}}`], // in this order
    ["merges.txt", ["#version: 0.2", ...lines, ""].join("\n")],
    ["tokenizer_config.json", JSON.stringify(tokenizer, null, 2)],
  ];
  const encoder = new TextEncoder();
  return new Map([
    ...texts.map(([name, text]) => /** @type {const} */ ([name, encoder.encode(text)])),
    ["model.safetensors", writeSafetensors(tensors)],
  ]);
}

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
  const json = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8)); // so that numbers are aligned
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);
  const numbers = [...tensors.values()].map(
    ({ values }) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  );
  return joined([length, json, ...numbers]);
}

/**
 * A zip file of these files, by path. They are stored, not packed: weights hardly get smaller. The format is described
 * in PKWARE's APPNOTE.TXT.
 * @param {Map<string, Uint8Array>} files
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function zip(files) {
  /** @type {Uint8Array[]} */
  const parts = [];
  /** @type {Uint8Array[]} */
  const directory = [];
  let at = 0;
  for (const [path, content] of files) {
    const name = new TextEncoder().encode(path);
    const [version, utf8, stored, time, date] = [20, 1 << 11, 0, 0, 33]; // midnight on January 1, 1980
    const about = [
      ...shorts(version, utf8, stored, time, date),
      ...longs(crc32(content), content.length, content.length),
      ...shorts(name.length, 0),
    ];
    parts.push(Uint8Array.from([...longs(0x04034b50), ...about]), name, content);
    const more = [...shorts(0, 0, 0), ...longs(0, at)]; // comment, disk, attributes, place
    directory.push(Uint8Array.from([...longs(0x02014b50), ...shorts(version), ...about, ...more]), name);
    at += 30 + name.length + content.length;
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0);
  const end = [...longs(0x06054b50), ...shorts(0, 0, files.size, files.size), ...longs(size, at), ...shorts(0)];
  return joined([...parts, ...directory, Uint8Array.from(end)]);
}

/** @param {number[]} values */
const shorts = (...values) => values.flatMap((value) => [value & 255, (value >> 8) & 255]);
/** @param {number[]} values */
const longs = (...values) => values.flatMap((value) => shorts(value & 0xffff, value >>> 16));

/**
 * Arrays of bytes, one after the other.
 * @param {Uint8Array[]} parts
 */
function joined(parts) {
  const made = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    made.set(part, at);
    at += part.length;
  }
  return made;
}

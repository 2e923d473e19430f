/**
 * Reads tokenizers in Hugging Face's layout: `tokenizer.json`, or `vocab.json` and `merges.txt`, plus settings. It
 * accepts and refuses the same files as `gpt2_course/tokenizer_files.py`.
 *
 * @import { Merges } from "../types.d.ts"
 */
import { parseObject } from "./checkpoint.mjs";
import { END_OF_TEXT, readMerges, SPELLINGS, Tokenizer } from "./tokenizer.mjs";

/** The names of a tokenizer's files. */
export const TOKENIZER_FILES = [
  "tokenizer.json",
  "vocab.json",
  "merges.txt",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "chat_template.jinja",
];

/**
 * Settings in tokenizer.json, with the values that make a tokenizer work like GPT-2's. Undefined: absent or null.
 * @type {Record<string, unknown[]>}
 */
const GPT2S = {
  "model.type": ["BPE", undefined],
  "model.dropout": [undefined, 0],
  "model.continuing_subword_prefix": [undefined, ""],
  "model.end_of_word_suffix": [undefined, ""],
  "model.byte_fallback": [undefined, false],
  "model.ignore_merges": [undefined, false],
  "normalizer.type": [undefined],
  "pre_tokenizer.type": ["ByteLevel"],
  "pre_tokenizer.add_prefix_space": [false],
  "pre_tokenizer.use_regex": [true, undefined],
  "post_processor.type": [undefined, "ByteLevel", "TemplateProcessing"],
  "decoder.type": ["ByteLevel", undefined],
};

/** @typedef {{ id: number, content: string, special?: boolean, [flag: string]: unknown }} Added */

/**
 * The tokenizer in a folder, and its chat template.
 * @param {Map<string, string>} files  the texts of those of `TOKENIZER_FILES` that are there
 */
export function readTokenizer(files) {
  /** @type {(name: string) => any} */
  const json = (name) => (files.has(name) ? parseObject(files.get(name) ?? "", name) : {});
  const { chat_template, added_tokens_decoder = {}, ...config } = json("tokenizer_config.json");
  for (const setting of ["add_prefix_space", "add_bos_token", "add_eos_token"]) {
    if (config[setting]) {
      throw new Error(`tokenizer_config.json says ${setting}=true, but GPT-2’s tokenizer adds nothing to a text.`);
    }
  }
  const settings = { ...json("special_tokens_map.json"), ...config };
  const named = stringsIn(settings); // includes the names of all special tokens
  /** @type {Added[]} */
  const added = Object.entries(added_tokens_decoder).map(([id, token]) => ({ .../** @type {any} */ (token), id: +id }));
  const isWhole = files.has("tokenizer.json");
  const source = isWhole ? "tokenizer.json" : "vocab.json";
  /** @type {Merges} */
  let merges;
  /** @type {Map<string, unknown>} */
  let vocab;
  if (isWhole) {
    const whole = readWhole(json("tokenizer.json"));
    ({ merges, vocab } = whole);
    added.push(...whole.added);
  } else {
    const text = files.get("merges.txt");
    if (text === undefined) {
      throw new Error("The folder has no tokenizer: add tokenizer.json, or vocab.json and merges.txt.");
    }
    merges = readMerges(text);
    vocab = files.has("vocab.json") ? new Map(Object.entries(json("vocab.json"))) : vocabularyOf(merges);
    for (const [content, id] of Object.entries(json("added_tokens.json"))) {
      added.push({ id: Number(id), content, special: named.has(content) });
    }
  }
  /** @type {string[]} */
  const words = [];
  for (const token of added) {
    const name = token.content;
    const flag = ["lstrip", "rstrip", "single_word"].find((flag) => token[flag]);
    if (typeof name !== "string" || flag) {
      throw new Error(`The token ${shown(name)} has ${flag ?? "no text"}, which GPT-2’s tokenizer does not support.`);
    }
    if ((vocab.get(name) ?? token.id) !== token.id) {
      throw new Error(`The tokenizer gives ${shown(name)} the ids ${vocab.get(name)} and ${token.id}: get a new copy.`);
    }
    vocab.set(name, token.id);
    if (!(token.special ?? true) && !named.has(name) && !words.includes(name)) words.push(name);
  }
  const special = specialIn(vocab, merges, source);
  const listed = new Set([...named, ...added.map(({ content }) => content), END_OF_TEXT]);
  const unknown = [...special.keys()].find((name) => !listed.has(name));
  if (unknown !== undefined) {
    throw new Error(
      `${source} contains ${shown(unknown)}, which no merge makes and no file lists as special: get all files again.`,
    );
  }
  const name = typeof settings.eos_token === "object" ? settings.eos_token?.content : settings.eos_token;
  const end = special.has(name) ? name : END_OF_TEXT;
  const template = files.get("chat_template.jinja") ?? (typeof chat_template === "string" ? chat_template : null);
  return { tokenizer: new Tokenizer(merges, { special, words, end }), template };
}

/** @param {unknown} value */
const shown = (value) => String(JSON.stringify(value)).slice(0, 60);

/**
 * @param {Merges} merges
 * @returns {Map<string, unknown>}
 */
const vocabularyOf = (merges) =>
  new Map([...SPELLINGS, ...merges.map(({ pair }) => pair.join("")), END_OF_TEXT].map((token, id) => [token, id]));

/**
 * The ids of tokens that are neither bytes nor merged. The others must be in GPT-2's order.
 * @param {Map<string, unknown>} vocab
 * @param {Merges} merges
 * @param {string} source  the file of the vocabulary
 * @returns {Map<string, number>}
 */
function specialIn(vocab, merges, source) {
  const byId = new Map([...vocab].map(([token, id]) => [id, token]));
  for (const [token, id] of vocab) {
    if (!Number.isInteger(id) || Number(id) < 0 || Number(id) >= vocab.size || byId.get(id) !== token) {
      throw new Error(
        `${source} gives ${shown(token)} the id ${shown(id)}, but its ${vocab.size} tokens must have the ids ` +
          `0 to ${vocab.size - 1}, each exactly once: get a new copy.`,
      );
    }
  }
  const ordinary = [...new Set([...SPELLINGS, ...merges.map(({ pair }) => pair.join(""))])];
  const isOrdinary = new Set(ordinary);
  const special = new Map([...vocab].filter(([token]) => !isOrdinary.has(token)));
  const taken = new Set(special.values());
  let id = 0;
  for (const token of ordinary) {
    while (taken.has(id)) id++;
    if (vocab.get(token) !== id) {
      const has = vocab.has(token) ? `gives it ${vocab.get(token)}` : "lacks it";
      throw new Error(
        `The order of merges gives ${shown(token)} the id ${id}, but ${source} ${has}: ` +
          "get both from the same tokenizer, one that numbers tokens as GPT-2’s does.",
      );
    }
    id++;
  }
  return /** @type {Map<string, number>} */ (special);
}

/**
 * Vocabulary, merges, and added tokens in a tokenizer.json.
 * @param {any} whole
 */
function readWhole(whole) {
  for (const [path, allowed] of Object.entries(GPT2S)) {
    const value = path.split(".").reduce((part, name) => part?.[name], whole) ?? undefined;
    if (allowed.includes(value)) continue;
    throw new Error(
      `tokenizer.json has ${path}=${shown(value)}, not ${shown(allowed[0] ?? null)} as in GPT-2’s tokenizer: ` +
        "only tokenizers of that kind can be read.",
    );
  }
  const adds = whole.post_processor?.special_tokens;
  const { vocab, merges } = whole.model ?? {};
  if (typeof vocab !== "object" || vocab === null || !Array.isArray(merges)) {
    throw new Error("tokenizer.json has no vocabulary with merges: get a new copy.");
  }
  if (adds && Object.keys(adds).length) {
    throw new Error("tokenizer.json adds special tokens to every text, but GPT-2’s tokenizer adds nothing to a text.");
  }
  const pairs = merges.map((pair, i) => ({
    pair: typeof pair === "string" ? pair.split(" ") : Array.isArray(pair) ? pair.map(String) : [],
    place: `Merge ${i + 1} of tokenizer.json`,
  }));
  return { merges: pairs, vocab: new Map(Object.entries(vocab)), added: whole.added_tokens ?? [] };
}

/**
 * All strings among the values of a JSON document, at any depth.
 * @param {unknown} document
 */
function stringsIn(document) {
  /** @type {Set<string>} */
  const found = new Set();
  const unseen = [document];
  while (unseen.length) {
    const value = unseen.pop();
    if (typeof value === "string") found.add(value);
    else if (typeof value === "object" && value !== null) unseen.push(...Object.values(value));
  }
  return found;
}

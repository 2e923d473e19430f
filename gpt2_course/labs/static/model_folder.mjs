/**
 * Opens a model's folder: `config.json`, weights as safetensors, and a tokenizer, as `GPT2.from_pretrained` does.
 *
 * @import { Readable } from "../types.d.ts"
 */
import { matchShapes, openSafetensors, parseObject, readConfig } from "./checkpoint.mjs";
import { TEMPLATE } from "./dialogue.mjs";
import { readTokenizer, TOKENIZER_FILES } from "./tokenizer_files.mjs";
import { unzip } from "./zip.mjs";

const [CONFIG, WEIGHTS, INDEX] = ["config.json", "model.safetensors", "model.safetensors.index.json"];
const LONGEST_TEXT = 1e8; // bytes
const PICKLE = /\.(bin|pt|pth|ckpt|pkl)$/;

/** @param {string} path */
const nameOf = (path) => path.slice(path.lastIndexOf("/") + 1);
/** @param {string} path */
const folderOf = (path) => path.slice(0, path.lastIndexOf("/") + 1);

/**
 * Whether a model needs a file.
 * @param {string} path
 */
export const isWanted = (path) =>
  [CONFIG, INDEX, ...TOKENIZER_FILES].includes(nameOf(path)) || /\.safetensors$/.test(path) || PICKLE.test(path);

/**
 * The files of a model among those that were dropped or picked, by name, and the name of their folder. A single zip
 * file is unpacked. If there are several models, the one in the outermost folder is chosen.
 * @param {{ path: string, file: Blob }[]} given
 */
export async function modelAmong(given) {
  let files = new Map(given.map(({ path, file }) => [path, file]));
  const zip = given.length === 1 && given[0].path.toLowerCase().endsWith(".zip") ? given[0] : null;
  if (zip) files = await unzip(zip.file, isWanted);
  const depth = (/** @type {string} */ path) => path.split("/").length;
  const configs = [...files.keys()].filter((path) => nameOf(path) === CONFIG).sort((a, b) => depth(a) - depth(b));
  if (!configs.length) {
    throw new Error("There is no config.json: drop the whole folder of a GPT-2, with its weights and tokenizer.");
  }
  if (configs.length > 1 && depth(configs[0]) === depth(configs[1])) {
    const [a, b] = configs.map((path) => `“${folderOf(path).slice(0, -1)}”`);
    throw new Error(`There are several models, ${a} and ${b}: drop the folder of one.`);
  }
  const folder = folderOf(configs[0]);
  const own = [...files].filter(([path]) => folderOf(path) === folder && isWanted(path));
  const name = nameOf(folder.slice(0, -1)) || (zip ? nameOf(zip.path).slice(0, -4) : "your model");
  return { name, files: new Map(own.map(([path, file]) => [nameOf(path), file])) };
}

/**
 * A model's shape, tokenizer, and weights, which are read when they are needed, and the names of the files used.
 * @param {Map<string, Readable>} files
 */
export function openFolder(files) {
  /** @param {string} name */
  const text = (name) => {
    const { size, read } = /** @type {Readable} */ (files.get(name));
    if (size > LONGEST_TEXT) throw new Error(`${name} has ${size} bytes, far more than such a file needs.`);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(read(0, size));
    } catch {
      throw new Error(`${name} is not a text in UTF-8, or it could not be read: save or download the model again.`);
    }
  };
  if (!files.has(CONFIG)) throw new Error("The folder has no config.json: it is not a model’s folder.");
  const config = readConfig(text(CONFIG));
  const names = files.has(WEIGHTS) || !files.has(INDEX) ? [WEIGHTS] : shardsIn(text(INDEX));
  const tokenizerFiles = TOKENIZER_FILES.filter((name) => files.has(name));
  const weights = names.map((name) => {
    const file = files.get(name);
    if (file) return { name, ...file };
    const pickle = [...files.keys()].find((name) => PICKLE.test(name));
    throw new Error(
      pickle
        ? `The folder has no ${name}, only ${pickle}, a pickle, which can run code: convert it to safetensors.`
        : `The folder has no ${name}: drop the whole folder, or copy the model again.`,
    );
  });
  const { tokenizer, template } = readTokenizer(new Map(tokenizerFiles.map((name) => [name, text(name)])));
  const tensors = openSafetensors(weights);
  matchShapes(config, tensors); // before memory is set aside for an absurd shape
  const used = [CONFIG, ...names, ...tokenizerFiles, ...(names[0] === WEIGHTS ? [] : [INDEX])];
  return { config, tokenizer, isTalking: template === TEMPLATE, tensors, used };
}

/**
 * The files that an index of weights names.
 * @param {string} json
 * @returns {string[]}
 */
function shardsIn(json) {
  const { weight_map: map } = parseObject(json, INDEX);
  const names = typeof map === "object" && map !== null ? [...new Set(Object.values(map))] : [];
  if (!names.length || !names.every((name) => typeof name === "string" && /^[^/\\]+$/.test(name))) {
    throw new Error(`${INDEX} has no valid weight_map from weights to files: download or save the model again.`);
  }
  return names.sort();
}

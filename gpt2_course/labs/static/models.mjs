/**
 * The models that the worker can run: Tiny World, which ships with the course; OpenAI's GPT-2, downloaded once; and the
 * reader's own. One is in use at a time, by all labs of the page. The browser remembers which.
 *
 * @import { Config, ModelCalls, Opened, Readable, Tensors, Using } from "../types.d.ts"
 */
import { readConfig, readSafetensors, shapesOf } from "./checkpoint.mjs";
import { arrivedIn, download, isComplete, openDownload } from "./download.mjs";
import { GPT2 } from "./engine.mjs";
import { modelAmong, openFolder } from "./model_folder.mjs";
import { inEightBits } from "./quantization.mjs";
import { simd } from "./simd.mjs";
import { folders, save } from "./store.mjs";
import { Tokenizer } from "./tokenizer.mjs";

const HOME = new URL("./", import.meta.url);
export const SHIPPED = "tiny-world";
const LARGE = 1e9; // bytes in 32 bits above which the reader's model is turned into 8 bits
const MOST = 2e9; // parameters
const [CHOICE, NAME, MERGES] = ["choice", "name", "merges.txt"]; // files that are kept besides the models' own

/** @param {Uint8Array | ArrayBuffer} bytes */
const text = (bytes) => new TextDecoder().decode(bytes);

/**
 * The contents of a file of the page.
 * @param {string} path
 * @param {(bytes: number) => void} onPart  is told how many bytes have arrived since its last call
 */
async function read(path, onPart = () => {}) {
  let response;
  try {
    response = await fetch(new URL(path, HOME));
  } catch {
    throw new Error(`Could not reach ${path}. Check your connection and reload the page.`);
  }
  if (!response.ok || !response.body) {
    throw new Error(
      `Could not load ${path} (${response.status} ${response.statusText}). Reload the page to try again.`,
    );
  }
  const parts = [];
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    onPart(part.value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/**
 * Call `make` once per key and reuse its result. After a failure, the next request tries again.
 * @template T
 * @param {(key: string) => Promise<T>} make
 */
const once = (make) => {
  /** @type {Map<string, Promise<T>>} */
  const made = new Map();
  return (/** @type {string} */ key) => {
    const found = made.get(key);
    if (found) return found;
    const making = make(key).catch((error) => {
      made.delete(key);
      throw error;
    });
    made.set(key, making);
    return making;
  };
};

export const cached = once((path) => read(path)); // for files that several calls need
const shippedTokenizer = once(async (name) => new Tokenizer(text(await read(`${name}/merges.txt`))));

/**
 * @param {Omit<Opened, "model" | "bits"> & { config: Config, tensors: Tensors }} found
 * @returns {Promise<Opened>}
 */
async function opened({ config, tensors, ...rest }) {
  const parameters = [...shapesOf(config)].reduce((sum, [, shape]) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const isLarge = 4 * parameters > LARGE && !tensors.get("wte.weight")?.scale;
  if (parameters > MOST)
    throw new Error(`This model has ${parameters} parameters, more than a page can hold in memory.`);
  const weights = isLarge ? new Map([...tensors].map(([name, tensor]) => [name, inEightBits(name, tensor)])) : tensors;
  const bits = weights.get("wte.weight")?.scale ? 8 : 32;
  const loop = await simd(await cached("linear.wasm"), config, bits);
  return { ...rest, model: new GPT2(config, weights, loop, rest.tokenizer.bytes.length), bits };
}

/**
 * A blob that can be read at once, which only workers can do.
 * @param {Blob} blob
 * @returns {Readable}
 */
const readable = (blob) => ({
  size: blob.size,
  read: (start, end) => new FileReaderSync().readAsArrayBuffer(blob.slice(start, end)),
});
/** @param {Map<string, Blob>} files */
const readables = (files) => new Map([...files].map(([name, blob]) => [name, readable(blob)]));

/** @type {Record<string, () => Promise<Opened>>} */
const openers = {
  async [SHIPPED]() {
    let loaded = 0;
    const [config, tokenizer, file] = await Promise.all([
      read(`${SHIPPED}/config.json`),
      shippedTokenizer(SHIPPED),
      read(`${SHIPPED}/model.safetensors`, (n) => postMessage({ loaded: (loaded += n) })),
    ]);
    const tensors = readSafetensors(file.buffer);
    return opened({
      id: SHIPPED,
      name: SHIPPED,
      config: readConfig(text(config)),
      tensors,
      tokenizer,
      isTalking: false,
    });
  },
  async gpt2() {
    const files = await (await folders()).list("gpt2");
    if (!isComplete(files)) throw new Error("GPT-2 is no longer in this browser: download it again.");
    const tokenizer = new Tokenizer((await files.get(MERGES)?.text()) ?? "");
    return opened({ id: "gpt2", name: "gpt2", ...openDownload(readables(files)), tokenizer, isTalking: false });
  },
  async yours() {
    const files = await (await folders()).list("yours");
    const name = await files.get(NAME)?.text();
    if (!name) throw new Error("Your model is no longer in this browser: open its folder again.");
    return opened({ id: "yours", name, ...openFolder(readables(files)) });
  },
};

/** @type {Promise<Opened> | null} */
let inUse = null;
let version = 0; // how often another model was chosen
let problem = ""; // why the remembered model is not in use

const remembered = async () => {
  const kept = (await (await folders()).list(CHOICE)).get(CHOICE);
  const id = (await kept?.text()) ?? SHIPPED;
  return Object.hasOwn(openers, id) ? id : SHIPPED;
};

async function first() {
  const id = await remembered();
  if (id !== SHIPPED) {
    try {
      return await openers[id]();
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
  }
  return openers[SHIPPED]();
}

/** The model in use, with its tokenizer. */
export const load = () =>
  (inUse ??= first().then(
    (model) => (postMessage({ using: using(model) }), model),
    (error) => {
      inUse = null;
      throw error;
    },
  ));

/**
 * The tokenizer of the model in use or, with "gpt2", GPT-2's. Tiny World's weights are not loaded just for this.
 * @param {import("../types.d.ts").Vocabulary} vocabulary
 */
export async function tokenizerOf(vocabulary) {
  if (vocabulary === "gpt2") return shippedTokenizer("gpt2");
  if (inUse || (await remembered()) !== SHIPPED) return (await load()).tokenizer;
  if (!inUse) postMessage({ using: { id: SHIPPED, name: SHIPPED, version, bits: 32 } });
  return shippedTokenizer(SHIPPED);
}

/**
 * @param {Opened} opened
 * @returns {Using}
 */
const using = ({ id, name, model, bits }) => ({ id, name, version, bits, parameters: model.parameters });

/**
 * From now on, the labs use this model.
 * @param {Opened} model
 */
async function use(model) {
  inUse = Promise.resolve(model);
  version++;
  problem = "";
  postMessage({ using: using(model) });
  await save(await folders(), CHOICE, CHOICE, model.id).catch(() => {}); // then it is only not remembered
  return using(model);
}

/** @type {Record<string, string>} */
const WHY = {
  QuotaExceededError: "The browser has no room to keep the model: free some space on this computer and try again.",
  NoModificationAllowedError: "Another page is downloading the model already: wait until it is ready.",
};

/** What the page's panel asks; labs do not. @type {ModelCalls} */
export const modelCalls = {
  /** What is in use and what is kept. */
  async models({ source }) {
    const store = await folders();
    const [gpt2, yours] = [await store.list("gpt2"), await store.list("yours")];
    const arrived = isComplete(gpt2) ? source.size : await arrivedIn(gpt2, source);
    const model = await load();
    return { using: using(model), yours: (await yours.get(NAME)?.text()) ?? null, arrived, problem };
  },

  /** Use a model that is kept. */
  use: async ({ which }) => use(await openers[which]()),

  /** Use the model among files that were dropped or picked, and keep it if the browser has room. */
  async open({ files: given }) {
    const { name: found, files } = await modelAmong(given);
    const name = found === SHIPPED ? `${found} (yours)` : found; // the labs treat the shipped model differently
    const { used, ...folder } = openFolder(readables(files));
    const model = await use(await opened({ id: "yours", name, ...folder }));
    const store = await folders();
    try {
      await store.remove("yours");
      for (const name of used) await save(store, "yours", name, /** @type {Blob} */ (files.get(name)));
      await save(store, "yours", NAME, name); // last, because it marks the folder as complete
      return { using: model, isKept: true };
    } catch {
      await store.remove("yours");
      return { using: model, isKept: false };
    }
  },

  /** Download GPT-2 and use it. Parts are the bytes that have arrived. */
  async fetch({ source }, part, cancelled) {
    const store = await folders();
    await save(store, "gpt2", MERGES, new Blob([await read("gpt2/merges.txt")]));
    let told = 0;
    const onProgress = (/** @type {number} */ arrived) => {
      if (arrived - told < source.size / 500 && arrived < source.size) return;
      told = arrived;
      part(arrived);
    };
    try {
      return (await download(store, "gpt2", source, onProgress, cancelled)) ? use(await openers.gpt2()) : null;
    } catch (error) {
      throw error instanceof DOMException ? new Error(WHY[error.name] ?? error.message) : error;
    }
  },

  /** Remove a model from the browser. If it is in use, the labs use Tiny World again. */
  async remove({ which }) {
    if ((await load()).id === which) await use(await openers[SHIPPED]());
    await (await folders()).remove(which);
    return null;
  },
};

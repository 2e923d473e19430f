/**
 * Downloads a model's weights, turns them into 8 bits while they arrive, and checks the whole file against its
 * published SHA-256. A broken connection is resumed where it broke; a canceled download, by the next one.
 *
 * @import { Config, Folders, Kept, Progress, Readable, Source, StoredTensor, Tensor } from "../types.d.ts"
 */
import { decode, headerLength, matchShapes, parseHeader, readConfig, shapesOf } from "./checkpoint.mjs";
import { inEightBits } from "./quantization.mjs";
import { Sha256 } from "./sha256.mjs";
import { save } from "./store.mjs";

const WEIGHTS = "model.safetensors";
const [CONFIG, NUMBERS, INDEX, PROGRESS] = ["config.json", "numbers", "index.json", "progress.json"]; // what is kept
const ROWS = 2048; // of the token embedding, which is converted in pieces, because it is large
const TRIES = 4; // without a single new byte
const SILENCE = 30_000; // milliseconds after which a connection counts as broken

/** An answer that another try would not change. */
class Refused extends Error {}

/**
 * The bytes of a file from a position on. If the connection breaks, it is opened again at the first missing byte.
 * @param {URL} url
 * @param {number} from
 * @param {number} size  of the file
 * @param {() => boolean} cancelled
 * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>, void>}
 */
async function* bytesOf(url, from, size, cancelled) {
  let at = from;
  let failed = 0; // tries in a row
  while (at < size && !cancelled()) {
    const abort = new AbortController();
    let silence = setTimeout(() => abort.abort(), SILENCE);
    const before = at;
    try {
      const response = await fetch(url, {
        headers: at ? { Range: `bytes=${at}-` } : {},
        cache: "no-store", // what is kept is a quarter as large
        signal: abort.signal,
      });
      if (!response.ok || !response.body)
        throw new Refused(`it answered ${response.status} ${response.statusText}`.trim());
      let skip = response.status === 206 ? 0 : at; // a server without ranges sends the file from its beginning
      const reader = response.body.getReader();
      for (let part = await reader.read(); !part.done && !cancelled(); part = await reader.read()) {
        clearTimeout(silence);
        silence = setTimeout(() => abort.abort(), SILENCE);
        const fresh = part.value.subarray(Math.min(skip, part.value.length));
        skip -= part.value.length - fresh.length;
        at += fresh.length;
        if (at > size) throw new Refused("its file is longer than the published one");
        if (fresh.length) yield fresh;
      }
    } catch (error) {
      if (error instanceof Refused) throw new Error(`${url.host} cannot be used now, because ${error.message}.`);
    } finally {
      clearTimeout(silence);
      abort.abort();
    }
    failed = at > before ? 0 : failed + 1;
    if (at < size && failed === TRIES) {
      throw new Error(
        `The connection to ${url.host} broke. What has arrived is kept: resume when you are online again.`,
      );
    }
    if (at < size) await new Promise((resume) => setTimeout(resume, 250 * 2 ** failed));
  }
}

/**
 * Download a model into a folder, which counts as complete once its index is written. Throws an error if the hub cannot
 * be reached or its file is not the published one; what has arrived stays for the next try.
 * @param {Folders} store
 * @param {string} folder
 * @param {Source} source
 * @param {(bytes: number) => void} onProgress
 * @param {() => boolean} cancelled
 * @returns {Promise<boolean>}  false if it was canceled
 */
export async function download(store, folder, source, onProgress, cancelled) {
  const { base, size, sha256 } = source;
  const files = await store.list(folder);
  const before = await progressIn(files, source);
  const config = before?.config ?? (await (await reach(new URL(CONFIG, base))).text());
  const hash = new Sha256(before?.hash);
  let at = before?.at ?? 0; // bytes taken so far
  const stream = bytesOf(new URL(WEIGHTS, base), at, size, cancelled);
  let arrived = new Uint8Array(0);
  /** @param {number} n */
  const take = async (n) => {
    const taken = new Uint8Array(n);
    for (let filled = 0; filled < n;) {
      if (!arrived.length) {
        const { done, value } = await stream.next();
        if (done) return null; // canceled
        arrived = value;
      }
      const part = arrived.subarray(0, n - filled);
      hash.update(part);
      taken.set(part, filled);
      filled += part.length;
      at += part.length;
      arrived = arrived.subarray(part.length);
      onProgress(at);
    }
    return taken;
  };
  const writer = await store.write(folder, NUMBERS, before?.written ?? 0);
  /** @type {Kept[]} */
  const index = before?.index ?? [];
  try {
    let units = before?.units;
    if (!units) {
      const length = await take(8);
      const header = length && (await take(headerLength(length.buffer, size, WEIGHTS)));
      if (!header) return false;
      units = unitsOf(parseHeader(header, size, WEIGHTS), readConfig(config), at, size);
    }
    let written = before?.written ?? 0;
    for (const { name, dtype, shape, end } of units) {
      if (end <= at) continue;
      const bytes = await take(end - at);
      if (!bytes) return false;
      if (name) {
        const { values, scale } = inEightBits(name, { shape, values: decode(dtype, bytes.buffer) });
        index.push({ name, shape, at: written, scales: scale?.length ?? 0 });
        for (const part of scale ? [scale, values] : [values]) {
          await writer.write(new Uint8Array(/** @type {ArrayBuffer} */ (part.buffer)));
          written += part.byteLength;
        }
      }
      const progress = { sha256, config, at, written, units, index, hash: hash.state() };
      await save(store, folder, PROGRESS, JSON.stringify(progress));
    }
  } finally {
    await stream.return();
    await writer.close();
  }
  const found = hash.digest();
  if (found !== sha256) {
    await store.remove(folder);
    throw new Error(
      `The file from ${new URL(base).host} is not the published one, so it is not used: its SHA-256 is ${found}.`,
    );
  }
  await save(store, folder, PROGRESS, "{}");
  await save(store, folder, CONFIG, config);
  await save(store, folder, INDEX, JSON.stringify(index)); // last, because it marks the folder as complete
  return true;
}

/** @param {URL} url */
async function reach(url) {
  let response;
  try {
    response = await fetch(url);
  } catch {
    throw new Error(`${url.host} could not be reached: check your connection and try again.`);
  }
  if (!response.ok) throw new Error(`${url.host} cannot be used now, because it answered ${response.status}.`);
  return response;
}

/**
 * How far an earlier download of the same file came.
 * @param {Map<string, Blob>} files
 * @param {Source} source
 * @returns {Promise<Progress | null>}
 */
async function progressIn(files, { sha256 }) {
  try {
    const progress = JSON.parse((await files.get(PROGRESS)?.text()) ?? "{}");
    return progress.sha256 === sha256 && (files.get(NUMBERS)?.size ?? 0) >= progress.written ? progress : null;
  } catch {
    return null; // the page was closed while it was written
  }
}

/**
 * How many bytes of a download have arrived, if it was not finished.
 * @param {Map<string, Blob>} files
 * @param {Source} source
 */
export const arrivedIn = async (files, source) => (await progressIn(files, source))?.at ?? 0;

/**
 * Whether a folder holds a complete download.
 * @param {Map<string, Blob>} files
 */
export const isComplete = (files) => files.has(INDEX);

/**
 * What to take from a file one after another: tensors, pieces of the token embedding, and what lies between and has no
 * name.
 * @param {StoredTensor[]} stored
 * @param {Config} config
 * @param {number} at  where the first tensor begins
 * @param {number} size  of the file
 */
function unitsOf(stored, config, at, size) {
  matchShapes(config, new Map(stored.map(({ name, shape }) => [name, { shape, values: new Float32Array(0) }])));
  /** @type {StoredTensor[]} */
  const units = [];
  const skip = (/** @type {number} */ end) => {
    if (end > at) units.push({ name: "", dtype: "", shape: [], start: at, end });
  };
  for (const tensor of stored) {
    skip(tensor.start);
    const [rows, C] = tensor.shape;
    const pieces = tensor.name === "wte.weight" ? Math.ceil(rows / ROWS) : 1;
    for (let piece = 0; piece < pieces && pieces > 1; piece++) {
      const [first, last] = [piece * ROWS, Math.min(rows, (piece + 1) * ROWS)];
      const bytes = (tensor.end - tensor.start) / rows; // per row
      const [start, end] = [first, last].map((row) => tensor.start + row * bytes);
      units.push({ ...tensor, shape: [last - first, C], start, end });
    }
    if (pieces === 1) units.push(tensor);
    at = tensor.end;
  }
  skip(size);
  return units;
}

/**
 * The shape and weights in a folder that `download` completed.
 * @param {Map<string, Readable>} files
 */
export function openDownload(files) {
  const read = (/** @type {string} */ name, from = 0, to = files.get(name)?.size ?? 0) => {
    const file = files.get(name);
    if (file && file.size >= to) return file.read(from, to);
    throw new Error("The browser has lost a part of this model: remove it and download it again.");
  };
  const text = (/** @type {string} */ name) => new TextDecoder().decode(read(name));
  const config = readConfig(text(CONFIG));
  const shapes = new Map(shapesOf(config));
  const product = (/** @type {number[]} */ shape) => shape.reduce((a, b) => a * b, 1);
  /** @type {Map<string, Tensor & { rows: number }>} */
  const tensors = new Map(); // rows: read so far
  for (const { name, shape: piece, at, scales } of /** @type {Kept[]} */ (JSON.parse(text(INDEX)))) {
    const shape = shapes.get(name) ?? piece;
    const from = at + 4 * scales;
    const bytes = read(NUMBERS, from, from + product(piece) * (scales ? 1 : 4));
    if (!scales) {
      tensors.set(name, { shape, values: new Float32Array(bytes), rows: 0 });
      continue;
    }
    const whole = tensors.get(name) ?? {
      shape,
      values: new Int8Array(product(shape)),
      scale: new Float32Array(name === "wte.weight" ? shape[0] : shape[1]),
      rows: 0,
    };
    whole.values.set(new Int8Array(bytes), whole.rows * piece[1]);
    whole.scale?.set(new Float32Array(read(NUMBERS, at, from)), whole.rows);
    whole.rows += piece[0];
    tensors.set(name, whole);
  }
  return { config, tensors };
}

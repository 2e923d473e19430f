/**
 * The engine's `linear` in WebAssembly, four sums at a time. linear.wat is its source.
 *
 * @import { Config, InnerLoop } from "../types.d.ts"
 */
import { plain } from "./plain.mjs";

const ROWS = 16; // rows of x per call, which limits the memory for x and y
const MOST = 2 ** 32 - 65536; // bytes of memory that WebAssembly can address
const LEVELS = 8192; // of x on each side of 0, for weights in 8 bits

/** The next multiple of 4, because the loop computes four outputs at a time. */
const fours = (/** @type {number} */ n) => 4 * Math.ceil(n / 4);

/**
 * The fastest inner loop available, which is the plain one if the browser has no vector instructions or a width does
 * not fill whole vectors.
 * @param {Uint8Array<ArrayBuffer>} wasm  the contents of linear.wasm
 * @param {Pick<Config, "n_embd" | "n_layer" | "vocab_size">} config  of the only model the loop will serve, because
 *   its memory is sized for that model's weights
 * @param {8 | 32} bits  per weight of a matrix
 * @returns {Promise<InnerLoop>}
 */
export async function simd(wasm, { n_embd: C, n_layer, vocab_size: V }, bits = 32) {
  if (bits === 8 ? C % 8 || 4 * C > 8192 : C % 4) return plain;
  const longest = Math.max(4 * C, fours(V)); // the longest row of x or y
  const weights = (V + 3) * C + n_layer * 12 * C * C; // the loop may read up to 3 rows past the vocabulary's end
  const others = (bits === 8 ? 2 : 1) * (fours(V) + n_layer * 9 * C) + ROWS * (2 * longest + 4);
  const bytes = weights * (bits / 8) + 4 * others + 64;
  if (bytes > MOST)
    throw new Error(`This model needs ${Math.ceil(bytes / 1e9)} GB of memory, more than a page can use.`);
  /** @typedef {(x: number, w: number, b: number, y: number, T: number, nIn: number, nOut: number) => void} Linear */
  /** @typedef {(...offsets: [...Parameters<Linear>, scale: number]) => void} Linear8 */
  /** @type {{ linear: Linear, linear8: Linear8 }} */
  let exported;
  /** @type {WebAssembly.Memory} */
  let memory;
  try {
    memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / 65536) }); // in pages of 64 KiB
    const { instance } = await WebAssembly.instantiate(wasm, { js: { memory } });
    exported = /** @type {typeof exported} */ (/** @type {unknown} */ (instance.exports));
  } catch {
    return plain;
  }
  let free = 0;
  /** @param {number} size  in bytes */
  const allocate = (size) => {
    const start = free;
    free += 16 * Math.ceil(size / 16);
    return start;
  };
  const xs = new Float32Array(memory.buffer, allocate(4 * ROWS * (longest + 4)), ROWS * (longest + 4));
  const ys = new Float32Array(memory.buffer, allocate(4 * ROWS * longest), ROWS * longest);
  return {
    keep(values) {
      const start = allocate(values.byteLength);
      const Numbers = values instanceof Int8Array ? Int8Array : Float32Array;
      const block = new Numbers(memory.buffer, start, values.length);
      block.set(values);
      return /** @type {typeof values} */ (block);
    },
    linear(x, w, b, nIn, nOut, scale) {
      const T = x.length / nIn;
      const y = new Float32Array(T * nOut);
      const step = fours(nOut);
      for (let t = 0; t < T; t += ROWS) {
        const rows = Math.min(ROWS, T - t);
        const fresh = x.subarray(t * nIn, (t + rows) * nIn);
        const places = /** @type {const} */ ([xs.byteOffset, w.byteOffset, b.byteOffset, ys.byteOffset]);
        if (scale) {
          toIntegers(fresh, nIn, xs);
          exported.linear8(...places, rows, nIn, step, scale.byteOffset);
        } else {
          xs.set(fresh);
          exported.linear(...places, rows, nIn, step);
        }
        for (let row = 0; row < rows; row++) y.set(ys.subarray(row * step, row * step + nOut), (t + row) * nOut);
      }
      return y;
    },
  };
}

/**
 * Write rows of x (T, nIn) as `linear8` reads them: the scale of a row four times, then x / scale rounded to integers,
 * then what rounding has left, in steps of 1/16384. That is as exact as 32 bits are.
 * @param {Float32Array} x
 * @param {number} nIn
 * @param {Float32Array} xs
 */
function toIntegers(x, nIn, xs) {
  const halves = new Int16Array(xs.buffer, xs.byteOffset, 2 * xs.length);
  for (let from = 0, to = 0; from < x.length; from += nIn, to += 8 + 2 * nIn) {
    let largest = 2 ** -100;
    for (let i = from; i < from + nIn; i++) largest = Math.max(largest, Math.abs(x[i]));
    const scale = Math.fround(largest / LEVELS);
    xs.fill(scale, to / 2, to / 2 + 4);
    for (let i = 0; i < nIn; i++) {
      const v = x[from + i] / scale;
      const high = Math.round(v);
      halves[to + 8 + i] = high;
      halves[to + 8 + nIn + i] = Math.round((v - high) * 16384);
    }
  }
}

/**
 * The engine's `linear` in WebAssembly, four sums at a time. linear.wat is its source.
 *
 * @import { Config, InnerLoop } from "../types.d.ts"
 */
import { plain } from "./engine.mjs";

const ROWS = 16; // rows of x per call, which limits the memory for x and y

/**
 * The fastest inner loop available, which is the plain one if the browser has no vector instructions or a width is not
 * divisible by 4.
 * @param {Uint8Array<ArrayBuffer>} wasm  the contents of linear.wasm
 * @param {Pick<Config, "n_embd" | "n_layer" | "vocab_size">} config  of the only model the loop will serve, because
 *   its memory is sized for that model's weights
 * @returns {Promise<InnerLoop>}
 */
export async function simd(wasm, { n_embd: C, n_layer, vocab_size: V }) {
  if (C % 4 || V % 4) return plain;
  const longest = Math.max(4 * C, V); // the longest row of x or y
  const numbers = V * C + V + n_layer * (12 * C * C + 9 * C) + 2 * ROWS * longest;
  const memory = new WebAssembly.Memory({ initial: Math.ceil(numbers / 16384) }); // in pages of 64 KiB
  /** @type {(x: number, w: number, b: number, y: number, T: number, nIn: number, nOut: number) => void} */
  let linear;
  try {
    const { instance } = await WebAssembly.instantiate(wasm, { js: { memory } });
    linear = /** @type {typeof linear} */ (instance.exports.linear);
  } catch {
    return plain;
  }
  let free = 0;
  /** @param {number} n */
  const allocate = (n) => {
    const block = new Float32Array(memory.buffer, free, n);
    free += block.byteLength;
    return block;
  };
  const xs = allocate(ROWS * longest);
  const ys = allocate(ROWS * longest);
  return {
    keep(values) {
      const block = allocate(values.length);
      block.set(values);
      return block;
    },
    linear(x, w, b, nIn, nOut) {
      const T = x.length / nIn;
      const y = new Float32Array(T * nOut);
      for (let t = 0; t < T; t += ROWS) {
        const rows = Math.min(ROWS, T - t);
        xs.set(x.subarray(t * nIn, (t + rows) * nIn));
        linear(xs.byteOffset, w.byteOffset, b.byteOffset, ys.byteOffset, rows, nIn, nOut);
        y.set(ys.subarray(0, rows * nOut), t * nOut);
      }
      return y;
    },
  };
}

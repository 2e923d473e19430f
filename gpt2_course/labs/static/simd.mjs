/** `linear` of engine.mjs in WebAssembly, written in linear.wat: the same sums, four at a time. */
import { plain } from "./engine.mjs";

const ROWS = 16; // of x in one call: this bounds the memory for x and y

/**
 * The engine's inner loop at its fastest; the plain one where there are no vectors, or a width is not divisible by 4.
 * @param {Uint8Array} wasm  the contents of linear.wasm
 * @param {import("./engine.mjs").Config} config  of the one model it will serve: its weights move into this memory
 * @returns {Promise<typeof plain>}
 */
export async function simd(wasm, { n_embd: C, n_layer, vocab_size: V }) {
  if (C % 4 || V % 4) return plain;
  const most = Math.max(4 * C, V); // the longest row that goes in or comes out
  const numbers = V * C + V + n_layer * (12 * C * C + 9 * C) + 2 * ROWS * most;
  const memory = new WebAssembly.Memory({ initial: Math.ceil(numbers / 16384) }); // pages of 64 KiB
  let made;
  try {
    made = await WebAssembly.instantiate(wasm, { js: { memory } });
  } catch {
    return plain;
  }
  let free = 0;
  const room = (n) => {
    const place = new Float32Array(memory.buffer, free, n);
    free += place.byteLength;
    return place;
  };
  const xs = room(ROWS * most);
  const ys = room(ROWS * most);
  return {
    keep(values) {
      const place = room(values.length);
      place.set(values);
      return place;
    },
    linear(x, w, b, nIn, nOut) {
      const T = x.length / nIn;
      const y = new Float32Array(T * nOut);
      for (let t = 0; t < T; t += ROWS) {
        const rows = Math.min(ROWS, T - t);
        xs.set(x.subarray(t * nIn, (t + rows) * nIn));
        made.instance.exports.linear(xs.byteOffset, w.byteOffset, b.byteOffset, ys.byteOffset, rows, nIn, nOut);
        y.set(ys.subarray(0, rows * nOut), t * nOut);
      }
      return y;
    },
  };
}

/**
 * SHA-256 (FIPS 180-4) of bytes that arrive bit by bit. The browser's own `crypto.subtle` needs all bytes at once.
 *
 * @import { HashState } from "../types.d.ts"
 */

/** @type {number[]} */
const PRIMES = [];
for (let n = 2; PRIMES.length < 64; n++) if (PRIMES.every((prime) => n % prime)) PRIMES.push(n);
/** The first 32 bits of the fraction of a number, as an integer. */
const fraction = (/** @type {number} */ x) => Math.floor((x % 1) * 2 ** 32) | 0;
const START = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
const K = Int32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)));

export class Sha256 {
  /** @param {HashState} [state]  continue from what `state` returned */
  constructor({ words, length, rest } = { words: START, length: 0, rest: [] }) {
    this.words = Int32Array.from(words);
    this.length = length; // in bytes
    this.block = new Uint8Array(64);
    this.block.set(rest);
    this.schedule = new Int32Array(64);
  }

  /**
   * Where the hash stands, as data that JSON can represent.
   * @returns {HashState}
   */
  state() {
    return { words: [...this.words], length: this.length, rest: [...this.block.subarray(0, this.length % 64)] };
  }

  /** @param {Uint8Array} bytes */
  update(bytes) {
    let at = 0;
    const held = this.length % 64;
    this.length += bytes.length;
    if (held) {
      at = Math.min(64 - held, bytes.length);
      this.block.set(bytes.subarray(0, at), held);
      if (held + at < 64) return;
      this.mix(this.block, 0);
    }
    for (; at + 64 <= bytes.length; at += 64) this.mix(bytes, at);
    this.block.set(bytes.subarray(at));
  }

  /** The hash in hexadecimal. */
  digest() {
    const bits = this.length * 8;
    const held = this.length % 64;
    const end = new Uint8Array(held < 56 ? 64 - held : 128 - held);
    end[0] = 0x80;
    new DataView(end.buffer).setBigUint64(end.length - 8, BigInt(bits));
    this.update(end);
    return [...this.words].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  /**
   * Mix 64 bytes into the hash.
   * @param {Uint8Array} bytes
   * @param {number} at
   */
  mix(bytes, at) {
    const { words, schedule: w } = this;
    for (let i = 0; i < 16; i++, at += 4) {
      w[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    }
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15];
      const y = w[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let a = words[0];
    let b = words[1];
    let c = words[2];
    let d = words[3];
    let e = words[4];
    let f = words[5];
    let g = words[6];
    let h = words[7];
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    words[0] += a;
    words[1] += b;
    words[2] += c;
    words[3] += d;
    words[4] += e;
    words[5] += f;
    words[6] += g;
    words[7] += h;
  }
}

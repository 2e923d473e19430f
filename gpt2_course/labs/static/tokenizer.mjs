/**
 * GPT-2's tokenizer, byte-level byte-pair encoding: text to ids and back, like `gpt2_course.Tokenizer`, which Chapter 2
 * builds. The ids follow from the merges: 256 bytes, then the merges, then the special tokens.
 *
 * @import { Merges, SpecialTokens, Token } from "../types.d.ts"
 */

export const END_OF_TEXT = "<|endoftext|>";

// The same pattern as in gpt2_course/pieces.py. It avoids \s, which in JavaScript differs from Unicode's White_Space.
const PIECES = new RegExp(
  [
    "'(?:[sdmt]|ll|ve|re)", // contractions
    " ?\\p{L}+", // letters
    " ?\\p{N}+", // digits
    " ?[^\\p{White_Space}\\p{L}\\p{N}]+", // anything else that is not white space
    "\\p{White_Space}+$",
    "\\p{White_Space}+(?!\\P{White_Space})", // but the last space belongs to the next word
    "\\p{White_Space}",
  ].join("|"),
  "gu",
);

// GPT-2 numbers the bytes in its own order, visible characters first. In files, each byte is written as one character;
// the invisible bytes use the characters from U+0100 on.
/** @param {number} byte */
const isVisible = (byte) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
const ALL = [...Array(256).keys()];
const BYTE_OF_ID = [...ALL.filter(isVisible), ...ALL.filter((byte) => !isVisible(byte))];
/** How files write each byte, in the order of their ids. */
export const SPELLINGS = BYTE_OF_ID.map((byte, id) => String.fromCharCode(isVisible(byte) ? byte : 0x100 + id - 188));

/**
 * The pairs in the text of a `merges.txt`, with any line endings. Each line has two tokens with a space between them.
 * @param {string} merges
 * @returns {Merges}
 */
export function readMerges(merges) {
  const lines = merges.replace(/^\ufeff/, "").split(/\r?\n/); // without the byte order mark
  const numbered = lines.map((line, i) => ({ pair: line.split(" "), place: `Line ${i + 1} of merges.txt` }));
  return numbered.filter(({ pair }, i) => !(pair.join("") === "" || (i === 0 && pair[0].startsWith("#version"))));
}

const NONE = Infinity; // the rank of a pair that does not merge
/** @type {(left: number, right: number) => number} */
const pairOf = (left, right) => left * 0x200000 + right;

export class Tokenizer {
  /**
   * @param {Merges | string} merges  in the order in which they were learned, or the text of a `merges.txt`
   * @param {Partial<SpecialTokens>} options  special tokens and their ids, which leave the other ids to bytes and
   *   merges; those to recognize in every text; and the one that ends a document
   */
  constructor(merges, { special, words = [], end = END_OF_TEXT } = {}) {
    const pairs = typeof merges === "string" ? readMerges(merges) : merges;
    const ends = special ?? new Map([[END_OF_TEXT, 256 + pairs.length]]);
    const taken = new Set(ends.values());
    /** @type {number[][]} */
    this.bytes = []; // of each token, by id
    /** @type {Map<string, number>} */
    const ids = new Map(); // of each spelling
    let next = 0;
    /** @type {(spelling: string, bytes: number[]) => number} */
    const add = (spelling, bytes) => {
      while (taken.has(next)) next++;
      ids.set(spelling, next);
      this.bytes[next] = bytes;
      return next++;
    };
    this.idOfByte = new Uint32Array(256);
    BYTE_OF_ID.forEach((byte, i) => {
      this.idOfByte[byte] = add(SPELLINGS[i], [byte]);
    });
    /** @type {Map<number, number>} */
    this.ranks = new Map(); // pairOf(two ids) → the rank of their merge
    /** @type {number[]} */
    this.made = []; // the id that a merge makes, by its rank
    for (const { pair, place } of pairs) {
      const [a, b] = pair.map((spelling) => ids.get(spelling));
      if (pair.length !== 2 || a === undefined || b === undefined || ids.has(pair.join(""))) {
        const found = `“${pair.join(" ").slice(0, 60)}”`;
        throw new Error(`${place} must be two known tokens that make a new one, but is ${found}.`);
      }
      this.ranks.set(pairOf(a, b), this.made.length);
      this.made.push(add(pair.join(""), [...this.bytes[a], ...this.bytes[b]]));
    }
    for (const [name, id] of ends) this.bytes[id] = [...new TextEncoder().encode(name)];
    this.endOfText = ends.get(end) ?? null;
    const longestFirst = [...words].sort((a, b) => b.length - a.length);
    const escaped = longestFirst.map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
    this.words = words.length ? new RegExp(`(${escaped.join("|")})`, "u") : null;
    this.special = ends;
  }

  /**
   * The words of a text. Merges never cross their boundaries.
   * @param {string} text
   * @returns {string[]}
   */
  pieces(text) {
    return text.match(PIECES) ?? [];
  }

  /**
   * The ids of a text.
   * @param {string} text
   */
  encode(text) {
    const parts = this.words ? text.split(this.words) : [text]; // text and words alternate
    return parts.flatMap((part, i) =>
      i % 2 ? [this.special.get(part) ?? 0] : this.pieces(part).flatMap((piece) => this.encodePiece(piece)),
    );
  }

  /**
   * The ids of a word: its bytes, merged in the order in which the merges were learned. Each round applies the earliest
   * learned merge wherever it fits. All at once gives the same ids as one by one: the merged token can only take
   * part in later merges. Keeping the ranks between rounds makes a word of 100,000 letters take seconds, not hours.
   * @param {string} piece
   */
  encodePiece(piece) {
    let ids = this.byteIds(piece);
    let ranks = ids.map((id, i) => this.rank(id, ids[i + 1])); // of each token with the next one
    while (true) {
      const first = ranks.reduce((a, b) => (a < b ? a : b), NONE);
      if (first === NONE) return ids;
      const made = this.made[first];
      /** @type {number[]} */
      const merged = [];
      /** @type {number[]} */
      const carried = [];
      for (let i = 0; i < ids.length; i++) {
        const here = ranks[i] === first;
        merged.push(here ? made : ids[i]);
        if (here) i++; // skip the second token of the pair
        carried.push(ranks[i]);
      }
      ids = merged;
      ranks = carried.map((rank, i) => (ids[i] === made || ids[i + 1] === made ? this.rank(ids[i], ids[i + 1]) : rank));
    }
  }

  /** @param {string} piece */
  byteIds(piece) {
    return [...new TextEncoder().encode(piece)].map((byte) => this.idOfByte[byte]);
  }

  /**
   * @param {number} left
   * @param {number | undefined} right
   */
  rank(left, right) {
    return right === undefined ? NONE : (this.ranks.get(pairOf(left, right)) ?? NONE);
  }

  /**
   * The steps that build a word, one merge each: the ids after it, the merge's rank, and the index of the merged token.
   * The first step has only the bytes.
   * @param {string} piece
   */
  mergeSteps(piece) {
    let ids = this.byteIds(piece);
    /** @type {({ ids: number[] } & ({ rank: number, at: number } | { rank: null, at: null }))[]} */
    const steps = [{ ids, rank: null, at: null }];
    while (true) {
      const ranks = ids.map((id, i) => this.rank(id, ids[i + 1]));
      const rank = ranks.reduce((a, b) => (a < b ? a : b), NONE); // a long word does not fit into Math.min's arguments
      if (rank === NONE) return steps;
      const at = ranks.indexOf(rank);
      ids = [...ids.slice(0, at), this.made[rank], ...ids.slice(at + 2)];
      steps.push({ ids, rank, at });
    }
  }

  /**
   * A token to show. Its text has U+FFFD for the bytes of an incomplete character.
   * @param {number} id
   * @returns {Token}
   */
  token(id, piece = 0) {
    return { id, text: this.decode([id]), bytes: this.bytes[id], piece };
  }

  /**
   * The text of ids.
   * @param {number[]} ids
   */
  decode(ids) {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(ids.flatMap((id) => this.bytes[id])));
  }

  /**
   * A function that decodes one id after another. It holds back the bytes of an incomplete character until the rest
   * arrives; null marks the end.
   * @returns {(id: number | null) => string}
   */
  stream() {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return (id) => decoder.decode(Uint8Array.from(id === null ? [] : this.bytes[id]), { stream: id !== null });
  }
}

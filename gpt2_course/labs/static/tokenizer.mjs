/**
 * GPT-2's tokenizer, byte-level byte-pair encoding: text to ids and back, like `gpt2_course.Tokenizer`, which Chapter 2
 * builds. It needs only `merges.txt`, because the ids follow from it: 256 bytes, then the merges, then <|endoftext|>.
 *
 * @import { Token } from "../types.d.ts"
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
const ID_OF_BYTE = Uint8Array.from(ALL, (byte) => BYTE_OF_ID.indexOf(byte));
/** How files write each byte, in the order of their ids. */
export const SPELLINGS = BYTE_OF_ID.map((byte, id) => String.fromCharCode(isVisible(byte) ? byte : 0x100 + id - 188));

const NONE = Infinity; // the rank of a pair that does not merge
/** @type {(left: number, right: number) => number} */
const pairOf = (left, right) => left * 0x20000 + right;

export class Tokenizer {
  /** @param {string} merges  the text of a `merges.txt`, with any line endings */
  constructor(merges) {
    this.bytes = BYTE_OF_ID.map((byte) => [byte]); // of each token, by id
    /** @type {Map<number, number>} */
    this.ranks = new Map(); // pairOf(two ids) → the rank of their merge
    const ids = new Map(SPELLINGS.map((spelling, id) => [spelling, id]));
    const lines = merges.replace(/^\ufeff/, "").split(/\r?\n/); // without the byte order mark
    for (const [number, line] of lines.entries()) {
      if ((number === 0 && line.startsWith("#version")) || !line) continue;
      const [left, right] = line.split(" ");
      const [a, b] = [ids.get(left), ids.get(right)];
      if (a === undefined || b === undefined) {
        throw new Error(`Line ${number + 1} of merges.txt must be two known tokens, but is “${line}”.`);
      }
      ids.set(left + right, this.bytes.length);
      this.ranks.set(pairOf(a, b), this.bytes.length - 256);
      this.bytes.push([...this.bytes[a], ...this.bytes[b]]);
    }
    this.endOfText = this.bytes.length;
    this.bytes.push([...new TextEncoder().encode(END_OF_TEXT)]);
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
    return this.pieces(text).flatMap((piece) => this.encodePiece(piece));
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
      const made = 256 + first;
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
    return [...new TextEncoder().encode(piece)].map((byte) => ID_OF_BYTE[byte]);
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
      const rank = Math.min(...ranks);
      if (rank === NONE) return steps;
      const at = ranks.indexOf(rank);
      ids = [...ids.slice(0, at), 256 + rank, ...ids.slice(at + 2)];
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

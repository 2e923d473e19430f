/**
 * Byte-level byte-pair encoding, GPT-2's tokenizer, as `gpt2_course.Tokenizer` does it: text becomes ids, and text again.
 * Chapter 2 builds it. It reads `merges.txt` alone: the ids follow from it (256 bytes, the merges, <|endoftext|>).
 *
 * @typedef {{id: number, text: string, bytes: number[], piece: number}} Token  `piece` counts the words of the text
 */

// The same pieces as gpt2_course/pieces.py. JavaScript's \s is not Unicode's white space, so that is spelled out.
const PIECES =
  /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+$|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}/gu;

// GPT-2 numbers the bytes in an order of its own: visible characters first. In files, each byte is spelled as one
// character; the invisible ones take those from U+0100 on.
const isVisible = (byte) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
const ALL = [...Array(256).keys()];
const BYTE_OF_ID = [...ALL.filter(isVisible), ...ALL.filter((byte) => !isVisible(byte))];
const ID_OF_BYTE = Uint8Array.from(ALL, (byte) => BYTE_OF_ID.indexOf(byte));
const ID_OF_SPELLING = new Map(
  BYTE_OF_ID.map((byte, id) => [String.fromCharCode(isVisible(byte) ? byte : 0x100 + id - 188), id]),
);

const NONE = 0x7fffffff; // the rank of two tokens that no merge joins
const pairOf = (left, right) => left * 0x20000 + right;

export class Tokenizer {
  /** @param {string} merges  the text of a `merges.txt` */
  constructor(merges) {
    this.bytes = BYTE_OF_ID.map((byte) => [byte]); // of each token, by id
    this.ranks = new Map(); // two ids -> which merge joins them
    const ids = new Map(ID_OF_SPELLING);
    for (const line of merges.split("\n")) {
      if (line.startsWith("#version") || !line) continue;
      const [left, right] = line.split(" ");
      if (!ids.has(left) || !ids.has(right)) throw new Error(`merges.txt has a line that is no merge: ${line}`);
      ids.set(left + right, this.bytes.length);
      this.ranks.set(pairOf(ids.get(left), ids.get(right)), this.bytes.length - 256);
      this.bytes.push([...this.bytes[ids.get(left)], ...this.bytes[ids.get(right)]]);
    }
    this.endOfText = this.bytes.length;
    this.bytes.push([...new TextEncoder().encode("<|endoftext|>")]);
  }

  get size() {
    return this.bytes.length;
  }

  /** The words of a text: nothing is ever merged across them. */
  pieces(text) {
    return text.match(PIECES) ?? [];
  }

  /** The ids of a text. */
  encode(text) {
    return this.pieces(text).flatMap((piece) => this.encodePiece(piece));
  }

  encodePiece(piece) {
    let ids = [...new TextEncoder().encode(piece)].map((byte) => ID_OF_BYTE[byte]);
    for (let merge = this.nextMerge(ids); merge; merge = this.nextMerge(ids)) ids = merge.everywhere();
    return ids;
  }

  /**
   * The earliest learned merge among neighbouring tokens, or null: where it is, and what comes of it. Doing it everywhere
   * at once is the same as doing it place by place, because what it makes can only be part of later merges.
   */
  nextMerge(ids) {
    let best = NONE;
    let at = -1;
    for (let i = 0; i + 1 < ids.length; i++) {
      const rank = this.ranks.get(pairOf(ids[i], ids[i + 1])) ?? NONE;
      if (rank < best) [best, at] = [rank, i];
    }
    if (best === NONE) return null;
    const [left, right, made] = [ids[at], ids[at + 1], 256 + best];
    return {
      rank: best,
      at,
      once: () => [...ids.slice(0, at), made, ...ids.slice(at + 2)],
      everywhere() {
        const merged = [];
        for (let i = 0; i < ids.length; i++) {
          const here = ids[i] === left && ids[i + 1] === right;
          merged.push(here ? made : ids[i]);
          if (here) i++;
        }
        return merged;
      },
    };
  }

  /** How a word came together, one merge a step: the ids before and after each, and which merge of the list it was. */
  mergeSteps(piece) {
    let ids = [...new TextEncoder().encode(piece)].map((byte) => ID_OF_BYTE[byte]);
    const steps = [{ ids, rank: null, at: null }];
    for (let merge = this.nextMerge(ids); merge; merge = this.nextMerge(ids)) {
      ids = merge.once();
      steps.push({ ids, rank: merge.rank, at: merge.at });
    }
    return steps;
  }

  /** @returns {Token} a token to look at: its bytes as text, with U+FFFD for the bytes of an incomplete character */
  token(id, piece = 0) {
    return { id, text: this.decode([id]), bytes: this.bytes[id], piece };
  }

  /** The text of ids. */
  decode(ids) {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(ids.flatMap((id) => this.bytes[id])));
  }

  /** A function that turns ids, one after the other, into text; it holds back the bytes of an unfinished character. */
  stream() {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return (id) => decoder.decode(Uint8Array.from(id === null ? [] : this.bytes[id]), { stream: id !== null });
  }
}

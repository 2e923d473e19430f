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

const NONE = Infinity; // the rank of two tokens that no merge joins
const pairOf = (left, right) => left * 0x20000 + right;

export class Tokenizer {
  /** @param {string} merges  the text of a `merges.txt`, with line ends of any system */
  constructor(merges) {
    this.bytes = BYTE_OF_ID.map((byte) => [byte]); // of each token, by id
    this.ranks = new Map(); // two ids -> which merge joins them
    const ids = new Map(ID_OF_SPELLING);
    const lines = merges.replace(/^\ufeff/, "").split(/\r?\n/); // the byte order mark is not part of the text
    for (const [number, line] of lines.entries()) {
      if ((number === 0 && line.startsWith("#version")) || !line) continue;
      const [left, right] = line.split(" ");
      if (!ids.has(left) || !ids.has(right)) throw new Error(`merges.txt has a line that is no merge: ${line}`);
      ids.set(left + right, this.bytes.length);
      this.ranks.set(pairOf(ids.get(left), ids.get(right)), this.bytes.length - 256);
      this.bytes.push([...this.bytes[ids.get(left)], ...this.bytes[ids.get(right)]]);
    }
    this.endOfText = this.bytes.length;
    this.bytes.push([...new TextEncoder().encode("<|endoftext|>")]);
  }

  /** The words of a text: nothing is ever merged across them. */
  pieces(text) {
    return text.match(PIECES) ?? [];
  }

  /** The ids of a text. */
  encode(text) {
    return this.pieces(text).flatMap((piece) => this.encodePiece(piece));
  }

  /**
   * The bytes of a word, merged in the order in which the merges were learned: as long as there are two neighbours that a
   * merge joins, the earliest learned one is done. Doing it everywhere at once is the same as doing it place by place,
   * because what it makes can only be part of later merges. Ranks are kept, so that a word of 100,000 letters takes
   * seconds, not hours.
   */
  encodePiece(piece) {
    let ids = this.byteIds(piece);
    let ranks = ids.map((id, i) => this.rank(id, ids[i + 1])); // of each token with the one after it
    while (true) {
      const first = ranks.reduce((a, b) => (a < b ? a : b), NONE);
      if (first === NONE) return ids;
      const made = 256 + first;
      const [merged, carried] = [[], []];
      for (let i = 0; i < ids.length; i++) {
        const here = ranks[i] === first;
        merged.push(here ? made : ids[i]);
        if (here) i++; // both are used up
        carried.push(ranks[i]);
      }
      ids = merged;
      ranks = carried.map((rank, i) => (ids[i] === made || ids[i + 1] === made ? this.rank(ids[i], ids[i + 1]) : rank));
    }
  }

  byteIds(piece) {
    return [...new TextEncoder().encode(piece)].map((byte) => ID_OF_BYTE[byte]);
  }

  rank(left, right) {
    return this.ranks.get(pairOf(left, right)) ?? NONE;
  }

  /** How a word came together, one merge a step: the ids after each, which merge of the list it was, and where. */
  mergeSteps(piece) {
    let ids = this.byteIds(piece);
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

/**
 * Rows of tokens, packed into batches that fit into a model's memory.
 *
 * @import { Row } from "../types.d.ts"
 */

/** The target of a token that is not to be learned, as in PyTorch. Any other negative number works, too. */
export const IGNORED = -100;

/** N tokens of one or more rows: their targets, their positions in their documents, the lengths of the documents. */
export class Batch {
  /** @type {number[]} */
  tokens = [];
  /** @type {number[]} */
  targets = [];
  /** @type {number[]} */
  positions = [];
  /** @type {number[]} */
  documents = [];
}

/**
 * Refuse rows that a model cannot learn from.
 * @param {Row[]} rows
 * @param {{ context: number, vocab_size: number }} limits  `context` is the most tokens of a row
 */
export function checkRows(rows, { context, vocab_size }) {
  for (const { tokens, targets } of rows) {
    const T = tokens.length;
    if (T < 1 || T > context || T !== targets.length) {
      throw new Error(`A row needs 1 to ${context} tokens and as many targets, but has ${T} and ${targets.length}.`);
    }
    const wrong = tokens.find((id) => id < 0 || id >= vocab_size) ?? targets.find((id) => id >= vocab_size);
    if (wrong !== undefined) throw new Error(`Ids must be 0 to ${vocab_size - 1}, but a row contains ${wrong}.`);
  }
}

/**
 * Batches of at most `room` tokens. Every token sees only its own document, whose positions count from 0. A row may
 * also begin in the middle of a document. `gpt2_course.packing.PackedDocuments` does the same.
 * @param {Row[]} rows
 * @param {number | null} separator  the token at which documents begin; null if a whole row is read as one text
 * @param {number} room
 */
export function* batchesOf(rows, separator, room) {
  let batch = new Batch();
  for (const { tokens, targets } of rows) {
    if (batch.tokens.length && batch.tokens.length + tokens.length > room) {
      yield batch;
      batch = new Batch();
    }
    for (let t = 0; t < tokens.length; t++) {
      if (t === 0 || tokens[t] === separator) batch.documents.push(0);
      batch.positions.push(batch.documents[batch.documents.length - 1]++);
      batch.tokens.push(tokens[t]);
      batch.targets.push(targets[t]);
    }
  }
  if (batch.tokens.length) yield batch;
}

/**
 * The targets that count.
 * @param {Row[]} rows
 */
export const countTargets = (rows) =>
  rows.reduce((sum, { targets }) => sum + targets.reduce((n, target) => n + Number(target >= 0), 0), 0);

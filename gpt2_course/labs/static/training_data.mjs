/**
 * What a model of the training lab learns from: a vocabulary, a batch for every step, and held-out rows. In Tiny World,
 * a row is one document, and the true cost of each held-out token is known.
 *
 * @import { Lesson, Row } from "../types.d.ts"
 * @import { World } from "./tiny_world.mjs"
 */
import { learnMerges } from "./bpe_training.mjs";
import { uniform } from "./sampling.mjs";
import { END_OF_TEXT, Tokenizer } from "./tokenizer.mjs";

const [TO_LEARN, HELD_OUT] = [400, 48]; // documents to learn a vocabulary from, and to evaluate on
const [SEED_TO_LEARN, SEED_HELD_OUT, FIRST_SEED] = [1, 2, 3]; // the documents of step n have the seed FIRST_SEED + n
const WINDOW = 128; // tokens in a row of the reader's own text
const MOST_TO_LEARN = 500_000; // characters of that text to learn a vocabulary from
const [SHORTEST, LONGEST] = [2000, 3_000_000]; // characters that it may have

/**
 * Documents without end from a corner of Tiny World. Training reads none twice, but for chance.
 * @param {World} world
 * @param {string} corner
 * @param {number} vocabSize
 * @returns {Lesson}
 */
export function worldLesson(world, corner, vocabSize) {
  /** @param {number} seed */
  function* texts(seed) {
    let drawn = 0;
    for (const { text } of world.documents(() => uniform(seed, drawn++), corner)) yield text;
  }
  const read = take(texts(SEED_TO_LEARN), TO_LEARN);
  const heldOut = take(texts(SEED_HELD_OUT), HELD_OUT);
  const merges = learnMerges(read, vocabSize);
  const tokenizer = new Tokenizer(merges);
  const encode = encoder(tokenizer);
  const endOfText = /** @type {number} */ (tokenizer.endOfText); // which every vocabulary learned here has
  const longest = Math.max(...[...read, ...heldOut].map((text) => encode(text).length));
  const context = 16 * Math.ceil((longest + 1) / 16);
  /** @param {string} text */
  const rowOf = (text) => rowFrom([endOfText, ...encode(text), endOfText].slice(0, context + 1));
  return {
    ...{ merges, tokenizer, context, prompt: "" },
    heldOut: heldOut.map(rowOf),
    costs: heldOut.map((text) => world.costs(text, endsOf(tokenizer, encode(text)), corner)),
    batch(step, size) {
      const rows = [];
      const documents = texts(FIRST_SEED + step);
      for (let tokens = 0; tokens < size; tokens += rows[rows.length - 1].tokens.length) {
        rows.push(rowOf(/** @type {string} */ (documents.next().value)));
      }
      return rows;
    },
  };
}

/**
 * A text of the reader's, whose last tenth is held out. What a model that knows it all would pay is unknown.
 * @param {string} text
 * @param {number} vocabSize
 * @returns {Lesson}
 */
export function textLesson(text, vocabSize) {
  checkText(text);
  const cut = text.indexOf(" ", Math.floor(0.9 * text.length));
  const [before, after] = cut < 0 ? [text, ""] : [text.slice(0, cut), text.slice(cut)];
  const merges = learnMerges([before.slice(0, MOST_TO_LEARN)], vocabSize);
  const tokenizer = new Tokenizer(merges);
  const encode = encoder(tokenizer);
  const endOfText = /** @type {number} */ (tokenizer.endOfText); // which every vocabulary learned here has
  const [ids, unseen] = [before, after].map((part) => [
    endOfText,
    ...part.split(END_OF_TEXT).flatMap((document, i) => (i ? [endOfText, ...encode(document)] : encode(document))),
  ]);
  const context = Math.min(WINDOW, unseen.length - 1, ids.length - 1);
  if (context < 16)
    throw new Error("The last tenth of this text is too short to test a model on: paste a longer text.");
  const windows = Math.min(HELD_OUT, Math.floor((unseen.length - 1) / context));
  return {
    ...{ merges, tokenizer, context, costs: null },
    prompt: after.trim().split(/\s+/u, 3).join(" ").slice(0, 60),
    heldOut: Array.from({ length: windows }, (_, i) => rowFrom(unseen.slice(i * context, (i + 1) * context + 1))),
    batch: (step, size) =>
      Array.from({ length: Math.ceil(size / context) }, (_, i) => {
        const start = Math.floor(uniform(FIRST_SEED + step, i) * (ids.length - context));
        return rowFrom(ids.slice(start, start + context + 1));
      }),
  };
}

/**
 * Refuse a text that is too short or too long to train on.
 * @param {string} text
 */
export function checkText(text) {
  const { length } = text.trim();
  const asked = `paste a text of ${SHORTEST.toLocaleString("en")} to ${LONGEST.toLocaleString("en")} characters`;
  if (!length) throw new Error(`The text is empty: ${asked}.`);
  if (length < SHORTEST || length > LONGEST) {
    const how = length < SHORTEST ? "short" : "long";
    throw new Error(`Your text has ${length.toLocaleString("en")} characters, which is too ${how}: ${asked}.`);
  }
}

/**
 * The lowest mean loss of any model on the held-out rows, in nats per token, but for luck; null if nobody knows it.
 * @param {Lesson} lesson
 */
export function floorOf({ costs }) {
  if (!costs) return null;
  const all = costs.flat();
  return all.reduce((sum, { nats }) => sum + nats, 0) / all.length;
}

/**
 * What each rule costs of the loss above the floor, in nats per held-out token.
 * @param {Lesson} lesson
 * @param {Float32Array[]} losses  one array per held-out row
 */
export function costsOfRules({ costs }, losses) {
  /** @type {Record<string, number>} */
  const rules = {};
  const count = losses.reduce((sum, row) => sum + row.length, 0);
  losses.forEach((row, i) =>
    row.forEach((loss, t) => {
      const token = costs?.[i][t];
      if (token) rules[token.rule] = (rules[token.rule] ?? 0) + (loss - token.nats) / count;
    }),
  );
  return rules;
}

/**
 * @param {Iterable<string>} texts
 * @param {number} count
 */
function take(texts, count) {
  const taken = [];
  for (const text of texts) if (taken.push(text) === count) break;
  return taken;
}

/**
 * Encodes texts whose words repeat.
 * @param {Tokenizer} tokenizer
 */
function encoder(tokenizer) {
  /** @type {Map<string, number[]>} */
  const known = new Map();
  return (/** @type {string} */ text) =>
    tokenizer.pieces(text).flatMap((piece) => {
      const ids = known.get(piece) ?? tokenizer.encode(piece);
      known.set(piece, ids);
      return ids;
    });
}

/**
 * Where each token ends in the text.
 * @param {Tokenizer} tokenizer
 * @param {number[]} ids
 */
function endsOf(tokenizer, ids) {
  const read = tokenizer.stream();
  let end = 0;
  return ids.map((id) => (end += read(id).length));
}

/**
 * A row in which each token but the last is followed by its target.
 * @param {number[]} ids
 * @returns {Row}
 */
const rowFrom = (ids) => ({ tokens: Int32Array.from(ids.slice(0, -1)), targets: Int32Array.from(ids.slice(1)) });

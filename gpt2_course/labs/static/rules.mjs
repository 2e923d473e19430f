/**
 * Which rule of Tiny World each token of a document obeys, and what the token costs a model that knows them all.
 * `tiny_world/rules.py` is the same in Python, and says how the rules are told apart.
 *
 * @import { Entity, KindOfDocument, Memory, RuledToken, Step } from "../types.d.ts"
 * @import { World } from "./tiny_world.mjs"
 */
import { Choice, Fresh, Slot, Words } from "./grammar.mjs";
import { Reading, recall } from "./reading.mjs";

const CERTAIN = 1e-9; // nats: below this, a token's cost is a rounding error

/**
 * Words or a slot in a document's derivation. `draw` is what a random choice among these words, or among different
 * words in their place, obeys.
 * @typedef {{ start: number, node: Words | Slot, memory: Memory, draw: string }} Leaf
 */

/**
 * The rule and the true cost of each token of a document, the last of which is `<|endoftext|>`.
 * @param {string} text
 * @param {ArrayLike<number>} ends  where each of the other tokens ends in the text
 * @param {KindOfDocument[]} kinds
 * @param {World} world
 * @returns {RuledToken[]}
 */
export function tokenRules(text, ends, kinds, world) {
  const reading = new Reading(text);
  let found = null;
  for (const { logProb, node } of kinds) {
    for (const way of reading.ways(node, logProb)) {
      reading.failed[way.at] += Math.exp(way.logProb);
      if (way.at === text.length) found = way;
    }
  }
  if (!found) throw new Error(`This text is not a document of Tiny World: “${text.slice(0, 60)}”.`);
  const leaves = leavesOf(found.step, world.tables.rhyme_pool);
  const logProbs = reading.prefixProbabilities().map(Math.log);
  /** @type {RuledToken[]} */
  const tokens = [];
  let start = 0;
  let leaf = 0;
  for (const end of Array.from(ends)) {
    const nats = logProbs[start] - logProbs[end];
    const blank = text.slice(start, end).search(/\S/);
    const at = start + Math.max(0, blank); // of its first character that is not white space, if there is one
    while (leaf + 1 < leaves.length && leaves[leaf + 1].start <= at) leaf++;
    tokens.push({ rule: ruleAt(leaves[leaf], text, at, nats > CERTAIN, world), nats });
    start = end;
  }
  return [...tokens, { rule: "an ending", nats: logProbs[start] - found.logProb }];
}

/**
 * The words and slots of a derivation, from its first to its last.
 * @param {Step | null} last
 * @param {string} rhymePool
 */
function leavesOf(last, rhymePool) {
  const steps = [];
  for (let step = last; step; step = step.before) steps.push(step);
  /** @type {Leaf[]} */
  const leaves = [];
  let draw = "the odds of a draw";
  for (const { at, node, memory } of steps.reverse()) {
    if (node instanceof Choice) draw = "the odds of a draw";
    else if (node instanceof Fresh && node.left(memory).length < node.options.length) {
      draw = node.pool.startsWith(rhymePool) ? "a rhyme" : "nothing drawn twice";
    } else if (node instanceof Words || node instanceof Slot) leaves.push({ start: at, node, memory, draw });
  }
  return leaves;
}

/**
 * The rule of the token whose first character that counts is at a position within a leaf.
 * @param {Leaf} leaf
 * @param {string} text
 * @param {number} at
 * @param {boolean} uncertain
 * @param {World} world
 */
function ruleAt({ start, node: slot, memory, draw }, text, at, uncertain, world) {
  if (slot instanceof Words) return uncertain ? draw : "spelling and grammar";
  const said = text.slice(start, at);
  const settled = recall(memory, slot.name);
  if (typeof settled === "string") return slot.name === "chorus" ? "the chorus" : "a name carried on";
  let value = settled;
  if (!value) {
    const options = slot.options(memory);
    value = /** @type {Entity} */ (options.find((option) => text.startsWith(slot.say(option), start)));
    if (uncertain && !slot.ofMemory) {
      return options.length < slot.source(memory).length ? "nothing drawn twice" : "the odds of a draw";
    }
  }
  if ((slot.ofMemory || settled) && confusable(slot, value, said, world)) {
    return settled ? settledBy(slot, value, text.slice(0, start), world) : "a fact of the world";
  }
  // "the fox" in "Pip the fox" and "Pip" in "a fox named Pip" are not spelling
  const named = namedBy(slot, value);
  const describes = world.listOf.get(named) === "cast" && mentions(slot.say(value), named);
  return describes && said.endsWith(" ") ? "a fact of the world" : "spelling and grammar";
}

/**
 * The rule that determines a value drawn earlier, given the text before this mention.
 * @param {Slot} slot
 * @param {Entity} value
 * @param {string} before
 * @param {World} world
 */
function settledBy(slot, value, before, { listOf, tables }) {
  if (tables.pronouns.includes(slot.path[slot.path.length - 1])) return "a pronoun";
  const named = namedBy(slot, value);
  if (!mentions(slot.say(value), named) || !mentions(before, named)) return "a fact of the world";
  return tables.carried[listOf.get(named) ?? ""] ?? "a thing carried on";
}

/**
 * The entity that a slot's words are about: of `hero.friend.cry`, the friend.
 * @param {Slot} slot
 * @param {Entity} value
 */
function namedBy(slot, value) {
  for (const step of slot.path) {
    const found = value.forms[step];
    if (typeof found !== "object" || Array.isArray(found)) break;
    value = found;
  }
  return value;
}

/** @type {WeakMap<Entity, RegExp>} */
const patterns = new WeakMap();

/**
 * @param {string} text
 * @param {Entity} entity
 */
function mentions(text, entity) {
  let pattern = patterns.get(entity);
  if (!pattern) {
    const name = entity.name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    pattern = new RegExp(`(?<![\\p{L}\\p{N}_])${name}s?(?![\\p{L}\\p{N}_])`, "iu");
    patterns.set(entity, pattern);
  }
  return pattern.test(text);
}

/**
 * Whether what has been said of a slot's words would also begin those of another entry in the value's list. Only what
 * follows the last comma counts, since each item of an enumeration is a fact of its own.
 * @param {Slot} slot
 * @param {Entity} value
 * @param {string} said
 * @param {World} world
 */
function confusable(slot, value, said, world) {
  const item = said.split(", ").at(-1) ?? "";
  const [right] = slot
    .say(value)
    .slice(said.length - item.length)
    .split(", ");
  const list = world.listOf.get(value) ?? "";
  return itemsOf(slot, list, world).some((other) => other !== right && other.startsWith(item));
}

/** @type {WeakMap<Slot, Record<string, string[]>>} */
const items = new WeakMap();

/**
 * A slot's words for each entry of a list, split at commas.
 * @param {Slot} slot
 * @param {string} list
 * @param {World} world
 */
function itemsOf(slot, list, world) {
  const known = items.get(slot) ?? {};
  items.set(slot, known);
  return (known[list] ??= [...new Set(world.lists[list].flatMap((entity) => slot.say(entity).split(", ")))]);
}

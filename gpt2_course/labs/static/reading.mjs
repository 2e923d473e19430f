/**
 * A text of a grammar, while it is written or read; grammar.mjs has the grammar's nodes.
 *
 * @import { Entity, Expected, GrammarNode, Memory, Value, Way } from "../types.d.ts"
 */

/**
 * The value that a text has established under a name, if any.
 * @param {Memory} memory
 * @param {string} name
 */
export function recall(memory, name) {
  for (let entry = memory; entry; entry = entry.before) if (entry.name === name) return entry.value;
  return undefined;
}

/**
 * The words for a value in a sentence: `form(pip, ["friend", "he"])` is the pronoun of Pip's friend.
 * @param {Value} value
 * @param {string[]} path
 */
export function form(value, path) {
  for (const step of path) value = /** @type {Value} */ (/** @type {Entity} */ (value).forms[step]);
  return typeof value === "object" ? value.name : value;
}

/** A text being written: its random numbers, what it has established, and the log-probability of its choices. */
export class Draft {
  memory = /** @type {Memory} */ (null);
  logProb = 0;

  /** @param {() => number} random  returns uniform numbers in [0, 1) */
  constructor(random) {
    this.random = random;
  }

  /**
   * A uniform integer below n.
   * @param {number} n
   */
  choose(n) {
    this.logProb -= Math.log(n);
    return Math.floor(this.random() * n);
  }

  /**
   * @param {string} name
   * @param {Value} value
   */
  remember(name, value) {
    this.memory = { name, value, before: this.memory };
  }
}

/** A text being read: what the grammar expected where reading got furthest, and where each derivation failed. */
export class Reading {
  furthest = 0;
  /** @type {Expected[]} */
  expected = [];

  /** @param {string} text */
  constructor(text) {
    this.text = text;
    this.failed = new Float64Array(text.length + 1); // the probability of all derivations that match exactly this much
  }

  /**
   * Every derivation of the text, or of its beginning, by a node. A stack holds, for each node on the way, what is left
   * to try there. So a long text cannot exhaust JavaScript's own stack, and everything is tried in the order of Python.
   * @param {GrammarNode} node
   * @param {number} logProb
   */
  *ways(node, logProb = 0) {
    /** @type {Way} */
    const start = { at: 0, memory: null, logProb, step: null, rest: { node, next: null } };
    /** @type {Iterator<Way>[]} */
    const stack = [[start].values()];
    while (stack.length) {
      const { value: way, done } = stack[stack.length - 1].next();
      if (done) stack.pop();
      else if (way.rest) stack.push(way.rest.node.read(this, way, way.rest.next));
      else yield way;
    }
  }

  /**
   * Whether the text continues with these words, chosen with `logProb`; if not, note how far they match.
   * @param {string} words
   * @param {Way} way
   * @param {string} what
   */
  says(words, way, what, logProb = 0) {
    const { text } = this;
    if (text.startsWith(words, way.at)) return true;
    let reached = way.at;
    while (text.charCodeAt(reached) === words.charCodeAt(reached - way.at)) reached++;
    if (isLow(words, reached - way.at)) reached--; // in the middle of a character, which does not match as a whole
    this.failed[reached] += Math.exp(way.logProb + logProb);
    if (reached > this.furthest) {
      this.furthest = reached;
      this.expected = [];
    }
    if (reached === this.furthest) this.expected.push({ what, words, start: way.at });
    return false;
  }

  /**
   * P(a text starts with the first n characters of this one), for n = 0 … all of them. These are exact once every way
   * to read the text has been tried and every way to its end, or to an earlier one, has been added to `failed` there.
   */
  prefixProbabilities() {
    const p = Float64Array.from(this.failed);
    for (let n = p.length - 1; n > 0; n--) p[n - 1] += p[n];
    return p;
  }
}

/**
 * Whether a position is in the middle of a character that takes two of JavaScript's units.
 * @param {string} text
 * @param {number} at
 */
const isLow = (text, at) => (text.charCodeAt(at) & 0xfc00) === 0xdc00;

/**
 * A probabilistic grammar that works both ways: it writes texts and reads them. This is `tiny_world/grammar.py` again,
 * for the page. The template language and its parser are only there; `tiny_world/tables.py` lists the nodes they make.
 *
 * Writing draws a random number at every choice. Reading finds the choices that lead to a text. Each text has one
 * derivation, so its probability is the product of the probabilities of its choices.
 *
 * @import { Entity, GrammarNode, Memory, Step, Value, Way } from "../types.d.ts"
 * @import { Draft } from "./reading.mjs"
 */
import { form, recall } from "./reading.mjs";

/**
 * @param {Way} way
 * @param {GrammarNode} node
 * @returns {Step}
 */
const stepTo = ({ step, at, memory }, node) => ({ before: step, node, at, memory });

/** Fixed words. */
export class Words {
  /** @param {string} words */
  constructor(words) {
    this.words = words;
  }

  write() {
    return this.words;
  }

  /** @type {GrammarNode["read"]} */
  *read(reading, way, rest) {
    if (!reading.says(this.words, way, "sentence")) return;
    yield { ...way, at: way.at + this.words.length, step: stepTo(way, this), rest };
  }
}

/** Several nodes, one after another. */
export class Row {
  /** @param {GrammarNode[]} parts */
  constructor(parts) {
    this.parts = parts;
  }

  /** @param {Draft} draft */
  write(draft) {
    let text = "";
    for (const part of this.parts) text += part.write(draft);
    return text;
  }

  /** @type {GrammarNode["read"]} */
  *read(_, way, rest) {
    yield { ...way, rest: this.parts.reduceRight((next, node) => ({ node, next }), rest) };
  }
}

/** One of several nodes, drawn in proportion to integer weights. */
export class Choice {
  /**
   * @param {GrammarNode[]} options
   * @param {number[]} weights
   */
  constructor(options, weights) {
    this.options = options;
    this.urn = weights.flatMap((weight, i) => Array.from({ length: weight }, () => i));
    this.logProbs = weights.map((weight) => Math.log(weight / this.urn.length));
  }

  /** @param {Draft} draft */
  write(draft) {
    const i = this.urn[Math.floor(draft.random() * this.urn.length)];
    draft.logProb += this.logProbs[i];
    return this.options[i].write(draft);
  }

  /** @type {GrammarNode["read"]} */
  *read(_, way, rest) {
    const step = stepTo(way, this);
    for (const [i, node] of this.options.entries()) {
      yield { ...way, logProb: way.logProb + this.logProbs[i], step, rest: { node, next: rest } };
    }
  }
}

/** A value by name, drawn at its first use; a value without a name is drawn every time. */
export class Slot {
  /**
   * @param {string} name
   * @param {string[]} path  to the form to say
   * @param {(memory: Memory) => Entity[]} source  the list to draw from, which may depend on earlier draws
   * @param {boolean} ofMemory  whether it does
   * @param {(words: string) => string} inflect  adds an article and a capital letter, if this slot has them
   */
  constructor(name, path, source, ofMemory, inflect) {
    this.name = name;
    this.path = path;
    this.source = source;
    this.ofMemory = ofMemory;
    this.inflect = inflect;
    this.what = [name, ...path].join(".");
    /** @type {Map<Value, string>} */
    this.said = new Map();
  }

  /**
   * The words for this value here.
   * @param {Value} value
   */
  say(value) {
    let words = this.said.get(value);
    if (words === undefined) {
      words = this.inflect(form(value, this.path));
      if (typeof value === "object") this.said.set(value, words);
    }
    return words;
  }

  /**
   * The values that can be drawn here: those that have no name yet and are not the friend of one that has.
   * @param {Memory} memory
   */
  options(memory) {
    if (!this.name) return this.source(memory);
    const taken = new Set();
    for (let entry = memory; entry; entry = entry.before) {
      if (typeof entry.value === "object") taken.add(entry.value).add(entry.value.forms.friend);
    }
    return this.source(memory).filter((value) => !taken.has(value));
  }

  /** @param {Draft} draft */
  write(draft) {
    let value = recall(draft.memory, this.name);
    if (value === undefined) {
      const options = this.options(draft.memory);
      value = options[draft.choose(options.length)];
      if (this.name) draft.remember(this.name, value);
    }
    return this.say(value);
  }

  /** @type {GrammarNode["read"]} */
  *read(reading, way, rest) {
    const { at, memory, logProb } = way;
    const step = stepTo(way, this);
    const value = recall(memory, this.name);
    if (value !== undefined) {
      const words = this.say(value);
      if (reading.says(words, way, this.what)) yield { ...way, at: at + words.length, step, rest };
      return;
    }
    const options = this.options(memory);
    const draw = -Math.log(options.length);
    for (const option of options) {
      const words = this.say(option);
      if (!reading.says(words, way, this.name || "sentence", draw)) continue;
      const after = this.name ? { name: this.name, value: option, before: memory } : memory;
      yield { at: at + words.length, memory: after, logProb: logProb + draw, step, rest };
    }
  }
}

/** A node whose words are remembered under a name. */
export class Keep {
  /**
   * @param {string} name
   * @param {GrammarNode} piece
   */
  constructor(name, piece) {
    this.name = name;
    this.piece = piece;
  }

  /** @param {Draft} draft */
  write(draft) {
    const words = this.piece.write(draft);
    draft.remember(this.name, words);
    return words;
  }

  /** @type {GrammarNode["read"]} */
  *read(_, way, rest) {
    yield { ...way, rest: { node: this.piece, next: { node: new Kept(this.name, way.at), next: rest } } };
  }
}

/** The end of the words that a `Keep` remembers. */
class Kept {
  /**
   * @param {string} name
   * @param {number} start
   */
  constructor(name, start) {
    this.name = name;
    this.start = start;
  }

  write() {
    return "";
  }

  /** @type {GrammarNode["read"]} */
  *read({ text }, way, rest) {
    const value = text.slice(this.start, way.at);
    yield { ...way, memory: { name: this.name, value, before: way.memory }, rest };
  }
}

/** One of several nodes, each drawn at most once per pool, so no line, rhyme, or question repeats. */
export class Fresh {
  /**
   * @param {string} pool
   * @param {GrammarNode[]} options
   */
  constructor(pool, options) {
    this.pool = pool;
    this.options = options;
  }

  /**
   * The options that have not been drawn yet.
   * @param {Memory} memory
   */
  left(memory) {
    const drawn = new Set();
    for (let entry = memory; entry; entry = entry.before) if (entry.name === this.pool) drawn.add(entry.value);
    return this.options.filter((_, i) => !drawn.has(String(i)));
  }

  /** @param {Draft} draft */
  write(draft) {
    const left = this.left(draft.memory);
    const option = left[draft.choose(left.length)];
    draft.remember(this.pool, String(this.options.indexOf(option)));
    return option.write(draft);
  }

  /** @type {GrammarNode["read"]} */
  *read(_, way, rest) {
    const left = this.left(way.memory);
    const logProb = way.logProb - Math.log(left.length);
    const step = stepTo(way, this);
    for (const node of left) {
      const value = String(this.options.indexOf(node));
      const memory = { name: this.pool, value, before: way.memory };
      yield { at: way.at, memory, logProb, step, rest: { node, next: rest } };
    }
  }
}

/**
 * Tiny World in the page: documents without end, each with its exact log-probability; the judge; and the rule and the
 * true cost of each token. It is the world of `gpt2_course/tiny_world`, made from the tables that `tables.py` writes.
 *
 *     const world = new World(await (await fetch("tiny_world.json")).json());
 *     for (const { text, logProb } of world.documents(Math.random, "songs")) …
 *     world.judge(text).accepted
 *
 * @import { Entity, GrammarNode, Kind, KindOfDocument, Memory, NodeRow } from "../types.d.ts"
 * @import { RuledToken, Tables, Verdict, WorldDocument } from "../types.d.ts"
 */
import { Choice, Fresh, Keep, Row, Slot, Words } from "./grammar.mjs";
import { judge } from "./judge.mjs";
import { Draft, recall } from "./reading.mjs";
import { tokenRules } from "./rules.mjs";

/** A world, and its corners: parts that can be learned by themselves, such as "songs" or the plot "a race". */
export class World {
  /** @param {Tables} tables */
  constructor(tables) {
    this.tables = tables;
    this.entities = tables.entities.map(([name]) => /** @type {Entity} */ ({ name, forms: {} }));
    tables.entities.forEach(([, forms], i) => {
      for (const [name, written] of Object.entries(forms)) {
        const { entities } = this;
        this.entities[i].forms[name] =
          typeof written === "string"
            ? written
            : typeof written === "number"
              ? entities[written]
              : written.map((number) => entities[number]);
      }
    });
    /** @type {Record<string, Entity[]>} */
    this.lists = {};
    for (const [name, numbers] of Object.entries(tables.lists)) {
      this.lists[name] = numbers.map((number) => this.entities[number]);
    }
    /**
     * The list of each entity; the longest one for the few that are in two.
     * @type {Map<Entity, string>}
     */
    this.listOf = new Map();
    for (const [name, entities] of Object.entries(this.lists).sort(([, a], [, b]) => a.length - b.length)) {
      for (const entity of entities) this.listOf.set(entity, name);
    }
    const an = new Set(tables.an);
    /** @type {GrammarNode[]} */
    const nodes = [];
    for (const row of tables.nodes) nodes.push(nodeOf(row, nodes, this.lists, an));
    /** @type {Map<string, KindOfDocument[]>} */
    this.grammars = new Map();
    for (const [corner, kinds] of Object.entries(tables.corners)) {
      const total = Object.values(kinds).reduce((sum, [weight]) => sum + weight, 0);
      const grammar = Object.entries(kinds).map(([kind, [weight, number]]) => {
        return { kind: /** @type {Kind} */ (kind), weight, logProb: Math.log(weight / total), node: nodes[number] };
      });
      this.grammars.set(corner, grammar);
    }
  }

  /** The names of the corners, "everything" first; each plot is one. */
  get corners() {
    return [...this.grammars.keys()];
  }

  /**
   * The grammars of the kinds of documents in a corner, each with its share: the weight, and the log-probability.
   * @param {string} corner
   */
  grammarOf(corner) {
    const grammar = this.grammars.get(corner);
    if (!grammar) throw new Error(`Tiny World has no corner '${corner}': choose one of ${this.corners.join(", ")}.`);
    return grammar;
  }

  /**
   * Documents without end.
   * @param {() => number} random  returns uniform numbers in [0, 1); the same numbers give the same documents
   * @returns {Generator<WorldDocument, never>}
   */
  *documents(random, corner = "everything") {
    const grammar = this.grammarOf(corner);
    const urn = grammar.flatMap((kind) => Array.from({ length: kind.weight }, () => kind));
    while (true) {
      const draft = new Draft(random);
      const { kind, logProb, node } = urn[Math.floor(random() * urn.length)];
      const text = node.write(draft);
      yield { text, kind, logProb: logProb + draft.logProb, facts: settledFacts(draft.memory) };
    }
  }

  /**
   * Whether a text is a document of this corner and, if not, where its first mistake is.
   * @param {string} text
   * @returns {Verdict}
   */
  judge(text, corner = "everything") {
    return judge(text, this.grammarOf(corner), this.tables);
  }

  /**
   * The rule and the true cost of each token of a document, the last of which is `<|endoftext|>`. The costs add up to
   * the document's -ln p. Throws an error if the text is not a document of this corner.
   * @param {string} text
   * @param {ArrayLike<number>} ends  where each of the other tokens ends in the text
   * @returns {RuledToken[]}
   */
  costs(text, ends, corner = "everything") {
    return tokenRules(text, ends, this.grammarOf(corner), this);
  }
}

/**
 * The node for a row of the table. Its parts are in the rows before it.
 * @param {NodeRow} row
 * @param {GrammarNode[]} nodes
 * @param {Record<string, Entity[]>} lists
 * @param {Set<string>} an  the words that take "an"
 */
function nodeOf(row, nodes, lists, an) {
  const of = (/** @type {number[]} */ numbers) => numbers.map((number) => nodes[number]);
  if (typeof row === "string") return new Words(row);
  if (Array.isArray(row)) return new Row(of(row));
  if ("weights" in row) return new Choice(of(row.options), row.weights);
  if ("pool" in row) return new Fresh(row.pool, of(row.options));
  if ("keep" in row) return new Keep(row.keep, nodes[row.piece]);
  const { slot, path = [], from, capital, article } = row;
  const inflect = (/** @type {string} */ words) => {
    const all = article ? `${an.has(words) ? "an" : "a"} ${words}` : words;
    const [first] = all;
    return capital ? first.toUpperCase() + all.slice(first.length) : all;
  };
  if (!from) return new Slot(slot, path, () => [], false, inflect);
  const [origin, part] = from.split(".");
  if (!part) return new Slot(slot, path, () => lists[origin], false, inflect);
  /** @param {Memory} memory */
  const source = (memory) => /** @type {Entity[]} */ (/** @type {Entity} */ (recall(memory, origin)).forms[part]);
  return new Slot(slot, path, source, true, inflect);
}

/**
 * The facts in a memory, as text, without the record of which lines and questions were drawn.
 * @param {Memory} memory
 */
export function settledFacts(memory) {
  /** @type {Record<string, string>} */
  const facts = {};
  for (let entry = memory; entry; entry = entry.before) {
    const { name, value } = entry;
    if (!name.startsWith("drawn ")) facts[name] ??= typeof value === "object" ? value.name : value;
  }
  return facts;
}

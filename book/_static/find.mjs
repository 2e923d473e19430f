/*
 * Finds sections of the book. No page is touched here: `search.mjs` shows what `Finder` finds in `search.json`.
 *
 * Sections are ranked by BM25F (Robertson and Zaragoza, 2009): a word counts for more if it is rare in the book, and in
 * a heading, and less in a long text. Each word of a query may also be found as a synonym, as the beginning of a word,
 * or with a typing mistake.
 */

/** @typedef {{ page: string, id: string, heading: string, above: string[], text: string, weight: number }} Section */
/** @typedef {{ section: Section, score: number, words: Set<string> }} Found `words` are stems, to be marked */
/** @typedef {{ text: string, marked: boolean }} Piece a part of an excerpt */

const K1 = 1.2; // how soon more occurrences of a word stop to count
const B = 0.5; // how much a long text is held against a section
const HEADING = 5; // a word in a heading counts as much as this many in the text
const ABOVE = 1.5; // the same, for the headings above it
const SYNONYM = 0.7;
const BEGINNING = 0.8;
const MISTYPED = 0.5;
const IGNORED = new Set(
  `a an and any are as at be been but by can could did do does for from had has have how i if in into is it its just me
   my no not of on or our s should so some t than that the their them then there these they this to us was we were
   what when where which who why will with would you your`
    .split(/\s+/)
    .map(stem),
);

/**
 * The words of a text, with the place of each.
 * @param {string} text
 * @returns {{ stem: string, start: number, end: number }[]}
 */
export function wordsOf(text) {
  return [...text.matchAll(/[\p{L}\p{N}]+|√/gu)].map((found) => ({
    stem: stem(found[0]),
    start: found.index,
    end: found.index + found[0].length,
  }));
}

/**
 * A word in lower case and without its endings, so that "Tokens" and "token" are the same.
 * @param {string} word
 */
export function stem(word) {
  let w = word.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/^√$/, "sqrt");
  if (w.length > 3)
    w = w
      .replace(/ies$/, "y")
      .replace(/(ss|sh|ch|x)es$/, "$1")
      .replace(/([^su])s$/, "$1");
  if (w.length > 5) w = w.replace(/(ing|ed|ly)$/, "").replace(/([bdglmnprt])\1$/, "$1");
  return w.length > 4 ? w.replace(/e$/, "") : w;
}

/**
 * The words that say what is looked for; all words if they are such as "what is it".
 * @param {string[]} stems
 */
function contentOf(stems) {
  const content = stems.filter((word) => !IGNORED.has(word));
  return content.length ? content : stems;
}

/**
 * Whether two words differ by one letter added, left out, or changed, or by two neighbors exchanged.
 * @param {string} a
 * @param {string} b
 */
function almostEqual(a, b) {
  if (Math.abs(a.length - b.length) > 1) return false;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  const restOf = (/** @type {string} */ w, /** @type {number} */ n) => w.slice(i + n);
  const exchanged = a[i] === b[i + 1] && a[i + 1] === b[i] && restOf(a, 2) === restOf(b, 2);
  return restOf(a, 1) === restOf(b, 1) || restOf(a, 1) === restOf(b, 0) || restOf(a, 0) === restOf(b, 1) || exchanged;
}

export class Finder {
  /** @param {{ sections: Section[], synonyms: string[][] }} index */
  constructor({ sections, synonyms }) {
    this.sections = sections;
    /** @type {Map<string, Map<number, number>>} stem → section → how often, headings included */
    this.counts = new Map();
    this.lengths = sections.map((section, i) => {
      const words = wordsOf(section.text);
      for (const [text, weight] of [
        [section.text, 1],
        [section.heading, HEADING],
        [section.above.join(" "), ABOVE],
      ])
        for (const word of wordsOf(String(text))) {
          const counts = this.counts.get(word.stem) ?? new Map();
          this.counts.set(word.stem, counts.set(i, (counts.get(i) ?? 0) + Number(weight)));
        }
      return words.length;
    });
    this.meanLength = this.lengths.reduce((sum, n) => sum + n, 0) / Math.max(1, sections.length);
    const stems = (/** @type {string} */ text) => wordsOf(text).map((word) => word.stem);
    this.headings = sections.map((section) => new Set(contentOf(stems(section.heading))));
    /** @type {Map<string, string[][]>} stems joined by spaces → what means the same */
    this.synonyms = new Map();
    for (const phrases of synonyms) {
      const group = phrases.map(stems).map(contentOf);
      for (const word of group) {
        const others = group.filter((other) => other !== word);
        this.synonyms.set(word.join(" "), [...(this.synonyms.get(word.join(" ")) ?? []), ...others]);
      }
    }
  }

  /**
   * The sections that answer a query, the best first.
   * @param {string} query
   * @param {number} [most]
   * @returns {Found[]}
   */
  find(query, most = 10) {
    const asked = contentOf(wordsOf(query).map((word) => word.stem));
    const ideas = this.ideasIn(asked);
    /** @type {Map<number, { score: number, ideas: number, heading: number, words: Set<string> }>} */
    const scored = new Map();
    for (const idea of ideas) {
      /** @type {Map<number, { score: number, words: string[], heading: boolean }>} */
      const best = new Map();
      for (const { words, weight } of idea.ways)
        for (const [i, score] of this.scores(words)) {
          const heading = words.every((word) => this.headings[i].has(word));
          if (score * weight > (best.get(i)?.score ?? 0)) best.set(i, { score: score * weight, words, heading });
        }
      for (const [i, { score, words, heading }] of best) {
        const sum = scored.get(i) ?? { score: 0, ideas: 0, heading: 0, words: new Set() };
        for (const word of words) sum.words.add(word);
        scored.set(i, {
          score: sum.score + score,
          ideas: sum.ideas + idea.length,
          heading: sum.heading + (heading ? words.length : 0),
          words: sum.words,
        });
      }
    }
    const found = [...scored].map(([i, { score, ideas: n, heading, words }]) => {
      const section = this.sections[i];
      const covered = n / asked.length; // sections with all words of the query come first
      // how much of the heading was asked for, and how much of the query is in the heading
      const named = Math.min(1, heading / Math.max(1, this.headings[i].size)) * Math.min(1, heading / asked.length);
      return { section, words, score: score * covered ** 2 * (1 + named) * section.weight };
    });
    return found.sort((a, b) => b.score - a.score).slice(0, most);
  }

  /**
   * The ideas in a query: each a word, or several words with a synonym, and the ways to find it.
   * @param {string[]} asked
   */
  ideasIn(asked) {
    const ideas = [];
    for (let i = 0; i < asked.length;) {
      let length = Math.min(4, asked.length - i);
      while (length > 1 && !this.synonyms.has(asked.slice(i, i + length).join(" "))) length--;
      const words = asked.slice(i, i + length);
      const last = i + length === asked.length;
      const ways = [{ words, weight: 1 }];
      for (const others of this.synonyms.get(words.join(" ")) ?? []) ways.push({ words: others, weight: SYNONYM });
      if (length === 1) ways.push(...this.similar(words[0], last));
      ideas.push({ ways, length });
      i += length;
    }
    return ideas;
  }

  /**
   * Words of the book that begin like a word, and if there are none and the book does not have it, with a mistake.
   * @param {string} word
   * @param {boolean} unfinished whether the word may still be being typed
   */
  similar(word, unfinished) {
    const known = [...this.counts.keys()];
    const exact = this.counts.has(word);
    const ways = (/** @type {string[][]} */ found, /** @type {number} */ weight) =>
      found.map((words) => ({ words, weight }));
    if (exact && !unfinished) return [];
    const longer = word.length > 2 ? known.filter((other) => other.startsWith(word) && other !== word) : [];
    if (exact || longer.length)
      return ways(
        longer.map((other) => [other]),
        exact ? BEGINNING / 3 : BEGINNING,
      );
    const cuts = Array.from({ length: Math.max(0, word.length - 3) }, (_, i) => [
      word.slice(0, i + 2),
      word.slice(i + 2),
    ]);
    const joined = cuts.filter((parts) => parts.every((part) => this.counts.has(part)));
    if (joined.length) return ways(joined, BEGINNING); // such as "layernorm"
    return word.length > 3
      ? ways(
          known.filter((other) => almostEqual(word, other)).map((w) => [w]),
          MISTYPED,
        )
      : [];
  }

  /**
   * The BM25F score of each section that contains all of these words.
   * @param {string[]} words
   */
  scores(words) {
    /** @type {Map<number, number> | undefined} */
    let sums;
    for (const word of words.filter((each) => words.length === 1 || !IGNORED.has(each))) {
      const counts = this.counts.get(word) ?? new Map();
      const n = this.sections.length;
      const rarity = Math.log(1 + (n - counts.size + 0.5) / (counts.size + 0.5));
      /** @type {Map<number, number>} */
      const both = new Map();
      for (const [i, count] of counts) {
        if (sums && !sums.has(i)) continue;
        const norm = 1 - B + (B * this.lengths[i]) / this.meanLength;
        both.set(i, (sums?.get(i) ?? 0) + (rarity * count * (K1 + 1)) / (count + K1 * norm));
      }
      sums = both;
    }
    return sums ?? new Map();
  }
}

/**
 * The part of a section's text in which the words of a query are closest together, about `length` characters.
 * @param {Found} found
 * @param {number} [length]
 * @returns {Piece[]}
 */
export function excerpt({ section: { text }, words }, length = 150) {
  const all = wordsOf(text);
  const hits = all.filter((word) => words.has(word.stem));
  let start = 0;
  let most = 0;
  for (const hit of hits) {
    const near = hits.filter((other) => other.start >= hit.start && other.end <= hit.start + length);
    const different = new Set(near.map((word) => word.stem)).size;
    if (different > most) [most, start] = [different, hit.start];
  }
  // Begin with the sentence if that is near, or else with a whole word.
  const before = Math.max(0, start - 60);
  const sentence = text.slice(before, start).search(/(?<=[.!?:] )\S[^.!?:]*$/);
  if (sentence >= 0) start = before + sentence;
  else if (before > 0) start = all.find((word) => word.start >= before)?.start ?? 0;
  else start = 0;
  let end = Math.min(text.length, start + length);
  if (end < text.length) end = all.findLast((word) => word.end <= end && word.start > start)?.end ?? end;
  /** @type {Piece[]} */
  const pieces = [{ text: start > 0 ? "… " : "", marked: false }];
  let at = start;
  for (const hit of hits.filter((word) => word.start >= start && word.end <= end)) {
    pieces.push(
      { text: text.slice(at, hit.start), marked: false },
      { text: text.slice(hit.start, hit.end), marked: true },
    );
    at = hit.end;
  }
  pieces.push({ text: text.slice(at, end) + (end < text.length ? " …" : ""), marked: false });
  return pieces.filter((piece) => piece.text);
}

/**
 * A lab's state as a link. Its fragment names the lab, counted among the page's labs of that kind, and has the traits
 * that differ from the page's own, as JSON: #lab=playground-1&temperature=1.2
 *
 * @import { Model, Trait, Traits } from "../types.d.ts"
 */
import { PARTS } from "./machine_parts.mjs";
import { button, h } from "./ui.mjs";

const LONGEST = 8000; // characters; some programs cut longer links
const LARGEST = 2 ** 31 - 1;

/** @type {(min: number, max: number) => (value: unknown) => boolean} */
const number = (min, max) => (value) => typeof value === "number" && value >= min && value <= max;
/** @type {(min: number, max: number) => (value: unknown) => boolean} */
const integer = (min, max) => (value) => Number.isInteger(value) && number(min, max)(value);
/** @type {(check: (value: unknown) => boolean) => (value: unknown) => boolean} */
const list = (check) => (value) => Array.isArray(value) && value.every(check);
/** @param {unknown} value */
const string = (value) => typeof value === "string";
/** @param {unknown} value */
const isPair = (value) => list(integer(0, LARGEST))(value) && /** @type {number[]} */ (value).length === 2;
/** @type {(value: any, i: number) => boolean} */
const isTurn = (value, i) => value?.role === ["user", "assistant"][i % 2] && string(value.content);

/**
 * The values that Python's labs accept. Whatever else a link has is ignored.
 * @type {Partial<Record<Trait, (value: any) => boolean>>}
 */
const CHECKS = {
  text: string,
  prompt: string,
  message: string,
  messages: (value) => Array.isArray(value) && value.length % 2 === 0 && value.every(isTurn),
  vocabulary: (value) => value === "model" || value === "gpt2",
  temperature: number(0, 2),
  top_k: integer(0, 100),
  top_p: number(0.05, 1),
  length: integer(10, 300),
  samples: integer(1, 4),
  seed: integer(0, LARGEST),
  added: list(integer(0, LARGEST)),
  layer: integer(0, LARGEST),
  head: integer(0, LARGEST),
  token: integer(-1, LARGEST),
  without: list(isPair),
  step: integer(0, LARGEST),
  part: (value) => value === "" || (string(value) && Object.hasOwn(PARTS, value)),
  report: integer(-1, LARGEST),
  corner: (value) => string(value) && value.length < 60,
  size: (value) => ["small", "medium", "laptop"].includes(value),
  rate: number(0.001, 0.1),
};

/** @type {(trait: string) => (value: unknown) => boolean} */
const checkOf = (trait) => (Object.hasOwn(CHECKS, trait) && CHECKS[/** @type {Trait} */ (trait)]) || (() => false);

/**
 * The fragment for a lab in this state.
 * @param {string} lab  its name and number
 * @param {Traits} state
 * @param {Traits} initial  what the page starts the lab with
 */
export function fragmentOf(lab, state, initial) {
  const fields = new URLSearchParams({ lab });
  for (const [trait, value] of Object.entries(state)) {
    const json = JSON.stringify(value);
    if (checkOf(trait)(value) && json !== JSON.stringify(initial[/** @type {Trait} */ (trait)]))
      fields.set(trait, json);
  }
  const fragment = `#${fields}`;
  if (fragment.length > LONGEST) {
    throw new Error(
      `This is too long for a link: it would have ${fragment.length.toLocaleString("en")} characters, but at most ` +
        `${LONGEST.toLocaleString("en")} fit. Shorten the text.`,
    );
  }
  return fragment;
}

/**
 * The lab that a fragment names, and its state: the page's own, with what the lab can take from the fragment. If that
 * is nothing, `isIgnored` says so. Returns null if the page has no such lab.
 * @param {string} fragment
 * @param {(lab: string) => Traits | undefined} initialOf  what the page starts a lab with
 */
export function stateIn(fragment, initialOf) {
  const fields = new URLSearchParams(fragment.slice(1));
  const lab = fields.get("lab") ?? "";
  const initial = initialOf(lab);
  if (!initial) return null;
  const state = { ...initial };
  let taken = 0;
  for (const [trait, json] of fragment.length > LONGEST ? [] : fields) {
    if (!Object.hasOwn(initial, trait)) continue;
    try {
      const value = JSON.parse(json);
      if (!checkOf(trait)(value)) continue;
      Object.assign(state, { [trait]: value });
      taken++;
    } catch {} // not JSON
  }
  return { lab, state, isIgnored: taken === 0 && fields.size > 1 };
}

/**
 * A row with a button that copies a link to a lab as it is now, and a function that brings the lab into a link's state.
 * @param {string} lab  its name and number
 * @param {Traits} initial  what the page starts it with
 * @param {Model} model
 */
export function linkRow(lab, initial, model) {
  const note = h("span", { class: "lab-small", role: "status" });
  /** @param {string} link */
  async function copy(link) {
    try {
      await navigator.clipboard.writeText(link);
      note.textContent = "Copied. The link opens this lab as it is now.";
    } catch {
      history.replaceState(null, "", link);
      note.textContent = "Your browser blocked copying, so the link is in the address bar now.";
    }
  }
  const share = button("Copy link", () => {
    try {
      const traits = /** @type {Trait[]} */ (Object.keys(initial)).map((trait) => [trait, model.get(trait)]);
      copy(new URL(fragmentOf(lab, Object.fromEntries(traits), initial), location.href).href);
    } catch (error) {
      note.textContent = error instanceof Error ? error.message : String(error);
    }
  });
  return {
    row: h("div", { class: "lab-row lab-link" }, share, note),
    /** @param {{ state: Traits, isIgnored: boolean }} link */
    open({ state, isIgnored }) {
      const traits = /** @type {Trait[]} */ (Object.keys(isIgnored ? {} : state)).filter((trait) => trait in CHECKS);
      for (const trait of traits) {
        if (JSON.stringify(model.get(trait)) !== JSON.stringify(state[trait])) model.set(trait, state[trait]);
      }
      note.textContent = isIgnored ? "The link has no setting that this lab knows, so it changes nothing." : "";
    },
  };
}

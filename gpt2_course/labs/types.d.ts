/** Types shared by the modules in static/. Only the type checker reads this file; see tsconfig.json. */

// ---- the model ---------------------------------------------------------------------------------------------------

/** A model folder's config.json. */
export interface Config {
  vocab_size: number;
  n_positions: number;
  n_embd: number;
  n_layer: number;
  n_head: number;
  layer_norm_epsilon: number;
}

export interface Tensor {
  shape: number[];
  values: Float32Array;
}

export type Tensors = Map<string, Tensor>;

/** Keys and values of the first `length` tokens, per layer (n_positions, C). */
export interface Cache {
  length: number;
  keys: Float32Array[];
  values: Float32Array[];
}

/** Called with each activation in the order of computation. Copy `values` to keep them. */
export type Look = (name: string, layer: number | null, values: Float32Array) => void;

export interface InnerLoop {
  /** x (T, nIn) times the transpose of w (nOut, nIn), plus b (nOut): (T, nOut). */
  linear(x: Float32Array, w: Float32Array, b: Float32Array, nIn: number, nOut: number): Float32Array;
  /** Moves a matrix to where `linear` can read it. */
  keep(values: Float32Array): Float32Array;
}

/** Sampling settings. Temperature 0 is greedy; null means no limit. */
export interface Settings {
  temperature: number;
  top_k: number | null;
  top_p: number | null;
}

// ---- what the engine answers -------------------------------------------------------------------------------------

/** `piece` is the index of the word that the token is part of. */
export interface Token {
  id: number;
  text: string;
  bytes: number[];
  piece: number;
}

/** A token and its probability. */
export interface Candidate extends Token {
  p: number;
}

export interface Description {
  name: string;
  parameters: number;
  vocab_size: number;
  n_layer: number;
  n_head: number;
  n_embd: number;
  n_positions: number;
  /** Whether the model was trained on dialogues with the course's chat template. */
  has_template: boolean;
}

/** The tokens after a merge, the merge's rank, and the index of the merged token; both are null before the first. */
export type MergeStep = { tokens: Token[] } & ({ rank: number; at: number } | { rank: null; at: null });

export interface Report {
  step: number;
  loss: number;
  floor: number;
  sample: string;
  /** What each rule of Tiny World costs: its part of loss − floor. Empty if it was not recorded. */
  rules: Record<string, number>;
}

/** The tokens that are shown, and the number left out for lack of space. */
interface Shown {
  tokens: Token[];
  left_out: number;
}

/** `weights` has one row per layer, (H, T, T). */
export type AttentionAnswer = Shown & { weights: number[][]; next: Candidate[] };
export type ActivationAnswer = Shown & { values: number[] };
export type TokenizeAnswer = { tokens: Token[]; pieces: string[]; count: number; characters: number; bytes: number };
export type NextAnswer = {
  added: Token[];
  bars: Candidate[];
  possible: number;
  drawn: Candidate & { start: number };
};
export type Written = { text: string; p: number };

/** The engine's calls: the arguments, partial answers, and final answer of each. */
export interface Calls {
  describe: { asked: object; part: never; done: Description };
  tokenize: { asked: { text: string; vocabulary: Vocabulary }; part: never; done: TokenizeAnswer };
  merge_steps: { asked: { piece: string; vocabulary: Vocabulary }; part: never; done: MergeStep[] };
  next: {
    asked: { prompt: string; added: number[]; settings: Settings; number: number; count: number };
    part: never;
    done: NextAnswer;
  };
  attention: { asked: { text: string; without: number[][]; most: number }; part: never; done: AttentionAnswer };
  activation: {
    asked: { text: string; name: string; layer: number | null; most: number };
    part: never;
    done: ActivationAnswer;
  };
  generate: {
    asked: { prompt: string; settings: Settings; seed: number; length: number };
    part: Written;
    done: { tokens: number; seconds: number; cut: { tokens: number; text: string } };
  };
  history: { asked: object; part: never; done: { prompt: string; reports: Report[] } };
}

export type Call = keyof Calls;

/** The worker's functions, one per call. */
export type Engine = {
  [C in Call]: (
    asked: Calls[C]["asked"],
    part: (part: Calls[C]["part"]) => void,
    cancelled: () => boolean,
  ) => Promise<Calls[C]["done"]>;
};

// ---- messages between a lab and its engine -----------------------------------------------------------------------

export type Request = { id: number; call: Call; cancel?: undefined; [asked: string]: unknown } | { cancel: number };

/** A message from the engine or from Python. Besides the `id` of its call, it has one of the other fields. */
export interface Message {
  id?: number;
  part?: unknown;
  done?: unknown;
  error?: string;
  /** Why the engine stopped. */
  broken?: string;
  /** Bytes of the model that have arrived. */
  loaded?: number;
  /** Python called `lab.write()`. */
  write?: boolean;
}

export type Answer<T> = Promise<T> & { cancel(): void };

export type Ask = <C extends Call>(
  call: C,
  ...rest: object extends Calls[C]["asked"]
    ? [asked?: object]
    : [asked: Calls[C]["asked"], onPart?: (part: Calls[C]["part"]) => void]
) => Answer<Calls[C]["done"]>;

// ---- labs --------------------------------------------------------------------------------------------------------

export type Vocabulary = "model" | "gpt2";

/** A message in a dialogue. */
export interface Turn {
  role: "user" | "assistant";
  content: string;
}

/** The traits of all labs. The Python class of a lab, in gpt2_course/labs, lists the ones it has. */
export interface Traits {
  text: string;
  vocabulary: Vocabulary;
  prompt: string;
  added: number[];
  temperature: number;
  top_k: number;
  top_p: number;
  seed: number;
  length: number;
  samples: number;
  texts: string[];
  message: string;
  messages: Turn[];
  layer: number;
  head: number;
  token: number;
  without: number[][];
  step: number;
  report: number;
}

export type Trait = keyof Traits;

/** The names of the traits with values of type V. */
export type TraitOf<V> = { [K in Trait]: Traits[K] extends V ? K : never }[Trait];

/** The parts of Jupyter's widget model that labs use. In the book, hydrate.mjs provides them. */
export interface Model {
  get<K extends Trait>(trait: K): Traits[K];
  set<K extends Trait>(trait: K, value: Traits[K]): void;
  save_changes(): void;
  on(event: "msg:custom", listener: (message: Message) => void): void;
  on(event: `change:${Trait}`, listener: () => void): void;
  send(request: Request): void;
  /** True in the book, where a lab may start on its own. */
  inPage?: boolean;
}

/** A call to make in advance, so that everything a lab needs is loaded. */
export type Need = { [C in Call]: [call: C, asked?: Calls[C]["asked"]] }[Call];

/** A lab module's default export. */
export interface Lab {
  /** Loads everything the lab needs to start. */
  needs: Need;
  /** Load what it needs later. */
  mayNeed?: Need[];
  /** Fills `el` and returns a cleanup function, if there is anything to clean up. */
  render(place: { model: Model; el: HTMLElement }): Promise<void | (() => void)> | (() => void);
}

export type Attributes = Record<string, string | number | boolean | null | ((event: Event) => unknown)>;
export type Child = string | Node | Child[];

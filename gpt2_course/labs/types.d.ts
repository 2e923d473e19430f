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

/** The weights and the bias that one output is computed with. */
export type Behind = { weights: Float32Array; bias: number };

/** A layer of the network, and what is behind each of its outputs. */
export type Layer = ((x: Float32Array) => Float32Array) & { behind(o: number): Behind };

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
  layer_norm_epsilon: number;
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
/** `values` has one row per activation asked for. */
export type ActivationsAnswer = Shown & { values: number[][]; next: Candidate[] };
/** `weights` has one row per column asked for. */
export type WeightsAnswer = { weights: number[][]; biases: number[] };
/** The name and layer of an activation; null outside the blocks. */
export type Place = [name: string, layer: number | null];
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
  activations: { asked: { text: string; places: Place[]; most: number }; part: never; done: ActivationsAnswer };
  weights: { asked: { name: string; layer: number | null; columns: number[] }; part: never; done: WeightsAnswer };
  generate: {
    asked: { prompt: string; settings: Settings; seed: number; length: number };
    part: Written;
    done: { tokens: number; seconds: number };
  };
  history: { asked: object; part: never; done: { reports: Report[] } };
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

// ---- the drawing of the machine ----------------------------------------------------------------------------------

/** What the drawing shows of one text: its tokens and the activations that have been asked for. */
export interface Machine extends Shown {
  shape: Description;
  next: Candidate[];
  /** An activation that was loaded, row by row; (H, T, T) for attention. */
  get(name: string, layer?: number | null): number[];
}

/** A matrix (n rows or columns of it) that goes into an operation. `from` is the part of the drawing that makes it. */
export interface Input {
  title: string;
  from: Place;
  n: number;
  number(row: number, column: number): number;
}

/** How one number came about, with the numbers that went into it. */
export type How = { value: number } & (
  | { kind: "lookup"; table: string; row: number; rows: number }
  | { kind: "sum"; terms: { name: string; value: number }[] }
  | { kind: "norm"; x: number[]; at: number; mean: number; deviation: number; weight: number; bias: number }
  | { kind: "product"; row: number[]; column: number[]; bias: number | null; divisor: number; isMasked: boolean }
  | { kind: "softmax"; scores: number[]; names: string[]; at: number; left: number; rest: number; temperature: number | null }
  | { kind: "gelu"; x: number }
);

/** A part of the machine whose result is a matrix. */
export interface Operation {
  /** The tokens of the rows. */
  rows: Token[];
  columns: number;
  /** Names of the columns, if they have any. */
  names?: string[];
  /** The first and last column of the chosen head. */
  range?: [first: number, end: number];
  number(row: number, column: number): number;
  isMasked?(row: number, column: number): boolean;
  asShare?: boolean;
  /** What is multiplied: rows of the left matrix by columns of the top one, or by the model's weights. */
  left?: Input;
  top?: Input;
  /** What makes columns with the model's weights: the activation to ask for, and the IDs of the columns. */
  weights?: { title: string; n: number; name: string; layer: number | null; ids?: number[] };
  /** Inputs with the same shape as the result. */
  above?: Input[];
  how(row: number, column: number, weights: number[], bias: number): How;
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** What a drawing needs to know, and what it can ask the lab to do. */
export interface Scene {
  width: number;
  machine: Machine;
  layer: number;
  head: number;
  temperature: number;
  row: number;
  column: number;
  /** Tokens from here on changed when the text was edited last. */
  unchanged: number;
  go(part: string, layer?: number): void;
  chooseHead(head: number): void;
  choose(row: number, column: number): void;
  /** Shows how a number came about while the pointer is on it; null when it leaves. */
  preview(cell: [row: number, column: number] | null): void;
  add(token: Token): void;
}

/** A drawing in pixels. `boxes` says where its parts are, by name and layer, so that the lab can zoom to them. */
export interface Drawing {
  height: number;
  shapes: SVGElement[];
  /** Make the pictures on top of the shapes. */
  pictures: (() => HTMLElement)[];
  /** Frames on top of the pictures. */
  marks: SVGElement[];
  boxes: Map<string, Box>;
}

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
  part: string;
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

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

/**
 * A tensor as GPT-2's files have it. A matrix in 8 bits has a `scale` for each output, and its values are rearranged:
 * one row per output, whatever its shape.
 */
export interface Tensor {
  shape: number[];
  values: Float32Array | Int8Array;
  scale?: Float32Array;
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
  /** x (T, nIn) times the transpose of w (nOut, nIn), plus b (nOut): (T, nOut). In 8 bits, w has a scale (nOut). */
  linear(
    x: Float32Array,
    w: Float32Array | Int8Array,
    b: Float32Array,
    nIn: number,
    nOut: number,
    scale?: Float32Array,
  ): Float32Array;
  /** Moves numbers to where `linear` can read them. */
  keep<N extends Float32Array | Int8Array>(values: N): N;
}

declare global {
  /** Only workers have it, so it is not among TypeScript's types of a page. */
  class FileReaderSync {
    readAsArrayBuffer(blob: Blob): ArrayBuffer;
  }
}

/** A file that can be read at once. */
export interface Readable {
  size: number;
  read(start: number, end: number): ArrayBuffer;
}

export type SafetensorsFile = Readable & { name: string };

/** A tensor in a safetensors file: where it starts and ends, in bytes from the beginning of the file. */
export interface StoredTensor {
  name: string;
  dtype: string;
  shape: number[];
  start: number;
  end: number;
}

/** Pairs of tokens as files spell them, and where each pair was found, for error messages. */
export type Merges = { pair: string[]; place: string }[];

export interface SpecialTokens {
  special: Map<string, number>;
  words: string[];
  end: string;
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
    done: { tokens: number; seconds: number };
  };
  history: { asked: object; part: never; done: { reports: Report[] } };
}

export type Call = keyof Calls;

// ---- which model the labs of a page use --------------------------------------------------------------------------

export type ModelId = "tiny-world" | "gpt2" | "yours";

/** A model that the worker can run. */
export interface Opened {
  id: ModelId;
  name: string;
  tokenizer: import("./static/tokenizer.mjs").Tokenizer;
  model: import("./static/engine.mjs").GPT2;
  bits: 8 | 32;
  /** Whether it was trained on dialogues with the course's chat template. */
  isTalking: boolean;
}

/** The model in use. `version` counts how often another one was chosen. */
export interface Using {
  id: ModelId;
  name: string;
  version: number;
  bits: 8 | 32;
  /** Unknown until the model is loaded, which not every lab needs. */
  parameters?: number;
}

/** A file that was dropped or picked. */
export interface Given {
  path: string;
  file: Blob;
}

/** Where GPT-2 comes from: the address of its folder, and its weights' size in bytes and SHA-256. */
export interface Source {
  base: string;
  size: number;
  sha256: string;
}

/** The calls of the page's panel, which only the worker answers. */
export interface ModelCallTypes {
  models: {
    asked: { source: Source };
    part: never;
    /** `arrived`: bytes of GPT-2's file; `problem`: why the remembered model is not in use. */
    done: { using: Using; yours: string | null; arrived: number; problem: string };
  };
  use: { asked: { which: ModelId }; part: never; done: Using };
  open: { asked: { files: Given[] }; part: never; done: { using: Using; isKept: boolean } };
  fetch: { asked: { source: Source }; part: number; done: Using | null };
  remove: { asked: { which: ModelId }; part: never; done: null };
}

export type ModelCalls = Answers<ModelCallTypes>;

/** What is left of a file's SHA-256 to compute: the hash so far, the bytes so far, and those of an incomplete block. */
export interface HashState {
  words: number[];
  length: number;
  rest: number[];
}

/** A tensor, or some rows of one, in a downloaded model: where its scales begin, if any, followed by its numbers. */
export interface Kept {
  name: string;
  shape: number[];
  at: number;
  scales: number;
}

/** How far a download has come. */
export interface Progress {
  sha256: string;
  config: string;
  /** Bytes of the file that are taken. */
  at: number;
  /** Bytes that are written. */
  written: number;
  units: StoredTensor[];
  index: Kept[];
  hash: HashState;
}

export interface Writer {
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  close(): Promise<void>;
}

/** Files that the browser keeps. */
export interface Folders {
  list(folder: string): Promise<Map<string, Blob>>;
  /** Write a file from a position on, in order. */
  write(folder: string, name: string, from?: number): Promise<Writer>;
  remove(folder: string): Promise<void>;
}

/** Functions, one per call. */
type Answers<T extends { [call in keyof T]: { asked: object; part: unknown; done: unknown } }> = {
  [C in keyof T]: (
    asked: T[C]["asked"],
    part: (part: T[C]["part"]) => void,
    cancelled: () => boolean,
  ) => Promise<T[C]["done"]>;
};
export type Engine = Answers<Calls>;

// ---- messages between a lab and its engine -----------------------------------------------------------------------

export type Request = { id: number; call: Call | keyof ModelCallTypes; cancel?: undefined; [asked: string]: unknown } | { cancel: number };

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
  /** The model that the labs use from now on. */
  using?: Using;
  /** Python called `lab.write()`. */
  write?: boolean;
}

export type Answer<T> = Promise<T> & { cancel(): void };

export type Ask<T extends Record<keyof T, { asked: object; part: unknown; done: unknown }> = Calls> = <
  C extends keyof T,
>(
  call: C,
  ...rest: object extends T[C]["asked"]
    ? [asked?: object]
    : [asked: T[C]["asked"], onPart?: (part: T[C]["part"]) => void]
) => Answer<T[C]["done"]>;

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

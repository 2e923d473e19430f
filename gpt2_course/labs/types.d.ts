/** Types shared by the modules in static/. Only the type checker reads this file; see tsconfig.json. */
import { Draft, Reading } from "./static/reading.mjs";

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

/** The weights and the bias that one output is computed with. */
export type Behind = { weights: Float32Array; bias: number };

/** A layer of the network, and what is behind each of its outputs. */
export type Layer = ((x: Float32Array) => Float32Array) & { behind(o: number): Behind };

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

/** A matrix within the kernels' memory: neighbors in a column are `down` numbers apart, in a row `right` numbers. */
export interface Matrix {
  at: number;
  rows: number;
  columns: number;
  down: number;
  right: number;
}

/** The loops of training, on numbers given by their index in `numbers`. */
export interface Kernels {
  numbers: Float32Array;
  /** c (M, N) = a (M, K) times b (K, N), or added to c. Rows of c are contiguous. `half` is one of `HALF`. */
  multiply(c: Matrix, a: Matrix, b: Matrix, how?: { accumulate?: boolean; half?: number }): void;
  /** to (C) += the sum of the rows of x (rows, C). */
  addRows(to: number, x: number, rows: number, C: number): void;
  /** y (N, C) = n · weight + bias, where n is a row of x (N, C), shifted to mean 0 and scaled to variance 1. */
  layerNorm(norm: Norm, given: { N: number; x: number; y: number }): void;
  /** Adds to dx what comes through a layer norm; adds up the gradients for weight and bias. */
  layerNormBackward(norm: Norm, given: { N: number; x: number; dx: number; dy: number }): void;
  /** y (n) = GELU(x), with n a multiple of 4. */
  gelu(y: number, x: number, n: number): void;
  /** d (n), the gradient for GELU(x), becomes the gradient for x. */
  geluBackward(d: number, x: number, n: number): void;
  /**
   * Each row of x becomes `gain` times softmax(`scale` times the row), over its first t + 1 numbers if `causal`; `down`
   * is a multiple of 4, and what is after the row becomes 0. Each row leaves the largest of `scale` times its numbers,
   * and the sum of the exponentials relative to it, in `about` (rows, 2).
   */
  softmax(x: Matrix, how: { causal: boolean; scale: number; gain: number }, about: number): void;
  /** d, laid out like p, is the gradient for p = softmax(`scale` · x) and becomes the gradient for x. */
  softmaxBackward(d: number, p: Matrix, scale: number): void;
}

/** A parameter in training: its shape as in PyTorch, its index in the kernels' memory, and what is there. */
export interface Parameter {
  shape: number[];
  at: number;
  values: Float32Array;
  gradient: Float32Array;
}

/** The indices of a linear layer's parameters and of their gradients: weight (nOut, nIn), bias (nOut). */
export interface Linear {
  weight: number;
  bias: number;
  dWeight: number;
  dBias: number;
  nIn: number;
  nOut: number;
}

/** The indices of a layer norm's parameters and of their gradients, (C) each. */
export interface Norm {
  weight: number;
  bias: number;
  dWeight: number;
  dBias: number;
  C: number;
  epsilon: number;
}

/** A row of training: tokens, and for each the token to predict after it; a negative target does not count. */
export interface Row {
  tokens: Int32Array;
  targets: Int32Array;
}

/** How a model is trained; the names and meanings are those of `gpt2_course.TrainConfig`. All may change between steps,
 * except `optimizer`, `context`, and `separator`. */
export interface TrainingSettings {
  optimizer: "muon" | "adamw";
  /** AdamW's peak rate. */
  learning_rate: number;
  /** Muon's peak rate. */
  muon_learning_rate: number;
  weight_decay: number;
  /** The steps over which the rates rise. */
  warmup_steps: number;
  /** The steps after which they have fallen to `final_lr_fraction` of their peaks. */
  steps: number;
  final_lr_fraction: number;
  /** The largest norm of the gradient. */
  clip: number;
  /** The most tokens in a row. */
  context: number;
  /** The token at which documents begin, each of which is read by itself; null if a row is read as one text. */
  separator: number | null;
}

/** The shape of a model to train, and how it begins. */
export interface TrainingConfig extends Config {
  /** The standard deviation of the first weights. */
  initializer_range: number;
  /** Whether attention begins by copying what it finds. */
  copying_start: boolean;
}

/** AdamW's two averages of each parameter's gradients, or Muon's one, by name. */
export type OptimizerState = Map<string, Float32Array[]>;

/** Everything that training needs to continue: it can be stored in IndexedDB as it is. */
export interface TrainingState {
  /** Steps done. */
  step: number;
  weights: Tensors;
  averages: OptimizerState;
}

/** How a model begins: random, from a file's weights, or where another training stopped. */
export type Start = { seed: number } | { tensors: Tensors } | { state: TrainingState };

/** What the coordinator can ask a training worker to do. */
export interface TrainingCalls {
  create: {
    asked: {
      config: TrainingConfig;
      settings: TrainingSettings;
      start: Start;
      rank: number;
      workers: number;
      /** To the other workers, by rank; null for itself. */
      ports: (MessagePort | null)[];
    };
    done: null;
  };
  step: {
    asked: { rows: Row[]; count: number; step: number; settings: TrainingSettings };
    /** This worker's part of the loss, and the norm of the whole gradient. */
    done: { loss: number; norm: number };
  };
  losses: { asked: { rows: Row[] }; done: Float32Array };
  weights: { asked: object; done: Tensors };
  averages: { asked: object; done: OptimizerState };
}

/** What a model of the training lab learns from. */
export interface Lesson {
  /** The text of a `merges.txt`. */
  merges: string;
  tokenizer: import("./static/tokenizer.mjs").Tokenizer;
  /** The most tokens in a row. */
  context: number;
  /** What samples begin with. */
  prompt: string;
  heldOut: Row[];
  /** The rule and the true cost of each held-out token; null if nobody knows. */
  costs: RuledToken[][] | null;
  /** The batch of a step, of about `size` tokens; the same for the same step. */
  batch(step: number, size: number): Row[];
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
export interface Calls extends TrainingLabCalls {
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
    done: { tokens: number; seconds: number; cut: { tokens: number; text: string } };
  };
  history: { asked: object; part: never; done: { prompt: string; reports: Report[] } };
  judge: { asked: { text: string }; part: never; done: Verdict };
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


// ---- the training lab --------------------------------------------------------------------------------------------

export type TrainingSize = "small" | "medium" | "laptop";

/** What the reader chose; an empty corner stands for the reader's own text. */
export interface TrainingWanted {
  corner: string;
  text: string;
  size: TrainingSize;
  rate: number;
}

/** An evaluation on held-out text before step `step + 1`, and a text that the model wrote. */
export interface TrainingReport {
  step: number;
  /** In nats per token. */
  loss: number;
  /** What each rule costs of the loss above the floor; empty for the reader's own text. */
  rules: Record<string, number>;
  sample: string;
  /** The judge's; null for the reader's own text. */
  verdict: Verdict | null;
}

/** A training so far. */
export interface TrainingProgress {
  wanted: TrainingWanted;
  parameters: number;
  /** Steps in all. */
  steps: number;
  /** Steps done. */
  step: number;
  /** The lowest possible loss; null if nobody knows. */
  floor: number | null;
  /** The loss of each step's batch. */
  losses: number[];
  reports: TrainingReport[];
  /** Of the latest texts, which keep all rules. */
  verdicts: boolean[];
  /** Trained on so far. */
  tokens: number;
  /** Spent on steps so far. */
  seconds: number;
  /** Whether the browser keeps the training; undefined before it was tried. */
  isKept?: boolean;
}

/** News of a training: all of it, a step, or a report. */
export type TrainingPart =
  | { progress: TrainingProgress }
  | { step: number; loss: number; tokens: number; seconds: number }
  | { report: TrainingReport; verdicts: boolean[] };

export interface TrainingLabCalls {
  training: {
    asked: object;
    part: never;
    done: {
      corners: string[];
      sizes: { name: TrainingSize; steps: number }[];
      progress: TrainingProgress | null;
      isRunning: boolean;
    };
  };
  /** Null for `wanted` continues the training in progress. Canceling pauses it. */
  train: { asked: { wanted: TrainingWanted | null }; part: TrainingPart; done: { isKept: boolean } };
  set_rate: { asked: { rate: number }; part: never; done: null };
  forget_training: { asked: object; part: never; done: null };
  trained_model: {
    asked: { packed: boolean };
    part: never;
    /** In a notebook, there are no files, but the name of a new folder with the model. */
    done: { files: { path: string; bytes: Uint8Array<ArrayBuffer> }[]; folder?: string };
  };
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

// ---- Tiny World --------------------------------------------------------------------------------------------------

/** A person or thing in the world: its name, and the other forms it takes in a sentence. */
export interface Entity {
  name: string;
  forms: Record<string, string | Entity | Entity[]>;
}

/** What a name stands for in a text. */
export type Value = Entity | string;

/** What a text has established so far, by name: a list that starts at the newest entry. */
export type Memory = { name: string; value: Value; before: Memory } | null;

/** A node on the way to a text, and the state when it was reached: a list that starts at the last one. */
export interface Step {
  before: Step | null;
  node: GrammarNode;
  at: number;
  memory: Memory;
}

/** The nodes still to be read, in order. */
export type Rest = { node: GrammarNode; next: Rest } | null;

/** A partial derivation: where it ends, what it has established, and the log-probability of its choices. */
export interface Way {
  at: number;
  memory: Memory;
  logProb: number;
  /** The last of its words, slots, and choices. */
  step: Step | null;
  rest: Rest;
}

/** Words that a grammar expected in a text: a value's name, "sentence", or "end"; and where the words begin. */
export interface Expected {
  what: string;
  words: string;
  start: number;
}

/** A part of a grammar. */
export interface GrammarNode {
  /** Draws one of the node's texts and records its choices in the draft. */
  write(draft: Draft): string;
  /** Every way to continue a derivation with what this node can say of the text; `rest` comes after it. */
  read(reading: Reading, way: Way, rest: Rest): Iterator<Way>;
}

/** A row of the table of nodes; numbers are other rows. See gpt2_course/tiny_world/tables.py. */
export type NodeRow =
  | string
  | number[]
  | { options: number[]; weights: number[] }
  | { pool: string; options: number[] }
  | { keep: string; piece: number }
  | { slot: string; path?: string[]; from?: string; capital?: boolean; article?: boolean };

export type Kind = "story" | "reading" | "song" | "facts" | "musing";

/** tiny_world.json, which gpt2_course/tiny_world/tables.py writes. */
export interface Tables {
  entities: [name: string, forms: Record<string, string | number | number[]>][];
  lists: Record<string, number[]>;
  /** The words that take "an". */
  an: string[];
  nodes: NodeRow[];
  corners: Record<string, Partial<Record<Kind, [weight: number, node: number]>>>;
  rhymes: string[][];
  pronouns: string[];
  rules: string[];
  /** The rule of a name that is said again, by its list. */
  carried: Record<string, string>;
  rhyme_pool: string;
}

/** The grammar of one kind of document, and its share of a corner's documents: its weight, and ln of the fraction. */
export interface KindOfDocument {
  kind: Kind;
  weight: number;
  logProb: number;
  node: GrammarNode;
}

/** A document, with ln p of exactly this text in nats, and what it establishes, such as hero and place. */
export interface WorldDocument {
  text: string;
  kind: Kind;
  logProb: number;
  facts: Record<string, string>;
}

export type Mistake = "name" | "pronoun" | "fact" | "rhyme" | "chorus" | "sentence" | "end";

/** The judge's decision on a text. */
export interface Verdict {
  accepted: boolean;
  /** For a rejected text, the kind whose grammar it follows furthest. */
  kind: Kind;
  mistake: Mistake | null;
  /** ln p of exactly this text, in nats; null if rejected. */
  log_prob: number | null;
  /** The position of the first character that no document has there; null if accepted. */
  at: number | null;
  /** What Tiny World could say from there on, what explains most first. Empty words mean the end. */
  expected: string[];
}

/** A token's rule, and its -ln p under the grammar, in nats: 0 if the text before it leaves no choice. */
export interface RuledToken {
  rule: string;
  nats: number;
}

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
  part: string;
  report: number;
  corner: string;
  size: TrainingSize;
  rate: number;
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

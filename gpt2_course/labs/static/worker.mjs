/**
 * The labs' engine in a Web Worker, which keeps the page responsive. The page sends {id, call, …}. The worker replies
 * with any number of {id, part}, then {id, done} or {id, error}. {cancel: id} ends a call early; its answer is the work
 * done so far. In Jupyter, `gpt2_course/labs/kernel.py` answers the same calls.
 *
 * @import { GPT2 } from "./engine.mjs"
 * @import { Cache, Calls, Candidate, Engine, Message, Request, Settings, TrainingLabCalls } from "../types.d.ts"
 */
import { behind } from "./behind.mjs";
import { cached, load, modelCalls, SHIPPED, tokenizerOf } from "./models.mjs";
import { draw, mostLikelyFirst, probabilities, softmax, uniform } from "./sampling.mjs";
import { Tokenizer } from "./tokenizer.mjs";

const MOST_LISTED = 2000; // tokens in an answer; longer texts are counted but not listed in full
const MOST_MERGED = 256; // bytes of a word whose merges are listed; each merge lists all its tokens

const textOf = async (/** @type {string} */ path) => new TextDecoder().decode(await cached(path));
/** @type {import("./tiny_world.mjs").World | null} */
let world = null;
async function loadWorld() {
  const [{ World }, tables] = await Promise.all([import("./tiny_world.mjs"), textOf("tiny_world.json")]);
  return (world ??= new World(JSON.parse(tables)));
}

/** @type {(message: Message) => void} */
const send = (message) => postMessage(message);

/**
 * The ids of a prompt. An empty prompt starts like every training document, after an end-of-text token.
 * @param {Tokenizer} tokenizer
 * @param {string} prompt
 */
const idsOf = (tokenizer, prompt) => {
  const ids = tokenizer.encode(prompt);
  return ids.length ? ids : [tokenizer.endOfText ?? 0];
};

// Handle waiting messages between tokens. The fastest way is to post one to this worker; a timer would take longer.
const { port1, port2 } = new MessageChannel();
/** @type {(() => void)[]} */
const waiting = []; // one per text being written
port1.onmessage = () => waiting.shift()?.();
/** @returns {Promise<void>} */
const breathe = () =>
  new Promise((resume) => {
    waiting.push(resume);
    port2.postMessage(null);
  });

/**
 * The most likely tokens, with their probabilities after temperature, top-k, and top-p.
 * @param {Tokenizer} tokenizer
 * @param {Float32Array} logits
 * @param {Settings} settings
 * @param {number} count
 */
function bars(tokenizer, logits, settings, count) {
  const p = probabilities(logits, settings);
  /** @type {Candidate[]} */
  const bars = [];
  for (const id of mostLikelyFirst(settings.temperature === 0 ? softmax(logits) : p)) {
    if (bars.length === count) break;
    bars.push({ ...tokenizer.token(id), p: p[id] });
  }
  return { p, bars };
}

/** @type {{ model: GPT2, ids: number[], cache: Cache, size: number, logits: Float32Array } | undefined} */
let latest; // what `next` has computed; the next call is often about the same tokens and one more
const ROOM = 64; // tokens for which a cache has room besides those it starts with

/**
 * The logits after `ids`.
 * @param {GPT2} model
 * @param {number[]} ids
 */
function logitsAfter(model, ids) {
  const isMore = latest?.model === model && latest.size >= ids.length && latest.ids.every((id, i) => id === ids[i]);
  if (!latest || !isMore) {
    const size = ids.length + ROOM;
    latest = { model, ids: [], cache: model.newCache(size), size, logits: new Float32Array() };
  }
  const fresh = ids.slice(latest.ids.length);
  if (fresh.length) latest.logits = model.forward(fresh, { cache: latest.cache });
  latest.ids = ids;
  return latest.logits;
}

/** @type {Omit<Engine, keyof TrainingLabCalls>} */
const calls = {
  /** The model's name and shape, and whether it was trained on dialogues. */
  async describe() {
    const { name, model, isTalking } = await load();
    const { vocab_size, n_layer, n_head, n_embd, n_positions, layer_norm_epsilon } = model.config;
    const shape = { vocab_size, n_layer, n_head, n_embd, n_positions, layer_norm_epsilon };
    const sizes = { parameters: model.parameters, ...shape };
    return { name, ...sizes, has_template: isTalking };
  },

  /** The tokens of a text in the model's vocabulary ("model") or GPT-2's ("gpt2"), and its words. */
  async tokenize({ text, vocabulary }) {
    const tokenizer = await tokenizerOf(vocabulary);
    const pieces = tokenizer.pieces(text);
    /** @type {Calls["tokenize"]["done"]["tokens"]} */
    const tokens = [];
    let count = 0;
    pieces.forEach((piece, i) => {
      const ids = tokenizer.encode(piece);
      count += ids.length;
      tokens.push(...ids.slice(0, MOST_LISTED - tokens.length).map((id) => tokenizer.token(id, i)));
    });
    const used = pieces.slice(0, (tokens.at(-1)?.piece ?? -1) + 1);
    return { tokens, pieces: used, count, characters: [...text].length, bytes: new TextEncoder().encode(text).length };
  },

  /** How a word is built, merge by merge. */
  async merge_steps({ piece, vocabulary }) {
    const tokenizer = await tokenizerOf(vocabulary);
    const { length } = new TextEncoder().encode(piece);
    if (length > MOST_MERGED) {
      throw new Error(`A word must have at most ${MOST_MERGED} bytes to list its merges, but has ${length}.`);
    }
    return tokenizer.mergeSteps(piece).map(({ ids, ...merge }) => ({
      tokens: ids.map((id) => tokenizer.token(id)),
      ...merge,
    }));
  },

  /** What can follow a prompt and the ids `added` to it: the most likely tokens, and the token drawn by `number`. */
  async next({ prompt, added, settings, number, count }) {
    const { tokenizer, model } = await load();
    const wrong = added.find((id) => !(id >= 0 && id < model.known));
    if (wrong !== undefined) throw new Error(`Token IDs must be from 0 to ${model.known - 1}, but one is ${wrong}.`);
    const ids = [...idsOf(tokenizer, prompt), ...added].slice(-model.config.n_positions);
    const { p, bars: shown } = bars(tokenizer, logitsAfter(model, ids), settings, count);
    const id = draw(p, number);
    let start = 0; // of the drawn token's interval
    for (const other of mostLikelyFirst(p)) {
      if (other === id) break;
      start += p[other];
    }
    return {
      added: added.map((i) => tokenizer.token(i)),
      bars: shown,
      possible: p.reduce((n, x) => n + Number(x > 0), 0),
      drawn: { ...tokenizer.token(id), p: p[id], start },
    };
  },

  /** The attention of all heads, per layer (H, T, T), and the next tokens, with the heads `without` turned off. */
  async attention({ text, without, most }) {
    const { tokenizer, model } = await load();
    const all = idsOf(tokenizer, text);
    const ids = all.slice(0, most);
    /** @type {number[][]} */
    const weights = [];
    const logits = model.forward(ids, {
      look(name, _, values) {
        if (name === "attention") weights.push([...values]);
      },
      without,
    });
    const { bars: next } = bars(tokenizer, logits, { temperature: 1, top_k: null, top_p: null }, 10);
    return { tokens: ids.map((id) => tokenizer.token(id)), left_out: all.length - ids.length, weights, next };
  },

  /** Activations, each with one row per token (attention: (H, T, T)), and the most likely next tokens. */
  async activations({ text, places, most }) {
    const { tokenizer, model } = await load();
    const all = idsOf(tokenizer, text);
    const ids = all.slice(0, most);
    /** @type {number[][]} */
    const values = places.map(() => []);
    const logits = model.forward(ids, {
      look(name, layer, seen) {
        places.forEach((place, i) => {
          if (place[0] === name && place[1] === layer) values[i] = [...seen];
        });
      },
    });
    const [name, layer] = places[values.findIndex((row) => !row.length)] ?? [];
    if (name) throw new Error(`There is no activation ${name} in layer ${layer}.`);
    const { bars: next } = bars(tokenizer, logits, { temperature: 1, top_k: null, top_p: null }, 10);
    return { tokens: ids.map((id) => tokenizer.token(id)), left_out: all.length - ids.length, values, next };
  },

  /** The weights and biases that columns of an activation are computed with. */
  async weights({ name, layer, columns }) {
    const { model } = await load();
    const found = columns.map((column) => behind(model, name, layer, column));
    return { weights: found.map(({ weights }) => [...weights]), biases: found.map(({ bias }) => bias) };
  },

  /**
   * Continue the prompt. Parts have each token's text and its probability before temperature, top-k, and top-p. The
   * answer's `cut` is the start of the prompt that did not fit into the context.
   */
  async generate({ prompt, settings, seed, length }, part, cancelled) {
    const { tokenizer, model } = await load();
    const began = performance.now();
    await breathe(); // a call is often canceled at once, as when a reader drags a slider
    if (cancelled()) return { tokens: 0, seconds: 0, cut: { tokens: 0, text: "" } };
    const ids = idsOf(tokenizer, prompt);
    const unseen = ids.slice(0, Math.max(0, ids.length - model.config.n_positions));
    const cut = { tokens: unseen.length, text: tokenizer.decode(unseen) };
    const writer = model.continuing(ids);
    const read = tokenizer.stream();
    let logits = writer.next().value;
    let tokens = 0;
    for (; tokens < length; tokens++) {
      const id = draw(probabilities(logits, settings), uniform(seed, tokens));
      if (id === tokenizer.endOfText) break;
      part({ text: read(id), p: softmax(logits)[id] });
      await breathe();
      if (cancelled()) break;
      logits = writer.next(id).value;
    }
    part({ text: read(null), p: 1 });
    return { tokens, seconds: (performance.now() - began) / 1000, cut };
  },

  /** The evaluations during the model's training, and the prompt that it continued in each. */
  async history() {
    const { sample_prompt } = JSON.parse(await textOf(`${SHIPPED}/train_config.json`));
    const lines = (await textOf(`${SHIPPED}/history.jsonl`)).trim().split("\n");
    const reports = lines.map((line) => JSON.parse(line)).filter((line) => line.val_loss !== undefined);
    return {
      prompt: sample_prompt,
      reports: reports.map(({ step, val_loss, floor, sample, rules = {} }) => ({
        step,
        loss: val_loss,
        floor,
        sample,
        rules,
      })),
    };
  },

  /** The verdict of Tiny World's judge on a text. */
  async judge({ text }) {
    return (await loadWorld()).judge(text);
  },
};

// The training lab's calls, for which few pages load the modules; in Jupyter, gpt2_course/labs/training.py answers.
const TRAINING = ["training", "train", "set_rate", "forget_training", "trained_model"];
const trainingCalls = async () => (await import("./training_session.mjs")).trainingCalls(loadWorld);

/** @type {Map<number, boolean>} */
const cancelled = new Map(); // the calls in progress

/** @param {MessageEvent<Request>} event */
onmessage = async ({ data }) => {
  if (data.cancel !== undefined) {
    if (cancelled.has(data.cancel)) cancelled.set(data.cancel, true);
    return;
  }
  const { id, call, ...asked } = data;
  cancelled.set(id, false);
  try {
    const others = Object.hasOwn(modelCalls, call) ? modelCalls : calls;
    const known = TRAINING.includes(call) ? await trainingCalls() : others;
    if (!Object.hasOwn(known, call)) {
      throw new Error(`There is no call '${call}'. Choose from ${Object.keys(calls).join(", ")}.`);
    }
    // A message's arguments always fit its call, but TypeScript cannot tell.
    const answer = /** @type {Record<string, (...given: unknown[]) => Promise<unknown>>} */ (known)[call];
    const part = (/** @type {unknown} */ part) => send({ id, part });
    send({ id, done: await answer(asked, part, () => cancelled.get(id)) });
  } catch (error) {
    send({ id, error: error instanceof Error ? error.message : String(error) });
  }
  cancelled.delete(id);
};

/**
 * The labs' engine in a Web Worker, so that the page never freezes. The page sends {id, call, …}; answers are
 * {id, part} any number of times, then {id, done} or {id, error}. {cancel: id} ends a call early: what it has done so far
 * is its answer. `gpt2_course/labs/kernel.py` answers the same calls in Jupyter.
 */
import { readConfig, readSafetensors } from "./checkpoint.mjs";
import { GPT2 } from "./engine.mjs";
import { draw, likeliestFirst, probabilities, softmax, uniform } from "./sampling.mjs";
import { simd } from "./simd.mjs";
import { Tokenizer } from "./tokenizer.mjs";

const HOME = new URL("./", import.meta.url);
const MODEL = "tiny-world";
const MOST_LISTED = 2000; // tokens of a long text that a page is sent; it counts them all

/** The contents of a file; `onPart` hears how many bytes have come.
 * @returns {Promise<Uint8Array>} */
async function read(path, onPart = () => {}) {
  let response;
  try {
    response = await fetch(new URL(path, HOME));
  } catch {
    throw new Error(`${path} cannot be reached: check the connection and reload the page.`);
  }
  if (!response.ok)
    throw new Error(`${path} cannot be had (${response.status} ${response.statusText}): reload the page.`);
  const parts = [];
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    onPart(part.value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

const text = (bytes) => new TextDecoder().decode(bytes);

/** Does something once, however often it is asked for; after a failure, once more. */
const once = (make) => {
  const made = new Map();
  return (key) => {
    if (!made.has(key))
      made.set(
        key,
        make(key).catch((error) => {
          made.delete(key);
          throw error;
        }),
      );
    return made.get(key);
  };
};

const tokenizerOf = once(async (name) => new Tokenizer(text(await read(`${name}/merges.txt`))));
const model = once(async () => {
  const config = readConfig(text(await read(`${MODEL}/config.json`)));
  const { bytes } = await tokenizerOf(MODEL); // of each token it knows
  let loaded = 0;
  const file = await read(`${MODEL}/model.safetensors`, (n) => postMessage({ loaded: (loaded += n) }));
  return new GPT2(config, readSafetensors(file.buffer), await simd(await read("linear.wasm"), config), bytes.length);
});
const kept = once(read); // files that more than one call may need
const load = async () => ({ tokenizer: await tokenizerOf(MODEL), model: await model() });

/** The ids of a prompt; an empty one begins as every training text does, after the end of the last. */
const idsOf = (tokenizer, prompt) => {
  const ids = tokenizer.encode(prompt);
  return ids.length ? ids : [tokenizer.endOfText];
};

const passed = new MessageChannel(); // the quickest way to let waiting messages in
const waiting = []; // several texts may be under way
passed.port1.onmessage = () => waiting.shift()();
const breath = () =>
  new Promise((go) => {
    waiting.push(go);
    passed.port2.postMessage(null);
  });

/** The likeliest tokens, with their probabilities after temperature and cuts. */
function bars(tokenizer, logits, settings, count) {
  const p = probabilities(logits, settings);
  const order = likeliestFirst(settings.temperature === 0 ? softmax(logits) : p);
  return {
    p,
    bars: Array.from({ length: Math.min(count, p.length) }, () => {
      const id = order.next().value;
      return { ...tokenizer.token(id), p: p[id] };
    }),
  };
}

const calls = {
  /** What there is to talk to. */
  async describe() {
    const { model } = await load();
    return { name: MODEL, parameters: model.parameters, ...model.config };
  },

  /** A text's tokens, in the model's vocabulary ("model") or GPT-2's ("gpt2"), and its words. */
  async tokenize({ text, vocabulary }) {
    const tokenizer = await tokenizerOf(vocabulary === "gpt2" ? "gpt2" : MODEL);
    const pieces = tokenizer.pieces(text);
    const tokens = [];
    let count = 0;
    pieces.forEach((piece, i) => {
      const ids = tokenizer.encodePiece(piece);
      count += ids.length;
      if (tokens.length < MOST_LISTED) tokens.push(...ids.slice(0, MOST_LISTED).map((id) => tokenizer.token(id, i)));
    });
    const listed = tokens.slice(0, MOST_LISTED);
    const used = pieces.slice(0, (listed.at(-1)?.piece ?? -1) + 1);
    return {
      tokens: listed,
      pieces: used,
      count,
      characters: [...text].length,
      bytes: new TextEncoder().encode(text).length,
    };
  },

  /** How a word comes together, merge by merge. */
  async merge_steps({ piece, vocabulary }) {
    const tokenizer = await tokenizerOf(vocabulary === "gpt2" ? "gpt2" : MODEL);
    return tokenizer
      .mergeSteps(piece)
      .map(({ ids, rank, at }) => ({ tokens: ids.map((id) => tokenizer.token(id)), rank, at }));
  },

  /** What may follow a prompt and the ids `added` to it: the likeliest tokens, and the one that `number` falls on. */
  async next({ prompt, added, settings, number, count }) {
    const { tokenizer, model } = await load();
    const ids = [...idsOf(tokenizer, prompt), ...added].slice(-model.config.n_positions);
    const logits = model.forward(ids);
    const { p, bars: shown } = bars(tokenizer, logits, settings, count);
    const id = draw(p, number);
    let start = 0; // where the drawn token's stretch begins
    for (const other of likeliestFirst(p)) {
      if (other === id) break;
      start += p[other];
    }
    const possible = p.reduce((n, x) => n + (x > 0), 0);
    return {
      added: added.map((i) => tokenizer.token(i)),
      bars: shown,
      possible,
      drawn: { ...tokenizer.token(id), p: p[id], start },
    };
  },

  /** The attention of all heads, (L, H, T, T) in one row, and what comes next, with the heads `without` switched off. */
  async attention({ text, without, most }) {
    const { tokenizer, model } = await load();
    const all = idsOf(tokenizer, text);
    const ids = all.slice(0, most);
    const weights = [];
    const look = (name, _, values) => name === "attention" && weights.push(values);
    const logits = model.forward(ids, { look, without });
    const next = bars(tokenizer, logits, { temperature: 1, top_k: null, top_p: null }, 10).bars;
    return {
      tokens: ids.map((id) => tokenizer.token(id)),
      left_out: all.length - ids.length,
      weights: weights.map((w) => [...w]),
      next,
    };
  },

  /** One activation: its rows, one a token; or, for attention, (H, T, T). */
  async activation({ text, name, layer, most }) {
    const { tokenizer, model } = await load();
    const all = idsOf(tokenizer, text);
    const ids = all.slice(0, most);
    let found = null;
    model.forward(ids, {
      look: (n, l, values) => {
        if (n === name && l === layer) found = values.slice();
      },
    });
    if (!found) throw new Error(`There is no activation ${name} in layer ${layer}.`);
    return { tokens: ids.map((id) => tokenizer.token(id)), left_out: all.length - ids.length, values: [...found] };
  },

  /** Writes on. Parts are {text, p}: a token's text and how likely the model held it, before temperature and cuts. */
  async generate({ prompt, settings, seed, length }, part, cancelled) {
    const { tokenizer, model } = await load();
    const began = performance.now();
    const writer = model.continuing(idsOf(tokenizer, prompt));
    const read = tokenizer.stream();
    let logits = writer.next().value;
    let written = 0;
    for (; written < length; written++) {
      const id = draw(probabilities(logits, settings), uniform(seed, written));
      if (id === tokenizer.endOfText) break;
      part({ text: read(id), p: softmax(logits)[id] });
      await breath();
      if (cancelled()) break;
      logits = writer.next(id).value;
    }
    part({ text: read(null), p: 1 });
    return { tokens: written, seconds: (performance.now() - began) / 1000 };
  },

  /** The reports of the model's training, {step, loss, floor, sample}. */
  async history() {
    const lines = text(await kept(`${MODEL}/history.jsonl`))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const reports = lines.filter((line) => line.val_loss !== undefined);
    return { reports: reports.map(({ step, val_loss, floor, sample }) => ({ step, loss: val_loss, floor, sample })) };
  },
};

const running = new Map();
onmessage = async ({ data: { id, call, cancel, ...asked } }) => {
  if (cancel !== undefined) return void (running.has(cancel) && running.set(cancel, true));
  running.set(id, false);
  try {
    postMessage({
      id,
      done: await calls[call](
        asked,
        (part) => postMessage({ id, part }),
        () => running.get(id),
      ),
    });
  } catch (error) {
    postMessage({ id, error: error.message });
  }
  running.delete(id);
};

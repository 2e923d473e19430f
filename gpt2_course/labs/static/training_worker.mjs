/**
 * One of the workers that train a model together. Each has a copy of the model and computes the gradients of its rows.
 * Then each gets the others' gradients for its share of the parameters, updates these, and sends them to the others.
 * If every worker updated all parameters, Muon, which takes about a seventh as long as the gradients of a batch on one
 * core, would take that long on any number of cores.
 *
 * Two workers send the same arrays back and forth, gradients one way and parameters the other, so that no step
 * allocates any. A page on a static host cannot share memory between workers.
 *
 * @import { Parameter, TrainingCalls } from "../types.d.ts"
 */
import { initialize } from "./initialization.mjs";
import { Optimizer, shares, squaredNorm } from "./optimizers.mjs";
import { parameterShapes } from "./parameters.mjs";
import { TrainableGPT2 } from "./training.mjs";

/** Another worker: its share of the parameters, and messages from it in order. */
class Peer {
  /**
   * @param {MessagePort} port
   * @param {Parameter[]} share
   * @param {number} length  of the longer of both workers' shares
   */
  constructor(port, share, length) {
    this.port = port;
    this.share = share;
    this.array = new Float32Array(length);
    /** @type {any[]} */
    this.arrived = [];
    this.wake = () => {};
    port.onmessage = ({ data }) => {
      this.arrived.push(data);
      this.wake();
    };
  }

  /** @returns {Promise<any>} */
  async next() {
    while (!this.arrived.length) await new Promise((resolve) => (this.wake = () => resolve(null)));
    return this.arrived.shift();
  }

  /**
   * Send numbers of some parameters in an array that this worker then lacks until one comes back.
   * @param {Parameter[]} parameters
   * @param {"values" | "gradient"} which
   */
  send(parameters, which) {
    let at = 0;
    for (const { [which]: numbers } of parameters) {
      this.array.set(numbers, at);
      at += numbers.length;
    }
    this.port.postMessage(this.array, [this.array.buffer]);
  }

  /**
   * Receive what the other has sent for these parameters.
   * @param {Parameter[]} parameters
   * @param {(parameter: Parameter, numbers: Float32Array) => void} take
   */
  async receive(parameters, take) {
    this.array = await this.next();
    let at = 0;
    for (const parameter of parameters) {
      take(parameter, this.array.subarray(at, (at += parameter.values.length)));
    }
  }
}

/** @type {TrainableGPT2} */
let model;
/** @type {Optimizer} */
let optimizer;
/** @type {Peer[]} */
let peers; // by rank, without this worker
/** @type {Parameter[]} */
let share; // the parameters that this worker updates
let separator = /** @type {number | null} */ (null);

/** @type {{ [C in keyof TrainingCalls]: (asked: TrainingCalls[C]["asked"]) => Promise<TrainingCalls[C]["done"]> }} */
const calls = {
  async create({ config, settings, start, rank, workers, ports }) {
    const response = await fetch(new URL("kernels.wasm", import.meta.url));
    if (!response.ok) throw new Error(`Could not load kernels.wasm (${response.status}). Reload the page.`);
    model = new TrainableGPT2(config, settings.context, new Uint8Array(await response.arrayBuffer()));
    separator = settings.separator;
    if ("seed" in start) initialize(model.parameters, config, start.seed);
    else model.load("tensors" in start ? start.tensors : start.state.weights);
    const names = shares(parameterShapes(config), settings, workers);
    const shared = names.map((some) => some.map((name) => /** @type {Parameter} */ (model.parameters.get(name))));
    const lengths = shared.map((some) => some.reduce((n, { values }) => n + values.length, 0));
    share = shared[rank];
    peers = ports.flatMap((port, other) =>
      port ? [new Peer(port, shared[other], Math.max(lengths[rank], lengths[other]))] : [],
    );
    const own = names[rank].map((name, i) => /** @type {[string, Parameter]} */ ([name, share[i]]));
    optimizer = new Optimizer(own, model.kernels, model.workspace, settings);
    if ("state" in start) optimizer.load(start.state.averages);
    return null;
  },

  async step({ rows, count, step, settings }) {
    model.forgetGradients();
    const loss = model.backward(rows, count, separator);
    for (const peer of peers) peer.send(peer.share, "gradient");
    for (const peer of peers) {
      await peer.receive(share, ({ gradient }, more) => {
        for (let i = 0; i < more.length; i++) gradient[i] += more[i];
      });
    }
    const squares = squaredNorm(share);
    for (const { port } of peers) port.postMessage(squares);
    let total = squares;
    for (const peer of peers) total += await peer.next();
    const norm = Math.sqrt(total);
    if (Number.isFinite(norm)) optimizer.step(step, settings, Math.min(1, settings.clip / (norm + 1e-6)));
    else model.clear(); // and keep the parameters
    for (const peer of peers) peer.send(share, "values");
    for (const peer of peers) await peer.receive(peer.share, ({ values }, fresh) => values.set(fresh));
    return { loss, norm };
  },

  async losses({ rows }) {
    return model.losses(rows, separator);
  },

  async weights() {
    return model.tensors();
  },

  async averages() {
    return new Map([...optimizer.averages].map(([name, some]) => [name, some.map((average) => average.slice())]));
  },
};

let last = Promise.resolve(); // one call after the other

/** @param {MessageEvent} event */
onmessage = ({ data: { id, call, asked } }) => {
  last = last.then(async () => {
    try {
      const answer = /** @type {(asked: any) => Promise<any>} */ (calls[/** @type {keyof TrainingCalls} */ (call)]);
      const done = await answer(asked);
      postMessage({ id, done }, { transfer: buffersIn(done) });
    } catch (error) {
      postMessage({ id, error: error instanceof Error ? error.message : String(error) });
    }
  });
};

/**
 * The buffers of all arrays in an answer, which are handed over instead of copied.
 * @param {any} answer
 * @returns {ArrayBuffer[]}
 */
function buffersIn(answer) {
  if (answer instanceof Float32Array) return [/** @type {ArrayBuffer} */ (answer.buffer)];
  if (answer instanceof Map) return [...answer.values()].flatMap(buffersIn);
  if (Array.isArray(answer)) return answer.flatMap(buffersIn);
  return answer?.values instanceof Float32Array ? buffersIn(answer.values) : [];
}

/**
 * Trains a GPT-2 in workers, one per core, each with its part of every batch. The page only sends rows and receives
 * numbers.
 *
 *     const trainer = await Trainer.create({ config, settings, start: { seed: 0 } });
 *     const { loss } = await trainer.step(rows);
 *     const model = new GPT2(config, await trainer.weights());
 *
 * With the same number of workers, the same rows give the same bits; with another number, sums are rounded differently.
 *
 * @import { Row, Start, TrainingCalls, TrainingConfig, TrainingSettings, TrainingState }
 *   from "../types.d.ts"
 */
import { checkRows, countTargets } from "./batches.mjs";

export class Trainer {
  /**
   * @param {{
   *   config: TrainingConfig, settings: TrainingSettings, start: Start, workers?: number,
   * }} given  `workers` is the number of cores unless given
   */
  static async create({ config, settings, start, workers = navigator.hardwareConcurrency || 1 }) {
    const trainer = new Trainer(config, settings, workers, "state" in start ? start.state.step : 0);
    try {
      await trainer.connect(start);
    } catch (error) {
      trainer.stop();
      throw error;
    }
    return trainer;
  }

  /**
   * @param {TrainingConfig} config
   * @param {TrainingSettings} settings
   * @param {number} workers
   * @param {number} steps
   */
  constructor(config, settings, workers, steps) {
    this.config = config;
    /** May be changed between steps; see `TrainingSettings`. */
    this.settings = settings;
    /** Steps done. */
    this.steps = steps;
    this.workers = Array.from({ length: workers }, () => new Helper());
  }

  /** @param {Start} start */
  async connect(start) {
    const { config, settings, workers } = this;
    /** @type {(MessagePort | null)[][]} */
    const ports = workers.map(() => workers.map(() => null));
    for (let a = 0; a < workers.length; a++) {
      for (let b = 0; b < a; b++) {
        const { port1, port2 } = new MessageChannel();
        [ports[a][b], ports[b][a]] = [port1, port2];
      }
    }
    const given = { config, settings, start, workers: workers.length };
    await Promise.all(
      workers.map((worker, rank) => {
        const own = ports[rank].filter((port) => port !== null);
        return worker.ask("create", { ...given, rank, ports: ports[rank] }, own);
      }),
    );
  }

  /**
   * Update the parameters once. Return the loss before the update, in nats per token, and the gradient's norm. If the
   * loss is infinite or NaN, the parameters stay as they are, and an error says so.
   * @param {Row[]} rows  the batch
   */
  async step(rows) {
    checkRows(rows, { context: this.settings.context, vocab_size: this.config.vocab_size });
    const count = Math.max(1, countTargets(rows));
    const { settings, steps: step } = this;
    this.steps++;
    const parts = await Promise.all(
      this.workers.map((worker, rank) => worker.ask("step", { rows: this.part(rows, rank), count, step, settings })),
    );
    const loss = parts.reduce((sum, part) => sum + part.loss, 0);
    const { norm } = parts[0];
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
      throw new Error(`The loss became infinite or NaN at step ${step + 1}. Continue with a lower learning rate.`);
    }
    return { loss, norm };
  }

  /**
   * −ln p(target) of each target, in nats, one array per row; and their mean over the targets that count.
   * @param {Row[]} rows
   */
  async evaluate(rows) {
    checkRows(rows, { context: this.settings.context, vocab_size: this.config.vocab_size });
    const parts = await Promise.all(
      this.workers.map((worker, rank) => worker.ask("losses", { rows: this.part(rows, rank) })),
    );
    const read = parts.map(() => 0); // how many numbers of each part
    const losses = rows.map(({ tokens }, i) => {
      const rank = i % parts.length;
      return parts[rank].subarray(read[rank], (read[rank] += tokens.length));
    });
    const sum = losses.reduce((sum, row) => row.reduce((a, b) => a + b, sum), 0);
    return { loss: sum / Math.max(1, countTargets(rows)), losses };
  }

  /** The weights as in a model's file, for `GPT2` and `writeSafetensors`. */
  weights() {
    return this.workers[0].ask("weights", {});
  }

  /**
   * Everything needed to continue later with `create({ start: { state } })`, with any number of workers.
   * @returns {Promise<TrainingState>}
   */
  async state() {
    const step = this.steps;
    const [weights, ...shares] = await Promise.all([
      this.weights(),
      ...this.workers.map((worker) => worker.ask("averages", {})),
    ]);
    return { step, weights, averages: new Map(shares.flatMap((share) => [...share])) };
  }

  /** End the workers. Calls without an answer never get one. */
  stop() {
    for (const { worker } of this.workers) worker.terminate();
  }

  /**
   * A worker's rows of a batch.
   * @param {Row[]} rows
   * @param {number} rank
   */
  part(rows, rank) {
    return rows.filter((_, i) => i % this.workers.length === rank);
  }
}

/** A worker, and the calls it has not answered yet. */
class Helper {
  constructor() {
    this.worker = new Worker(new URL("training_worker.mjs", import.meta.url), { type: "module" });
    this.calls = 0;
    /** @type {Map<number, { resolve: (done: any) => void, reject: (error: Error) => void }>} */
    this.waiting = new Map();
    this.worker.onmessage = ({ data: { id, done, error } }) => {
      const { resolve, reject } = this.waiting.get(id) ?? { resolve() {}, reject() {} };
      this.waiting.delete(id);
      if (error === undefined) resolve(done);
      else reject(new Error(error));
    };
    this.worker.onerror = ({ message }) => {
      const error = new Error(`A training worker stopped (${message || "it could not be loaded"}). Reload the page.`);
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    };
  }

  /**
   * @template {keyof TrainingCalls} C
   * @param {C} call
   * @param {TrainingCalls[C]["asked"]} asked
   * @param {MessagePort[]} handedOver
   * @returns {Promise<TrainingCalls[C]["done"]>}
   */
  ask(call, asked, handedOver = []) {
    const id = this.calls++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, call, asked }, handedOver);
    });
  }
}

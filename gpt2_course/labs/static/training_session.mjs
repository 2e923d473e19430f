/**
 * The training lab's engine: it trains one model in workers, reports on it, keeps it in the browser, and hands it over.
 * In Jupyter, `gpt2_course/labs/training.py` answers the same calls.
 *
 * @import { Engine, Lesson, TrainingConfig, TrainingLabCalls, TrainingProgress, TrainingReport } from "../types.d.ts"
 * @import { TrainingSettings, TrainingSize, TrainingState, TrainingWanted } from "../types.d.ts"
 * @import { World } from "./tiny_world.mjs"
 */
import { countTargets } from "./batches.mjs";
import { GPT2 } from "./engine.mjs";
import { parameterShapes, sizeOf } from "./parameters.mjs";
import { draw, probabilities, uniform } from "./sampling.mjs";
import { modelFolder, zip } from "./saving.mjs";
import { Trainer } from "./trainer.mjs";
import { checkText, costsOfRules, floorOf, textLesson, worldLesson } from "./training_data.mjs";
import { forget, keep, keptProgress, keptState } from "./training_store.mjs";

/**
 * The sizes to choose from. `tokens` is about how many a batch has. The laptop's is that of `gpt2_course`'s preset. The
 * medium one reached 1.12 times the floor of the songs in its 1,500 steps. With a schedule of 1,000 steps, it reached
 * 1.13 times the floor of "lost and found" and 1.05 times that of the questions.
 * @type {Record<TrainingSize, { n_embd: number, n_layer: number, n_head: number, vocabulary: number, tokens: number,
 *   steps: number }>}
 */
export const SIZES = {
  small: { n_embd: 48, n_layer: 2, n_head: 3, vocabulary: 768, tokens: 1024, steps: 1200 },
  medium: { n_embd: 64, n_layer: 2, n_head: 4, vocabulary: 1024, tokens: 1024, steps: 1500 },
  laptop: { n_embd: 128, n_layer: 2, n_head: 4, vocabulary: 3072, tokens: 2016, steps: 2800 },
};
const REPORTS = 40; // per training, besides a few early ones
const EARLY = [0, 5, 10]; // steps before which there is a report, too
const [TEXTS_PER_REPORT, TEXTS_JUDGED] = [2, 20];
const SAMPLING = { temperature: 0.8, top_k: null, top_p: null };
const [OWN_SAMPLE, LONGEST_SAMPLE] = [100, 400]; // tokens
const KEEP_AFTER = 10_000; // milliseconds
const FOLDER = "my_gpt2";

/** Lets messages that wait be handled. */
const breathe = () => new Promise((resolve) => setTimeout(resolve));

/** A model in training. */
class Session {
  /**
   * @param {TrainingProgress} progress
   * @param {Lesson} lesson
   * @param {World} world
   * @param {Trainer} trainer
   */
  constructor(progress, lesson, world, trainer) {
    this.progress = progress;
    this.lesson = lesson;
    this.world = world;
    this.trainer = trainer;
    this.kept = performance.now();
    this.known = lesson.tokenizer.bytes.length;
  }

  /**
   * Begin a training, or continue one that was kept.
   * @param {World} world
   * @param {TrainingWanted} wanted
   * @param {{ progress: TrainingProgress, state: TrainingState } | null} kept
   */
  static async start(world, wanted, kept) {
    const { steps, vocabulary, ...shape } = SIZES[wanted.size];
    const lesson = wanted.corner ? worldLesson(world, wanted.corner, vocabulary) : textLesson(wanted.text, vocabulary);
    /** @type {TrainingConfig} */
    const config = {
      vocab_size: 4 * Math.ceil(lesson.tokenizer.bytes.length / 4), // the kernels like multiples of 4
      n_positions: lesson.context,
      ...{ n_embd: shape.n_embd, n_layer: shape.n_layer, n_head: shape.n_head },
      ...{ layer_norm_epsilon: 1e-5, initializer_range: 0.05, copying_start: true },
    };
    /** @type {TrainingSettings} */
    const settings = {
      ...{ optimizer: "muon", learning_rate: wanted.rate, muon_learning_rate: wanted.rate, weight_decay: 0.1 },
      ...{ warmup_steps: 20, steps, final_lr_fraction: 0, clip: 1, context: lesson.context },
      separator: lesson.tokenizer.endOfText,
    };
    const start = kept ? { state: kept.state } : { seed: 0 };
    const cores = navigator.hardwareConcurrency || 1;
    const workers = Math.max(1, Math.min(8, cores > 2 ? cores - 1 : cores)); // one core stays free for the page
    const trainer = await Trainer.create({ config, settings, start, workers });
    const parameters = parameterShapes(config).reduce((sum, [, sizes]) => sum + sizeOf(sizes), 0);
    /** @type {TrainingProgress} */
    const progress = kept?.progress ?? {
      ...{ wanted, parameters, steps, step: 0, floor: floorOf(lesson) },
      ...{ losses: [], reports: [], verdicts: [], tokens: 0, seconds: 0 },
    };
    return new Session(progress, lesson, world, trainer);
  }

  /** Update the parameters once. */
  async step() {
    const { progress, lesson, trainer } = this;
    const began = performance.now();
    const rows = lesson.batch(trainer.steps, SIZES[progress.wanted.size].tokens);
    const { loss } = await trainer.step(rows);
    progress.step = trainer.steps;
    progress.losses.push(loss);
    progress.tokens += countTargets(rows);
    progress.seconds += (performance.now() - began) / 1000;
  }

  get isFinished() {
    return this.progress.step >= this.progress.steps;
  }

  /** Whether a report is due and has not been made. */
  get isDue() {
    const { step, steps, reports } = this.progress;
    const every = Math.max(1, Math.round(steps / REPORTS));
    return (step % every === 0 || EARLY.includes(step) || this.isFinished) && reports.at(-1)?.step !== step;
  }

  /**
   * Evaluate the model, and let it write.
   * @returns {Promise<TrainingReport>}
   */
  async report() {
    const { progress, lesson, trainer } = this;
    const { loss, losses } = await trainer.evaluate(lesson.heldOut);
    const model = new GPT2(trainer.config, await trainer.weights(), undefined, this.known);
    const count = this.isFinished && lesson.costs ? TEXTS_JUDGED : lesson.costs ? TEXTS_PER_REPORT : 1;
    let sample = "";
    let verdict = null;
    for (let i = 0; i < count; i++) {
      sample = await this.write(model, 1000 * progress.step + i);
      if (!lesson.costs) continue;
      verdict = this.world.judge(sample, progress.wanted.corner);
      progress.verdicts.push(verdict.accepted);
    }
    progress.verdicts = progress.verdicts.slice(-TEXTS_JUDGED);
    const report = { step: progress.step, loss, rules: costsOfRules(lesson, losses), sample, verdict };
    progress.reports.push(report);
    return report;
  }

  /**
   * A text by the model.
   * @param {GPT2} model
   * @param {number} seed
   */
  async write(model, seed) {
    const { tokenizer, prompt, costs, context } = this.lesson;
    const ids = [/** @type {number} */ (tokenizer.endOfText), ...tokenizer.encode(prompt)];
    const writer = model.continuing(ids);
    const read = tokenizer.stream();
    let logits = writer.next().value;
    let text = prompt;
    const length = costs ? Math.min(context - 1, LONGEST_SAMPLE) : OWN_SAMPLE;
    for (let n = 0; n < length; n++) {
      const id = draw(probabilities(logits, SAMPLING), uniform(seed, n));
      if (id === tokenizer.endOfText) break;
      text += read(id);
      logits = writer.next(id).value;
      if (n % 20 === 19) await breathe();
    }
    return text + read(null);
  }

  /** Keep the training in the browser. If it has no room or does not allow it, training continues without it. */
  async keep() {
    this.kept = performance.now();
    try {
      await keep(this.progress, await this.trainer.state());
      this.progress.isKept = true;
    } catch {
      this.progress.isKept = false;
    }
  }

  /** The files of the model's folder, by name. */
  async folder() {
    return modelFolder(this.trainer.config, await this.trainer.weights(), this.lesson.merges);
  }
}

/** @type {Session | null} */
let session = null;
let latestCall = 0; // of `train`; it takes over from the one before
/** @type {Promise<unknown>} */
let ending = Promise.resolve(); // of the latest call
let running = 0; // calls

/**
 * The session, or the one that was kept.
 * @param {World} world
 */
async function ongoing(world) {
  if (session) return session;
  const [progress, state] = [await keptProgress(), await keptState()];
  if (!progress || !state) throw new Error("This browser has no training to continue: start a new one.");
  session = await Session.start(world, progress.wanted, { progress, state });
  return session;
}

/** @param {number} rate */
function checkRate(rate) {
  if (!(rate > 0 && rate <= 1)) throw new Error(`The learning rate must be above 0 and at most 1, but is ${rate}.`);
}

/**
 * The answers to the lab's calls.
 * @param {() => Promise<World>} worldOf
 * @returns {Pick<Engine, keyof TrainingLabCalls>}
 */
export const trainingCalls = (worldOf) => ({
  /** What there is to learn, and the training in progress. */
  async training() {
    const { corners } = await worldOf();
    const kept = session?.progress ?? (await keptProgress().catch(() => null));
    const sizes = Object.entries(SIZES).map(([name, { steps }]) => ({
      name: /** @type {TrainingSize} */ (name),
      steps,
    }));
    return { corners, sizes, progress: kept, isRunning: running > 0 };
  },

  /** Train until the end, or until the call is canceled, which pauses the training, or another call takes over. */
  async train({ wanted }, part, cancelled) {
    const call = ++latestCall;
    const before = ending;
    let end = () => {};
    ending = new Promise((resolve) => (end = () => resolve(null)));
    running++;
    try {
      await before;
      const world = await worldOf();
      if (wanted) {
        checkRate(wanted.rate);
        if (!wanted.corner) checkText(wanted.text);
        session?.trainer.stop();
        session = null;
        session = await Session.start(world, wanted, null);
      }
      const current = await ongoing(world);
      const { progress } = current;
      part({ progress });
      while (true) {
        if (current.isDue) part({ report: await current.report(), verdicts: progress.verdicts });
        if (current.isFinished || cancelled() || call !== latestCall) break;
        await current.step();
        const { step, tokens, seconds, losses } = progress;
        part({ step, tokens, seconds, loss: losses[step - 1] });
        if (performance.now() - current.kept > KEEP_AFTER) await current.keep();
      }
      await current.keep();
      return { isKept: Boolean(progress.isKept) };
    } finally {
      running--;
      end();
    }
  },

  /** From the next step on, train at this rate. */
  async set_rate({ rate }) {
    checkRate(rate);
    if (!session) return null;
    const { trainer, progress } = session;
    trainer.settings = { ...trainer.settings, learning_rate: rate, muon_learning_rate: rate };
    progress.wanted = { ...progress.wanted, rate };
    return null;
  },

  /** Forget the training, here and in the browser. */
  async forget_training() {
    session?.trainer.stop();
    session = null;
    await forget().catch(() => {});
    return null;
  },

  /** The model's folder as files, or in one zip file. */
  async trained_model({ packed }) {
    const folder = await (await ongoing(await worldOf())).folder();
    const files = [...folder].map(([name, bytes]) => ({ path: `${FOLDER}/${name}`, bytes }));
    if (!packed) return { files };
    const bytes = zip(new Map(files.map(({ path, bytes }) => [path, bytes])));
    return { files: [{ path: `${FOLDER}.zip`, bytes }] };
  },
});

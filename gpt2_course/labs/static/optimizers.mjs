/**
 * Muon for the matrices, AdamW for the rest. gpt2_course/optimizers.py does the same; it explains both and gives the
 * sources.
 *
 * @import { Kernels, OptimizerState, Parameter, TrainingSettings } from "../types.d.ts"
 */
import { matrix, transposed } from "./kernels.mjs";
import { sizeOf } from "./parameters.mjs";

const BETAS = [0.9, 0.95]; // AdamW's: how much of the averages of gradients and of their squares stays at each step
const EPSILON = 1e-8;
const MOMENTUM = 0.85; // Muon's
const NEWTON_SCHULZ_STEPS = 5;
const [A, B, C] = [3.4445, -4.775, 2.0315]; // each iteration maps a singular value s to A s + B s³ + C s⁵

/**
 * Whether Muon trains a parameter: a matrix that multiplies. Embeddings are tables of rows.
 * @param {string} name
 * @param {number[]} shape
 * @param {TrainingSettings} settings
 */
export const usesMuon = (name, shape, { optimizer }) =>
  optimizer === "muon" && shape.length === 2 && !/^w[tp]e\./.test(name);

/**
 * Which of several workers updates which parameters: lists of names, one per worker, that take about the same time.
 * @param {[name: string, shape: number[]][]} shapes
 * @param {TrainingSettings} settings
 * @param {number} workers
 */
export function shares(shapes, settings, workers) {
  const costs = shapes.map(([name, shape]) => {
    const perNumber = 100 + (usesMuon(name, shape, settings) ? 30 * Math.min(...shape) : 0); // in operations, roughly
    return { name, cost: perNumber * sizeOf(shape) };
  });
  const made = Array.from({ length: workers }, () => ({ cost: 0, names: /** @type {string[]} */ ([]) }));
  for (const { name, cost } of costs.sort((a, b) => b.cost - a.cost)) {
    const least = made.reduce((a, b) => (b.cost < a.cost ? b : a));
    least.names.push(name);
    least.cost += cost;
  }
  return made.map(({ names }) => names);
}

/**
 * The factor of the learning rates at a step, counted from 0: linear up to 1, then half a cosine. The same as
 * `gpt2_course.training.schedule.learning_rate_factor`.
 * @param {number} step
 * @param {TrainingSettings} settings
 */
export function learningRateFactor(step, { warmup_steps, steps, final_lr_fraction }) {
  if (step < warmup_steps) return (step + 1) / warmup_steps;
  const progress = Math.min(1, (step - warmup_steps) / Math.max(1, steps - warmup_steps));
  return final_lr_fraction + ((1 - final_lr_fraction) * (1 + Math.cos(Math.PI * progress))) / 2;
}

/**
 * The sum of squares of all gradients. Its root is the gradient's norm.
 * @param {Iterable<Parameter>} parameters
 */
export function squaredNorm(parameters) {
  let sum = 0;
  for (const { gradient } of parameters) for (let i = 0; i < gradient.length; i++) sum += gradient[i] * gradient[i];
  return sum;
}

/** Updates some of a model's parameters. Its only state is two averages per number for AdamW, one for Muon. */
export class Optimizer {
  /**
   * @param {[name: string, parameter: Parameter][]} parameters
   * @param {Kernels} kernels
   * @param {number} workspace  the index of 10 C² numbers that are free during a step
   * @param {TrainingSettings} settings
   */
  constructor(parameters, kernels, workspace, settings) {
    this.parameters = parameters;
    this.kernels = kernels;
    this.workspace = workspace;
    /** @type {OptimizerState} */
    this.averages = new Map(
      parameters.map(([name, { shape, values }]) => [
        name,
        Array.from({ length: usesMuon(name, shape, settings) ? 1 : 2 }, () => new Float32Array(values.length)),
      ]),
    );
  }

  /**
   * Continue from the averages of another training.
   * @param {OptimizerState} stored
   */
  load(stored) {
    for (const [name, averages] of this.averages) {
      const found = stored.get(name) ?? [];
      if (found.length !== averages.length || found.some((one, i) => one.length !== averages[i].length)) {
        throw new Error(`The state of the optimizer does not fit ${name}: continue with the optimizer it comes from.`);
      }
      averages.forEach((average, i) => average.set(found[i]));
    }
  }

  /**
   * Move each parameter against its gradient.
   * @param {number} step  counted from 0
   * @param {TrainingSettings} settings
   * @param {number} clip  the factor of the gradients
   */
  step(step, settings, clip) {
    const factor = learningRateFactor(step, settings);
    for (const [name, parameter] of this.parameters) {
      const averages = /** @type {Float32Array[]} */ (this.averages.get(name));
      const { values, gradient, shape } = parameter;
      if (clip !== 1) for (let i = 0; i < gradient.length; i++) gradient[i] *= clip;
      const muon = averages.length === 1;
      const rate = factor * (muon ? settings.muon_learning_rate : settings.learning_rate);
      if (shape.length === 2) {
        const shrink = 1 - rate * settings.weight_decay; // no decay for biases and norms
        for (let i = 0; i < values.length; i++) values[i] *= shrink;
      }
      if (muon) this.muon(parameter, averages[0], rate);
      else adamw(parameter, averages, rate, step);
    }
  }

  /**
   * One step of Muon: W −= rate · √(long/short) · orthogonalize(momentum · M + (1 − momentum) · G), where M is the
   * average of the gradients G. Three square matrices on top of each other are queries, keys, and values.
   * @param {Parameter} parameter
   * @param {Float32Array} average
   * @param {number} rate
   */
  muon({ shape: [rows, columns], values, gradient }, average, rate) {
    const { numbers } = this.kernels;
    const pieces = rows === 3 * columns ? 3 : 1;
    const tall = rows / pieces;
    const [short, long] = [Math.min(tall, columns), Math.max(tall, columns)];
    const size = rate * Math.sqrt(Math.max(rows, columns) / Math.min(rows, columns));
    // The place of a number in the matrix to orthogonalize, which lies on its side if it is tall
    const [down, right] = tall > columns ? [1, long] : [long, 1];
    for (let piece = 0; piece < pieces; piece++) {
      const from = piece * tall * columns;
      for (let r = 0, i = from; r < tall; r++) {
        for (let c = 0; c < columns; c++, i++) {
          average[i] += (1 - MOMENTUM) * (gradient[i] - average[i]);
          numbers[this.workspace + r * down + c * right] = gradient[i] + MOMENTUM * (average[i] - gradient[i]);
        }
      }
      const x = orthogonalize(this.kernels, this.workspace, short, long);
      for (let r = 0, i = from; r < tall; r++) {
        for (let c = 0; c < columns; c++, i++) values[i] -= size * numbers[x + r * down + c * right];
      }
    }
  }
}

/**
 * Bring all singular values of a matrix X (short, long) close to 1. Each iteration replaces X by
 * A X + (B G + C G²) X, where G = X Xᵀ. Needs room for another matrix like X and two like G after it.
 * @param {Kernels} kernels
 * @param {number} at
 * @param {number} short
 * @param {number} long
 * @returns the index of the result
 */
export function orthogonalize({ numbers, multiply }, at, short, long) {
  const size = short * long;
  let squares = 0;
  for (let i = at; i < at + size; i++) squares += numbers[i] * numbers[i];
  const norm = Math.sqrt(squares) + 1e-7; // at least the largest singular value
  for (let i = at; i < at + size; i++) numbers[i] /= norm;
  let x = matrix(at, short, long);
  let next = matrix(at + size, short, long);
  const gram = matrix(at + 2 * size, short, short);
  const polynomial = matrix(gram.at + short * short, short, short);
  for (let n = 0; n < NEWTON_SCHULZ_STEPS; n++) {
    multiply(gram, x, transposed(x));
    multiply(polynomial, gram, gram);
    for (let i = 0; i < short * short; i++) {
      numbers[polynomial.at + i] = C * numbers[polynomial.at + i] + B * numbers[gram.at + i];
    }
    for (let i = 0; i < short; i++) numbers[polynomial.at + i * (short + 1)] += A; // A X is (A times the identity) X
    multiply(next, polynomial, x);
    [x, next] = [next, x];
  }
  return x.at;
}

/**
 * One step of AdamW: against the average gradient, divided by the root of the average squared gradient. Early averages
 * are too small, because they began at 0, and are divided by what they would be if all gradients were 1.
 * @param {Parameter} parameter
 * @param {Float32Array[]} averages
 * @param {number} rate
 * @param {number} step
 */
function adamw({ values, gradient }, [first, second], rate, step) {
  const [beta1, beta2] = BETAS;
  const size = rate / (1 - beta1 ** (step + 1));
  const root = Math.sqrt(1 - beta2 ** (step + 1));
  for (let i = 0; i < values.length; i++) {
    const g = gradient[i];
    first[i] += (1 - beta1) * (g - first[i]);
    second[i] = beta2 * second[i] + (1 - beta2) * g * g;
    values[i] -= (size * first[i]) / (Math.sqrt(second[i]) / root + EPSILON);
  }
}

"""Training in the page compared with TensorFlow.js, with the same weights and batches in the same Chromium.

Needs Chromium and npm. TensorFlow.js runs on its WebAssembly backend, which is much faster than its plain one. That has
no gradient for looking up a row of a table, so the embedding is a product with one-hot rows. Like most static hosts,
the server sends no headers for shared memory; without it, that backend uses one core. Our workers use all cores.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.browser import opened
from benchmarks.measure import Row
from gpt2_course.labs.lab import STATIC

PACKAGES = ("@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-wasm@4.22.0")
SHAPE = {"vocab_size": 512, "n_positions": 128, "n_embd": 64, "n_layer": 2, "n_head": 4}
CONFIG = {**SHAPE, "layer_norm_epsilon": 1e-5, "initializer_range": 0.05, "copying_start": False}
ROWS, STEPS = 8, 5
SETTINGS = {
    **{"optimizer": "adamw", "learning_rate": 0.001, "muon_learning_rate": 0.0, "weight_decay": 0.0, "warmup_steps": 0},
    **{"steps": 1, "final_lr_fraction": 1.0, "clip": 1e9, "context": SHAPE["n_positions"], "separator": None},
}

PAGE = """
async ([config, settings, B, steps]) => {
  const { Trainer } = await import("/trainer.mjs");
  const { uniform } = await import("/sampling.mjs");
  const { n_positions: T, n_embd: C, n_head: H, vocab_size: V, n_layer } = config;
  const batches = Array.from({ length: steps }, (_, step) => Array.from({ length: B }, (_, b) => {
    const ids = Int32Array.from({ length: T + 1 }, (_, t) => Math.floor(uniform(step, 1000 * b + t) ** 3 * V));
    return { tokens: ids.slice(0, T), targets: ids.slice(1) };
  }));
  const trainer = await Trainer.create({ config, settings, start: { seed: 0 } });

  tf.wasm.setWasmPaths("/");
  await tf.setBackend("wasm");
  const weights = new Map();
  for (const [name, { shape, values }] of await trainer.weights()) {
    weights.set(name, tf.variable(tf.tensor(values, shape)));
  }
  const of = (name) => [weights.get(`${name}.weight`), weights.get(`${name}.bias`)];
  const norm = (x, name) => {
    const { mean, variance } = tf.moments(x, -1, true);
    const [weight, bias] = of(name);
    return x.sub(mean).div(variance.add(1e-5).sqrt()).mul(weight).add(bias);
  };
  const linear = (x, name) => x.matMul(of(name)[0]).add(of(name)[1]);
  const gelu = (x) =>
    x.mul(0.5).mul(x.add(x.mul(x).mul(x).mul(0.044715)).mul(Math.sqrt(2 / Math.PI)).tanh().add(1));
  const later = tf.linalg.bandPart(tf.ones([T, T]), -1, 0).sub(1).mul(1e9); // -1e9 for later tokens
  const table = weights.get("wte.weight");
  const lossOf = (tokens, targets) => {
    let x = tf.oneHot(tokens, V, 1, 0, "float32").matMul(table).reshape([B, T, C]);
    x = x.add(weights.get("wpe.weight")).reshape([B * T, C]);
    for (let l = 0; l < n_layer; l++) {
      const parts = tf.split(linear(norm(x, `h.${l}.ln_1`), `h.${l}.attn.c_attn`), 3, 1);
      const [q, k, v] = parts.map((part) => part.reshape([B, T, H, C / H]).transpose([0, 2, 1, 3]));
      const p = tf.softmax(tf.matMul(q, k, false, true).div(Math.sqrt(C / H)).add(later));
      const heads = tf.matMul(p, v).transpose([0, 2, 1, 3]).reshape([B * T, C]);
      x = x.add(linear(heads, `h.${l}.attn.c_proj`));
      x = x.add(linear(gelu(linear(norm(x, `h.${l}.ln_2`), `h.${l}.mlp.c_fc`)), `h.${l}.mlp.c_proj`));
    }
    const logits = norm(x, "ln_f").matMul(table, false, true);
    return tf.losses.softmaxCrossEntropy(tf.oneHot(targets, V), logits);
  };
  const optimizer = tf.train.adam(0.001, 0.9, 0.95, 1e-8);
  async function theirStep(rows) {
    const [tokens, targets] = ["tokens", "targets"].map((which) =>
      tf.tensor1d(rows.flatMap((row) => [...row[which]]), "int32"));
    const cost = optimizer.minimize(() => lossOf(tokens, targets), true, [...weights.values()]);
    const loss = (await cost.data())[0];
    tf.dispose([cost, tokens, targets]);
    return loss;
  }

  const pairs = [];
  for (const rows of batches) {
    const began = performance.now();
    const { loss } = await trainer.step(rows);
    const between = performance.now();
    const theirs = await theirStep(rows);
    const seconds = [between - began, performance.now() - between].map((t) => t / 1000);
    pairs.push({ losses: [loss, theirs], seconds });
  }
  trainer.stop();
  return pairs;
}
"""


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for package in PACKAGES:
            subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        for archive in folder.glob("*.tgz"):
            shutil.unpack_archive(str(archive), folder / archive.stem, "gztar")
        for pattern in ("*/package/dist/tf.min.js", "*/package/dist/tf-backend-wasm.min.js", "*/package/dist/*.wasm"):
            for path in folder.glob(pattern):
                shutil.copy(path, folder)
        for path in STATIC.iterdir():
            shutil.copy(path, folder)
        scripts = "".join(f'<script src="{script}"></script>' for script in ("tf.min.js", "tf-backend-wasm.min.js"))
        (folder / "training.html").write_text(f"<!doctype html>{scripts}", encoding="utf-8")
        with opened(folder, "/training.html") as page:
            pairs = page.evaluate(PAGE, [CONFIG, SETTINGS, ROWS, STEPS])
    for pair in pairs:
        ours, theirs = pair["losses"]
        if abs(ours - theirs) > 0.02:  # its WebAssembly backend is off by 0.003; its plain one agrees with ours
            raise AssertionError(f"The two sides have different losses, {ours} and {theirs}: they train differently.")
    seconds = [pair["seconds"] for pair in pairs[1:]]  # the first is the warm-up
    yield Row(
        "in the page: train a 2×4×64 model on batches of 8 × 128 tokens",
        "TensorFlow.js (WebAssembly, SIMD)",
        1 / median(ours for ours, _ in seconds),
        1 / median(theirs for _, theirs in seconds),
        "steps/s",
        median(theirs / ours for ours, theirs in seconds),
        "≥ 5",
    )

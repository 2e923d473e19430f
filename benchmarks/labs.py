"""The labs' engine compared with onnxruntime-web, with the same weights in the same Chromium.

Needs Chromium, npm, and the packages `onnx` and `onnxscript`, which `make bench` installs. The course itself uses none
of them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import page_training
from benchmarks.browser import opened
from benchmarks.measure import Row
from gpt2_course import GPT2
from gpt2_course.labs.lab import STATIC
from gpt2_course.sources import find_model

ONNXRUNTIME = "onnxruntime-web@1.30.0"
ITS_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
TOKENS = 200


def our_files() -> list[str]:
    """The modules that a page with a lab loads, which import each other, and the inner loop."""
    found, waiting = [], ["hydrate.mjs", "worker.mjs"]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.append(name)
            waiting += re.findall(r'from "\./(\w+\.mjs)"', (STATIC / name).read_text(encoding="utf-8"))
    return [*found, "linear.wasm"]


PAGE = """
async ([prompt, tokens, rounds]) => {
  const { readSafetensors } = await import("/checkpoint.mjs");
  const { GPT2 } = await import("/engine.mjs");
  const { simd } = await import("/simd.mjs");
  const read = async (path) => (await fetch(path)).arrayBuffer();
  const config = await (await fetch("/config.json")).json();
  const innerLoop = await simd(await read("/linear.wasm"), config);
  const ours = new GPT2(config, readSafetensors(await read("/model.safetensors")), innerLoop);
  const best = (logits) => logits.reduce((most, logit, id) => (logit > logits[most] ? id : most), 0);

  function writeWithOurs() {
    const cache = ours.newCache();
    const ids = [];
    let logits;
    for (const id of prompt) logits = ours.forward([id], { cache });
    const began = performance.now();
    while (ids.length < tokens) {
      ids.push(best(logits));
      logits = ours.forward([ids.at(-1)], { cache });
    }
    return { ids, seconds: (performance.now() - began) / 1000 };
  }

  const ort = await import("/ort.wasm.min.mjs");
  const session = await ort.InferenceSession.create("/model.onnx");
  const { n_layer, n_head, n_embd } = config;
  async function writeWithTheirs() {
    let past = new ort.Tensor("float32", new Float32Array(0), [n_layer, 2, n_head, 0, n_embd / n_head]);
    let position = 0;
    const forward = async (id) => {
      const number = (n) => new ort.Tensor("int64", BigInt64Array.of(BigInt(n)), [1]);
      const result = await session.run({ token: number(id), position: number(position++), past });
      past = result.present;
      return result.logits.data;
    };
    const ids = [];
    let logits;
    for (const id of prompt) logits = await forward(id);
    const began = performance.now();
    while (ids.length < tokens) {
      ids.push(best(logits));
      logits = await forward(ids.at(-1));
    }
    return { ids, seconds: (performance.now() - began) / 1000 };
  }

  const pairs = [];
  for (let round = 0; round <= rounds; round++) pairs.push([writeWithOurs(), await writeWithTheirs()]);
  return pairs.slice(1); // without the warm-up
}
"""


class OneToken(nn.Module):
    """GPT-2's forward pass for one token, given the keys and values before it, in a form that exports to ONNX."""

    def __init__(self, model: GPT2) -> None:
        super().__init__()
        self.model = model

    def forward(self, token: Tensor, position: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Token (1,), position (1,), and past (L, 2, H, S, D) to logits (V,) and present (L, 2, H, S + 1, D)."""
        model, c = self.model, self.model.config
        D = c.n_embd // c.n_head
        x = model.token_embedding(token) + model.position_embedding(position)  # (1, C)
        present = []
        for layer, block in enumerate(model.blocks):
            heads: Any = block.attention.qkv(block.norm_1(x)).view(3, c.n_head, 1, D)  # type: ignore[union-attr]
            k = torch.cat([past[layer, 0], heads[1]], 1)  # (H, S + 1, D)
            v = torch.cat([past[layer, 1], heads[2]], 1)
            present.append(torch.stack([k, v]))
            y = (heads[0] @ k.mT / D**0.5).softmax(-1) @ v  # (H, 1, D)
            x = x + block.attention.projection(y.reshape(1, c.n_embd))  # type: ignore[union-attr]
            x = x + block.mlp(block.norm_2(x))  # type: ignore[operator]
        logits = model.final_norm(x) @ model.token_embedding.weight.T
        return logits[0], torch.stack(present)


def export_to_onnx(model: GPT2, path: Path) -> None:
    c = model.config
    past = torch.zeros(c.n_layer, 2, c.n_head, 5, c.n_embd // c.n_head)
    torch.onnx.export(
        OneToken(model),
        (torch.tensor([1]), torch.tensor([5]), past),
        str(path),
        input_names=["token", "position", "past"],
        output_names=["logits", "present"],
        dynamic_shapes={"token": None, "position": None, "past": {3: torch.export.Dim("S", min=0, max=c.n_positions)}},
        external_data=False,
        verbose=False,
    )


def rows() -> Iterator[Row]:
    model = GPT2.from_pretrained()
    assert model.tokenizer is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["npm", "pack", "--silent", ONNXRUNTIME], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        shutil.unpack_archive(str(next(folder.glob("*.tgz"))), folder, "gztar")
        for file in ITS_FILES:
            shutil.copy(folder / "package/dist" / file, folder)
        for file in STATIC.iterdir():
            shutil.copy(file, folder)
        for path in find_model("tiny-world").iterdir():
            shutil.copy(path, folder)
        export_to_onnx(model, folder / "model.onnx")
        with opened(folder, "/config.json") as page:
            pairs = page.evaluate(PAGE, [model.tokenizer.encode("Once upon a time"), TOKENS, 7])
        if not all(ours["ids"] == theirs["ids"] for ours, theirs in pairs):
            raise AssertionError("The two sides generate different texts, so their speeds cannot be compared.")
        speeds = [(TOKENS / ours["seconds"], TOKENS / theirs["seconds"]) for ours, theirs in pairs]
        yield Row(
            "in the page: generate 200 tokens with the shipped model",
            "onnxruntime-web (WebAssembly, SIMD)",
            median(ours for ours, _ in speeds),
            median(theirs for _, theirs in speeds),
            "tokens/s",
            median(ours / theirs for ours, theirs in speeds),
            "≥ 1",
        )

        def megabytes(*files: str) -> float:
            return sum((folder / file).stat().st_size for file in files) / 1e6

        for what, more, its in (("code", (), ()), ("code and weights", ("model.safetensors",), ("model.onnx",))):
            ours, theirs = megabytes(*our_files(), *more), megabytes(*ITS_FILES, *its)
            yield Row(f"in the page: download, {what}", "onnxruntime-web", ours, theirs, "MB", ours / theirs, "≤ 0.1")


BENCHMARKS: list[Callable[[], Iterator[Row]]] = [rows, page_training.rows]

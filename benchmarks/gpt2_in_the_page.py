"""How OpenAI's 124M shape runs in a page, in 8 bits: `python -m benchmarks.gpt2_in_the_page`.

Random weights are served on this computer, so this needs no network, only Chromium. The model is downloaded by the
page's own panel. Printed are the time and memory of the download, the time of the next start, the distance of the
logits from those of PyTorch in 32 bits, and the speed of generation, as the best of several rounds, because other
programs may use the same cores.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from html import escape
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from playwright.sync_api import Page, expect

from benchmarks.browser import opened
from gpt2_course import GPT2
from gpt2_course.labs.lab import STATIC
from gpt2_course.quantization import quantize_rows

PACKAGE = STATIC.parents[1]
PROMPT, TOKENS, ROUNDS = "The secret to happiness is", 100, 5
STATE = {"text": PROMPT, "vocabulary": "model"}

# Asks the worker as a lab does.
ASK = """([call, asked]) => new Promise((resolve, reject) => {
  window.engine ??= new Worker("/_static/worker.mjs", { type: "module" });
  engine.onmessage = ({ data: { id, done, error } }) => error ? reject(error) : done && id === 1 && resolve(done);
  engine.postMessage({ id: 1, call, ...asked });
})"""


def build(folder: Path) -> GPT2:
    """Write the page and the hub's files; returns the model."""
    shutil.copytree(STATIC, folder / "_static")
    for part in ("pretrained/tiny-world", "assets/gpt2"):
        shutil.copytree(PACKAGE / part, folder / "_static" / Path(part).name)
    torch.manual_seed(0)
    model = GPT2().eval()
    model.save_pretrained(folder / "hub")
    weights = (folder / "hub/model.safetensors").read_bytes()
    source = {"base": "/hub/", "size": len(weights), "sha256": hashlib.sha256(weights).hexdigest()}
    (folder / "page.html").write_text(
        f'<!doctype html><meta name="gpt2-source" content="{escape(json.dumps(source))}">'
        f'<div data-lab="tokenizer_lab" data-state="{escape(json.dumps(STATE))}"></div>'
        '<script type="module" src="/_static/hydrate.mjs"></script>'
    )
    return model


def probabilities(model: GPT2) -> torch.Tensor:
    """Of the token after the prompt."""
    ids = torch.tensor([model.require_tokenizer().encode(PROMPT)])
    with torch.no_grad():
        return model(ids)[0, -1].softmax(-1)


def largest_difference(page: Page, model: GPT2) -> float:
    """Between the page's probabilities and a model's, relative to the model's, for the most likely tokens."""
    settings = {"temperature": 1, "top_k": None, "top_p": None}
    asked = {"prompt": PROMPT, "added": [], "settings": settings, "number": 0, "count": 100}
    found: Any = page.evaluate(ASK, ["next", asked])
    wanted = probabilities(model)
    return max(abs(bar["p"] / float(wanted[bar["id"]]) - 1) for bar in found["bars"])


def page_memory(which: str) -> float:
    """Memory in MB of the largest page process that this process's browser has started (Linux only).

    `which` is "VmHWM", its peak, or "VmRSS", its memory now.
    """
    status = {path.parent.name: path.read_text() for path in Path("/proc").glob("[0-9]*/status") if path.exists()}
    parents = {number: text.split("PPid:")[1].split()[0] for number, text in status.items()}

    def is_ours(number: str) -> bool:
        return number == str(os.getpid()) or (number in parents and is_ours(parents[number]))

    pages = [n for n in status if is_ours(n) and b"--type=renderer" in Path(f"/proc/{n}/cmdline").read_bytes()]
    return max(int(status[number].split(f"{which}:")[1].split()[0]) for number in pages) / 1000


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        model = build(Path(name))
        with opened(Path(name), "/page.html") as page:
            context = page.context
            page.locator(".lab-model-name").click()
            began = perf_counter()
            page.get_by_role("button", name="Download GPT-2").click()
            expect(page.get_by_role("button", name="Remove GPT-2")).to_be_visible(timeout=600_000)
            print(f"download, conversion, check: {perf_counter() - began:.1f} s")
            print(f"peak memory of the page's process: {page_memory('VmHWM'):,.0f} MB")
            page.close()
            starts = []
            for _ in range(ROUNDS):
                page = context.new_page()
                page.goto("/hub/config.json")
                began = perf_counter()
                shape: Any = page.evaluate(ASK, ["describe", {}])
                starts.append(perf_counter() - began)
                if shape["name"] != "gpt2":
                    raise AssertionError(f"The page uses {shape['name']}.")
                if len(starts) < ROUNDS:
                    page.close()
            print(f"next start: {min(starts):.1f} s (best of {ROUNDS})")
            print(f"largest relative difference to 32 bits: {largest_difference(page, model):.2%}")
            for parameter_name, parameter in model.named_parameters():
                if parameter.ndim == 2 and "position" not in parameter_name:
                    numbers, scale = quantize_rows(parameter)
                    parameter.data = numbers * scale
            print(f"largest relative difference to 8 bits in PyTorch: {largest_difference(page, model):.2e}")
            settings = {"temperature": 0.8, "top_k": None, "top_p": None}
            asked = {"prompt": PROMPT, "settings": settings, "length": TOKENS}
            speeds = []
            for seed in range(ROUNDS):
                done: Any = page.evaluate(ASK, ["generate", {**asked, "seed": seed}])
                speeds.append(done["tokens"] / done["seconds"])
            print(f"generation: {max(speeds):.1f} tokens/s (best of {ROUNDS}, {TOKENS} tokens each)")


if __name__ == "__main__":
    main()

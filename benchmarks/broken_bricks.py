"""What a broken brick does to a training: `python -m benchmarks.broken_bricks` writes broken_bricks.md.

Each case trains the small model of `my_gpt2.py` for the same number of steps with one brick replaced, from two seeds.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import math
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from gpt2_course.bricks import start
from gpt2_course.bricks.source import COURSE

LEVELS = "▁▂▃▄▅▆▇█"


def without_scale(gpt2: ModuleType, q: Tensor, k: Tensor) -> Tensor:
    weights: Tensor = gpt2.mask(q @ k.T).softmax(-1)
    return weights


def without_mask(gpt2: ModuleType, scores: Tensor) -> Tensor:
    return scores


def over_tokens(gpt2: ModuleType, x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    centered = x - x.mean(0, keepdim=True)
    return centered / (centered.pow(2).mean(0, keepdim=True) + 1e-5).sqrt() * gain + bias


def unshifted(gpt2: ModuleType, ids: Tensor) -> tuple[Tensor, Tensor]:
    return ids[:-1], ids[:-1]


CASES: dict[str, tuple[str, Callable[..., Any] | None]] = {
    "all bricks right": ("", None),
    "no scale: scores not divided by √D": ("attention_weights", without_scale),
    "no mask": ("mask", without_mask),
    "layer norm over tokens instead of channels": ("layer_norm", over_tokens),
    "targets not shifted": ("shift", unshifted),
}


def training(folder: Path, case: str, seed: int, steps: int) -> tuple[list[int], list[float], float, str]:
    """The steps and losses of a training's reports, the floor, and what the file says about it."""
    spec = importlib.util.spec_from_file_location("my_gpt2", COURSE)
    assert spec
    assert spec.loader
    gpt2 = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gpt2)
    name, broken = CASES[case]
    if broken:
        setattr(gpt2, name, lambda *given: broken(gpt2, *given))
    gpt2.HERE, gpt2.STEPS, gpt2.SECONDS = folder, steps, math.inf
    done, reports, losses = 0, [], []
    step, measure = gpt2.training_step, gpt2.measure

    def counted(*given: Any) -> float:
        nonlocal done
        done += 1
        return float(step(*given))

    def noted(*given: Any) -> float:
        reports.append(done)
        losses.append(float(measure(*given)))
        return losses[-1]

    gpt2.training_step, gpt2.measure = counted, noted
    with redirect_stdout(io.StringIO()) as printed:
        _, floor = gpt2.train(seed)
    said = [line for line in printed.getvalue().splitlines() if "below the floor" in line]
    return reports, losses, floor, said[0] if said else ""


def curve(losses: list[float]) -> str:
    """A loss from 0 (lowest) to 8 nats (highest), one character per report."""
    return "".join(LEVELS[min(len(LEVELS) - 1, int(loss))] for loss in losses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows, notes = [], []
    with TemporaryDirectory() as folder:
        start(folder)
        for case in CASES:
            for seed in given.seeds:
                reports, losses, floor, said = training(Path(folder), case, seed, given.steps)
                shown = range(0, len(reports), max(1, len(reports) // 5))
                numbers = " | ".join(f"{losses[i]:.2f}" for i in shown)
                rows.append(f"| {case} | {seed} | {numbers} | `{curve(losses)}` |")
                notes += [f"- {case}, seed {seed}: “{said}”"] if said else []
                print(rows[-1], flush=True)
    steps = " | ".join(str(reports[i]) for i in shown)
    lines = [
        "# What a broken brick does to a training",
        "",
        f"`python -m benchmarks.broken_bricks --steps {given.steps}` wrote this page. It shows the loss on held-out "
        f"documents, in nats per token, after a growing number of steps. The floor is {floor:.2f}. The height of the "
        "blocks in a curve is the loss in whole nats.",
        "",
        f"| | seed | {steps} | curve |",
        "|---|---|" + "---|" * (len(shown) + 1),
        *rows,
        "",
        "What the file itself says:",
        "",
        *(notes or ["- nothing"]),
    ]
    given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What makes `python train.py` succeed: `python -m benchmarks.laptop --report FOLDER` writes laptop.md.

Each run is a process of its own: `python -m benchmarks.laptop --run preset --seed 0 --out FOLDER`. `--list` prints the
names of all variants. Runs of half the length show which settings are worth a whole run. With `OMP_NUM_THREADS=1`,
several runs fit side by side; their times do not count then.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any, get_args

from gpt2_course import GPT2Config, TrainConfig, Trainer
from gpt2_course.evaluation import evaluate
from gpt2_course.grades import grade
from gpt2_course.tiny_world import Kind

SAMPLES = 400  # texts of each kind to grade
PRESET = TrainConfig.for_preset("laptop")


def nothing(trainer: Trainer) -> None:
    """Leave the trainer as it is."""


def read_as_one_text(trainer: Trainer) -> None:
    """Let tokens see the documents before their own in the same row."""
    trainer._separator = None


def average_longer(trainer: Trainer) -> None:
    """Let AdamW average the squares of gradients over about 50 steps instead of 20."""
    for optimizer in trainer.optimizers:
        for group in optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (group["betas"][0], 0.98)


@dataclass(frozen=True)
class Variant:
    """What differs from the preset."""

    what: str
    config: TrainConfig
    change: Callable[[Trainer], None] = nothing


def shaped(**changes: int) -> GPT2Config:
    """The preset's shape with some changes."""
    return replace(PRESET.model, **changes)


HALF = replace(PRESET, steps=PRESET.steps // 2)
VARIANTS = {
    "preset": Variant("the preset", PRESET),
    "high-rates": Variant(
        "rates 0.03 (Muon 0.02), beta2 0.98, 2,900 steps",
        replace(PRESET, learning_rate=0.03, muon_learning_rate=0.02, steps=2900),
        average_longer,
    ),
    "half": Variant("the preset, half as many steps", HALF),
    "half-one-text": Variant("the same, but documents in a row see each other", HALF, read_as_one_text),
    "half-high-rates": Variant(
        "half as many steps, rates 0.03 (Muon 0.02), beta2 0.98",
        replace(HALF, learning_rate=0.03, muon_learning_rate=0.02),
        average_longer,
    ),
    "half-random-start": Variant("attention starts at random", replace(HALF, copying_start=False)),
    "half-8-heads": Variant("8 heads", replace(HALF, model=shaped(n_head=8))),
    "half-2-heads": Variant("2 heads", replace(HALF, model=shaped(n_head=2))),
    "half-narrow": Variant(
        "width 96, half as many steps again", replace(HALF, model=shaped(n_embd=96), steps=HALF.steps * 3 // 2)
    ),
    "half-small-batch": Variant(
        "batches of half the size, twice the steps, rates × 0.7",
        replace(
            HALF, batch_size=PRESET.batch_size // 2, steps=PRESET.steps, learning_rate=0.007, muon_learning_rate=0.007
        ),
    ),
    "half-adamw": Variant("AdamW only, rate 0.003", replace(HALF, optimizer="adamw", learning_rate=0.003)),
}


def run(name: str, seed: int, samples: int) -> dict[str, Any]:
    """Train with a seed; measure the loss on the validation documents, and grade texts of each kind."""
    variant = VARIANTS[name]
    with TemporaryDirectory() as folder:
        config = replace(variant.config, seed=seed, out=folder, sample_tokens=0, grade_samples=0, report_every=500)
        trainer = Trainer.from_config(config)
        variant.change(trainer)
        history = trainer.train(verbose=False)
        tokenizer = trainer.model.require_tokenizer()
        found = evaluate(trainer.model, tokenizer, trainer.val_data, by_rule=True)
        grades = grade(trainer.model, samples, n_trained=0)
    assert found.floor is not None
    return {
        "run": name,
        "seed": seed,
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "seconds": history[-1]["seconds"],
        "loss": found.loss / found.floor,
        "rules": {rule: part.excess / found.floor for rule, part in found.rules.items()},
        "accepted": grades.accepted,
        "samples": samples,
    }


def report(results: list[dict[str, Any]]) -> str:
    """The tables of all runs."""
    of = defaultdict(list)
    for result in sorted(results, key=lambda result: result["seed"]):
        of[result["run"]].append(result)
    kinds = get_args(Kind)

    def row(name: str, found: list[dict[str, Any]], each: Callable[[list[float]], list[float]] = list) -> str:
        cells = [" · ".join(f"{loss:.3f}" for loss in each([r["loss"] for r in found]))]
        cells += [" · ".join(f"{s:.0%}" for s in each([r["accepted"][kind] for r in found])) for kind in kinds]
        worst = max(found[0]["rules"], key=lambda rule: mean(r["rules"][rule] for r in found))
        return f"| {name} | {' | '.join(cells)} | {worst} |"

    head = "loss / floor | stories | with questions | songs | question pages | musings | the rule that costs most |"
    line = "|---" * 8 + "|\n"
    seeds = [row(f"seed {r['seed']}", [r]) for r in of["preset"]]
    tried = [
        row(f"{VARIANTS[name].what} (seeds {', '.join(str(r['seed']) for r in of[name])})", of[name])
        for name in VARIANTS
        if name != "preset" and of[name]
    ]
    return (
        "# The laptop run\n\n"
        f"{date.today()}. `python train.py`: {PRESET.steps:,} steps, {PRESET.model.n_layer} layers × "
        f"{PRESET.model.n_embd} × {PRESET.model.n_head} heads. The share of {SAMPLES} texts of each kind, at "
        "temperature 0.8, that keep all the rules; the loss is on all validation documents.\n\n"
        f"| | {head}\n{line}"
        + "\n".join(seeds)
        + "\n"
        + row("median", of["preset"], lambda values: [median(values)])
        + "\n"
        + (
            f"\n## What was tried\n\nOne number per seed.\n\n| | {head}\n{line}" + "\n".join(tried) + "\n"
            if tried
            else ""
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the names of the variants")
    parser.add_argument("--run", choices=VARIANTS, help="the variant to train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=SAMPLES, help="texts of each kind to grade")
    parser.add_argument("--out", type=Path, help="a folder for the result")
    parser.add_argument("--report", type=Path, help="write laptop.md from the results in this folder")
    options = parser.parse_args()
    if options.list:
        print(*VARIANTS)
    if options.run:
        result = run(options.run, options.seed, options.samples)
        print(json.dumps(result))
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / f"{options.run}-{options.seed}.json").write_text(json.dumps(result), encoding="utf-8")
    if options.report:
        found = [json.loads(path.read_text(encoding="utf-8")) for path in options.report.glob("*.json")]
        text = report(found)
        Path(__file__).with_name("laptop.md").write_text(text, encoding="utf-8")
        print(text)


if __name__ == "__main__":
    main()

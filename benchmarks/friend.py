"""How well the shipped model learns to answer: `python -m benchmarks.friend --report FOLDER` writes friend.md.

Each run is a process of its own: `python -m benchmarks.friend --seed 0 --out FOLDER`; `--before` grades the model as it
is. With `OMP_NUM_THREADS=1`, several runs fit side by side; their times do not count then.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gpt2_course import GPT2, TrainConfig
from gpt2_course.grades import grade, grade_answers
from gpt2_course.training import FineTuner

SAMPLES = 1000  # questions of each sort, and stories
PRESET = TrainConfig.for_preset("friend")


def measured(model: GPT2, samples: int) -> dict[str, Any]:
    """Grades of the answers, and of texts of each kind, written without a dialogue."""
    texts = grade(model, samples, n_trained=0)
    return {**asdict(grade_answers(model, samples)), "texts": texts.accepted, "samples": samples}


def run(seed: int, samples: int) -> dict[str, Any]:
    """Train with a seed, and grade the model."""
    with TemporaryDirectory() as folder:
        config = replace(PRESET, seed=seed, out=folder, sample_tokens=0)
        trainer = FineTuner.from_config(config)
        trainer.train(verbose=False)
        found = measured(GPT2.from_pretrained(folder), samples)
    return {
        **found,
        "seed": seed,
        "seconds": trainer.seconds,
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }


def report(results: list[dict[str, Any]]) -> str:
    """The table of all runs."""
    rows = []
    for r in sorted(results, key=lambda r: r.get("seed", -1)):
        name = f"after, seed {r['seed']}" if "seed" in r else "before"
        shares = [r["right"], r["story"], r["refused"], r["refused_known"], *r["texts"].values()]
        rows.append(f"| {name} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")
    return "\n".join(
        [
            "# A friend that answers",
            "",
            f"{date.today()}. `python train.py --preset friend`: {PRESET.steps} steps of {PRESET.batch_size} × "
            f"{PRESET.context} tokens, from the model that comes with the course. {results[0]['samples']:,} questions "
            "of each sort, answered at temperature 0, half of them typed in small letters without a question mark. "
            "The people, things, and places asked about as unknown do not occur in training. Texts are written at "
            "temperature 0.8, without a dialogue.",
            "",
            "| | right about the world | right about a story just told | refuses what is unknown | refuses what is "
            "known | stories that keep the rules | stories with questions | songs | question pages | musings |",
            "|---" * 10 + "|",
            *rows,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--before", action="store_true", help="grade the model as it is")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--out", type=Path, help="a folder for the result")
    parser.add_argument("--report", type=Path, help="write friend.md from the results in this folder")
    options = parser.parse_args()
    if options.report:
        text = report([json.loads(path.read_text(encoding="utf-8")) for path in options.report.glob("*.json")])
        Path(__file__).with_name("friend.md").write_text(text, encoding="utf-8")
        print(text)
        return
    result = measured(GPT2.from_pretrained(), options.samples) if options.before else run(options.seed, options.samples)
    print(json.dumps(result))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        name = "before" if options.before else str(options.seed)
        (options.out / f"{name}.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()

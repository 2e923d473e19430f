"""Chapter 14's experiments with other seeds: `python -m benchmarks.judge --report FOLDER` writes judge.md.

The code is the chapter's own: its functions and data are read from the notebook. A run takes half a minute on one core:
`for n in $(seq 0 6); do for s in 0 1 2; do python -m benchmarks.judge --run $n --seed $s --out FOLDER; done; done`
(and the seeds 3 and 4 of the runs 0, 2, and 3, which the chapter shows, too)
"""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import nbformat
import torch

CHAPTER = Path(__file__).resolve().parents[1] / "chapters/14_judge.ipynb"
RUNS: dict[str, dict[str, Any]] = {  # what `learn` is called with; a judge by its name in the chapter
    "the right judge": {"judge": "right", "steps": 24},
    "the right judge, rewards shuffled": {"judge": "right", "steps": 10, "shuffled": True},
    "the lazy judge": {"judge": "lazy_judge", "steps": 24},
    "the lazy judge, with KL": {"judge": "lazy_judge", "steps": 24, "kl_weight": 0.3},
    "the right judge, ten steps": {"judge": "right", "steps": 10},
    "the right judge, ten steps, three times the rate": {"judge": "right", "steps": 10, "rate": 3e-4},
    "DPO, from pairs": {"judge": "right", "steps": 12, "function": "learn_from_pairs"},
}
N = 6  # answers to each question
# A statement of the chapter that mentions one of these shows or runs an experiment, which happens here instead.
EXPERIMENTS = {"learn", "learn_from_pairs", "report", "ask", "print", "write", "axes", "Playground", "check", "wall"}


def chapter() -> dict[str, Any]:
    """The names that the chapter's code defines, without its experiments."""
    names: dict[str, Any] = {"__name__": "chapter"}
    for cell in nbformat.read(CHAPTER, as_version=4).cells:  # type: ignore[no-untyped-call]
        if cell.cell_type != "code" or "setup" in cell.metadata.get("tags", []):
            continue
        for statement in ast.parse(cell.source).body:
            used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
            if isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef) or not used & EXPERIMENTS:
                exec(compile(ast.Module([statement], []), str(CHAPTER), "exec"), names)
            if isinstance(statement, ast.FunctionDef) and statement.name == "learn_from_pairs":
                return names  # what follows are exercises
    raise ValueError(f"{CHAPTER} has no function learn_from_pairs: update this benchmark.")


def measure(names: dict[str, Any], learner: Any) -> list[float]:
    """Right answers, accepted by the lazy judge, right in best of N, distance, loss on other texts, variety."""
    test, written = names["test"], names["ask"](learner, names["test"], N)
    right = names["verdicts"](names["right"], test, written)
    accepted = names["verdicts"](names["lazy_judge"], test, written)
    return [
        float(right.mean()),
        float(accepted.mean()),
        float(right.amax(1).mean()),
        names["distance"](learner),
        names["loss_on_other_texts"](learner),
        len({text for row in written for text in row}) / right.numel(),
    ]


def run(number: int, seed: int) -> dict[str, Any]:
    """Train one learner; measure the start and the learner."""
    torch.set_num_threads(1)
    names = chapter()
    what, given = list(RUNS.items())[number]
    learn = names[given.get("function", "learn")]
    options = {name: value for name, value in given.items() if name != "function"}
    result = learn(**{**options, "judge": names[options["judge"]]}, seed=seed)
    learner, history = result if isinstance(result, tuple) else (result, [])
    start = measure(names, names["model"])
    return {"run": what, "seed": seed, "start": start, "measured": measure(names, learner), "history": history}


def each(values: Sequence[float], form: str) -> str:
    """A measurement of each seed, and their mean if there are several."""
    shown = ", ".join(format(value, form) for value in values)
    return shown if len(values) == 1 else f"{mean(values):{form}} ({shown})"


def row(what: str, results: list[list[float]]) -> str:
    """One line of the table."""
    forms = (".0%", ".0%", ".0%", ".2f", ".2f", ".0%")
    return f"| {what} | " + " | ".join(map(each, zip(*results, strict=True), forms)) + " |"


def report(folder: Path) -> str:
    """The table of all runs in a folder."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    if not found:
        raise SystemExit(f"{folder} contains no results: write some there with --run NUMBER --out {folder}.")
    lines = [
        f"""# Chapter 14 with other seeds

Written by `python -m benchmarks.judge --report FOLDER`, with the chapter's own code. Measured on {N} answers to each of
60 questions about strangers, drawn at temperature 1. The mean, and in parentheses each seed from 0 on. Rounding differs
between processors, and in so few steps it can change a figure by 20 points.

- *right*: the share of right answers
- *accepted*: the share that the lazy judge accepts
- *best of {N}*: the share of questions with a right answer among {N}
- *KL*: the distance from the start on practiced questions, in nats per token
- *other texts*: the loss on documents of all kinds, in nats per token
- *different*: the number of different answers, per answer

| learned from | right | accepted | best of {N} | KL | other texts | different |
|---|---|---|---|---|---|---|""",
        row("nothing: the start", [found[0]["start"]]),
    ]
    found.sort(key=lambda result: result["seed"])
    for what in RUNS:
        if results := [result["measured"] for result in found if result["run"] == what]:
            lines.append(row(what, results))
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--run", type=int, choices=range(len(RUNS)), help=", ".join(map("{0[0]} {0[1]}".format, enumerate(RUNS)))
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="the folder for a run's result, as JSON")
    parser.add_argument("--report", type=Path, help="write judge.md from the results in this folder")
    options = parser.parse_args()
    if options.run is not None and options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        result = json.dumps(run(options.run, options.seed), indent=1)
        (options.out / f"{options.run}-{options.seed}.json").write_text(result + "\n", encoding="utf-8")
    elif options.report:
        Path(__file__).with_name("judge.md").write_text(report(options.report), encoding="utf-8")
    else:
        parser.error("give --run and --out, or --report")


if __name__ == "__main__":
    main()

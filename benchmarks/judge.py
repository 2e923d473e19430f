"""Chapter 14's experiments with other seeds: `python -m benchmarks.judge --report FOLDER` writes judge.md.

The code is the chapter's own: its functions and data are read from the notebook. A run takes half a minute on one core:
`for n in $(seq 0 6); do for s in 0 1 2; do python -m benchmarks.judge --run $n --seed $s --out FOLDER; done; done`
(and the seeds 3 and 4 of the runs 0, 2, and 3, which the chapter shows, too)
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import Any

import torch

from benchmarks.chapters import Results, command_line, definitions

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
    names = definitions("14_judge", EXPERIMENTS, last="learn_from_pairs")
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


def report(found: Results) -> str:
    """The table of all results."""
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


if __name__ == "__main__":
    command_line(__file__, __doc__, list(RUNS), run, report)

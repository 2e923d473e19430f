"""Chapter 14's experiments with three seeds: `python -m benchmarks.judge` runs them and writes judge.md.

The code is the chapter's own: its functions and data are read from the notebook. About eight minutes on one core.
"""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import mean
from typing import Any

import nbformat
import torch

CHAPTER = Path(__file__).resolve().parents[1] / "chapters/14_judge.ipynb"
SEEDS = (0, 1, 2)
RUNS: dict[str, dict[str, Any]] = {  # what `learn` is called with; a judge by its name in the chapter
    "the right judge": {"judge": "right", "steps": 20},
    "the right judge, rewards shuffled": {"judge": "right", "steps": 20, "shuffled": True},
    "the lazy judge": {"judge": "lazy_judge", "steps": 24},
    "the lazy judge, with KL": {"judge": "lazy_judge", "steps": 24, "kl_weight": 0.3},
    "the right judge, three times the rate": {"judge": "right", "steps": 10, "rate": 3e-4},
}
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
    """Right answers, accepted by the lazy judge, right in best of 16, distance, loss on other texts, variety."""
    test, written = names["test"], names["ask"](learner, names["test"], 16)
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


def row(what: str, results: list[list[float]]) -> str:
    """One line of the table: means, and the share of right answers by seed."""
    right, accepted, best, distance, loss, different = map(mean, zip(*results, strict=True))
    seeds = ", ".join(f"{result[0]:.0%}" for result in results)
    return (
        f"| {what} | {right:.0%} ({seeds}) | {accepted:.0%} | {best:.0%} | {distance:.2f} | {loss:.2f} | "
        f"{different:.0%} |"
    )


def main() -> None:
    torch.set_num_threads(1)
    names = chapter()
    lines = [
        f"""# Chapter 14 with three seeds

Written by `python -m benchmarks.judge`, with the chapter's own code. Measured on 16 answers to each of
{len(names["test"])} questions about strangers, drawn at temperature 1.

- *right*: the share of right answers, the mean and each of the seeds {", ".join(map(str, SEEDS))}
- *accepted*: the share that the lazy judge accepts
- *best of 16*: the share of questions with a right answer among the 16
- *KL*: the distance from the start on practiced questions, in nats per token
- *other texts*: the loss on documents of all kinds, in nats per token
- *different*: the number of different answers, per answer

| learned from | right | accepted | best of 16 | KL | other texts | different |
|---|---|---|---|---|---|---|""",
        row("nothing: the start", [measure(names, names["model"])]),
    ]
    for what, given in RUNS.items():
        results = []
        for seed in SEEDS:
            learner, _ = names["learn"](**{**given, "judge": names[given["judge"]]}, seed=seed)
            results.append(measure(names, learner))
            print(row(f"{what}, seed {seed}", results[-1:]), flush=True)
        lines.append(row(what, results))
    Path(__file__).with_name("judge.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

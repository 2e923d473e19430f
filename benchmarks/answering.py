"""Chapter 13's trainings with other seeds: `python -m benchmarks.answering --report FOLDER` writes answering.md.

The code is the chapter's own: its functions and data are read from the notebook. A run takes a minute or two on one
core: `for n in 0 1 2; do for s in 0 1 2; do python -m benchmarks.answering --run $n --seed $s --out FOLDER; done; done`
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from statistics import mean
from typing import Any

import torch

from benchmarks.chapters import Results, command_line, definitions
from gpt2_course.tiny_world import judge

RUNS = ("dialogues only", "with old texts", "with old texts, LoRA of rank 4")
TEXTS = 24  # stories, and songs
# A statement of the chapter that mentions one of these shows or trains something, which happens here instead.
EXPERIMENTS = {"fine_tune", "report", "print", "story", "Playground", "check", "wall", "drawing", "adapted", "answers"}


def trained(names: dict[str, Any], number: int, seed: int) -> Any:
    """The model after one of the runs."""
    practice, old = names["practice"], names["old"]
    if number == 0:
        return names["fine_tune"](deepcopy(names["model"]), practice, seed=seed)
    if number == 1:
        return names["fine_tune"](deepcopy(names["model"]), practice, old=old, seed=seed)
    torch.manual_seed(seed)
    return names["fine_tune"](names["with_adapters"](names["model"], 4), practice, rate=5e-3, old=old, seed=seed)


@torch.no_grad()
def measure(names: dict[str, Any], model: Any) -> list[float]:
    """Right answers (practiced, strangers, both again with capitalized names), loss on other texts, surprise free to
    stop and not, and the shares of stories and songs that keep the rules."""
    right, practiced, strangers = names["right"], names["practiced"], names["strangers"]
    form: Callable[[str], str] = lambda question: names["asked"](names["names_kept"](question))  # noqa: E731
    prompts = ["Once upon a time,"] * TEXTS + ["A kitchen song for"] * TEXTS
    texts = model.generate(prompts, max_length=330, seed=0, temperature=0.8)
    kept = [judge(text).accepted for text in texts]
    return [
        right(model, practiced),
        right(model, strangers),
        right(model, practiced, form),
        right(model, strangers, form),
        float(names["text_loss"](model, names["unseen"])),
        names["surprise"](model),
        names["surprise"](model, names["STOPS"]),
        sum(kept[:TEXTS]) / TEXTS,
        sum(kept[TEXTS:]) / TEXTS,
    ]


def run(number: int, seed: int) -> dict[str, Any]:
    """Train one model; measure it, and for seed 0 also the start."""
    torch.set_num_threads(1)
    names = definitions("13_answering", EXPERIMENTS, last="with_adapters")
    found = {"run": RUNS[number], "seed": seed, "measured": measure(names, trained(names, number, seed))}
    return found if number or seed else {**found, "start": measure(names, names["model"])}


def row(what: str, results: list[list[float]]) -> str:
    """One line of the table: means over the seeds."""
    *shares, loss, free, forbidden, stories, songs = map(mean, zip(*results, strict=True))
    cells = [f"{share:.0%}" for share in shares] + [f"{x:.2f}" for x in (loss, free, forbidden)]
    return f"| {what} | {' | '.join([*cells, f'{stories:.0%}', f'{songs:.0%}'])} |"


def report(found: Results) -> str:
    """The table of all results."""
    lines = [
        f"""# Chapter 13 with other seeds

Written by `python -m benchmarks.answering --report FOLDER`, with the chapter's own code.

- *practiced*, *strangers*: right answers to 60 questions each, in small letters; with a star, with the names
  capitalized
- *other texts*: the loss on 24 unseen texts of all kinds, in nats per token
- *free*, *may not stop*: their mean surprise without line breaks and ends, free to stop and with stopping forbidden
- *stories*, *songs*: the share of {TEXTS} each that keep all the rules, written at temperature 0.8

| trained on | practiced | strangers | practiced* | strangers* | other texts | free | may not stop | stories | songs |
|---|---|---|---|---|---|---|---|---|---|""",
        *(row("nothing: the start", [result["start"]]) for result in found if "start" in result),
    ]
    for what in RUNS:
        results = sorted((r["seed"], r["measured"]) for r in found if r["run"] == what)
        lines += [row(f"{what}, seed {seed}", [measured]) for seed, measured in results]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    command_line(__file__, __doc__, list(RUNS), run, report)

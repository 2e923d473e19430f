"""The measurements of a final project: what a program can see of a fair comparison.

A project's `results.csv` has the columns variant, seed, and loss. The first variant is what the others are compared
with. Each of them should be trained with the same seeds, at least three.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path
from statistics import mean, stdev

from gpt2_course.bricks.checking import Result
from gpt2_course.bricks.source import read

FILE = "results.csv"
FEWEST = 3  # seeds
# How many standard errors a mean of n changes lies from 0 by luck in 1 of 20 cases (Student's t), by n.
BY_LUCK = {3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
Losses = dict[str, dict[str, float]]  # variant → seed → loss


CHECKS = (
    "a table of variant, seed, and loss",
    "something to compare with",
    "three seeds or more",
    "the same seeds for all",
)


def graded(path: Path) -> list[Result]:
    """What is right and what is not in a table of results. Without a table, nothing else is checked."""
    try:
        messages = ["", *_unfair(_losses(read(path)))]
    except ValueError as error:
        messages = [str(error)]
    states = ["not right yet" if message else "correct" for message in messages]
    states += ["not written yet"] * (len(CHECKS) - len(states))
    messages += [""] * (len(CHECKS) - len(messages))
    return [
        Result(f"P.{i}", name, state, message)
        for i, (name, state, message) in enumerate(zip(CHECKS, states, messages, strict=True), start=1)
    ]


def _unfair(losses: Losses) -> list[str]:
    """For each check but the first, what is wrong; empty if nothing is."""
    first, *others = losses
    few = [f"{variant} has {len(seeds)}" for variant, seeds in losses.items() if len(seeds) < FEWEST]
    apart = [variant for variant in others if losses[variant].keys() != losses[first].keys()]
    return [
        "" if others else f"{first} is the only variant. Add one that should beat it.",
        f"{', '.join(few)}. With fewer than {FEWEST}, luck looks like an effect." if few else "",
        f"{', '.join(apart)} and {first} have different seeds." if apart else "",
    ]


def verdicts(path: Path) -> list[str]:
    """A sentence for each variant but the first: how its loss differs, and whether luck alone may do that."""
    (_, before), *others = _losses(read(path)).items()
    said = []
    for variant, after in others:
        changes = [after[seed] - before[seed] for seed in before]
        change, error = mean(changes), stdev(changes) / math.sqrt(len(changes))
        needed = BY_LUCK.get(len(changes), 2.26)
        verdict = "more than luck" if abs(change) > needed * error else "could be luck"
        same = sum(each * change > 0 for each in changes)
        said.append(f"{variant}: {change:+.3f} ± {error:.3f} nats, {same} of {len(changes)} seeds agree: {verdict}")
    return said


def _losses(text: str) -> Losses:
    """The losses in a table. Raises `ValueError` with what is wrong with it."""
    rows = csv.DictReader(text.splitlines())
    missing = [name for name in ("variant", "seed", "loss") if name not in (rows.fieldnames or [])]
    if missing:
        raise ValueError(f"The first line must name the columns variant, seed, and loss; {missing[0]} is missing.")
    losses: Losses = {}
    for number, row in enumerate(rows, start=2):
        try:
            loss = float(row["loss"])
        except (TypeError, ValueError):
            loss = math.nan
        if not math.isfinite(loss):
            raise ValueError(f"Line {number}: the loss must be a number, but is {row['loss']!r}.")
        seeds = losses.setdefault(row["variant"], {})
        if row["seed"] in seeds:
            raise ValueError(f"Line {number}: {row['variant']} has seed {row['seed']} twice.")
        seeds[row["seed"]] = loss
    if not losses:
        raise ValueError("There are no losses in it yet.")
    return losses

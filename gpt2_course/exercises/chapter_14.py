"""The exercises of chapter 14: faster and bigger."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import first_difference, not_a_tensor, numbers, same


def _not_a_number(found: list[Any]) -> str | None:
    for each in found:
        if isinstance(each, bool) or not isinstance(each, (int, float)):
            return f"Return a number; this is a {type(each).__name__}."
    return None


@exercise("14.1", "How long?")
def hours(answer: Callable[[float, float, float], Any]) -> str | None:
    """`answer(n_parameters, n_tokens, operations_per_second)` is how many hours a training takes."""
    cases = [(1e6, 1e9, 1e12), (124e6, 1e10, 4e14)]
    found = [answer(*case) for case in cases]
    if wrong := _not_a_number(found):
        return wrong

    def agrees(factor: float) -> bool:
        return all(math.isclose(f, factor * n * t / s, rel_tol=1e-6) for f, (n, t, s) in zip(found, cases, strict=True))

    if agrees(6 / 3600):
        return None
    usual = {
        "These are seconds. An hour has 3,600 of them.": 6.0,
        "These are minutes. An hour has 60 of them.": 6 / 60,
        "These are days. A day has 24 hours.": 6 / 3600 / 24,
        "This is forward only, 2N. Backward costs twice as much again: 6N in all.": 2 / 3600,
        "This is backward only, 4N. Forward costs 2N more.": 4 / 3600,
        "Each parameter costs more than one operation a token: 6.": 1 / 3600,
        "Multiplied by 3,600 where one divides.": 6 * 3600.0,
    }
    for message, factor in usual.items():
        if agrees(factor):
            return message
    said = f"For a million parameters, 10⁹ tokens and 10¹² operations a second it is {6e3 / 3600:.3f}"
    return f"{said}, not {found[0]:.3f}."


@exercise("14.2", "Forecast")
def forecast_loss(answer: Callable[[float, float, float, float, float, float], Any]) -> str | None:
    """`answer(n1, loss1, n2, loss2, n3, floor)` continues the line of ln(loss − floor) over ln N."""
    cases = [(1e4, 3.0, 1e6, 2.0, 1e8, 1.0), (1e5, 1.7, 4e5, 1.1, 3e6, 0.3)]

    def line(n1: float, l1: float, n2: float, l2: float, n3: float, floor: float) -> float:
        slope = math.log((l2 - floor) / (l1 - floor)) / math.log(n2 / n1)
        return floor + (l2 - floor) * (n3 / n2) ** slope

    found = [answer(*case) for case in cases]
    if wrong := _not_a_number(found):
        return wrong

    def agrees(of: Callable[[float, float, float, float, float, float], float]) -> bool:
        return all(math.isclose(f, of(*case), rel_tol=1e-6) for f, case in zip(found, cases, strict=True))

    if agrees(line):
        return None
    usual: dict[str, Callable[[float, float, float, float, float, float], float]] = {
        "The floor is left out: it is loss − floor that follows the line.": (
            lambda n1, l1, n2, l2, n3, floor: line(n1, l1, n2, l2, n3, 0.0)
        ),
        "This is loss − floor. Add the floor again.": lambda *case: line(*case) - case[5],
        "This is a straight line of the loss over N. Take the logarithms of both.": (
            lambda n1, l1, n2, l2, n3, floor: l2 + (l2 - l1) / (n2 - n1) * (n3 - n2)
        ),
        "Only N is on a logarithmic axis here. loss − floor must be, too.": (
            lambda n1, l1, n2, l2, n3, floor: l2 + (l2 - l1) / math.log(n2 / n1) * math.log(n3 / n2)
        ),
        "The line goes up: check the sign of the slope.": lambda n1, l1, n2, l2, n3, floor: (
            floor + (l2 - floor) * (n2 / n3) ** (math.log((l2 - floor) / (l1 - floor)) / math.log(n2 / n1))
        ),
        "You began at the first model, but went as far as from the second.": lambda n1, l1, n2, l2, n3, floor: (
            floor + (l1 - floor) * (n3 / n2) ** (math.log((l2 - floor) / (l1 - floor)) / math.log(n2 / n1))
        ),
    }
    for message, of in usual.items():
        if agrees(of):
            return message
    return f"10,000 parameters: 3; a million: 2; floor 1. For a hundred million it is 1.5, not {found[0]:.3f}."


@exercise("14.3", "The mean of all")
def joined_slopes(answer: Callable[[list[Tensor], list[int]], Any]) -> str | None:
    """`answer(slopes, counts)` is the mean over all sequences, from the means of several processes."""
    counts = [4, 1, 3]
    slopes = list(numbers(3, 2, 5))
    right = torch.stack([s * n for s, n in zip(slopes, counts, strict=True)]).sum(0) / sum(counts)
    found = answer([s.clone() for s in slopes], list(counts))
    if wrong := not_a_tensor(found, (2, 5)):
        return wrong
    if same(found, right):
        return None
    usual = {
        "This is the mean of the means. A process that has read more sequences counts for more.": (
            torch.stack(slopes).mean(0)
        ),
        "This is the sum of the slopes. Take the mean, weighted with the counts.": torch.stack(slopes).sum(0),
        "This is the weighted sum. Divide it by the sum of the counts.": right * sum(counts),
        "Divide by the sum of the counts, not by the number of processes.": right * sum(counts) / 3,
        "The weights are upside down: who has read more counts for more.": (
            torch.stack([s / n for s, n in zip(slopes, counts, strict=True)]).sum(0) / sum(1 / n for n in counts)
        ),
        "Only the first process counts here.": slopes[0],
    }
    for message, values in usual.items():
        if same(found, values):
            return message
    return first_difference(found, right)

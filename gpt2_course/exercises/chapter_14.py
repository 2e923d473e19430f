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
            return f"Return a number; your result has type {type(each).__name__}."
    return None


@exercise("14.1", "How long?")
def hours(answer: Callable[[float, float, float], Any]) -> str | None:
    """`answer(n_parameters, n_tokens, operations_per_second)` returns the hours that training takes."""
    cases = [(1e6, 1e9, 1e12), (124e6, 1e10, 4e14)]
    found = [answer(*case) for case in cases]
    if wrong := _not_a_number(found):
        return wrong

    def agrees(factor: float) -> bool:
        return all(math.isclose(f, factor * n * t / s, rel_tol=1e-6) for f, (n, t, s) in zip(found, cases, strict=True))

    if agrees(6 / 3600):
        return None
    usual = {
        "These are seconds. Divide by 3,600.": 6.0,
        "These are minutes. Divide by 60.": 6 / 60,
        "These are days. Multiply by 24.": 6 / 3600 / 24,
        "This is only the forward pass, 2N. The backward pass costs another 4N, which makes 6N.": 2 / 3600,
        "This is only the backward pass, 4N. The forward pass costs another 2N, which makes 6N.": 4 / 3600,
        "Each parameter costs 6 operations per token, not 1.": 1 / 3600,
        "You multiplied by 3,600. Divide by it.": 6 * 3600.0,
    }
    for message, factor in usual.items():
        if agrees(factor):
            return message
    given = "For a million parameters, 10⁹ tokens, and 10¹² operations per second"
    return f"{given}, the result is {6e3 / 3600:.3f}, not {found[0]:.3f}."


@exercise("14.2", "Forecast")
def forecast_loss(answer: Callable[[float, float, float, float, float, float], Any]) -> str | None:
    """`answer(n1, loss1, n2, loss2, n3, floor)` returns the loss at n3, on the line of ln(loss − floor) over ln N."""
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
        "You left out the floor. Fit the line to loss − floor.": (
            lambda n1, l1, n2, l2, n3, floor: line(n1, l1, n2, l2, n3, 0.0)
        ),
        "This is loss − floor. Add the floor back.": lambda *case: line(*case) - case[5],
        "You drew a straight line of the loss over N. Take the logarithms of both.": (
            lambda n1, l1, n2, l2, n3, floor: l2 + (l2 - l1) / (n2 - n1) * (n3 - n2)
        ),
        "Only N is on a logarithmic axis. Put loss − floor on one, too.": (
            lambda n1, l1, n2, l2, n3, floor: l2 + (l2 - l1) / math.log(n2 / n1) * math.log(n3 / n2)
        ),
        "Your line goes up. Check the sign of the slope.": lambda n1, l1, n2, l2, n3, floor: (
            floor + (l2 - floor) * (n2 / n3) ** (math.log((l2 - floor) / (l1 - floor)) / math.log(n2 / n1))
        ),
        "You started at the first model but took the distance from the second.": lambda n1, l1, n2, l2, n3, floor: (
            floor + (l1 - floor) * (n3 / n2) ** (math.log((l2 - floor) / (l1 - floor)) / math.log(n2 / n1))
        ),
    }
    for message, of in usual.items():
        if agrees(of):
            return message
    return f"With losses 3 at N = 10⁴ and 2 at N = 10⁶, and floor 1, the loss at 10⁸ is 1.5, not {found[0]:.3f}."


@exercise("14.3", "The mean of all")
def joined_slopes(answer: Callable[[list[Tensor], list[int]], Any]) -> str | None:
    """`answer(slopes, counts)` returns the mean over all sequences, given the mean and count of each process."""
    counts = [4, 1, 3]
    slopes = list(numbers(3, 2, 5))
    right = torch.stack([s * n for s, n in zip(slopes, counts, strict=True)]).sum(0) / sum(counts)
    found = answer([s.clone() for s in slopes], list(counts))
    if wrong := not_a_tensor(found, (2, 5)):
        return wrong
    if same(found, right):
        return None
    usual = {
        "This is the mean of the means. Give more weight to a process that has read more sequences.": (
            torch.stack(slopes).mean(0)
        ),
        "This is the sum of the slopes. Take their mean, weighted by the counts.": torch.stack(slopes).sum(0),
        "This is the weighted sum. Divide it by the sum of the counts.": right * sum(counts),
        "Divide by the sum of the counts, not by the number of processes.": right * sum(counts) / 3,
        "You divided by the counts. Multiply by them: a process that has read more counts for more.": (
            torch.stack([s / n for s, n in zip(slopes, counts, strict=True)]).sum(0) / sum(1 / n for n in counts)
        ),
        "This is only the first process. Use all of them.": slopes[0],
    }
    for message, values in usual.items():
        if same(found, values):
            return message
    return first_difference(found, right)

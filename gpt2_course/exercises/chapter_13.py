"""The exercises of chapter 13: what it cannot do."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import numbers


@exercise("13.1", "Bits per byte")
def bits_per_byte(answer: Callable[[float, str], Any]) -> str | None:
    """`answer(nats, text)` converts the surprise at a text from nats to bits per byte."""
    cases = [(12.0, "a café 🥞"), (3.0, "kite")]
    found = [answer(*case) for case in cases]
    for f in found:
        if isinstance(f, bool) or not isinstance(f, (int, float)):
            return f"Return a number; your result has type {type(f).__name__}."

    def agrees(of: Callable[[float, str], float]) -> bool:
        return all(math.isclose(f, of(*case), rel_tol=1e-4) for f, case in zip(found, cases, strict=True))

    def size(text: str) -> int:
        return len(text.encode())

    if agrees(lambda nats, text: nats / math.log(2) / size(text)):
        return None
    usual: dict[str, Callable[[float, str], float]] = {
        "This is per character. An é has two bytes, a pancake four. Use len(text.encode()).": (
            lambda nats, text: nats / math.log(2) / len(text)
        ),
        "These are nats per byte. A bit is ln 2 = 0.69 nats, so divide by ln 2.": lambda nats, text: nats / size(text),
        "You multiplied by ln 2. Divide: a bit is smaller than a nat, so there are more bits than nats.": (
            lambda nats, text: nats * math.log(2) / size(text)
        ),
        "These are the bits of the whole text. Divide by the number of bytes.": lambda nats, text: nats / math.log(2),
        "These are bytes per bit. Divide bits by bytes.": (lambda nats, text: size(text) / (nats / math.log(2))),
        "You divided by 8. Bits of surprise have nothing to do with the 8 bits in a byte.": (
            lambda nats, text: nats / math.log(2) / size(text) / 8
        ),
    }
    for message, of in usual.items():
        if agrees(of):
            return message
    return f"For 12 nats and 'a café 🥞', the result is {12 / math.log(2) / 12:.4f}, not {found[0]:.4f}."


@exercise("13.2", "Too sure")
def calibration_error(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(sure, right)` returns the mean gap between certainty and success in ten bins, weighted by bin size."""
    sure = (numbers(60).abs() / 2.2).clamp(max=0.99)
    sure[sure > 0.8] = 0.95  # leaves the bin from 0.8 to 0.9 empty
    right = (numbers(120)[60:] > 0.2).float()
    bins = (sure * 10).long()

    def over(bins: Tensor, distance: Callable[[Tensor], Tensor], weight: Callable[[Tensor], Tensor]) -> float:
        parts = [(distance(bins == b), weight(bins == b)) for b in set(bins.tolist())]
        return float(sum(d * w for d, w in parts) / sum(w for _, w in parts))

    def gap(here: Tensor) -> Tensor:
        return (sure[here].mean() - right[here].mean()).abs()

    expected = over(bins, gap, lambda here: here.sum())
    found = answer(sure.clone(), right.clone())
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return f"Return one number; your result has type {type(found).__name__}."
    if math.isnan(found):
        return "This is NaN, because an empty bin has no mean. Leave out empty bins."
    if math.isclose(found, expected, abs_tol=1e-5):
        return None
    one = torch.tensor(1.0)
    usual = {
        "All bins count equally. Weight each by its number of predictions.": over(bins, gap, lambda here: one),
        "The absolute value is missing. Without it, gaps in opposite directions cancel out.": float(
            (sure.mean() - right.mean()).item()
        ),
        "This is the gap between the two overall means. Use bins.": abs(float(sure.mean() - right.mean())),
        "This is the mean gap of single predictions. Take the means in each bin first.": float(
            (sure - right).abs().mean()
        ),
        "You squared the gaps. Take their absolute values.": over(bins, lambda h: gap(h) ** 2, lambda h: h.sum()),
        "This is the sum over the bins. Divide by the total number of predictions.": expected * len(sure),
        "You used five bins. Use ten.": over((sure * 5).long(), gap, lambda here: here.sum()),
    }
    for message, value in usual.items():
        if math.isclose(found, value, abs_tol=1e-5):
            return message
    return f"For the numbers in this check, the result is {expected:.4f}, not {found:.4f}."


@exercise("13.3", "The longest copy")
def longest_copy(answer: Callable[[list[int], list[list[int]]], Any]) -> str | None:
    """`answer(text, read)` returns the length of the longest run of tokens that `text` shares with one of `read`."""
    text, read = [1, 2, 3, 4, 5, 9, 1, 2], [[7, 2, 3, 4, 8, 5, 9], [5, 9, 1], [4, 5, 9, 3]]
    found = answer(list(text), [list(ids) for ids in read])
    if isinstance(found, bool) or not isinstance(found, int):
        return f"Return a number of tokens; your result has type {type(found).__name__}."
    if found == 3:
        more: list[tuple[list[int], list[list[int]], int, str]] = [
            ([1, 2], [[3, 4]], 0, "If nothing was copied, return 0"),
            ([1, 2], [[1, 2], [3]], 2, "If the whole text is a copy, return its length, here 2"),
            (
                [1, 2, 3, 4],
                [[1, 2], [3, 4]],
                2,
                "A copy must come from one text, not from two in a row. Return 2 here",
            ),
            ([1, 1, 2], [[1, 2]], 2, "A copy can start inside a failed attempt. Return 2 here"),
            ([], [[1]], 0, "For an empty text, return 0"),
        ]
        for given, known, right, message in more:
            said = answer(list(given), [list(ids) for ids in known])
            if said != right:
                return f"{message}. You returned {said}."
        return None
    usual = {
        8: "You counted every token that was read somewhere. Count only tokens in a row.",
        2: "There is a longer copy: 2, 3, 4 is in the first text that was read.",
        4: "Your result is one too large. No copy of this length exists.",
        1: "You compared single tokens. Look for longer and longer runs.",
        0: "You found nothing, but 2, 3, 4 is in the first text that was read.",
        5: "The tokens are not in a row: in what was read, there is an 8 between 4 and 5.",
    }
    return usual.get(found) or f"For {text} and {read}, the result is 3, not {found}."

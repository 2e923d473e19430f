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
    """`answer(nats, text)` is the surprise at a text in bits, for each of its bytes."""
    cases = [(12.0, "a café 🥞"), (3.0, "kite")]
    found = [answer(*case) for case in cases]
    for f in found:
        if isinstance(f, bool) or not isinstance(f, (int, float)):
            return f"Return a number; this is a {type(f).__name__}."

    def agrees(of: Callable[[float, str], float]) -> bool:
        return all(math.isclose(f, of(*case), rel_tol=1e-4) for f, case in zip(found, cases, strict=True))

    def size(text: str) -> int:
        return len(text.encode())

    if agrees(lambda nats, text: nats / math.log(2) / size(text)):
        return None
    usual: dict[str, Callable[[float, str], float]] = {
        "This is per character. An é has two bytes, a pancake four: len(text.encode()).": (
            lambda nats, text: nats / math.log(2) / len(text)
        ),
        "These are nats per byte. A bit is ln 2 nats, 0.69: divide by it.": lambda nats, text: nats / size(text),
        "Multiplied where one divides: a bit is smaller than a nat, so there are more bits than nats.": (
            lambda nats, text: nats * math.log(2) / size(text)
        ),
        "These are the bits of the whole text. Divide by its bytes.": lambda nats, text: nats / math.log(2),
        "This is upside down: bytes per bit. Divide the bits by the bytes.": (
            lambda nats, text: size(text) / (nats / math.log(2))
        ),
        "A byte has 8 bits, but that is not asked: only how many bits of surprise there are for each.": (
            lambda nats, text: nats / math.log(2) / size(text) / 8
        ),
    }
    for message, of in usual.items():
        if agrees(of):
            return message
    return f"For 12 nats and 'a café 🥞' it is {12 / math.log(2) / 12:.4f}, not {found[0]:.4f}."


@exercise("13.2", "Too sure")
def calibration_error(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(sure, right)` is the mean distance of sureness and success over ten bins, weighted by their sizes."""
    sure = (numbers(60).abs() / 2.2).clamp(max=0.99)
    sure[sure > 0.8] = 0.95  # so that the bin from 0.8 to 0.9 is empty
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
        return f"Return one number; this is a {type(found).__name__}."
    if math.isnan(found):
        return "This is not a number: a bin with nothing in it has no mean. Leave it out."
    if math.isclose(found, expected, abs_tol=1e-5):
        return None
    one = torch.tensor(1.0)
    usual = {
        "All bins count alike here. Weight each with the number of predictions in it.": over(
            bins, gap, lambda here: one
        ),
        "Without the absolute value, too sure here and not sure enough there cancel out.": float(
            (sure.mean() - right.mean()).item()
        ),
        "This is the distance of the two means, without bins.": abs(float(sure.mean() - right.mean())),
        "These are the distances of single predictions. Take the means of a bin first.": float(
            (sure - right).abs().mean()
        ),
        "The distances are squared. Take their absolute values.": over(bins, lambda h: gap(h) ** 2, lambda h: h.sum()),
        "This is the sum over the bins. Divide by the number of all predictions.": expected * len(sure),
        "The bins are a fifth wide. Take ten of them.": over((sure * 5).long(), gap, lambda here: here.sum()),
    }
    for message, value in usual.items():
        if math.isclose(found, value, abs_tol=1e-5):
            return message
    return f"For the numbers of the check it is {expected:.4f}, not {found:.4f}."


@exercise("13.3", "The longest copy")
def longest_copy(answer: Callable[[list[int], list[list[int]]], Any]) -> str | None:
    """`answer(text, read)` is the length of the longest piece of a text that stands in what was read."""
    text, read = [1, 2, 3, 4, 5, 9, 1, 2], [[7, 2, 3, 4, 8, 5, 9], [5, 9, 1], [4, 5, 9, 3]]
    found = answer(list(text), [list(ids) for ids in read])
    if isinstance(found, bool) or not isinstance(found, int):
        return f"Return a number of tokens; this is a {type(found).__name__}."
    if found == 3:
        more: list[tuple[list[int], list[list[int]], int, str]] = [
            ([1, 2], [[3, 4]], 0, "Where nothing was copied, it is 0"),
            ([1, 2], [[1, 2], [3]], 2, "The whole text may be a copy: then it is its length, here 2"),
            (
                [1, 2, 3, 4],
                [[1, 2], [3, 4]],
                2,
                "A piece must stand in one text, not in two, one after the other: here 2",
            ),
            ([1, 1, 2], [[1, 2]], 2, "A piece may begin where another one has just failed: here 2"),
            ([], [[1]], 0, "Of an empty text nothing is copied: 0"),
        ]
        for given, known, right, message in more:
            said = answer(list(given), [list(ids) for ids in known])
            if said != right:
                return f"{message}; you returned {said}."
        return None
    usual = {
        8: "This counts every token that was read somewhere. The tokens must stand in a row.",
        2: "There is a longer piece: 2, 3, 4 stands in the first text that was read.",
        4: "One too many: this is the first length of which nothing is known.",
        1: "Single tokens were compared. Look for longer and longer runs.",
        0: "Nothing was found, but 2, 3, 4 stands in the first text that was read.",
        5: "The tokens must stand in a row: between 4 and 5 there is an 8 in what was read.",
    }
    return usual.get(found) or f"For {text} and {read} it is 3, not {found}."

"""The exercises of chapter 15: what it cannot do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import numbers


@exercise("15.1", "Choose an ending")
def chosen(answer: Callable[[list[Tensor], list[str]], Any]) -> str | None:
    """`answer(ln_ps, endings)` returns the number of the ending with the highest ln p per byte."""
    Score = Callable[[Tensor, str], float]

    def size(ending: str) -> int:
        return len(ending.encode())

    def best(score: Score, sign: int = 1) -> Callable[[list[Tensor], list[str]], int]:
        def choose(ln_ps: list[Tensor], endings: list[str]) -> int:
            scores = [sign * float(score(p, e)) for p, e in zip(ln_ps, endings, strict=True)]
            return scores.index(max(scores))

        return choose

    def per_byte(ln_p: Tensor, ending: str) -> float:
        return float(ln_p.sum()) / size(ending)

    right = best(per_byte)
    usual: dict[
        str, Callable[[list[Tensor], list[str]], Any] | tuple[Callable[[list[Tensor], list[str]], Any], ...]
    ] = {
        "You compared sums, which favors short endings. Divide each by the bytes of its ending.": (
            best(lambda p, e: float(p.sum()))
        ),
        "You compared means per token. Add up ln p, and divide by the bytes of the ending.": best(
            lambda p, e: float(p.mean())
        ),
        "You divided by the number of characters. An é has two bytes. Use len(ending.encode()).": best(
            lambda p, e: float(p.sum()) / len(e)
        ),
        "You divided by the number of words. Divide by the bytes, len(ending.encode()).": best(
            lambda p, e: float(p.sum()) / len(e.split())
        ),
        "An ending's first space is a byte, too. Divide by len(ending.encode()), without strip().": (
            best(lambda p, e: float(p.sum()) / size(e.strip())),
            best(lambda p, e: float(p.sum()) / len(e.strip())),
        ),
        "You divided the mean per token by the bytes. Divide the sum.": best(lambda p, e: float(p.mean()) / size(e)),
        "This is the ending with the lowest ln p per byte. ln p is negative, and the likeliest is nearest to 0.": (
            best(per_byte, -1)
        ),
        "You multiplied by the number of bytes. Divide by it.": (
            best(lambda p, e: float(p.sum()) * size(e)),
            best(lambda p, e: float(p.mean()) * size(e)),
        ),
        "You looked at the first token only. Add up ln p over all tokens of the ending.": (
            best(lambda p, e: float(p[0])),
            best(lambda p, e: float(p[0]) / size(e)),
        ),
        "You looked at the last token only. Add up ln p over all tokens of the ending.": (
            best(lambda p, e: float(p[-1])),
            best(lambda p, e: float(p[-1]) / size(e)),
        ),
        "You looked at one token of each ending only. Add up ln p over all of them.": (
            best(lambda p, e: float(p.max())),
            best(lambda p, e: float(p.min())),
            best(lambda p, e: float(p.max()) / size(e)),
            best(lambda p, e: float(p.min()) / size(e)),
        ),
        "You added up probabilities. Add up their logarithms, as they are.": (
            best(lambda p, e: float(p.exp().sum()) / size(e)),
            best(lambda p, e: float(p.exp().mean())),
            best(lambda p, e: float(p.exp().sum())),
        ),
        "This is the score of the best ending. Return its number, counted from 0.": lambda ln_ps, endings: max(
            map(per_byte, ln_ps, endings)
        ),
        "This is the text of the best ending. Return its number, counted from 0.": lambda ln_ps, endings: endings[
            right(ln_ps, endings)
        ],
        "This is the shortest ending. Compare ln p per byte.": (
            best(lambda p, e: size(e), -1),
            best(lambda p, e: len(p), -1),
        ),
        "This is the longest ending. Compare ln p per byte.": (best(lambda p, e: size(e)), best(lambda p, e: len(p))),
        "Count from 0: the first ending has the number 0.": lambda ln_ps, endings: right(ln_ps, endings) + 1,
        "You always return the first ending. Return the one with the highest ln p per byte.": lambda p, e: 0,
        "This is the number of endings. Return the number of the best one, counted from 0.": lambda ln_ps, endings: len(
            endings
        ),
    }
    tensor = torch.tensor
    inputs: list[tuple[list[Tensor], list[str]]] = [
        # the sum prefers the first, the mean per token the third
        (
            [tensor([-3.0]), tensor([-1.0, -2.0, -3.5]), tensor([-2.5, -0.5])],
            [" kite.", " on a raft of reeds.", " oak."],
        ),
        # per character, the second would win
        ([tensor([-2.0, -1.0, -1.0]), tensor([-4.3, -0.2])], [" the old oak", " é" * 6]),
        ([tensor([-6.0, -2.0]), tensor([-9.0, -0.1, -0.1]), tensor([-1.0, -1.0])], [" a house", " by the sea", " in"]),
        (
            [tensor([-2.0]), tensor([-0.1, -5.0]), tensor([-3.0, -2.0, -4.0]), tensor([-2.2, -2.2])],
            [" up", " bed", " behind the waterfall", " in a teapot"],
        ),
    ]
    return compare(answer, inputs, right, usual, "the number of an ending")


@exercise("15.2", "Too sure")
def calibration_error(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(sure, right)` returns the mean gap between certainty and success in ten bins, weighted by bin size."""

    def masks(sure: Tensor, n: int = 10, of: Iterable[int] | None = None) -> list[Tensor]:
        bins = (sure * n).long()
        return [bins == b for b in (of if of is not None else range(n + 1)) if (bins == b).any()]

    def gap(here: Tensor, sure: Tensor, right: Tensor) -> Tensor:
        return (sure[here].mean() - right[here].mean()).abs()

    def error(sure: Tensor, right: Tensor, n: int = 10, of: Iterable[int] | None = None) -> float:
        return float(sum(gap(m, sure, right) * m.sum() for m in masks(sure, n, of)) / len(sure))

    usual: dict[str, Callable[[Tensor, Tensor], Any] | tuple[Callable[[Tensor, Tensor], Any], ...]] = {
        "This is NaN, because an empty bin has no mean. Leave out empty bins.": lambda sure, right: math.nan,
        "All bins count equally. Weight each by its number of predictions.": (
            lambda sure, right: sum(gap(m, sure, right) for m in masks(sure)) / len(masks(sure)),
            lambda sure, right: sum(gap(m, sure, right) for m in masks(sure)) / 10,
        ),
        "This is the sum of the gaps. Weight each by the share of predictions in its bin.": lambda sure, right: sum(
            gap(m, sure, right) for m in masks(sure)
        ),
        "You divided the sum of the gaps by the number of predictions. First multiply each by the size of its bin.": (
            lambda sure, right: sum(gap(m, sure, right) for m in masks(sure)) / len(sure)
        ),
        "The absolute value is missing. Without it, gaps in opposite directions cancel out.": lambda sure, right: (
            sure - right
        ).mean(),
        "The absolute value is missing. Subtract in either order, and then take the absolute value.": (
            lambda sure, right: (right - sure).mean()
        ),
        "This is the gap between the two overall means. Use bins.": lambda sure, right: (sure - right).mean().abs(),
        "This is the mean gap of single predictions. Take the means in each bin first.": lambda sure, right: (
            (sure - right).abs().mean()
        ),
        "You took the middle of each bin. Take the mean of the probabilities in it.": lambda sure, right: (
            sum(((sure[m][0] * 10).floor() / 10 + 0.05 - right[m].mean()).abs() * m.sum() for m in masks(sure))
            / len(sure)
        ),
        "You squared the gaps. Take their absolute values.": lambda sure, right: (
            sum(gap(m, sure, right) ** 2 * m.sum() for m in masks(sure)) / len(sure)
        ),
        "You took the root of the mean squared gap. Take the mean of the absolute gaps.": lambda sure, right: (
            (sum(gap(m, sure, right) ** 2 * m.sum() for m in masks(sure)) / len(sure)) ** 0.5
        ),
        "This is the largest gap. Take the weighted mean.": lambda sure, right: max(
            gap(m, sure, right) for m in masks(sure)
        ),
        "This is the sum over the bins. Divide by the total number of predictions.": lambda sure, right: (
            error(sure, right) * len(sure)
        ),
        "You multiplied by the number of predictions. Divide by it.": lambda sure, right: (
            error(sure, right) * len(sure) ** 2
        ),
        "You divided by the number of bins. Divide by the total number of predictions.": lambda sure, right: (
            error(sure, right) * len(sure) / 10
        ),
        "You used another number of bins. Use ten: multiply by 10 and round down.": tuple(
            lambda sure, right, n=n: error(sure, right, n)  # type: ignore[misc]
            for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 15, 20, 100)
        ),
        "You rounded to the nearest bin. Round down: 0.17 belongs to the bin from 0.1 to 0.2.": lambda sure, right: (
            _over((sure * 10).round().long(), sure, right)
        ),
        "The last bin, from 0.9 to 1, is missing.": lambda sure, right: error(sure, right, 10, range(9)),
        "The first bin, from 0 to 0.1, is missing.": lambda sure, right: error(sure, right, 10, range(1, 10)),
        "You used only one bin. Add up the gaps of all ten.": tuple(
            lambda sure, right, b=b: error(sure, right, 10, [b])  # type: ignore[misc]
            for b in range(10)
        ),
        "These are the shares of the bins, added up: always 1. Multiply each by its bin's gap.": (
            lambda sure, right: 1.0
        ),
        "You added the two means. Take the gap between them.": lambda sure, right: (
            sum((sure[m].mean() + right[m].mean()) * m.sum() for m in masks(sure)) / len(sure)
        ),
        "This is the mean certainty. Subtract the share of right predictions in each bin.": lambda sure, right: (
            sure.mean()
        ),
        "This is the share of right predictions. Compare it with the mean certainty, in each bin.": (
            lambda sure, right: right.mean()
        ),
    }
    inputs = []
    for n, seed, failing in ((60, 3, 0.2), (45, 5, 0.9)):  # more sure than right, and the reverse
        sure = (numbers(n, seed=seed).abs() / 2.2).clamp(max=0.99)
        sure[sure > 0.8] = 0.95  # leaves the bin from 0.8 to 0.9 empty
        inputs.append((sure, (numbers(n, seed=seed + 1) > failing).float()))
    return compare(answer, inputs, error, usual)


def _over(bins: Tensor, sure: Tensor, right: Tensor) -> float:
    """The mean gap, weighted by bin size, for bins of any kind."""
    return float(sum((sure - right)[bins == b].sum().abs() for b in range(11)) / len(sure))


@exercise("15.3", "The longest copy")
def longest_copy(answer: Callable[[list[int], list[list[int]]], Any]) -> str | None:
    """`answer(text, read)` returns the length of the longest run of tokens that `text` shares with one of `read`."""

    def runs(ids: list[int], n: int) -> set[tuple[int, ...]]:
        return {tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)}

    def longest(text: list[int], read: list[list[int]]) -> int:
        return max(n for n in range(len(text) + 1) if any(runs(text, n) & runs(ids, n) for ids in read) or n == 0)

    def starting(text: list[int], ids: list[int]) -> int:
        """How many tokens at the start of both are the same."""
        return next((i for i, (a, b) in enumerate(zip(text, ids, strict=False)) if a != b), min(len(text), len(ids)))

    def in_order(text: list[int], ids: list[int]) -> int:
        """The length of the longest common subsequence, whose tokens need not be in a row."""
        row = [0] * (len(ids) + 1)
        for token in text:
            new = [0]
            for j, other in enumerate(ids):
                new.append(row[j] + 1 if token == other else max(row[j + 1], new[j]))
            row = new
        return row[-1]

    usual: dict[str, Callable[[list[int], list[list[int]]], int] | tuple[Callable[..., int], ...]] = {
        "You searched only the first of the texts that were read. Search all of them.": lambda text, read: longest(
            text, read[:1]
        ),
        "You searched only the last of the texts that were read. Search all of them.": lambda text, read: longest(
            text, read[-1:]
        ),
        "You searched only the start of each text that was read. A copy can come from anywhere in it.": (
            lambda text, read: max(
                (n for n in range(len(text) + 1) if any(tuple(ids[:n]) in runs(text, n) for ids in read)), default=0
            )
        ),
        "You searched only for the start of the text. A copy can begin anywhere in it.": lambda text, read: max(
            (n for n in range(len(text) + 1) if any(tuple(text[:n]) in runs(ids, n) for ids in read)), default=0
        ),
        "You compared only the starts of the texts. A copy can begin anywhere in both.": lambda text, read: max(
            (starting(text, ids) for ids in read), default=0
        ),
        "You compared tokens at the same position. A copy can be at another position.": lambda text, read: max(
            (longest([a if a == b else -1 for a, b in zip(text, ids, strict=False)], [ids]) for ids in read),
            default=0,
        ),
        "You searched only for the end of the text. A copy can end anywhere in it.": lambda text, read: max(
            (n for n in range(1, len(text) + 1) if any(tuple(text[-n:]) in runs(ids, n) for ids in read)), default=0
        ),
        "You counted every token that was read somewhere. Count only tokens in a row.": (
            lambda text, read: sum(any(token in ids for ids in read) for token in text),
            lambda text, read: max((sum(token in ids for token in text) for ids in read), default=0),
            lambda text, read: max((len(set(text) & set(ids)) for ids in read), default=0),
        ),
        "The tokens are not in a row: there are others between them in what was read.": lambda text, read: max(
            (in_order(text, ids) for ids in read), default=0
        ),
        "You joined the texts that were read, so a copy could reach from one into the next. Search each on its own.": (
            lambda text, read: longest(text, [[token for ids in read for token in ids]])
        ),
        "You compared single tokens. Look for longer and longer runs.": lambda text, read: min(1, longest(text, read)),
        "Your result is one too large. No copy of this length exists.": lambda text, read: longest(text, read) + 1,
        "Your result is one too small. Count the last token, too.": (
            lambda text, read: longest(text, read) - 1,
            lambda text, read: max(0, longest(text, read) - 1),
        ),
        "If the whole text is a copy, return its length.": lambda text, read: min(
            longest(text, read), max(0, len(text) - 1)
        ),
        "If nothing was copied, return 0.": lambda text, read: max(1, longest(text, read)),
        "For an empty text, return 0.": lambda text, read: longest(text, read) if text else 1,
        "Your result is always 0. Look for runs of 1, 2, 3, … tokens that are also in what was read.": (
            lambda text, read: 0
        ),
        "This is the length of the text. Return that of the longest copy.": lambda text, read: len(text),
        "This is the number of tokens in what was read. Return the length of the longest copy.": lambda text, read: sum(
            map(len, read)
        ),
        "This is the number of texts that were read. Return the length of the longest copy.": lambda text, read: len(
            read
        ),
        "You compared digits: “1, 2” is in “11, 23”, but the tokens 1 and 2 are not. Compare lists or tuples.": tuple(
            lambda text, read, sign=sign: max(
                (
                    n
                    for n in range(len(text) + 1)
                    for i in range(len(text) - n + 1)
                    if any(sign.join(map(str, text[i : i + n])) in sign.join(map(str, ids)) for ids in read)
                ),
                default=0,
            )
            for sign in (", ", " ", ",", "")
        ),
        "A copy can start inside a failed attempt. Try every position of the text as its start.": lambda text, read: (
            max((_without_going_back(text, ids) for ids in read), default=0)
        ),
    }
    inputs: list[tuple[list[int], list[list[int]]]] = [
        ([1, 2, 3, 4, 5, 9, 1, 2], [[7, 2, 3, 4, 8, 5, 9], [5, 9, 1], [4, 5, 9, 3]]),
        ([6, 1, 2, 3, 4, 8], [[2, 3], [9, 9, 1, 2, 3, 4, 9], [3, 4]]),
        ([6, 1, 2, 3, 4, 8], [[2, 3, 7], [6, 1], [9, 3, 4, 8]]),
        ([1, 2], [[3, 4]]),
        ([1, 2], [[1, 2], [3]]),
        ([1, 2, 3, 4], [[1, 2], [3, 4]]),
        ([1, 1, 2], [[1, 2]]),
        ([4, 4, 4, 4, 5], [[4, 4, 6], [4, 4, 4, 6]]),
        ([7, 3, 7], [[3, 7, 3]]),
        ([2, 1], [[1, 2]]),
        ([1, 2], [[11, 23]]),
        ([], [[1]]),
    ]
    return compare(answer, inputs, longest, usual, "a number of tokens")


def _without_going_back(text: list[int], ids: list[int]) -> int:
    """The longest run of `ids` from its start on that a single walk over the text finds."""
    best = n = 0
    for token in text:
        n = n + 1 if n < len(ids) and token == ids[n] else 0
        best = max(best, n)
    return best

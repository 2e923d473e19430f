"""The exercises of chapter 10: writing text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from gpt2_course.bricks import my_gpt2 as bricks
from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.watch import LIMIT, Stopped

LOGITS = torch.tensor([1.0, 3.0, -1.0, 2.5, 0.0, 2.0])
TIES = torch.tensor([2.0, 1.0, 3.0, 2.0, 2.0])  # three tokens tie for second place


@exercise("10.1", "Temperature")
def temper(answer: Callable[[Tensor, float], Any]) -> str | None:
    """`answer(logits, temperature)` returns probabilities (V,)."""
    cut = LOGITS.masked_fill(LOGITS < 2, -math.inf)  # as top_k returns them
    usual: dict[str, Callable[[Tensor, float], Tensor]] = {
        "You multiplied by the temperature. Divide instead: a low temperature makes differences larger.": (
            lambda logits, t: (logits * t).softmax(-1)
        ),
        "The temperature had no effect. Divide the logits by it, before the softmax. (Probabilities that are divided "
        "and then scaled to add up to 1 are what they were.)": lambda logits, t: logits.softmax(-1),
        "You divided the probabilities, so they no longer add up to 1. Divide the logits, then take the softmax.": (
            lambda logits, t: logits.softmax(-1) / t
        ),
        "These are the divided logits. One step is missing: softmax.": lambda logits, t: logits / t,
        "You took the softmax twice. Take it once, of the divided logits.": lambda logits, t: (
            (logits / t).softmax(-1).softmax(-1)
        ),
        "You took the softmax before dividing, too. Take it once, of the divided logits.": lambda logits, t: (
            logits.softmax(-1) / t
        ).softmax(-1),
        "You divided by the square root of the temperature. Divide by the temperature itself.": lambda logits, t: (
            logits / math.sqrt(t)
        ).softmax(-1),
        "These are logarithms. Use softmax, not log_softmax.": lambda logits, t: (logits / t).log_softmax(-1),
        "At temperature 0.01, exp of the divided logits is too large for a number. Use .softmax(-1), which subtracts "
        "the largest one first.": lambda logits, t: (logits / t).exp() / (logits / t).exp().sum(),
        "You took the likeliest token at every temperature. Do that only at temperature 0.": lambda logits, t: (
            bricks.temper(logits, 0)
        ),
    }
    at_zero: dict[str, Callable[[Tensor, float], Any]] = {
        "At temperature 0, you divided by 0. Give the largest logit the probability 1 instead.": lambda logits, t: (
            logits / torch.tensor(t)
        ).softmax(-1),
        "Nothing can be divided by 0. At temperature 0, give the largest logit the probability 1 instead.": (
            lambda logits, t: logits[0] / (1 / t)
        ),
        "At temperature 0, return probabilities (V,), with a 1 for the likeliest token, and not its ID.": (
            lambda logits, t: logits.argmax()
        ),
        "At temperature 0, return probabilities: 1 for the likeliest token, and 0 for all others.": lambda logits, t: (
            logits
        ),
        "Temperature 0 is not temperature 1. Give the largest logit the probability 1, and all others 0.": (
            lambda logits, t: logits.softmax(-1)
        ),
        "At temperature 0, the largest logit has the probability 1. Yours is the smallest.": lambda logits, t: (
            bricks.temper(-logits, t)
        ),
        "At temperature 0, two tokens share first place, and both got the probability 1. Give it to the first.": (
            lambda logits, t: (logits == logits.max()).float()
        ),
        "At temperature 0, two tokens share first place, and each got a half. Give 1 to the first.": lambda logits, t: (
            (logits == logits.max()) / (logits == logits.max()).sum()
        ),
        "At temperature 0, two tokens share first place, and you chose the last of them. Choose the first.": (
            lambda logits, t: bricks.temper(logits.flip(0), t).flip(0)
        ),
    }
    return compare(answer, [(LOGITS, 0.5), (TIES, 1.5), (cut, 0.8), (LOGITS, 0.01)], bricks.temper, usual) or compare(
        answer, [(LOGITS, 0), (torch.tensor([1.0, 4.0, 2.0, 4.0]), 0)], bricks.temper, at_zero
    )


@exercise("10.2", "Top-k")
def top_k(answer: Callable[[Tensor, int], Any]) -> str | None:
    """`answer(logits, k)` returns the logits (V,) with −∞ below the k-th largest; ties with it stay."""

    def only(logits: Tensor, tokens: Tensor, fill: float = -math.inf) -> Tensor:
        """The logits of some tokens, and a number for all others."""
        return torch.full_like(logits, fill).index_copy(0, tokens, logits[tokens])

    def largest(logits: Tensor, k: int) -> Tensor:
        return logits.topk(k).indices

    def at_most(logits: Tensor, k: int) -> Tensor:
        return bricks.top_k(logits, min(k, len(logits)))

    usual: dict[str, Callable[[Tensor, int], Tensor]] = {
        "These are probabilities. Return the logits, with −∞ for those that are cut; `temper` takes the softmax.": (
            lambda logits, k: bricks.top_k(logits, k).softmax(-1)
        ),
        "You returned only the k largest logits. Return all of them, (V,), with −∞ for the others.": lambda logits, k: (
            logits.topk(k).values
        ),
        "You returned IDs. Return the logits, (V,), with −∞ for those that are cut.": largest,
        "A logit of 0 does not rule a token out, because e⁰ = 1. Use −∞ instead.": lambda logits, k: only(
            logits, (logits >= logits.topk(k).values[-1]).nonzero()[:, 0], 0
        ),
        "A large negative number is not −∞. Use float('-inf').": lambda logits, k: only(
            logits, (logits >= logits.topk(k).values[-1]).nonzero()[:, 0], -1e9
        ),
        "You kept the k smallest. Keep the largest.": lambda logits, k: -bricks.top_k(-logits, k),
        "You kept the k smallest logits. Keep the largest.": lambda logits, k: only(logits, largest(-logits, k)),
        "You kept the first k in the list. Keep the k largest.": lambda logits, k: only(logits, torch.arange(k)),
        "You kept one too many. Keep k tokens, and those that tie with the k-th.": lambda logits, k: at_most(
            logits, k + 1
        ),
        "You kept one too few. The k-th token stays in: cut only what is smaller.": lambda logits, k: (
            logits.masked_fill(logits <= logits.topk(k).values[-1], -math.inf)
        ),
        "You cut the largest and kept the rest. Turn the comparison around.": lambda logits, k: logits.masked_fill(
            logits >= logits.topk(k).values[-1], -math.inf
        ),
        "You cut only what is larger than the k-th. Turn the comparison around.": lambda logits, k: logits.masked_fill(
            logits > logits.topk(k).values[-1], -math.inf
        ),
        "You compared with the largest logit. Compare with the k-th largest, topk(k).values[-1].": lambda logits, k: (
            logits.masked_fill(logits < logits.max(), -math.inf)
        ),
        "For [2, 1, 3, 2, 2] and k = 2, you kept exactly two tokens, but three tie for second place. None of them is "
        "better than the others: keep every logit that is at least the k-th largest.": lambda logits, k: only(
            logits, largest(logits, k)
        ),
        "Of logits that are equal you kept the last ones. None is better than the others: keep every logit that is at "
        "least the k-th largest.": lambda logits, k: only(logits.flip(0), largest(logits.flip(0), k)).flip(0),
        "Nothing was cut. masked_fill does not change the logits themselves: return its result.": lambda logits, k: (
            logits
        ),
    }
    inputs = [(LOGITS, 3), (TIES, 2), (LOGITS - 2, 1), (TIES, 5), (torch.tensor([1.0, 1.0, 4.0, 1.5, 4.0, 1.0]), 4)]
    return compare(answer, inputs, bricks.top_k, usual)


def _nucleus(probabilities: Tensor, p: float, more: int = 0, order: Tensor | None = None) -> Tensor:
    """The tokens that top-p keeps in a given order, and some more."""
    order = probabilities.argsort(descending=True) if order is None else order
    before = probabilities[order].cumsum(0) - probabilities[order]
    return order[: max(0, int((before < p).sum()) + more)]


def _scaled(probabilities: Tensor, tokens: Tensor) -> Tensor:
    kept = _unscaled(probabilities, tokens)
    return kept / kept.sum()


def _unscaled(probabilities: Tensor, tokens: Tensor) -> Tensor:
    return torch.zeros_like(probabilities).index_copy(0, tokens, probabilities[tokens])


@exercise("10.3", "Top-p")
def top_p(answer: Callable[[Tensor, float], Any]) -> str | None:
    """`answer(probabilities, p)` returns probabilities (V,): the fewest likeliest tokens that have p together."""
    inputs = [
        (LOGITS.softmax(-1), 0.8),
        (LOGITS.softmax(-1), 0.1),
        (torch.tensor([0.125, 0.0625, 0.5, 0.0625, 0.25]), 0.75),  # exactly what the two likeliest have together
        (torch.tensor([0.1, 0.0, 0.6, 0.3]), 1.0),
    ]
    usual: dict[str, Callable[[Tensor, float], Tensor]] = {
        "The last token is missing: without it, the others have less than p together. Keep a token if those before it "
        "have less than p.": lambda q, p: _scaled(
            q, q.argsort(descending=True)[q.sort(descending=True)[0].cumsum(0) <= p]
        ),
        "The token that reaches p is missing. Keep a token if those before it have less than p.": lambda q, p: _scaled(
            q, _nucleus(q, p, -1)
        ),
        "The probabilities no longer add up to 1. Divide by the sum of those you kept.": lambda q, p: _unscaled(
            q, _nucleus(q, p)
        ),
        "You kept one too many. Stop as soon as the sum has reached p.": lambda q, p: _scaled(q, _nucleus(q, p, 1)),
        "When the sum is exactly p, you kept one too many. Keep a token only if those before it have less than p.": (
            lambda q, p: _scaled(
                q, q.argsort(descending=True)[q.sort(descending=True)[0].cumsum(0) - q.sort(descending=True)[0] <= p]
            )
        ),
        "The probabilities are still sorted. Put each one back at the place of its token.": lambda q, p: (
            bricks.top_p(q, p).sort(descending=True).values
        ),
        "You sorted the smallest first. Sort with the largest first: descending=True.": lambda q, p: _scaled(
            q, _nucleus(q, p, order=q.argsort())
        ),
        "You added up unsorted probabilities. Sort first, the largest first.": lambda q, p: _scaled(
            q, _nucleus(q, p, order=torch.arange(len(q)))
        ),
        "You kept the tokens whose own probability is at least p. Add probabilities up, the largest first.": (
            lambda q, p: _scaled(q, (q >= p).nonzero()[:, 0])
        ),
        "You kept the tokens whose own probability is below p. Add probabilities up, the largest first.": lambda q, p: (
            _scaled(q, (q < p).nonzero()[:, 0])
        ),
        "You kept what should be cut. Keep a token if those before it have less than p.": lambda q, p: _scaled(
            q, q.argsort(descending=True)[len(_nucleus(q, p)) :]
        ),
        "Divide by the sum instead of taking the softmax: the proportions must stay.": lambda q, p: torch.where(
            bricks.top_p(q, p) > 0, q, -math.inf
        ).softmax(-1),
        "You took the softmax of probabilities. They add up to 1 already: only sort, cut, and divide by the sum.": (
            lambda q, p: bricks.top_p(q.softmax(-1), p)
        ),
        "The tokens that you kept have equal probabilities. Keep their proportions.": lambda q, p: (
            (bricks.top_p(q, p) > 0).float() / (bricks.top_p(q, p) > 0).sum()
        ),
        "You divided by p. Divide by the sum of those you kept.": lambda q, p: _unscaled(q, _nucleus(q, p)) / p,
        "Nothing was cut.": lambda q, p: q,
    }
    if message := compare(answer, inputs, bricks.top_p, usual):
        return message
    # Which of several equal probabilities stay is up to the sort, so count them.
    kept = int((answer(torch.tensor([0.125, 0.625, 0.125, 0.125]), 0.75) > 0).sum())
    return None if kept == 2 else TOO_MANY_TIES.format(kept)


TOO_MANY_TIES = (
    "For [0.125, 0.625, 0.125, 0.125] and p = 0.75, you kept {} tokens, but two have 0.75 together. Cut by the place "
    "in the sorted list, not by the value: tokens that tie at the border cannot all stay."
)


@exercise("10.4", "Draw")
def draw(answer: Callable[[Tensor, float], Any]) -> str | None:
    """`answer(probabilities, number)` returns the token that the number falls on."""
    quarters, others = torch.tensor([0.25, 0.0, 0.5, 0.25]), torch.tensor([0.0, 0.125, 0.25, 0.0, 0.625])
    inputs = [
        *((quarters, number) for number in (0.1, 0.25, 0.6, 0.9, 0.0, 0.75)),
        *((others, number) for number in (0.0, 0.05, 0.2, 0.375, 0.99)),
    ]

    def ends(q: Tensor) -> Tensor:
        return q.cumsum(0)

    usual: dict[str, Callable[[Tensor, float], Any]] = {
        "You took the likeliest token, whatever the number. Lay the probabilities end to end.": lambda q, number: (
            q.argmax()
        ),
        "Token 0 ends at 0.25, so the number 0.25 falls on the next token that can be drawn: count the sums that are "
        "not larger than the number.": lambda q, number: (ends(q) < number).sum(),
        "A token with the probability 0 must never be drawn, but with 0.25 yours is: token 1.": lambda q, number: (
            bricks.draw(q, number) - (1 if number == 0.25 and q[0] else 0)
        ),
        "You are one token too far. Return the first token whose running sum is larger than the number.": (
            lambda q, number: (ends(q) <= number).sum() + 1
        ),
        "You are one token too early. Return the first token whose running sum is larger than the number.": (
            lambda q, number: (ends(q) <= number).sum() - 1
        ),
        "You are one token too early, except at the start. Return the first token whose running sum is larger than the "
        "number.": lambda q, number: max(0, int((ends(q) <= number).sum()) - 1),
        "You started from the end. Token 0 comes first.": lambda q, number: len(q) - 1 - bricks.draw(q.flip(0), number),
        "You counted the sums that are larger than the number. Count those that are not: they lie before the token.": (
            lambda q, number: (ends(q) > number).sum()
        ),
        "You compared the number with the probabilities themselves. Compare it with their running sums.": (
            lambda q, number: (q <= number).sum()
        ),
        "You took the first token whose own probability is larger than the number. Compare with the running sums.": (
            lambda q, number: (q > number).int().argmax()
        ),
        "The number decides, and nothing else: do not draw another one at random.": lambda q, number: q.argmin(),
        "This is the probability of the token. Return its ID.": lambda q, number: q[bricks.draw(q, number)],
        "This is the running sum. Return the ID of the token that the number falls on.": lambda q, number: ends(q)[
            bricks.draw(q, number)
        ],
        "These are the running sums. Return the ID of the token that the number falls on.": lambda q, number: ends(q),
    }
    return compare(answer, inputs, bricks.draw, usual, "the ID of a token, a whole number") or _rounding(answer)


def _rounding(answer: Callable[[Tensor, float], Any]) -> str | None:
    """The mistake in drawing from probabilities that, rounded, do not add up to exactly 1."""
    beyond = (
        "For the probabilities [0.5, 0.4999] and the number 0.99999, your function {}: together, they are a hair below "
        "the number, as rounding may leave them. Multiply the number by their sum first."
    )
    try:
        if answer(torch.tensor([0.5, 0.4999]), 0.99999) != 1:
            return beyond.format("runs beyond the last token")
    except Stopped as stopped:
        if stopped.__cause__ is None:
            return beyond.format("returned nothing")
        return beyond.format(f"stopped with {type(stopped.__cause__).__name__}")
    # In float32, 1 + 2⁻²⁶ is 1, so 64 tokens are never drawn. The number is for the middle one of them.
    tiny = torch.tensor([1.0] + [2.0**-26] * 64)
    number = (1 + 32.5 * 2.0**-26) / (1 + 64 * 2.0**-26)
    if answer(tiny.double(), number) != 33:
        return (
            "Rounding may leave the sum of all probabilities a hair above 1, and then the last tokens are never drawn. "
            "Multiply the number by their sum first."
        )
    if answer(tiny, number) != 33:
        return (
            "In float32, adding a tiny probability to a large sum changes nothing. Add them up in float64: .double()."
        )
    return None


def _predict(ids: Tensor) -> Tensor:
    """Logits (T, 10) that depend on all the IDs up to each one."""
    if not isinstance(ids, Tensor):
        raise TypeError(f"predict needs a tensor of IDs, not a {type(ids).__name__}")
    if ids.ndim != 1:
        raise ValueError(f"predict needs IDs of shape (T,), not {tuple(ids.shape)}")
    if ids.is_floating_point() or not len(ids):
        raise ValueError("predict needs at least one ID, and whole numbers")
    favorites = (ids.cumsum(0) + 3 * ids + 1) % 10
    return torch.nn.functional.one_hot(favorites, 10).float()


def _choose(logits: Tensor) -> int:
    """The likeliest token."""
    if not isinstance(logits, Tensor) or logits.shape != (10,):
        shape = tuple(getattr(logits, "shape", ()))
        raise ValueError(f"choose needs the logits of the last token, of shape (10,), not {shape}")
    return int(logits.argmax())


Writer = Callable[[list[int], Any, Any, int, int], Any]


def _writing(
    window: Callable[[list[int], int], list[int]] = lambda ids, context: ids[-context:],
    row: int = -1,
    append: bool = True,
    give_end: bool = False,
    first: Callable[[list[int]], list[int]] = lambda ids: [],
) -> Writer:
    """`generate` with mistakes, as a list of at most LIMIT IDs."""

    def write(ids: list[int], predict: Any, choose: Any, end: int, context: int) -> Iterator[int]:
        yield from first(ids)
        while True:
            next_id = choose(predict(torch.tensor(window(ids, context)))[row])
            if next_id == end and not give_end:
                return
            if append:
                ids = [*ids, next_id]
            yield next_id
            if next_id == end:
                return

    return lambda *given: list(islice(write(*given), LIMIT))


def _one(*given: Any) -> list[int]:
    return list(islice(bricks.generate(*given), 1))


@exercise("10.5", "Generate", yields=True)
def generate(answer: Writer) -> str | None:
    """`answer(ids, predict, choose, end, context)` yields new IDs until the next one is `end`."""
    inputs = [
        (ids, _predict, _choose, end, context)
        for ids, end, context in [([1, 2, 3], 7, 4), ([5], 8, 2), ([7, 1, 4, 4, 2, 6], 9, 3), ([2, 6], 2, 50)]
    ]
    usual: dict[str, Writer] = {
        "You also yield `end`. Return before you yield it.": _writing(give_end=True),
        "predict gets more than `context` IDs, for which a model has no positions. Give it the last ones: "
        "ids[-context:].": _writing(window=lambda ids, context: ids),
        "predict gets the first `context` IDs. Give it the last ones: ids[-context:].": _writing(
            window=lambda ids, context: ids[:context]
        ),
        "predict gets one ID too few. Give it the last `context` IDs: ids[-context:].": _writing(
            window=lambda ids, context: ids[-(context - 1) :] if context > 1 else ids
        ),
        "predict gets one ID too many. Give it the last `context` IDs: ids[-context:].": _writing(
            window=lambda ids, context: ids[-(context + 1) :]
        ),
        "predict gets only the last ID. Give it the last `context` IDs: ids[-context:].": _writing(
            window=lambda ids, context: ids[-1:]
        ),
        "You choose by the logits of the first token. The next token follows the last one: logits[-1].": _writing(
            row=0
        ),
        "The new IDs are never appended, so predict always gets the same ones.": _writing(append=False),
        "You yield the given IDs, too. Yield only the new ones.": _writing(first=lambda ids: ids),
        "You stopped after one ID. Continue until the next one is `end`.": _one,
        "choose needs the logits of one token: those of the last, logits[-1].": lambda ids, predict, choose, *_: choose(
            predict(torch.tensor(ids))
        ),
        "There is no batch here: predict maps (T,) to (T, V).": lambda ids, predict, *_: predict(torch.tensor([ids])),
        "predict maps (T,) to (T, V), without a batch: take [-1].": lambda ids, predict, *_: predict(torch.tensor(ids))[
            0, -1
        ],
        "Turn the list into a tensor: torch.tensor(ids[-context:]).": lambda ids, predict, *_: predict(ids),
    }

    return compare(answer, inputs, _writing(), usual, "the new IDs, one by one, with yield") or _late(answer)


class _TooLate(Exception):
    """The first new ID is still not handed out."""


def _late(answer: Writer) -> str | None:
    """The mistake of handing out IDs only at the end: a text without an end would never come."""
    calls = 0

    def predict(ids: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls > LIMIT:
            raise _TooLate
        return _predict(ids)

    try:
        answer([1], predict, lambda logits: 0, 7, 4)
    except Stopped as stopped:
        if isinstance(stopped.__cause__, _TooLate):
            return (
                "You collect the IDs and return them at the end, so a text that never reaches `end` never comes. Hand "
                "out each one as soon as you have it: yield next_id."
            )
        raise
    return None

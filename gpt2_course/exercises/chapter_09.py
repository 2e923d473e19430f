"""The exercises of chapter 9: writing text."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import named, not_a_tensor

LOGITS = torch.tensor([1.0, 3.0, -1.0, 2.5, 0.0, 2.0])


def kept(where: list[int]) -> Tensor:
    """The probabilities of LOGITS when only these tokens may be drawn."""
    masked = torch.full_like(LOGITS, -math.inf)
    masked[where] = LOGITS[where]
    return masked.softmax(-1)


@exercise("9.1", "Temperature")
def temperature(answer: Callable[[Tensor, float], Any]) -> str | None:
    """`answer(logits, temperature)` are the probabilities."""
    found = answer(LOGITS.clone(), 0.5)
    if wrong := not_a_tensor(found, (6,)):
        return wrong
    right = (LOGITS / 0.5).softmax(-1)
    plain = LOGITS.softmax(-1)
    usual = {
        "You multiplied by the temperature. Divide: a low temperature makes differences larger.": (
            (LOGITS * 0.5).softmax(-1)
        ),
        "The temperature made no difference. (Softmax does not care about what is added to all logits: divide.)": plain,
        "You divided the probabilities, and they no longer add up to 1. Divide the logits, and then softmax.": (
            plain / 0.5
        ),
        "These are the logits, divided. One step is missing: softmax.": LOGITS / 0.5,
    }
    if not torch.allclose(found, right, atol=1e-5):
        return (
            named(found, usual)
            or f"At temperature 0.5 the largest must be {right.max():.3f}: {found.max():.3f} is not."
        )
    cold = answer(LOGITS.clone(), 0)
    if wrong := not_a_tensor(cold, (6,)):
        return wrong
    if not torch.isfinite(cold).all():
        return "At temperature 0 something was divided by 0. Put all of the probability on the largest logit."
    if not torch.equal(cold.float(), torch.tensor([0.0, 1, 0, 0, 0, 0])):
        return "At temperature 0 the largest logit must have the probability 1, and all others 0."
    return None


@exercise("9.2", "Top-k")
def top_k(answer: Callable[[Tensor, int], Any]) -> str | None:
    """`answer(logits, k)` are the probabilities of the k likeliest, adding up to 1."""
    found = answer(LOGITS.clone(), 3)
    if isinstance(found, Tensor) and found.shape == (3,):
        return "These are the k probabilities alone. The others must be there too, with 0: shape (V,)."
    if wrong := not_a_tensor(found, (6,)):
        return wrong
    right = kept([1, 3, 5])
    if torch.allclose(found, right, atol=1e-5):
        return None
    usual = {
        "The probabilities no longer add up to 1. Cut the logits and then softmax, or divide by their sum.": (
            torch.where(right > 0, LOGITS.softmax(-1), torch.zeros(6))
        ),
        "A logit of 0 is no ban, because e⁰ = 1: put −∞ in its place.": torch.where(
            right > 0, LOGITS, torch.zeros(6)
        ).softmax(-1),
        "You kept the k smallest. Keep the largest.": kept([0, 2, 4]),
        "You kept the first k of the list. Keep those with the largest logits.": kept([0, 1, 2]),
        "One too many: keep k tokens.": kept([0, 1, 3, 5]),
        "One too few: the k-th stays in.": kept([1, 3]),
        "Nothing was cut off.": LOGITS.softmax(-1),
        "These are the logits, cut. One step is missing: softmax.": LOGITS.masked_fill(right == 0, -math.inf),
    }
    return (
        named(found, usual)
        or "The tokens 1, 3 and 5 have the largest logits. Keep their proportions, and 0 for the rest."
    )


@exercise("9.3", "Top-p")
def top_p(answer: Callable[[Tensor, float], Any]) -> str | None:
    """`answer(logits, p_min)` keeps the fewest tokens with at least p_min together."""
    # the probabilities, sorted: 0.45 (1), 0.27 (3), 0.17 (5), 0.06 (0), 0.02 (4), 0.01 (2)
    found = answer(LOGITS.clone(), 0.8)
    if wrong := not_a_tensor(found, (6,)):
        return wrong
    right = kept([1, 3, 5])
    plain = LOGITS.softmax(-1)
    usual = {
        "The token that crosses the line is missing: without it they have less than p_min together.": kept([1, 3]),
        "The probabilities no longer add up to 1: divide by the sum of those that are kept.": torch.where(
            right > 0, plain, torch.zeros(6)
        ),
        "One too many: stop as soon as the sum has reached p_min.": kept([0, 1, 3, 5]),
        "These are in the order of their size. Put each back to the place of its token.": right.sort(
            descending=True
        ).values,
        "The smallest were kept. Sort with the largest first.": kept([0, 2, 3, 4, 5]),
        "You added up in the order of the list. Sort first, the largest in front.": kept([0, 1, 2, 3]),
        "Nothing was cut off.": plain,
    }
    if not torch.allclose(found, right, atol=1e-5):
        return named(found, usual) or "At p_min = 0.8 the tokens 1, 3 and 5 must be kept, in their proportions."
    sure = answer(LOGITS.clone(), 0.1)
    if not isinstance(sure, Tensor) or not torch.allclose(sure, kept([1]), atol=1e-5):
        return "At p_min = 0.1 the likeliest token alone is enough, and it must be kept: one always is."
    return None


@exercise("9.4", "Draw")
def draw(answer: Callable[[Tensor, float], Any]) -> str | None:
    """`answer(p, number)` is the token on which the number falls."""
    p = torch.tensor([0.25, 0.0, 0.5, 0.25])
    found = []
    for number in (0.1, 0.25, 0.6, 0.9):
        token = answer(p.clone(), number)
        try:
            found.append(operator.index(token))
        except (TypeError, ValueError, RuntimeError):
            return f"Return the index of a token; this is a {type(token).__name__}."
    if found == [0, 2, 2, 3]:
        return None
    said: dict[tuple[int, ...], str] = {
        (2, 2, 2, 2): "Whatever the number, you took the likeliest. Lay the probabilities end to end.",
        (0, 0, 2, 3): "The number 0.25 is where token 0 ends: it falls on the next one that can be drawn.",
        (0, 1, 2, 3): "The number 0.25 gave token 1, which has the probability 0 and must never be drawn.",
        (1, 2, 3, 4): "One too far: the sum that is larger than the number belongs to the token itself.",
        (0, 1, 2, 2): "One too early: the token is the first whose sum is larger than the number.",
        (3, 2, 2, 0): "You laid them end to end from the back. Token 0 comes first.",
    }
    return said.get(tuple(found), f"With p = {p.tolist()} and 0.1, 0.25, 0.6, 0.9 it is 0, 2, 2, 3, not {found}.")

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
    """The probabilities of LOGITS if only these tokens can be drawn."""
    masked = torch.full_like(LOGITS, -math.inf)
    masked[where] = LOGITS[where]
    return masked.softmax(-1)


@exercise("9.1", "Temperature")
def temperature(answer: Callable[[Tensor, float], Any]) -> str | None:
    """`answer(logits, temperature)` returns probabilities (V,)."""
    found = answer(LOGITS.clone(), 0.5)
    if wrong := not_a_tensor(found, (6,)):
        return wrong
    right = (LOGITS / 0.5).softmax(-1)
    plain = LOGITS.softmax(-1)
    usual = {
        "You multiplied by the temperature. Divide instead: a low temperature makes differences larger.": (
            (LOGITS * 0.5).softmax(-1)
        ),
        "The temperature had no effect. Divide by it. (Adding a number to all logits does not change softmax.)": plain,
        "You divided the probabilities, so they no longer add up to 1. Divide the logits, then take the softmax.": (
            plain / 0.5
        ),
        "These are the divided logits. One step is missing: softmax.": LOGITS / 0.5,
    }
    if not torch.allclose(found, right, atol=1e-5):
        return (
            named(found, usual)
            or f"At temperature 0.5, the largest probability must be {right.max():.3f}, not {found.max():.3f}."
        )
    cold = answer(LOGITS.clone(), 0)
    if wrong := not_a_tensor(cold, (6,)):
        return wrong
    if not torch.isfinite(cold).all():
        return "At temperature 0, you divided by 0. Give the largest logit probability 1 instead."
    if not torch.equal(cold.float(), torch.tensor([0.0, 1, 0, 0, 0, 0])):
        return "At temperature 0, the largest logit must have probability 1, and all others 0."
    return None


@exercise("9.2", "Top-k")
def top_k(answer: Callable[[Tensor, int], Any]) -> str | None:
    """`answer(logits, k)` returns probabilities (V,): 0 below the k-th largest logit, ties with it kept, sum 1."""
    found = answer(LOGITS.clone(), 3)
    if isinstance(found, Tensor) and found.shape == (3,):
        return "You returned only the k probabilities. Include the other tokens, with probability 0: shape (V,)."
    if wrong := not_a_tensor(found, (6,)):
        return wrong
    right = kept([1, 3, 5])
    usual = {
        "The probabilities no longer add up to 1. Cut the logits before softmax, or divide by the sum.": (
            torch.where(right > 0, LOGITS.softmax(-1), torch.zeros(6))
        ),
        "A logit of 0 does not rule a token out, because e⁰ = 1. Use −∞ instead.": torch.where(
            right > 0, LOGITS, torch.zeros(6)
        ).softmax(-1),
        "You kept the k smallest. Keep the largest.": kept([0, 2, 4]),
        "You kept the first k in the list. Keep the k with the largest logits.": kept([0, 1, 2]),
        "You kept one too many. Keep k tokens.": kept([0, 1, 3, 5]),
        "You kept one too few. The k-th token stays in.": kept([1, 3]),
        "Nothing was cut.": LOGITS.softmax(-1),
        "These are the logits after the cut. One step is missing: softmax.": LOGITS.masked_fill(right == 0, -math.inf),
    }
    if not torch.allclose(found, right, atol=1e-5):
        return (
            named(found, usual)
            or "Tokens 1, 3, and 5 have the largest logits. Keep their proportions, and give the others 0."
        )
    return _top_k_of_ties(answer)


def _top_k_of_ties(answer: Callable[[Tensor, int], Any]) -> str | None:
    """The mistake in the top 2 of logits in which three tokens tie for second place."""
    logits = torch.tensor([2.0, 1.0, 3.0, 2.0, 2.0])
    found = answer(logits.clone(), 2)
    if wrong := not_a_tensor(found, (5,)):
        return wrong
    if torch.allclose(found, logits.masked_fill(logits < 2, -math.inf).softmax(-1), atol=1e-5):
        return None
    given = f"for the logits {logits.tolist()} and k = 2,"
    if int((found > 0).sum()) == 2:
        return (
            f"Almost: {given} you kept exactly 2 tokens, but three tokens tie for second place. Nothing makes one of "
            "them better than the others, so keep every token whose logit is at least the k-th largest."
        )
    if int((found > 0).sum()) == 1:
        return f"Almost: {given} you dropped the tokens that tie for second place. Keep all of them."
    return f"Almost: {given} tokens 0, 2, 3, and 4 must stay in, because three of them tie for second place."


@exercise("9.3", "Top-p")
def top_p(answer: Callable[[Tensor, float], Any]) -> str | None:
    """`answer(logits, p_min)` returns probabilities (V,) of the fewest tokens that together have at least p_min."""
    # probabilities (tokens), sorted: 0.45 (1), 0.27 (3), 0.17 (5), 0.06 (0), 0.02 (4), 0.01 (2)
    found = answer(LOGITS.clone(), 0.8)
    if wrong := not_a_tensor(found, (6,)):
        return wrong
    right = kept([1, 3, 5])
    plain = LOGITS.softmax(-1)
    usual = {
        "The last token is missing. Without it, the others have less than p_min together.": kept([1, 3]),
        "The probabilities no longer add up to 1. Divide by the sum of those you kept.": torch.where(
            right > 0, plain, torch.zeros(6)
        ),
        "You kept one too many. Stop as soon as the sum has reached p_min.": kept([0, 1, 3, 5]),
        "The probabilities are still sorted. Put each one back at the index of its token.": right.sort(
            descending=True
        ).values,
        "You kept the smallest. Sort with the largest first.": kept([0, 2, 3, 4, 5]),
        "You added up unsorted probabilities. Sort first, largest to smallest.": kept([0, 1, 2, 3]),
        "Nothing was cut.": plain,
    }
    if not torch.allclose(found, right, atol=1e-5):
        return named(found, usual) or "At p_min = 0.8, keep tokens 1, 3, and 5, in their proportions."
    sure = answer(LOGITS.clone(), 0.1)
    if not isinstance(sure, Tensor) or not torch.allclose(sure, kept([1]), atol=1e-5):
        return "At p_min = 0.1, keep exactly one token, the most likely one. At least one always stays in."
    return None


@exercise("9.4", "Draw")
def draw(answer: Callable[[Tensor, float], Any]) -> str | None:
    """`answer(p, number)` returns the token that the number falls on, with probabilities laid end to end."""
    p = torch.tensor([0.25, 0.0, 0.5, 0.25])
    found = []
    for number in (0.1, 0.25, 0.6, 0.9):
        token = answer(p.clone(), number)
        try:
            found.append(operator.index(token))
        except (TypeError, ValueError, RuntimeError):
            return f"Return the index of a token; your result has type {type(token).__name__}."
    if found == [0, 2, 2, 3]:
        return None
    usual: dict[tuple[int, ...], str] = {
        (2, 2, 2, 2): "You took the most likely token, whatever the number. Lay the probabilities end to end.",
        (0, 0, 2, 3): "Token 0 ends at 0.25, so the number 0.25 falls on the next token that can be drawn.",
        (0, 1, 2, 3): "For 0.25, you returned token 1. Its probability is 0, so it must never be drawn.",
        (1, 2, 3, 4): "You are one token too far. Return the first token whose running sum is larger than the number.",
        (
            0,
            1,
            2,
            2,
        ): "You are one token too early. Return the first token whose running sum is larger than the number.",
        (3, 2, 2, 0): "You started from the end. Token 0 comes first.",
    }
    return usual.get(
        tuple(found), f"With p = {p.tolist()}, the numbers 0.1, 0.25, 0.6, 0.9 give 0, 2, 2, 3, not {found}."
    )

"""The exercises of chapter 4: attention."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import first_difference, named, not_a_tensor, numbers, same

T, D = 5, 4


def future(n: int) -> Tensor:
    """True where a token (a row) would look at one that comes later (a column)."""
    return torch.ones(n, n, dtype=torch.bool).triu(1)


@exercise("4.1", "The average of all so far")
def average_so_far(answer: Callable[[Tensor], Any]) -> str | None:
    """`answer(x)` has in row t the mean of rows 0 to t."""
    x = numbers(T, 3)
    right = x.cumsum(0) / torch.arange(1, T + 1)[:, None]
    found = answer(x.clone())
    if wrong := not_a_tensor(found, (T, 3)):
        return wrong
    if same(found, right):
        return None
    if same(found, x.mean(0).expand(T, 3)):
        return "Every row is the mean of all rows. Row t must know only rows 0 to t: none that come later."
    if same(found, x.cumsum(0)):
        return "These are the sums. Divide row t by the number of its rows, t + 1."
    if same(found[1:], (x.cumsum(0) / torch.arange(T)[:, None])[1:]):
        return "Row t is a mean of t + 1 rows, because counting begins at 0: you divided by t."
    before = torch.cat([torch.zeros(1, 3), right[:-1]])
    if same(found[1:], before[1:]):
        return "Row t stops at row t − 1: the token itself counts, too."
    if same(found, right.flip(0)) or same(found, x.flip(0).cumsum(0).flip(0) / torch.arange(T, 0, -1)[:, None]):
        return "These are the means of what comes after. Look back, not ahead: take tril, not triu."
    return first_difference(found, right)


@exercise("4.2", "The mask")
def mask(answer: Callable[[Tensor], Any]) -> str | None:
    """`answer(scores)` puts −∞ where a token would look at a later one."""
    scores = numbers(T, T)
    right = scores.masked_fill(future(T), -math.inf)
    found = answer(scores.clone())
    if wrong := not_a_tensor(found, (T, T)):
        return wrong
    if torch.equal(found, right):
        return None
    if same(found, scores.masked_fill(future(T), 0)):
        return "A score of 0 is no ban: e⁰ = 1. After softmax the weight must be 0, and only −∞ gives that."
    if torch.equal(found, scores.masked_fill(future(T).T, -math.inf)):
        return "The mask is upside down: it hides the past. Row t may see columns 0 to t."
    if torch.equal(found, scores.masked_fill(~future(T).T, -math.inf)):
        return "The mask hides the diagonal, too, so no token sees itself, and the first one sees nothing at all."
    if torch.equal(found, scores.masked_fill(~future(T), -math.inf)):
        return "You kept the future and hid the rest: swap the two."
    if same(found, right.softmax(-1)):
        return "These are the weights after softmax. Asked are the scores, with −∞ in the places of the future."
    return "Scores of the past must stay as they are, and those above the diagonal must be −∞."


@exercise("4.3", "From queries and keys to weights")
def weights(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(q, k)` are the weights (T, T): scaled, masked, softmax."""
    q, k = 2 * numbers(2, T, D)
    scores = q @ k.T / math.sqrt(D)
    hidden = future(T)
    right = scores.masked_fill(hidden, -math.inf).softmax(-1)
    found = answer(q.clone(), k.clone())
    if wrong := not_a_tensor(found, (T, T)):
        return wrong
    if same(found, right):
        return None
    usual = {
        "The scale is missing: divide the scores by √D.": (q @ k.T).masked_fill(hidden, -math.inf).softmax(-1),
        "You divided by D. The spread of a sum of D products grows with √D: divide by that.": (
            (q @ k.T / D).masked_fill(hidden, -math.inf).softmax(-1)
        ),
        "The mask is missing: tokens look at what comes later.": scores.softmax(-1),
        "The mask came after softmax, so the rows no longer add up to 1. Put −∞ into the scores, and then softmax.": (
            scores.softmax(-1).masked_fill(hidden, 0)
        ),
        "The softmax went down the columns: each row must add up to 1, so softmax along the last dimension.": (
            scores.masked_fill(hidden, -math.inf).softmax(0)
        ),
        "The mask is upside down: it hides the past.": scores.masked_fill(hidden.T, -math.inf).softmax(-1),
        "A score of 0 is no ban, because e⁰ = 1: put −∞ in its place.": scores.masked_fill(hidden, 0).softmax(-1),
        "Queries and keys have changed places: row t belongs to the query of token t.": (
            scores.T.masked_fill(hidden, -math.inf).softmax(-1)
        ),
        "These are the scores. The last step is missing: softmax makes them weights that add up to 1.": (
            scores.masked_fill(hidden, -math.inf)
        ),
    }
    for said, mistaken in usual.items():
        if found.shape == mistaken.shape and torch.allclose(found.nan_to_num(9), mistaken.nan_to_num(9), atol=1e-5):
            return said
    return first_difference(found, right)


@exercise("4.4", "A whole head")
def head(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(x, w_q, w_k, w_v)` is the output (T, D) of one causal head."""
    x = numbers(T, 6)
    w_q, w_k, w_v = numbers(3, 6, D)
    q, k, v = x @ w_q, x @ w_k, x @ w_v
    scores = (q @ k.T / math.sqrt(D)).masked_fill(future(T), -math.inf)
    right = scores.softmax(-1) @ v
    found = answer(x.clone(), w_q.clone(), w_k.clone(), w_v.clone())
    if isinstance(found, Tensor):
        if same(found, scores.softmax(-1)):
            return "These are the weights. One step is missing: mix the values with them."
        if same(found, scores.softmax(-1) @ x):
            return "You mixed the tokens themselves. What a token hands over is its value: x @ w_v."
    if wrong := not_a_tensor(found, (T, D)):
        return wrong
    if same(found, right):
        return None
    usual = {
        "The mask is missing: tokens take from what comes later.": (q @ k.T / math.sqrt(D)).softmax(-1) @ v,
        "The scale is missing: divide the scores by √D.": (scores * math.sqrt(D)).softmax(-1) @ v,
        "You divided by √C. The products have D terms, so divide by √D.": (
            (q @ k.T / math.sqrt(6)).masked_fill(future(T), -math.inf).softmax(-1) @ v
        ),
        "The keys were mixed instead of the values.": scores.softmax(-1) @ k,
        "The weights came out on their side: (T, T) @ (T, D), row t for token t.": scores.softmax(-1).T @ v,
    }
    return named(found, usual) or first_difference(found, right)

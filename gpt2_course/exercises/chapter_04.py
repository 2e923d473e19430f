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
    """(n, n), True if a token (row) would look at a later one (column)."""
    return torch.ones(n, n, dtype=torch.bool).triu(1)


@exercise("4.1", "The average so far")
def average_so_far(answer: Callable[[Tensor], Any]) -> str | None:
    """Row t of `answer(x)` is the mean of rows 0 to t."""
    x = numbers(T, 3)
    right = x.cumsum(0) / torch.arange(1, T + 1)[:, None]
    found = answer(x.clone())
    if wrong := not_a_tensor(found, (T, 3)):
        return wrong
    if same(found, right):
        return None
    if same(found, x.mean(0).expand(T, 3)):
        return "Every row is the mean of all rows. Row t may use only rows 0 to t, no later ones."
    if same(found, x.cumsum(0)):
        return "These are sums. Divide row t by the number of rows in it, t + 1."
    if same(found[1:], (x.cumsum(0) / torch.arange(T)[:, None])[1:]):
        return "You divided row t by t. It is the mean of t + 1 rows, because counting starts at 0."
    before = torch.cat([torch.zeros(1, 3), right[:-1]])
    if same(found[1:], before[1:]):
        return "Your row t is the mean of rows 0 to t − 1. Include row t itself."
    if same(found, right.flip(0)) or same(found, x.flip(0).cumsum(0).flip(0) / torch.arange(T, 0, -1)[:, None]):
        return "These are means of what comes later. Look back, not ahead: use tril, not triu."
    return first_difference(found, right)


@exercise("4.2", "The mask")
def mask(answer: Callable[[Tensor], Any]) -> str | None:
    """`answer(scores)` replaces each score of a later token with −∞."""
    scores = numbers(T, T)
    right = scores.masked_fill(future(T), -math.inf)
    found = answer(scores.clone())
    if wrong := not_a_tensor(found, (T, T)):
        return wrong
    if torch.equal(found, right):
        return None
    if same(found, scores.masked_fill(future(T), 0)):
        return "A score of 0 does not hide a token, because e⁰ = 1. Use −∞: after softmax, it becomes a weight of 0."
    if torch.equal(found, scores.masked_fill(future(T).T, -math.inf)):
        return "The mask is reversed: it hides the past. Row t may see columns 0 to t."
    if torch.equal(found, scores.masked_fill(~future(T).T, -math.inf)):
        return "The mask also hides the diagonal, so no token sees itself, and the first one sees nothing at all."
    if torch.equal(found, scores.masked_fill(~future(T), -math.inf)):
        return "You kept the future and hid everything else. Swap the two."
    if same(found, right.softmax(-1)):
        return "These are the weights after softmax. Return the scores, with −∞ for later tokens."
    return "Keep the scores of earlier tokens unchanged, and set those above the diagonal to −∞."


@exercise("4.3", "From queries and keys to weights")
def weights(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(q, k)` returns attention weights (T, T): scores, scaled and masked, after softmax."""
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
        "You divided by D. The standard deviation of a sum of D products grows with √D, so divide by √D.": (
            (q @ k.T / D).masked_fill(hidden, -math.inf).softmax(-1)
        ),
        "The mask is missing: tokens look at later tokens.": scores.softmax(-1),
        "You masked after softmax, so the rows no longer add up to 1. Put −∞ into the scores, then take the softmax.": (
            scores.softmax(-1).masked_fill(hidden, 0)
        ),
        "You took the softmax of columns. Each row must add up to 1, so use the last dimension.": (
            scores.masked_fill(hidden, -math.inf).softmax(0)
        ),
        "The mask is reversed: it hides the past.": scores.masked_fill(hidden.T, -math.inf).softmax(-1),
        "A score of 0 does not hide a token, because e⁰ = 1. Use −∞.": scores.masked_fill(hidden, 0).softmax(-1),
        "Queries and keys are swapped. Row t belongs to the query of token t.": (
            scores.T.masked_fill(hidden, -math.inf).softmax(-1)
        ),
        "These are the scores. The last step is missing: softmax turns them into weights that add up to 1.": (
            scores.masked_fill(hidden, -math.inf)
        ),
    }
    for message, mistaken in usual.items():
        if found.shape == mistaken.shape and torch.allclose(found.nan_to_num(9), mistaken.nan_to_num(9), atol=1e-5):
            return message
    return first_difference(found, right)


@exercise("4.4", "A whole head")
def head(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(x, w_q, w_k, w_v)` returns the output (T, D) of one causal head."""
    x = numbers(T, 6)
    w_q, w_k, w_v = numbers(3, 6, D)
    q, k, v = x @ w_q, x @ w_k, x @ w_v
    scores = (q @ k.T / math.sqrt(D)).masked_fill(future(T), -math.inf)
    right = scores.softmax(-1) @ v
    found = answer(x.clone(), w_q.clone(), w_k.clone(), w_v.clone())
    if isinstance(found, Tensor):
        if same(found, scores.softmax(-1)):
            return "These are the weights. One step is missing: use them to mix the values."
        if same(found, scores.softmax(-1) @ x):
            return "You mixed the tokens themselves. Mix their values, x @ w_v."
    if wrong := not_a_tensor(found, (T, D)):
        return wrong
    if same(found, right):
        return None
    usual = {
        "The mask is missing: tokens look at later tokens.": (q @ k.T / math.sqrt(D)).softmax(-1) @ v,
        "The scale is missing: divide the scores by √D.": (scores * math.sqrt(D)).softmax(-1) @ v,
        "You divided by √C. Each product sums D terms, so divide by √D.": (
            (q @ k.T / math.sqrt(6)).masked_fill(future(T), -math.inf).softmax(-1) @ v
        ),
        "You mixed the keys. Mix the values.": scores.softmax(-1) @ k,
        "The weights are transposed. Row t must belong to token t: (T, T) @ (T, D).": scores.softmax(-1).T @ v,
    }
    return named(found, usual) or first_difference(found, right)

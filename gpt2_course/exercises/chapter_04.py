"""The exercises of chapter 4: attention."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gpt2_course.bricks import my_gpt2 as bricks
from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import numbers


def future(scores: Tensor) -> Tensor:
    """(T, T), True if a token (row) would look at a later one (column)."""
    return torch.ones_like(scores, dtype=torch.bool).triu(1)


def _count(x: Tensor) -> Tensor:
    """How many rows there are up to each row: (T, 1)."""
    return torch.arange(1, len(x) + 1)[:, None]


def _average_in_place(x: Tensor) -> Tensor:
    for t in range(len(x)):
        x[t] = x[: t + 1].mean(0)
    return x


@exercise("4.1", "The average so far")
def average_so_far(answer: Callable[[Tensor], Any]) -> str | None:
    """Row t of `answer(x)` is the mean of rows 0 to t."""

    def right(x: Tensor) -> Tensor:
        return x.cumsum(0) / _count(x)

    usual: dict[str, Callable[[Tensor], Tensor] | tuple[Callable[[Tensor], Tensor], ...]] = {
        "You wrote each average into x itself, so later rows average averages. Collect them in a new tensor.": (
            _average_in_place
        ),
        "Every row is the mean of all rows. Row t may use only rows 0 to t, no later ones.": lambda x: x.mean(0).expand(
            x.shape
        ),
        "These are sums. Divide row t by the number of rows in it, t + 1.": lambda x: x.cumsum(0),
        "You divided row t by t. It is the mean of t + 1 rows, because counting starts at 0.": lambda x: (
            x.cumsum(0) / (_count(x) - 1)
        ),
        "You divided every row by T. Row t is the mean of t + 1 rows.": lambda x: x.cumsum(0) / len(x),
        "Your row t is the mean of rows 0 to t − 1. Include row t itself: x[: t + 1].": lambda x: torch.stack(
            [x[:t].mean(0) for t in range(len(x))]
        ),
        "Your row t is the mean of rows 0 to t − 1. Include row t itself.": lambda x: torch.cat(
            [x[:1] * 0, right(x)[:-1]]
        ),
        "These are means of what comes later. Look back, not ahead: use tril, not triu.": lambda x: right(
            x.flip(0)
        ).flip(0),
        "Your row t is the mean of only two rows, t − 1 and t. Take all rows from 0 on.": lambda x: torch.stack(
            [x[max(0, t - 1) : t + 1].mean(0) for t in range(len(x))]
        ),
        "You averaged along the channels (dimension 1). Average along the tokens (dimension 0).": lambda x: (
            right(x.T).T
        ),
        "You divided column t by the sum of row t. Keep the dimension: .sum(-1, keepdim=True).": lambda x: (
            torch.ones(len(x), len(x)).tril() / _count(x)[:, 0] @ x
        ),
        "mean() without a dimension averages all numbers. Use .mean(0).": (
            lambda x: torch.stack([x[: t + 1].mean() for t in range(len(x))]),
            lambda x: torch.stack([x[: t + 1].mean() for t in range(len(x))])[:, None].expand(x.shape),
        ),
        "This is only the last row. Return one row for each t.": lambda x: x.mean(0),
        "This is x, unchanged. Each row must become the mean of itself and all rows before it.": lambda x: x,
    }
    return compare(answer, [(numbers(5, 3),), (numbers(4, 2, seed=4),), (numbers(1, 3),)], right, usual)


@exercise("4.2", "The mask")
def mask(answer: Callable[[Tensor], Any]) -> str | None:
    """`answer(scores)` replaces each score of a later token with −∞."""
    zeros = numbers(4, 4, seed=4)
    zeros[2, 1] = zeros[3, 3] = 0  # scores that a mask by value would take for hidden ones
    inputs = [(numbers(5, 5),), (zeros,), (torch.zeros(3, 3),), (1 + numbers(3, 3).abs(),), (torch.tensor([[2.0]]),)]

    def nearly_hidden(scores: Tensor) -> Tensor:
        """The right result, but with large negative numbers where the answer has some."""
        found = answer(scores.clone())
        return torch.where(found.isfinite() & (found < -99), found, bricks.mask(scores))

    usual: dict[str, Callable[[Tensor], Tensor]] = {
        "A score of 0 does not hide a token, because e⁰ = 1. Use −∞: after softmax, it becomes a weight of 0.": (
            lambda scores: scores.tril()
        ),
        "You also hide earlier tokens whose score is 0. Choose what to hide by its place, above the diagonal, and not "
        "by its value.": lambda scores: scores.tril().masked_fill(scores.tril() == 0, -math.inf),
        "You do not hide later tokens whose score is 0. Choose what to hide by its place, above the diagonal, and not "
        "by its value.": lambda scores: scores.masked_fill(scores.triu(1) != 0, -math.inf),
        "You hide scores that are below 0. Choose what to hide by its place, above the diagonal, not by its value.": (
            lambda scores: scores.masked_fill(scores < 0, -math.inf)
        ),
        "The mask is reversed: it hides the past. Row t may see columns 0 to t.": lambda scores: scores.masked_fill(
            future(scores).T, -math.inf
        ),
        "The mask also hides the diagonal, so no token sees itself, and the first one sees nothing at all.": (
            lambda scores: scores.masked_fill(~future(scores).T, -math.inf)
        ),
        "The token after the next one is hidden, but not the next one. Start above the diagonal: triu(1).": (
            lambda scores: scores.masked_fill(future(scores).triu(2), -math.inf)
        ),
        "You kept the future and hid everything else. Swap the two.": lambda scores: scores.masked_fill(
            ~future(scores), -math.inf
        ),
        "You hid everything. Only what lies above the diagonal is the future: triu(1).": lambda scores: torch.full_like(
            scores, -math.inf
        ),
        "These are the weights after softmax. Return the scores, with −∞ for later tokens.": lambda scores: bricks.mask(
            scores
        ).softmax(-1),
        "Your later tokens have a score of +∞. Use −∞.": lambda scores: scores.masked_fill(future(scores), math.inf),
        "A large negative number is not −∞. Use float('-inf').": nearly_hidden,
        "0 times −∞ is NaN. Use masked_fill, which leaves the other scores alone.": lambda scores: (
            scores + future(scores) * -math.inf
        ),
        "1 times −∞ is −∞, but 0 times −∞ is NaN. Use masked_fill instead of multiplying.": lambda scores: (
            scores * torch.where(future(scores), -math.inf, 1.0)
        ),
        "This is only the mask. Return the scores, with −∞ where it is True.": lambda scores: future(scores),
        "This is only the mask. Return the scores, with −∞ for later tokens.": lambda scores: bricks.mask(0 * scores),
        "Nothing is hidden. masked_fill does not change the scores themselves: return its result.": lambda scores: (
            scores
        ),
    }
    return compare(answer, inputs, bricks.mask, usual)


def _weights(q: Tensor, k: Tensor, scale: float) -> Tensor:
    return bricks.mask(q @ k.T / scale).softmax(-1)


@exercise("4.3", "From queries and keys to weights")
def attention_weights(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(q, k)` returns attention weights (T, T): scores, scaled and masked, after softmax."""
    inputs = [tuple(2 * numbers(2, *shape, seed=n)) for n, shape in enumerate([(5, 4), (3, 9), (7, 2), (1, 3)])]

    def scores(q: Tensor, k: Tensor) -> Tensor:
        return q @ k.T / math.sqrt(q.shape[-1])

    usual: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "The scale is missing: divide the scores by √D.": lambda q, k: _weights(q, k, 1),
        "You divided by D. The standard deviation of a sum of D products grows with √D, so divide by √D.": (
            lambda q, k: _weights(q, k, q.shape[-1])
        ),
        "You divided by √T. Each score is a sum of D products, so divide by √D, the root of q.shape[-1].": (
            lambda q, k: _weights(q, k, math.sqrt(len(q)))
        ),
        "You always divide by 2, which is right only if D is 4. Divide by √D, the root of q.shape[-1].": (
            lambda q, k: _weights(q, k, 2)
        ),
        "You always divide by 8, which is right only if D is 64. Divide by √D, the root of q.shape[-1].": (
            lambda q, k: _weights(q, k, 8)
        ),
        "You multiplied by √D. Divide.": lambda q, k: _weights(q, k, q.shape[-1] ** -0.5),
        "You divided only D by 2, not its exponent: √D is D ** 0.5.": lambda q, k: _weights(q, k, q.shape[-1] / 2),
        "The mask is missing: tokens look at later tokens.": lambda q, k: scores(q, k).softmax(-1),
        "You masked after softmax, so the rows no longer add up to 1. Put −∞ into the scores, then take the softmax.": (
            lambda q, k: scores(q, k).softmax(-1).tril()
        ),
        "You masked after softmax. Put −∞ into the scores first, then take the softmax.": lambda q, k: bricks.mask(
            scores(q, k).softmax(-1)
        ),
        "You scaled after softmax. Divide the scores by √D first, then take the softmax.": lambda q, k: (
            _weights(q, k, 1) / math.sqrt(q.shape[-1])
        ),
        "You took the softmax of columns. Each row must add up to 1, so use the last dimension.": lambda q, k: (
            bricks.mask(scores(q, k)).softmax(0)
        ),
        "You divided by the sum of the whole table. Each row needs its own: .sum(-1, keepdim=True), or .softmax(-1).": (
            lambda q, k: (powers := bricks.mask(scores(q, k)).exp()) / powers.sum()
        ),
        "You divided column t by the sum of row t. Use .sum(-1, keepdim=True), or .softmax(-1).": (
            lambda q, k: (powers := bricks.mask(scores(q, k)).exp()) / powers.sum(-1)
        ),
        "The second step of softmax is missing: divide each row by its sum.": lambda q, k: bricks.mask(
            scores(q, k)
        ).exp(),
        "The mask is reversed: it hides the past.": lambda q, k: bricks.mask(scores(q, k).T).T.softmax(-1),
        "A score of 0 does not hide a token, because e⁰ = 1. Use −∞.": lambda q, k: scores(q, k).tril().softmax(-1),
        "Queries and keys are swapped. Row t belongs to the query of token t: q @ k.T.": lambda q, k: bricks.mask(
            scores(k, q)
        ).softmax(-1),
        "You used the queries twice. Multiply each query by each key: q @ k.T.": lambda q, k: bricks.mask(
            scores(q, q)
        ).softmax(-1),
        "You used the keys twice. Multiply each query by each key: q @ k.T.": lambda q, k: bricks.mask(
            scores(k, k)
        ).softmax(-1),
        "These are the scores. The last step is missing: softmax turns them into weights that add up to 1.": (
            lambda q, k: bricks.mask(scores(q, k))
        ),
        "These are (D, D): the sizes that meet must be D, not T. Transpose the keys: q @ k.T.": lambda q, k: (
            bricks.mask(q.T @ k / math.sqrt(q.shape[-1])).softmax(-1)
        ),
        "Transpose the keys, so that every query meets every key: q @ k.T.": lambda q, k: q @ k,
    }
    return compare(answer, inputs, bricks.attention_weights, usual)


@exercise("4.4", "A whole head")
def head(answer: Callable[[Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(q, k, v)` returns the output (T, D) of one causal head."""
    inputs = [tuple(numbers(3, *shape, seed=n)) for n, shape in enumerate([(5, 4), (3, 9), (7, 2), (1, 3)])]

    def scores(q: Tensor, k: Tensor) -> Tensor:
        return q @ k.T / math.sqrt(q.shape[-1])

    weights: Callable[..., Tensor] = bricks.attention_weights
    usual: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
        "These are the weights. One step is missing: use them to mix the values.": lambda q, k, v: weights(q, k),
        "The mask is missing: tokens look at later tokens.": lambda q, k, v: scores(q, k).softmax(-1) @ v,
        "The scale is missing: divide the scores by √D.": lambda q, k, v: _weights(q, k, 1) @ v,
        "You divided by D. Divide by √D.": lambda q, k, v: _weights(q, k, q.shape[-1]) @ v,
        "Queries and keys are swapped. The weights come from attention_weights(q, k), the query first.": (
            lambda q, k, v: weights(k, q) @ v
        ),
        "Queries and values are swapped. Mix the values, with weights from queries and keys.": lambda q, k, v: (
            weights(v, k) @ q
        ),
        "Keys and values are swapped. Mix the values, with weights from queries and keys.": lambda q, k, v: (
            weights(q, v) @ k
        ),
        "You mixed the keys. Mix the values.": lambda q, k, v: weights(q, k) @ k,
        "You mixed the queries. Mix the values.": lambda q, k, v: weights(q, k) @ q,
        "The weights are transposed. Row t must belong to token t: (T, T) @ (T, D).": lambda q, k, v: (
            weights(q, k).T @ v
        ),
        "The softmax is missing: the scores must become weights that add up to 1.": lambda q, k, v: (
            bricks.mask(scores(q, k)) @ v
        ),
        "You took the softmax of the result. Take the softmax of the scores, then mix the values.": lambda q, k, v: (
            scores(q, k).tril() @ v
        ).softmax(-1),
        "You took the softmax of columns. Each row of the weights must add up to 1.": lambda q, k, v: (
            bricks.mask(scores(q, k)).softmax(0) @ v
        ),
        "You masked after softmax, so the weights no longer add up to 1.": lambda q, k, v: (
            scores(q, k).softmax(-1).tril() @ v
        ),
        "These are the values, unmixed. Mix them with the weights.": lambda q, k, v: v,
        "The values come last: weights @ v, (T, T) @ (T, D) → (T, D).": lambda q, k, v: v @ weights(q, k),
        "You multiplied number by number. Use @: each row of the weights mixes the values.": lambda q, k, v: (
            weights(q, k) * v
        ),
        "You added q. The head returns only the mixed values.": lambda q, k, v: q + weights(q, k) @ v,
        "You added v. The head returns only the mixed values.": lambda q, k, v: v + weights(q, k) @ v,
    }
    return compare(answer, inputs, bricks.head, usual)

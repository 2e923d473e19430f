"""The exercises of chapter 5: many heads."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gpt2_course.bricks import my_gpt2 as bricks
from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import numbers

SIZES = [(5, 3, 4), (4, 2, 7), (3, 5, 2), (6, 1, 3)]  # (T, H, D)


@exercise("5.1", "Split the heads")
def split_heads(answer: Callable[[Tensor, int], Any]) -> str | None:
    """`answer(x, n_heads)` turns x (T, C) into (H, T, D)."""
    inputs = [(numbers(t, h * d, seed=h), h) for t, h, d in SIZES]
    right: Callable[..., Tensor] = bricks.split_heads
    usual: dict[str, Callable[[Tensor, int], Tensor]] = {
        "This is (T, H, D), each token split into heads. One step is missing: swap the first two dimensions.": (
            lambda x, n: right(x, n).transpose(0, 1)
        ),
        "The order of the dimensions must be (H, T, D): heads first, the numbers in a head last.": lambda x, n: right(
            x, n
        ).permute(2, 1, 0),
        "This is (H, D, T). The order of the dimensions must be (H, T, D): do not transpose each head.": (
            lambda x, n: right(x, n).mT
        ),
        "The shape is right, but the numbers are not: view(H, T, D) mixes tokens. First view as (T, H, D), then swap "
        "the first two dimensions.": lambda x, n: x.view(n, len(x), -1),
        "You transposed x, which puts its channels first, and reshaped that. Leave x as it is: view(T, H, D).": (
            lambda x, n: x.T.reshape(n, len(x), -1)
        ),
        "This is (T, D, H). Swap dimensions 0 and 1, the tokens and the heads.": lambda x, n: right(x, n).permute(
            1, 2, 0
        ),
        "The heads are in the wrong order. Head 0 has the first D numbers of each token.": lambda x, n: right(
            x, n
        ).flip(0),
        "Your head 0 has every H-th number. It must have the first D numbers of each row.": lambda x, n: x.view(
            len(x), -1, n
        ).permute(2, 0, 1),
        "You cut the tokens into heads. Every head sees all tokens, but only some of the channels: cut each row.": (
            lambda x, n: torch.stack(x.chunk(n, 0))
        ),
        "Your first dimension is D. Cut each row into n_heads parts, not into parts of n_heads numbers.": (
            lambda x, n: x.view(len(x), -1, n).transpose(0, 1)
        ),
    }
    return compare(answer, inputs, right, usual)


@exercise("5.2", "Join the heads")
def join_heads(answer: Callable[[Tensor], Any]) -> str | None:
    """`answer(y)` turns y (H, T, D) into (T, C)."""
    inputs = [(numbers(h, t, d, seed=h),) for t, h, d in SIZES]
    right: Callable[..., Tensor] = bricks.join_heads
    usual: dict[str, Callable[[Tensor], Tensor]] = {
        "This is (T, H, D). One step is missing: put each token's heads side by side, in one row.": lambda y: (
            y.transpose(0, 1)
        ),
        "The shape is right, but the numbers are not: each row must be one token. Swap the first two dimensions before "
        "reshape.": lambda y: y.reshape(y.shape[1], -1),
        "The heads are shuffled like cards. In each row, put all of head 0 first, then all of head 1.": lambda y: (
            y.permute(1, 2, 0).reshape(y.shape[1], -1)
        ),
        "The heads are in the wrong order. Put head 0 first.": lambda y: right(y.flip(0)),
        "The heads are one below the other. Put them side by side, in the last dimension.": lambda y: y.flatten(0, 1),
        "You swapped T and D inside each head. Swap the heads with the tokens: transpose(0, 1).": lambda y: (
            y.mT.reshape(y.shape[1], -1)
        ),
        "You added the heads up. Put them side by side.": lambda y: y.sum(0),
        "You took the mean of the heads. Put them side by side.": lambda y: y.mean(0),
        "After transpose, the numbers are no longer in order in memory, so view refuses. Use reshape.": lambda y: (
            y.transpose(0, 1).view(y.shape[1], -1)
        ),
    }
    return compare(answer, inputs, right, usual)


def _attention(
    x: Tensor,
    w_qkv: Tensor,
    b_qkv: Tensor,
    w_out: Tensor,
    b_out: Tensor,
    n_heads: int,
    *,
    order: tuple[int, int, int] = (0, 1, 2),
    weights: Callable[[Tensor], Tensor] = lambda scores: bricks.mask(scores).softmax(-1),
    scale: float = 1,
    join: Callable[[Tensor], Tensor] = bricks.join_heads,
    split: Callable[[Tensor, int], Tensor] = bricks.split_heads,
) -> Tensor:
    """Attention in which one step can be replaced by a wrong one."""
    parts = [split(part, n_heads) for part in (x @ w_qkv + b_qkv).chunk(3, -1)]
    q, k, v = (parts[i] for i in order)
    scores = q @ k.mT / math.sqrt(q.shape[-1]) * scale
    return join(torch.stack([weights(one) for one in scores]) @ v) @ w_out + b_out


def _interleaved(x: Tensor, w_qkv: Tensor, b_qkv: Tensor, w_out: Tensor, b_out: Tensor, n_heads: int) -> Tensor:
    """The columns read as (q, k, v) of head 0, then of head 1, and so on."""
    q, k, v = bricks.split_heads(x @ w_qkv + b_qkv, n_heads).chunk(3, -1)
    return bricks.join_heads(torch.stack(list(map(bricks.head, q, k, v)))) @ w_out + b_out


@exercise("5.3", "Attention with many heads")
def attention(answer: Callable[..., Any]) -> str | None:
    """`answer(x, w_qkv, b_qkv, w_out, b_out, n_heads)` returns causal attention (T, C) with H heads."""
    inputs = []
    for t, h, d in SIZES[:3]:
        c = h * d
        w_qkv, b_qkv = numbers(c, 3 * c, seed=1) * 2 / math.sqrt(c), numbers(3 * c, seed=2)
        inputs.append((numbers(t, c), w_qkv, b_qkv, numbers(c, c, seed=5), numbers(c, seed=6), h))
    a = _attention
    usual: dict[str, Callable[..., Tensor]] = {
        "These are the heads (H, T, D). Two steps are missing: join_heads puts them side by side (a reshape alone "
        "would mix tokens), and w_out and b_out follow.": lambda x, w, b, w2, b2, n: a(
            x, w, b, torch.eye(x.shape[1] // n), torch.tensor(0.0), n, join=lambda y: y
        ),
        "The last step is missing: @ w_out + b_out.": lambda x, w, b, w2, b2, n: a(
            x, w, b, torch.eye(len(w2)), 0 * b2, n
        ),
        "The matrix w_out is missing.": lambda x, w, b, w2, b2, n: a(x, w, b, torch.eye(len(w2)), b2, n),
        "Both biases are missing, b_qkv and b_out.": lambda x, w, b, w2, b2, n: a(x, w, 0 * b, w2, 0 * b2, n),
        "The bias b_qkv is missing.": lambda x, w, b, w2, b2, n: a(x, w, 0 * b, w2, b2, n),
        "The bias b_out is missing.": lambda x, w, b, w2, b2, n: a(x, w, b, w2, 0 * b2, n),
        "The mask is missing: tokens look at later tokens.": lambda *given: a(
            *given, weights=lambda scores: scores.softmax(-1)
        ),
        "You took the softmax of columns. Each row of the weights must add up to 1.": lambda *given: a(
            *given, weights=lambda scores: bricks.mask(scores).softmax(0)
        ),
        "The softmax is missing. Let head do the work of each head.": lambda *given: a(*given, weights=torch.tril),
        "You divided by √C. Each product in a head sums D = C / H terms, so divide by √D.": lambda *given: a(
            *given, scale=given[-1] ** -0.5
        ),
        "The scale is missing: divide the scores by √D.": lambda *given: a(
            *given, scale=math.sqrt(given[0].shape[1] / given[-1])
        ),
        "This is one head of size C. Split queries, keys, and values into H heads.": lambda x, w, b, w2, b2, n: a(
            x, w, b, w2, b2, 1
        ),
        "You joined the heads without swapping the dimensions first. Use join_heads.": lambda *given: a(
            *given, join=lambda y: y.reshape(y.shape[1], -1)
        ),
        "You split the heads with view(H, T, D), which mixes tokens. Use split_heads.": lambda *given: a(
            *given, split=lambda z, n: z.reshape(n, len(z), -1)
        ),
        "Queries and keys are swapped. The first C columns of w_qkv make the queries.": lambda *given: a(
            *given, order=(1, 0, 2)
        ),
        "Keys and values are swapped. The middle C columns of w_qkv make the keys, the last C the values.": (
            lambda *given: a(*given, order=(0, 2, 1))
        ),
        "Queries and values are swapped. The first C columns of w_qkv make the queries, the last C the values.": (
            lambda *given: a(*given, order=(2, 1, 0))
        ),
        "The order is queries, keys, values. You took values, queries, keys.": lambda *given: a(
            *given, order=(1, 2, 0)
        ),
        "The order is queries, keys, values. You took keys, values, queries.": lambda *given: a(
            *given, order=(2, 0, 1)
        ),
        "You split into heads first, and each head into q, k, and v. But the first C columns are the queries of all "
        "heads: cut into three first, then split each part into heads.": _interleaved,
        "Do not add x. The block does that, not attention.": lambda x, *rest: x + a(x, *rest),
        "w_out is transposed. Multiply by it as it is: (T, C) @ (C, C).": lambda x, w, b, w2, b2, n: a(
            x, w, b, w2.T, b2, n
        ),
        "Only one head has an effect. Collect the results of all heads, then join them.": lambda *given: a(
            *given, join=lambda y: bricks.join_heads(y[-1:].expand(y.shape))
        ),
        "split(3) cuts into parts of 3 columns. Use chunk(3, dim=-1) or split(C, dim=-1) for three parts.": (
            lambda x, w, b, w2, b2, n: _three_of((x @ w + b).split(3, -1))
        ),
        "head works on one head, (T, D): call it for each of them, then torch.stack the results.": (
            lambda x, w, b, w2, b2, n: (q := bricks.split_heads(x, n)) @ q.permute(2, 1, 0)  # what .T does
        ),
        "split and chunk cut rows unless you say dim=-1.": lambda x, w, b, w2, b2, n: _three_of(
            (x @ w + b).split(x.shape[1])
        ),
    }
    return compare(answer, inputs, bricks.attention, usual)


def _three_of(parts: tuple[Tensor, ...]) -> Tensor:
    q, _, _ = parts
    return q


@exercise("5.4", "What does a head look at?")
def looks_at_previous(answer: Callable[[Tensor], Any]) -> str | None:
    """`answer(weights)` returns the mean weight (H,) that each head gives to the previous token."""
    inputs = [(torch.stack([bricks.mask(s) for s in numbers(h, t, t, seed=h)]).softmax(-1),) for t, h, _ in SIZES]

    def below(weights: Tensor, offset: int = -1) -> Tensor:
        return weights.diagonal(offset, 1, 2)

    def left_out(n: int, weights: Tensor) -> Tensor:
        return below(weights)[:, n:].mean(-1)

    usual: dict[str, Callable[[Tensor], Tensor] | tuple[Callable[[Tensor], Tensor], ...]] = {
        "This is how much tokens look at themselves. The previous token is one column further left.": lambda weights: (
            below(weights, 0).mean(-1)
        ),
        "These are zeros, because no token sees the next one. Use row t, column t − 1.": lambda weights: below(
            weights, 1
        ).mean(-1),
        "You divided by T. The first token has no previous one, so start from t = 1, and take the mean of T − 1 "
        "weights.": lambda weights: below(weights).sum(-1) / weights.shape[1],
        "This is the token before the previous one. Use row t, column t − 1.": lambda weights: below(weights, -2).mean(
            -1
        ),
        "This is the sum. Take the mean over the tokens.": lambda weights: below(weights).sum(-1),
        "This is only the last token. Take the mean over all tokens.": lambda weights: weights[:, -1, -2],
        "This is how much tokens look at the first one. Use column t − 1 in row t.": (
            lambda weights: weights[:, 1:, 0].mean(-1),
            lambda weights: weights[:, :, 0].mean(-1),
            lambda weights: weights[:, 5:, 0].mean(-1),
        ),
        "You left out more than the first token. Start from t = 1.": (
            *(partial(left_out, n) for n in range(1, 6)),
            lambda weights: torch.stack([]),
        ),
        "You averaged over all columns. In row t, take only column t − 1.": (
            lambda weights: weights.mean((1, 2)),
            lambda weights: weights[:, 1:].mean((1, 2)),
            lambda weights: weights[:, 1:, :-1].mean((1, 2)),
        ),
        "You took the same column in every row. In row t, take column t − 1.": (
            lambda weights: weights[:, :, 1].mean(-1),
            lambda weights: weights[:, 1:, 1].mean(-1),
        ),
        "You took the mean over the heads, too. Return one number per head, shape (H,).": lambda weights: below(
            weights
        ).mean(),
        "You took the mean over the heads. Take the mean over the tokens, the last dimension.": lambda weights: below(
            weights
        ).mean(0),
        "These are all weights, one per head and token. Take the mean over the tokens.": below,
    }
    return compare(answer, inputs, lambda weights: below(weights).mean(-1), usual)

"""The exercises of chapter 5: many heads."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import first_difference, named, not_a_tensor, numbers, same

T, H, D = 5, 3, 4
C = H * D


@exercise("5.1", "Split the heads")
def split_into_heads(answer: Callable[[Tensor, int], Any]) -> str | None:
    """`answer(z, n_heads)` is z (T, C) as (H, T, D)."""
    z = numbers(T, C)
    right = z.view(T, H, D).transpose(0, 1)
    found = answer(z.clone(), H)
    if isinstance(found, Tensor):
        if found.shape == (T, H, D):
            return "This is (T, H, D): a token's heads are told apart. Now exchange the first two dimensions."
        if found.shape == (D, T, H):
            return "The order is (H, T, D): heads first, and the numbers of a head last."
    if wrong := not_a_tensor(found, (H, T, D)):
        return wrong
    if same(found, right):
        return None
    if same(found, z.view(H, T, D)):
        return (
            "The right shape with the wrong numbers: view(H, T, D) cuts across tokens. First (T, H, D), then transpose."
        )
    if same(found, right.flip(0)):
        return "The heads come in the wrong order: head 0 has the first D numbers of each token."
    if same(found, z.view(T, D, H).permute(2, 0, 1)):
        return "Head 0 must have the first D numbers of a row, all in one piece. Yours has every H-th number."
    return first_difference(found, right)


@exercise("5.2", "Join the heads")
def join_heads(answer: Callable[[Tensor], Any]) -> str | None:
    """`answer(y)` is y (H, T, D) as (T, C)."""
    y = numbers(H, T, D)
    right = y.transpose(0, 1).reshape(T, C)
    found = answer(y.clone())
    if isinstance(found, Tensor) and found.shape == (T, H, D):
        return "This is (T, H, D). One step is missing: put the heads of a token side by side, in one row."
    if wrong := not_a_tensor(found, (T, C)):
        return wrong
    if same(found, right):
        return None
    if same(found, y.reshape(T, C)):
        return (
            "The right shape with the wrong numbers: a row must hold one token. Exchange the dimensions before reshape."
        )
    if same(found, y.permute(1, 2, 0).reshape(T, C)):
        return "The heads are mixed like a pack of cards: in a row, all of head 0 comes first, then all of head 1."
    if same(found, y.flip(0).transpose(0, 1).reshape(T, C)):
        return "The heads stand in the wrong order: head 0 comes first."
    return first_difference(found, right)


@exercise("5.3", "Attention with many heads")
def multi_head_attention(answer: Callable[[Tensor, Tensor, Tensor, int], Any]) -> str | None:
    """`answer(x, w_qkv, w_projection, n_heads)` is causal attention with H heads, (T, C)."""
    x, w_qkv, w_projection = numbers(T, C), numbers(C, 3 * C) / 3, numbers(C, C)
    future = torch.ones(T, T, dtype=torch.bool).triu(1)

    def heads(z: Tensor) -> Tensor:
        return z.view(T, H, D).transpose(0, 1)

    def joined(y: Tensor) -> Tensor:
        return y.transpose(0, 1).reshape(T, C)

    q, k, v = (heads(z) for z in torch.split(x @ w_qkv, C, dim=1))
    scores = q @ k.mT / math.sqrt(D)

    def weights(scores: Tensor) -> Tensor:
        return scores.masked_fill(future, -math.inf).softmax(-1)

    right = joined(weights(scores) @ v) @ w_projection
    found = answer(x.clone(), w_qkv.clone(), w_projection.clone(), H)
    if isinstance(found, Tensor) and same(found, weights(scores) @ v):
        return "These are the heads, (H, T, D). Join them, and multiply by the projection."
    if wrong := not_a_tensor(found, (T, C)):
        return wrong
    if same(found, right):
        return None
    one_q, one_k, one_v = torch.split(x @ w_qkv, C, dim=1)
    usual = {
        "The projection is missing, the last matrix.": joined(weights(scores) @ v),
        "The mask is missing: tokens take from what comes later.": joined(scores.softmax(-1) @ v) @ w_projection,
        "You divided by √C. A head's products have D = C / H terms, so divide by √D.": (
            joined(weights(scores * math.sqrt(D / C)) @ v) @ w_projection
        ),
        "The scale is missing: divide the scores by √D.": joined(weights(scores * math.sqrt(D)) @ v) @ w_projection,
        "This is one head of size C. Split queries, keys and values into H heads.": (
            weights(one_q @ one_k.T / math.sqrt(C)) @ one_v @ w_projection
        ),
        "The heads were joined without exchanging the dimensions first.": (
            (weights(scores) @ v).reshape(T, C) @ w_projection
        ),
        "Queries and keys have changed places: the first C columns of w_qkv make the queries.": (
            joined(weights(scores.mT) @ v) @ w_projection
        ),
    }
    return named(found, usual) or first_difference(found, right)


@exercise("5.4", "What does a head look at?")
def looks_at_previous(answer: Callable[[Tensor], Any]) -> str | None:
    """`answer(weights)` is how much weight each head gives to the previous token, on average."""
    scores = numbers(H, T, T).masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), -math.inf)
    weights = scores.softmax(-1)
    right = weights.diagonal(-1, 1, 2).mean(-1)
    found = answer(weights.clone())
    if wrong := not_a_tensor(found, (H,)):
        return wrong
    if same(found, right):
        return None
    usual = {
        "This is how much tokens look at themselves. The previous one is a column further to the left.": (
            weights.diagonal(0, 1, 2).mean(-1)
        ),
        "These are zeros: nobody looks at the next token. Row t, column t − 1.": torch.zeros(H),
        "You divided by T, but the first token has none before it: there are T − 1 to take the mean of.": (
            weights.diagonal(-1, 1, 2).sum(-1) / T
        ),
        "This is the sum. Take the mean over the tokens.": weights.diagonal(-1, 1, 2).sum(-1),
        "This is only the last token. Take the mean over all of them.": weights[:, -1, -2],
    }
    return named(found, usual) or "For each head, the mean of weights[h, t, t - 1] over t = 1 … T − 1."

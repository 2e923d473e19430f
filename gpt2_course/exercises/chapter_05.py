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
    """`answer(z, n_heads)` turns z (T, C) into (H, T, D)."""
    z = numbers(T, C)
    right = z.view(T, H, D).transpose(0, 1)
    found = answer(z.clone(), H)
    if isinstance(found, Tensor):
        if found.shape == (T, H, D):
            return "This is (T, H, D), each token split into heads. One step is missing: swap the first two dimensions."
        if found.shape == (D, T, H):
            return "The order of the dimensions must be (H, T, D): heads first, the numbers in a head last."
    if wrong := not_a_tensor(found, (H, T, D)):
        return wrong
    if same(found, right):
        return None
    if same(found, z.view(H, T, D)):
        return "The shape is right, but the numbers are not: view(H, T, D) mixes tokens. First view as (T, H, D)."
    if same(found, right.flip(0)):
        return "The heads are in the wrong order. Head 0 has the first D numbers of each token."
    if same(found, z.view(T, D, H).permute(2, 0, 1)):
        return "Your head 0 has every H-th number. It must have the first D numbers of each row."
    return first_difference(found, right)


@exercise("5.2", "Join the heads")
def join_heads(answer: Callable[[Tensor], Any]) -> str | None:
    """`answer(y)` turns y (H, T, D) into (T, C)."""
    y = numbers(H, T, D)
    right = y.transpose(0, 1).reshape(T, C)
    found = answer(y.clone())
    if isinstance(found, Tensor) and found.shape == (T, H, D):
        return "This is (T, H, D). One step is missing: put each token's heads side by side, in one row."
    if wrong := not_a_tensor(found, (T, C)):
        return wrong
    if same(found, right):
        return None
    if same(found, y.reshape(T, C)):
        return (
            "The shape is right, but the numbers are not: each row must be one token. Swap dimensions before reshape."
        )
    if same(found, y.permute(1, 2, 0).reshape(T, C)):
        return "The heads are shuffled like cards. In each row, put all of head 0 first, then all of head 1."
    if same(found, y.flip(0).transpose(0, 1).reshape(T, C)):
        return "The heads are in the wrong order. Put head 0 first."
    return first_difference(found, right)


@exercise("5.3", "Attention with many heads")
def multi_head_attention(answer: Callable[[Tensor, Tensor, Tensor, int], Any]) -> str | None:
    """`answer(x, w_qkv, w_projection, n_heads)` returns causal attention (T, C) with H heads."""
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
        return "These are the heads (H, T, D). Join them, then multiply by the projection."
    if wrong := not_a_tensor(found, (T, C)):
        return wrong
    if same(found, right):
        return None
    one_q, one_k, one_v = torch.split(x @ w_qkv, C, dim=1)
    usual = {
        "The projection, the last matrix, is missing.": joined(weights(scores) @ v),
        "The mask is missing: tokens look at later tokens.": joined(scores.softmax(-1) @ v) @ w_projection,
        "You divided by √C. Each product in a head sums D = C / H terms, so divide by √D.": (
            joined(weights(scores * math.sqrt(D / C)) @ v) @ w_projection
        ),
        "The scale is missing: divide the scores by √D.": joined(weights(scores * math.sqrt(D)) @ v) @ w_projection,
        "This is one head of size C. Split queries, keys, and values into H heads.": (
            weights(one_q @ one_k.T / math.sqrt(C)) @ one_v @ w_projection
        ),
        "You joined the heads without swapping the dimensions first.": (
            (weights(scores) @ v).reshape(T, C) @ w_projection
        ),
        "Queries and keys are swapped. The first C columns of w_qkv make the queries.": (
            joined(weights(scores.mT) @ v) @ w_projection
        ),
    }
    return named(found, usual) or first_difference(found, right)


@exercise("5.4", "What does a head look at?")
def looks_at_previous(answer: Callable[[Tensor], Any]) -> str | None:
    """`answer(weights)` returns the mean weight (H,) that each head gives to the previous token."""
    scores = numbers(H, T, T).masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), -math.inf)
    weights = scores.softmax(-1)
    right = weights.diagonal(-1, 1, 2).mean(-1)
    found = answer(weights.clone())
    if wrong := not_a_tensor(found, (H,)):
        return wrong
    if same(found, right):
        return None
    usual = {
        "This is how much tokens look at themselves. The previous token is one column further left.": (
            weights.diagonal(0, 1, 2).mean(-1)
        ),
        "These are zeros, because no token sees the next one. Use row t, column t − 1.": torch.zeros(H),
        "You divided by T. The first token has no previous one, so take the mean of T − 1 weights.": (
            weights.diagonal(-1, 1, 2).sum(-1) / T
        ),
        "This is the sum. Take the mean over the tokens.": weights.diagonal(-1, 1, 2).sum(-1),
        "This is only the last token. Take the mean over all tokens.": weights[:, -1, -2],
    }
    return named(found, usual) or "For each head, return the mean of weights[h, t, t - 1] over t = 1 … T − 1."

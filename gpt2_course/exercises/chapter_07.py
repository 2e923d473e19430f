"""The exercises of chapter 7: GPT-2, assembled."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import first_difference, named, not_a_tensor, numbers, same


@exercise("7.1", "Put it together")
def forward(answer: Callable[..., Any]) -> str | None:
    """`answer(ids, token_table, position_table, blocks, final_norm)` returns logits (B, T, V)."""
    ids = torch.tensor([[2, 0, 5, 1], [4, 4, 3, 2]])
    tokens, positions = numbers(6, 3), 2 * numbers(8, 3)

    def first(x: Tensor) -> Tensor:
        return 2 * x + 1

    def second(x: Tensor) -> Tensor:
        return x.pow(2)

    def norm(x: Tensor) -> Tensor:
        return x - 3

    x = tokens[ids] + positions[:4]
    right = norm(second(first(x))) @ tokens.T
    found = answer(ids.clone(), tokens.clone(), positions.clone(), [first, second], norm)
    if isinstance(found, Tensor) and same(found, norm(second(first(x)))):
        return (
            "This is the stream after the final norm, (B, T, C). One step is missing: the product with the token table."
        )
    if wrong := not_a_tensor(found, (2, 4, 6)):
        return wrong
    if same(found, right):
        return None
    usual = {
        "The positions are missing. Add the first T rows of the position table.": norm(second(first(tokens[ids])))
        @ tokens.T,
        "The final norm is missing.": second(first(x)) @ tokens.T,
        "The final norm comes after the blocks, not before them.": second(first(norm(x))) @ tokens.T,
        "The blocks are missing. Send x through each of them in turn.": norm(x) @ tokens.T,
        "The blocks are in the wrong order.": norm(first(second(x))) @ tokens.T,
        "Only the last block had an effect. Pass the output of each block to the next.": norm(second(x)) @ tokens.T,
        "The block already adds its input: write x = block(x), not x = x + block(x).": (
            norm(x + first(x) + second(x + first(x))) @ tokens.T
        ),
        "These are probabilities. Logits are the scores before softmax.": right.softmax(-1),
    }
    return named(found, usual) or first_difference(found, right)


@exercise("7.2", "Count them all")
def count_parameters(answer: Callable[[int, int, int, int], Any]) -> str | None:
    """`answer(vocab_size, n_positions, n_embd, n_layer)` returns the number of parameters."""
    V, P, C, L = 50257, 1024, 768, 12
    found = answer(V, P, C, L)
    try:
        found = operator.index(found)
    except TypeError:
        return f"Return a whole number; your result has type {type(found).__name__}."
    block = 12 * C * C + 13 * C
    right = (V + P) * C + L * block + 2 * C
    if found == right:
        small = answer(11, 7, 4, 3)
        if small != 18 * 4 + 3 * (12 * 16 + 13 * 4) + 8:
            return "This works for the smallest GPT-2, but not for other sizes. Compute it from the arguments."
        return None
    said = {
        right + V * C: "The output layer is the token table, used a second time. Count it once.",
        right - 2 * C: "The final norm is missing: a gain and a bias of C numbers each.",
        right - P * C: "The position table is missing.",
        right - V * C: "The token table is missing.",
        right - L * 13 * C: "The biases and norms of the blocks are missing, another 13 C per block.",
        right - (L - 1) * block: "There are n_layer blocks, but you counted only one.",
        right - C: "The final norm has both a gain and a bias, C numbers each.",
    }
    return said.get(found, f"For the smallest GPT-2, the number is {right:,}, but you returned {found:,}.")


@exercise("7.3", "The surprise at a text")
def mean_surprise(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(logits, ids)` returns the mean of −ln p over the next tokens."""
    logits, ids = 2 * numbers(6, 9), torch.tensor([4, 1, 7, 0, 3, 8])
    log_p = logits.log_softmax(-1)
    here = torch.arange(6)
    right = -log_p[here[:-1], ids[1:]].mean()
    found = answer(logits.clone(), ids.clone())
    if isinstance(found, Tensor) and found.shape == (5,):
        return "These are the surprises, one per token. Return their mean, a single number."
    try:
        found = float(found)
    except (TypeError, ValueError):
        return f"Return one number; your result has type {type(found).__name__}."
    if abs(found - right) < 1e-4:
        return None
    usual = {
        "The logits in row t predict token t + 1. Compare rows 0 to T − 2 with IDs 1 to T − 1.": (
            -log_p[here, ids].mean()
        ),
        "You shifted the wrong way. Rows 0 to T − 2 belong to IDs 1 to T − 1.": -log_p[here[1:], ids[:-1]].mean(),
        "The minus sign is missing: surprise is minus the logarithm.": -right,
        "This is the sum. Take the mean over the tokens.": 5 * right,
        "You divided by T. There are only T − 1 next tokens.": 5 * right / 6,
        "Logits are not log-probabilities yet. Use log_softmax first.": -logits[here[:-1], ids[1:]].mean(),
        "This is the mean of the probabilities. Take the logarithm of each first, then the mean.": (
            log_p.exp()[here[:-1], ids[1:]].mean()
        ),
        "You took the logarithm of the mean probability. Take the logarithms first, then their mean.": (
            -log_p.exp()[here[:-1], ids[1:]].mean().log()
        ),
        "You took the softmax over the tokens (dimension 0). Take it over the vocabulary, the last dimension.": (
            -logits.log_softmax(0)[here[:-1], ids[1:]].mean()
        ),
        "This is in bits. The loss is in nats, so use the natural logarithm.": right / torch.log(torch.tensor(2.0)),
    }
    for message, mistaken in usual.items():
        if abs(found - float(mistaken)) < 1e-4:
            return message
    return f"The mean must be {float(right):.3f}, but it is {found:.3f}."

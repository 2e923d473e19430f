"""The exercises of chapter 7: Your GPT-2, assembled."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gpt2_course.bricks import my_gpt2 as bricks
from gpt2_course.exercises.chapter_06 import layer
from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import numbers


def gpt2_weights(vocab_size: int, n_positions: int, channels: int, n_layer: int) -> dict[str, Tensor]:
    """Random weights of a whole GPT-2, by the names in its file."""
    weights = {
        "wte.weight": numbers(vocab_size, channels, seed=1),
        "wpe.weight": 2 * numbers(n_positions, channels, seed=2),
        "ln_f.weight": 1 + numbers(channels, seed=3),
        "ln_f.bias": numbers(channels, seed=4),
    }
    for n in range(n_layer):
        weights |= {f"h.{n}.{name}": w for name, w in layer(channels, seed=n).items()}
    return weights


def _wrong_gpt2(
    ids: Tensor,
    weights: dict[str, Tensor],
    n_heads: int,
    *,
    embed: Callable[[Tensor, Tensor, Tensor], Tensor] = bricks.embed,
    layers: Callable[[list[Any]], list[Any]] = lambda blocks: blocks,
    block: Callable[[Tensor, Any, int], Tensor] = bricks.block,
    norm: Callable[[Tensor, Tensor, Tensor], Tensor] = bricks.layer_norm,
    first_norm: bool = False,
    head: Callable[[Tensor, Tensor], Tensor] = lambda x, table: x @ table.T,
) -> Tensor:
    """GPT-2 in which one step can be replaced by a wrong one."""
    x = embed(ids, weights["wte.weight"], weights["wpe.weight"])
    if first_norm:
        x = bricks.layer_norm(x, weights["ln_f.weight"], weights["ln_f.bias"])
    for w in layers(bricks.layers(weights)):
        x = block(x, w, n_heads)
    return head(norm(x, weights["ln_f.weight"], weights["ln_f.bias"]), weights["wte.weight"])


@exercise("7.1", "Put it together")
def gpt2(answer: Callable[[Tensor, dict[str, Tensor], int], Any]) -> str | None:
    """`answer(ids, weights, n_heads)` returns logits (T, V)."""
    inputs = [
        (torch.tensor([2, 0, 5, 1]), gpt2_weights(6, 8, 4, 3), 2),
        (torch.tensor([4, 4, 8, 3, 0]), gpt2_weights(9, 5, 6, 2), 3),
    ]
    g = _wrong_gpt2
    usual: dict[str, Callable[..., Tensor]] = {
        "This is the residual stream after the final norm, (T, C). One step is missing: the product with the token "
        "table, transposed.": lambda *given: g(*given, head=lambda x, table: x),
        "The positions are missing. `embed` adds the first T rows of the position table.": lambda *given: g(
            *given, embed=lambda ids, tokens, positions: tokens[ids]
        ),
        "The token vectors are missing. `embed` adds them to the positions.": lambda *given: g(
            *given, embed=lambda ids, tokens, positions: positions[: len(ids)]
        ),
        "The final norm is missing.": lambda *given: g(*given, norm=lambda x, gain, bias: x),
        "The gain of the final norm is missing: ln_f.weight.": lambda *given: g(
            *given, norm=lambda x, gain, bias: bricks.layer_norm(x, 1, bias)
        ),
        "The bias of the final norm is missing: ln_f.bias.": lambda *given: g(
            *given, norm=lambda x, gain, bias: bricks.layer_norm(x, gain, 0)
        ),
        "Gain and bias of the final norm are swapped.": lambda *given: g(
            *given, norm=lambda x, gain, bias: bricks.layer_norm(x, bias, gain)
        ),
        "The final norm comes after the blocks, not before them.": lambda *given: g(
            *given, first_norm=True, norm=lambda x, gain, bias: x
        ),
        "The norm comes only once, after the blocks.": lambda *given: g(*given, first_norm=True),
        "The norm comes once, after the last block, and not after each of them.": lambda ids, weights, n: g(
            ids,
            weights,
            n,
            block=lambda x, w, n: bricks.layer_norm(
                bricks.block(x, w, n), weights["ln_f.weight"], weights["ln_f.bias"]
            ),
            norm=lambda x, gain, bias: x,
        ),
        "The blocks are missing. Send x through each of them in turn, and keep the result: x = block(x, …).": (
            lambda *given: g(*given, layers=lambda b: [])
        ),
        "The blocks are in the wrong order.": lambda *given: g(*given, layers=lambda b: b[::-1]),
        "All blocks have the weights of the first. Each has its own: for w in layers(weights).": lambda *given: g(
            *given, layers=lambda b: b[:1] * len(b)
        ),
        "All blocks have the weights of the last. Each has its own: for w in layers(weights).": lambda *given: g(
            *given, layers=lambda b: b[-1:] * len(b)
        ),
        "Only the first block had an effect. Send x through all of them: is your return inside the loop?": (
            lambda *given: g(*given, layers=lambda b: b[:1])
        ),
        "Only the last block had an effect. Pass the output of each block to the next: x = block(x, …).": (
            lambda *given: g(*given, layers=lambda b: b[-1:])
        ),
        "The first block is missing. Send x through all of layers(weights).": lambda *given: g(
            *given, layers=lambda b: b[1:]
        ),
        "The last block is missing. Send x through all of layers(weights).": lambda *given: g(
            *given, layers=lambda b: b[:-1]
        ),
        "The block already adds its input: write x = block(x, …), not x = x + block(x, …).": lambda *given: g(
            *given, block=lambda x, w, n: x + bricks.block(x, w, n)
        ),
        "All blocks work with one head. Pass n_heads on.": lambda ids, weights, n: g(ids, weights, 1),
        "These are probabilities. Logits are the scores before softmax.": lambda *given: bricks.gpt2(*given).softmax(
            -1
        ),
        "These are the logits of the last token. Return those of all tokens, (T, V).": lambda *given: bricks.gpt2(
            *given
        )[-1],
        "The token table is (V, C). Transpose it in the last step: x @ table.T.": lambda *given: g(
            *given, head=lambda x, table: x @ table
        ),
        "The final norm needs a gain and a bias: weights['ln_f.weight'] and weights['ln_f.bias'].": (
            lambda ids, weights, n: weights["ln_f"]
        ),
    }
    return compare(answer, inputs, bricks.gpt2, usual)


@exercise("7.2", "Count them all")
def count_parameters(answer: Callable[[int, int, int, int], Any]) -> str | None:
    """`answer(vocab_size, n_positions, n_embd, n_layer)` returns the number of parameters."""

    def right(vocab_size: int, n_positions: int, n_embd: int, n_layer: int) -> int:
        return (vocab_size + n_positions) * n_embd + n_layer * (12 * n_embd**2 + 13 * n_embd) + 2 * n_embd

    usual: dict[str, Callable[[int, int, int, int], Any]] = {
        "The output layer is the token table, used a second time. Count it once.": lambda v, p, c, n: right(
            2 * v, p, c, n
        ),
        "The final norm is missing: a gain and a bias of C numbers each.": lambda v, p, c, n: right(v, p, c, n) - 2 * c,
        "The final norm has both a gain and a bias, C numbers each.": lambda v, p, c, n: right(v, p, c, n) - c,
        "The final norm comes once, after the last block, not in each block.": lambda v, p, c, n: (
            right(v, p, c, n) + 2 * c * (n - 1)
        ),
        "The position table is missing.": lambda v, p, c, n: right(v, 0, c, n),
        "The token table is missing.": lambda v, p, c, n: right(0, p, c, n),
        "Both tables are missing.": lambda v, p, c, n: right(0, 0, c, n),
        "The tables have C numbers per row: multiply by n_embd.": lambda v, p, c, n: right(0, 0, c, n) + v + p,
        "The biases and norms of the blocks are missing, another 13 C per block.": lambda v, p, c, n: (
            right(v, p, c, n) - 13 * c * n
        ),
        "There are n_layer blocks, but you counted only one.": lambda v, p, c, n: right(v, p, c, 1),
        "The blocks are missing.": lambda v, p, c, n: right(v, p, c, 0),
        "This is right only for the smallest GPT-2. Compute the number from the arguments.": lambda v, p, c, n: (
            124_439_808
        ),
    }
    return compare(answer, [(50257, 1024, 768, 12), (11, 7, 4, 3), (3072, 336, 192, 6)], right, usual)


@exercise("7.3", "The surprise at a text")
def mean_surprise(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(logits, ids)` returns the mean of −ln p over the next tokens."""
    inputs = [
        (2 * numbers(6, 9), torch.tensor([4, 1, 7, 0, 3, 8])),
        (3 * numbers(4, 5, seed=4), torch.tensor([1, 0, 4, 4])),
    ]

    def log_p(logits: Tensor, ids: Tensor, rows: slice = slice(-1), next_ids: slice = slice(1, None)) -> Tensor:
        """ln p of the next tokens: (T − 1,)."""
        return logits.log_softmax(-1)[rows].gather(-1, ids[next_ids, None])[:, 0]

    usual: dict[str, Callable[[Tensor, Tensor], Any]] = {
        "These are the surprises, one per token. Return their mean, a single number.": lambda logits, ids: (
            -log_p(logits, ids)
        ),
        "The logits in row t predict token t + 1. Compare rows 0 to T − 2 with IDs 1 to T − 1.": lambda logits, ids: (
            -log_p(logits, ids, slice(None), slice(None)).mean()
        ),
        "The logits in row t predict token t + 1. Leave out the last row and the first ID.": lambda logits, ids: (
            -log_p(logits, ids, slice(-1), slice(-1)).mean()
        ),
        "You shifted the wrong way. Rows 0 to T − 2 belong to IDs 1 to T − 1.": lambda logits, ids: (
            -log_p(logits, ids, slice(1, None), slice(-1)).mean()
        ),
        "You picked whole columns, so every row meets every ID. Pick one number from each row.": lambda logits, ids: (
            -logits.log_softmax(-1)[:-1][:, ids[1:]].mean()
        ),
        "The minus sign is missing: surprise is minus the logarithm.": lambda logits, ids: log_p(logits, ids).mean(),
        "This is the sum. Take the mean over the tokens.": lambda logits, ids: -log_p(logits, ids).sum(),
        "You divided by T. There are only T − 1 next tokens.": lambda logits, ids: -log_p(logits, ids).sum() / len(ids),
        "You divided by the size of the vocabulary. Take the mean over the T − 1 next tokens.": lambda logits, ids: (
            -log_p(logits, ids).sum() / logits.shape[1]
        ),
        "Logits are not log-probabilities yet. Use log_softmax first.": lambda logits, ids: (
            -logits[:-1].gather(-1, ids[1:, None]).mean()
        ),
        "This is the mean of the probabilities. Take the logarithm of each first, then the mean.": lambda logits, ids: (
            log_p(logits, ids).exp().mean()
        ),
        "You took the logarithm of the mean probability. Take the logarithms first, then their mean.": (
            lambda logits, ids: -log_p(logits, ids).exp().mean().log()
        ),
        "You took the softmax over the tokens (dimension 0). Take it over the vocabulary, the last dimension.": (
            lambda logits, ids: -logits.log_softmax(0)[:-1].gather(-1, ids[1:, None]).mean()
        ),
        "This is in bits. The loss is in nats, so use the natural logarithm.": lambda logits, ids: (
            -log_p(logits, ids).mean() / math.log(2)
        ),
        "This is the perplexity. Leave out the last step, exp.": lambda logits, ids: (-log_p(logits, ids).mean()).exp(),
        "There are T rows of logits, but T − 1 next tokens. Leave out the last row.": lambda logits, ids: logits[
            range(len(ids)), ids[1:]
        ],
    }
    return compare(answer, inputs, lambda logits, ids: -log_p(logits, ids).mean(), usual)

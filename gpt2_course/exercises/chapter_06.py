"""The exercises of chapter 6: the transformer block."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import first_difference, named, not_a_tensor, numbers, same


@exercise("6.1", "Layer norm")
def layer_norm(answer: Callable[[Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(x, gain, bias)` is layer norm over the channels."""
    x = 3 * numbers(4, 6) + 2
    gain, bias = 2 + numbers(6), 1 + numbers(2, 6)[1]
    centered = x - x.mean(-1, keepdim=True)
    variance = centered.pow(2).mean(-1, keepdim=True)
    normed = centered / (variance + 1e-5).sqrt()
    right = normed * gain + bias
    found = answer(x.clone(), gain.clone(), bias.clone())
    if wrong := not_a_tensor(found, (4, 6)):
        return wrong
    if same(found, right):
        return None
    over_tokens = (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt()
    usual = {
        "Gain and bias are missing: multiply by the one and add the other.": normed,
        "The bias is missing.": normed * gain,
        "The gain is missing.": normed + bias,
        "You took mean and variance over the tokens (dimension 0). Each token is normed by itself: dimension −1.": (
            over_tokens * gain + bias
        ),
        "You divided by the variance. Divide by its square root, the spread.": centered / (variance + 1e-5) * gain
        + bias,
        "Your variance divides by C − 1. Take the plain mean of the squares (correction=0).": (
            centered / (x.var(-1, keepdim=True) + 1e-5).sqrt() * gain + bias
        ),
        "The mean was not subtracted from what is divided.": x / (variance + 1e-5).sqrt() * gain + bias,
        "You only subtracted the mean. Divide by the spread, too.": centered * gain + bias,
    }
    return named(found, usual) or first_difference(found, right)


@exercise("6.2", "The MLP")
def mlp(answer: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(x, w_expand, b_expand, w_shrink, b_shrink)` is GPT-2's MLP."""
    x, w_expand, b_expand = numbers(5, 3), numbers(3, 12), 1 + numbers(12)
    w_shrink, b_shrink = numbers(12, 3), 2 + numbers(3)
    hidden = x @ w_expand + b_expand
    right = F.gelu(hidden, approximate="tanh") @ w_shrink + b_shrink
    found = answer(x.clone(), w_expand.clone(), b_expand.clone(), w_shrink.clone(), b_shrink.clone())
    if isinstance(found, Tensor) and found.shape == (5, 12):
        return "This is the wide middle, (T, 4C). One step is missing: the second matrix, back to (T, C)."
    if wrong := not_a_tensor(found, (5, 3)):
        return wrong
    if torch.allclose(found, right, atol=1e-5):
        return None
    usual = {
        "The bend is missing: GELU between the two matrices.": hidden @ w_shrink + b_shrink,
        "GELU comes between the two matrices, not after the second.": F.gelu(
            hidden @ w_shrink + b_shrink, approximate="tanh"
        ),
        "This is ReLU. GPT-2 bends with GELU.": hidden.relu() @ w_shrink + b_shrink,
        'This is the exact GELU. GPT-2 was trained with the tanh form: approximate="tanh".': (
            F.gelu(hidden) @ w_shrink + b_shrink
        ),
        "The biases are missing.": F.gelu(x @ w_expand, approximate="tanh") @ w_shrink,
        "The first bias is missing: add b_expand before GELU.": F.gelu(x @ w_expand, approximate="tanh") @ w_shrink
        + b_shrink,
        "The first bias is added before GELU, not after it.": (
            (F.gelu(x @ w_expand, approximate="tanh") + b_expand) @ w_shrink + b_shrink
        ),
        "The MLP itself adds nothing to x. That is done by the block.": right + x,
    }
    return named(found, usual) or first_difference(found, right)


@exercise("6.3", "The block")
def block(answer: Callable[..., Any]) -> str | None:
    """`answer(x, norm_1, attention, norm_2, mlp)` is a pre-norm block."""
    x = numbers(4, 3)
    mix = numbers(4, 4)

    def norm_1(z: Tensor) -> Tensor:
        return 2 * z + 1

    def norm_2(z: Tensor) -> Tensor:
        return 3 * z - 1

    def attention(z: Tensor) -> Tensor:
        return mix @ z

    def mlp(z: Tensor) -> Tensor:
        return z.pow(2)

    after = x + attention(norm_1(x))
    right = after + mlp(norm_2(after))
    found = answer(x.clone(), norm_1, attention, norm_2, mlp)
    if wrong := not_a_tensor(found, (4, 3)):
        return wrong
    if same(found, right):
        return None
    post = norm_1(x + attention(x))
    usual = {
        "The belt is missing: nothing is added to what was there before.": mlp(norm_2(attention(norm_1(x)))),
        "This is post-norm, as in the first transformer. GPT-2 norms what a station reads, not the belt.": (
            norm_2(post + mlp(post))
        ),
        "Both stations read the same x. The MLP reads what is on the belt after attention.": (
            x + attention(norm_1(x)) + mlp(norm_2(x))
        ),
        "In the second line, the belt of before attention was taken: what attention has added is lost.": (
            x + mlp(norm_2(after))
        ),
        "The norms are missing: each station reads a normed copy.": (x + attention(x)) + mlp(x + attention(x)),
        "The MLP comes after attention, not before it.": ((x + mlp(norm_2(x))) + attention(norm_1(x + mlp(norm_2(x))))),
        "The belt itself was normed: add to x, not to norm(x).": (
            norm_2(norm_1(x) + attention(norm_1(x))) + mlp(norm_2(norm_1(x) + attention(norm_1(x))))
        ),
        "The two norms have changed places: norm_1 belongs to attention.": (
            x + attention(norm_2(x)) + mlp(norm_1(x + attention(norm_2(x))))
        ),
        "The second line is missing: what does the MLP add?": after,
    }
    return named(found, usual) or first_difference(found, right)


@exercise("6.4", "Count")
def parameters(answer: Callable[[int], Any]) -> str | None:
    """`answer(C)` is 12 C² + 13 C."""
    C = 10
    found = answer(C)
    try:
        found = operator.index(found)
    except TypeError:
        return f"Return a whole number; this is a {type(found).__name__}."
    if found == 12 * C * C + 13 * C:
        if answer(16) != 12 * 16 * 16 + 13 * 16:
            return "Right for C = 10, but not for C = 16: the number must be computed from C."
        return None
    said = {
        12 * C * C: "These are the matrices. Biases and norms are missing: 13 C more.",
        12 * C * C + 9 * C: "The norms are missing: two of them, each with a gain and a bias of C numbers.",
        12 * C * C + 11 * C: "There are two norms, and each has a gain and a bias: 4 C in all.",
        12 * C * C + 4 * C: "The biases of the four matrices are missing: 3 C, C, 4 C and C.",
        8 * C * C + 9 * C: "qkv makes three vectors, and then comes the projection: attention has 4 C² and its biases.",
        10 * C * C + 11 * C: "qkv is one matrix from C to 3 C, for queries, keys and values.",
        11 * C * C + 12 * C: "The projection at the end of attention is missing.",
    }
    return said.get(found, f"For C = 10 it is {12 * C * C + 13 * C:,}, but you have {found:,}.")

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
    """`answer(x, gain, bias)` returns the layer norm of x (T, C) over the channels."""
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
        "Gain and bias are missing. Multiply by the gain and add the bias.": normed,
        "The bias is missing.": normed * gain,
        "The gain is missing.": normed + bias,
        "You normalized over the tokens (dimension 0). Normalize each token on its own (dimension −1).": (
            over_tokens * gain + bias
        ),
        "You divided by the variance. Divide by its square root, the standard deviation.": centered
        / (variance + 1e-5)
        * gain
        + bias,
        "Your variance divides by C − 1. Divide by C (correction=0).": (
            centered / (x.var(-1, keepdim=True) + 1e-5).sqrt() * gain + bias
        ),
        "You did not subtract the mean before dividing.": x / (variance + 1e-5).sqrt() * gain + bias,
        "You only subtracted the mean. Divide by the standard deviation, too.": centered * gain + bias,
    }
    return named(found, usual) or first_difference(found, right)


@exercise("6.2", "The MLP")
def mlp(answer: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(x, w_expand, b_expand, w_shrink, b_shrink)` returns the output (T, C) of GPT-2's MLP."""
    x, w_expand, b_expand = numbers(5, 3), numbers(3, 12), 1 + numbers(12)
    w_shrink, b_shrink = numbers(12, 3), 2 + numbers(3)
    hidden = x @ w_expand + b_expand
    right = F.gelu(hidden, approximate="tanh") @ w_shrink + b_shrink
    found = answer(x.clone(), w_expand.clone(), b_expand.clone(), w_shrink.clone(), b_shrink.clone())
    if isinstance(found, Tensor) and found.shape == (5, 12):
        return "This is the wide middle (T, 4C). One step is missing: the second matrix, back to (T, C)."
    if wrong := not_a_tensor(found, (5, 3)):
        return wrong
    if torch.allclose(found, right, atol=1e-5):
        return None
    usual = {
        "The nonlinearity is missing: GELU between the two matrices.": hidden @ w_shrink + b_shrink,
        "Apply GELU between the two matrices, not after the second.": F.gelu(
            hidden @ w_shrink + b_shrink, approximate="tanh"
        ),
        "This is ReLU. GPT-2 uses GELU.": hidden.relu() @ w_shrink + b_shrink,
        'This is the exact GELU. GPT-2 was trained with the tanh approximation: approximate="tanh".': (
            F.gelu(hidden) @ w_shrink + b_shrink
        ),
        "The biases are missing.": F.gelu(x @ w_expand, approximate="tanh") @ w_shrink,
        "The first bias is missing. Add b_expand before GELU.": F.gelu(x @ w_expand, approximate="tanh") @ w_shrink
        + b_shrink,
        "Add the first bias before GELU, not after it.": (
            (F.gelu(x @ w_expand, approximate="tanh") + b_expand) @ w_shrink + b_shrink
        ),
        "Do not add x. The block does that, not the MLP.": right + x,
    }
    return named(found, usual) or first_difference(found, right)


@exercise("6.3", "The block")
def block(answer: Callable[..., Any]) -> str | None:
    """`answer(x, norm_1, attention, norm_2, mlp)` returns the output of a pre-norm block."""
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
        "The residual stream is missing: add each output to x.": mlp(norm_2(attention(norm_1(x)))),
        "This is post-norm, as in the first transformer. GPT-2 normalizes the inputs, not the residual stream.": (
            norm_2(post + mlp(post))
        ),
        "Attention and MLP read the same x. The MLP must read the stream after attention has added to it.": (
            x + attention(norm_1(x)) + mlp(norm_2(x))
        ),
        "Your second line starts from the stream before attention, so the output of attention is lost.": (
            x + mlp(norm_2(after))
        ),
        "The norms are missing. Attention and MLP each read a normalized copy.": (x + attention(x))
        + mlp(x + attention(x)),
        "The order is reversed. Attention comes first, then the MLP.": (
            (x + mlp(norm_2(x))) + attention(norm_1(x + mlp(norm_2(x))))
        ),
        "You normalized the residual stream itself. Add to x, not to norm(x).": (
            norm_2(norm_1(x) + attention(norm_1(x))) + mlp(norm_2(norm_1(x) + attention(norm_1(x))))
        ),
        "The two norms are swapped: norm_1 belongs to attention.": (
            x + attention(norm_2(x)) + mlp(norm_1(x + attention(norm_2(x))))
        ),
        "The second line is missing: add the output of the MLP.": after,
    }
    return named(found, usual) or first_difference(found, right)


@exercise("6.4", "Count")
def parameters(answer: Callable[[int], Any]) -> str | None:
    """`answer(C)` returns the number of parameters in a block, 12 C² + 13 C."""
    C = 10
    found = answer(C)
    try:
        found = operator.index(found)
    except TypeError:
        return f"Return a whole number; your result has type {type(found).__name__}."
    if found == 12 * C * C + 13 * C:
        if answer(16) != 12 * 16 * 16 + 13 * 16:
            return "This works for C = 10, but not for C = 16. Compute the number from C."
        return None
    said = {
        12 * C * C: "These are the matrices. Biases and norms are missing, another 13 C.",
        12 * C * C + 9 * C: "The norms are missing. There are two, each with a gain and a bias of C numbers.",
        12 * C * C + 11 * C: "There are two norms, and each has a gain and a bias, 4 C in total.",
        12 * C * C + 4 * C: "The biases of the four matrices are missing: 3 C, C, 4 C, and C.",
        8 * C * C
        + 9
        * C: "The qkv matrix makes three vectors, and a projection follows: attention has 4 C² weights, plus biases.",
        10 * C * C + 11 * C: "The qkv matrix goes from C to 3 C: queries, keys, and values.",
        11 * C * C + 12 * C: "The projection at the end of attention is missing.",
    }
    return said.get(found, f"For C = 10, the number is {12 * C * C + 13 * C:,}, but you returned {found:,}.")

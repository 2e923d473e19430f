"""The exercises of chapter 6: the transformer block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu

from gpt2_course.bricks import my_gpt2 as bricks
from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import numbers
from gpt2_course.exercises.watch import Stopped

Weights = dict[str, Tensor]


def _normed(
    x: Tensor, gain: Tensor, bias: Tensor, inside: float = 1e-5, outside: float = 0, correction: int = 0
) -> Tensor:
    """Layer norm with numbers added to the variance and to the standard deviation."""
    centered = x - x.mean(-1, keepdim=True)
    return centered / ((x.var(-1, keepdim=True, correction=correction) + inside).sqrt() + outside) * gain + bias


@exercise(
    "6.1",
    "Layer norm",
    forbidden=dict.fromkeys(
        ("layer_norm", "native_layer_norm", "group_norm", "instance_norm", "batch_norm"),
        "Write layer norm yourself, with the mean and the variance, and without PyTorch's own.",
    ),
)
def layer_norm(answer: Callable[[Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(x, gain, bias)` returns the layer norm of x (T, C) over the channels."""
    inputs = [
        (scale * numbers(t, c) + shift, 2 + numbers(c, seed=1), 1 + numbers(c, seed=2))
        # the last have variances so small that the 1e-5 in the root, and where it stands, matter
        for t, c, scale, shift in [(4, 6, 3, 2), (3, 5, 1, -1), (3, 8, 1e-3, 0), (2, 4, 0, 0)]
    ]

    def centered(x: Tensor) -> Tensor:
        return x - x.mean(-1, keepdim=True)

    def root(x: Tensor) -> Tensor:
        return (x.var(-1, keepdim=True, correction=0) + 1e-5).sqrt()

    one, zero = torch.tensor(1.0), torch.tensor(0.0)
    usual: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
        "Gain and bias are missing. Multiply by the gain and add the bias.": lambda x, g, b: _normed(x, one, zero),
        "The bias is missing.": lambda x, g, b: _normed(x, g, zero),
        "The gain is missing.": lambda x, g, b: _normed(x, one, b),
        "Gain and bias are swapped. Multiply by the gain and add the bias.": lambda x, g, b: _normed(x, b, g),
        "Add the bias after multiplying by the gain, not before.": lambda x, g, b: (_normed(x, one, b)) * g,
        "The bias is subtracted. Add it.": lambda x, g, b: _normed(x, g, -b),
        "Without the 1e-5, tokens with a tiny variance are divided by almost nothing: add it to the variance, inside "
        "the root.": lambda x, g, b: _normed(x, g, b, inside=0),
        "You added the 1e-5 to the standard deviation. Add it to the variance, inside the root.": lambda x, g, b: (
            _normed(x, g, b, inside=0, outside=1e-5)
        ),
        "Your standard deviation divides by C − 1, and the 1e-5 belongs to the variance, inside the root.": (
            lambda x, g, b: _normed(x, g, b, inside=0, outside=1e-5, correction=1)
        ),
        "You added 1e-6. GPT-2 adds 1e-5 to the variance.": lambda x, g, b: _normed(x, g, b, inside=1e-6),
        "You added 1e-8. GPT-2 adds 1e-5 to the variance.": lambda x, g, b: _normed(x, g, b, inside=1e-8),
        "You added 1e-4. GPT-2 adds 1e-5 to the variance.": lambda x, g, b: _normed(x, g, b, inside=1e-4),
        "You normalized over the tokens (dimension 0). Normalize each token on its own (dimension −1).": (
            lambda x, g, b: _normed(x.T, one, zero).T * g + b
        ),
        "You normalized all numbers together. Normalize each token on its own (dimension −1).": lambda x, g, b: (
            _normed(x.flatten(), one, zero).view(x.shape) * g + b
        ),
        "You divided by the variance. Divide by its square root, the standard deviation.": lambda x, g, b: (
            centered(x) / root(x) ** 2 * g + b
        ),
        "You multiplied by the standard deviation. Divide by it.": lambda x, g, b: centered(x) * root(x) * g + b,
        "Your variance divides by C − 1. Divide by C: the mean of the squares, or correction=0.": lambda x, g, b: (
            _normed(x, g, b, correction=1)
        ),
        "Your variance divides by C − 1, and the 1e-5 is missing. Use correction=0, and add 1e-5 to the variance.": (
            lambda x, g, b: _normed(x, g, b, inside=0, correction=1)
        ),
        "You did not subtract the mean before dividing.": lambda x, g, b: x / root(x) * g + b,
        "The mean is added. Subtract it.": lambda x, g, b: (x + x.mean(-1, keepdim=True)) / root(x) * g + b,
        "You only subtracted the mean. Divide by the standard deviation, too.": lambda x, g, b: centered(x) * g + b,
        "This is the mean of the squares of x, not the variance. Subtract the mean before squaring.": lambda x, g, b: (
            centered(x) / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * g + b
        ),
        "The variance is the mean of the squares, not their sum.": lambda x, g, b: (
            centered(x) / (centered(x).pow(2).sum(-1, keepdim=True) + 1e-5).sqrt() * g + b
        ),
        "A mean over the channels has the shape (T,), which does not fit (T, C). Use keepdim=True to get (T, 1).": (
            lambda x, g, b: x - x.mean(-1)
        ),
    }
    return compare(answer, inputs, bricks.layer_norm, usual)


@exercise("6.2", "The MLP")
def mlp(answer: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(x, w_up, b_up, w_down, b_down)` returns the output (T, C) of GPT-2's MLP."""
    inputs = [
        (numbers(t, c), numbers(c, 4 * c, seed=1), 1 + numbers(4 * c, seed=2), numbers(4 * c, c), 2 + numbers(c))
        for t, c in [(5, 3), (2, 4), (1, 2)]
    ]

    def bent(x: Tensor) -> Tensor:
        return gelu(x, approximate="tanh")

    usual: dict[str, Callable[..., Tensor]] = {
        "This is the wide middle (T, 4C). One step is missing: the second matrix, back to (T, C).": (
            lambda x, w, b, v, c: bent(x @ w + b)
        ),
        "The nonlinearity is missing: GELU between the two matrices.": lambda x, w, b, v, c: (x @ w + b) @ v + c,
        "Apply GELU between the two matrices, not after the second.": lambda x, w, b, v, c: bent((x @ w + b) @ v + c),
        "Apply GELU once, between the two matrices, and not after the second.": lambda x, w, b, v, c: bent(
            bent(x @ w + b) @ v + c
        ),
        "Apply GELU after the first matrix, not before it.": lambda x, w, b, v, c: (bent(x) @ w + b) @ v + c,
        "This is ReLU. GPT-2 uses GELU.": lambda x, w, b, v, c: (x @ w + b).relu() @ v + c,
        "This is tanh. GPT-2 uses GELU.": lambda x, w, b, v, c: (x @ w + b).tanh() @ v + c,
        "This is the sigmoid. GPT-2 uses GELU.": lambda x, w, b, v, c: (x @ w + b).sigmoid() @ v + c,
        "This is SiLU, a relative of GELU. GPT-2 uses GELU.": lambda x, w, b, v, c: (
            torch.nn.functional.silu(x @ w + b) @ v + c
        ),
        'This is the exact GELU. GPT-2 was trained with the tanh approximation: approximate="tanh".': (
            lambda x, w, b, v, c: gelu(x @ w + b) @ v + c
        ),
        "The biases are missing.": lambda x, w, b, v, c: bent(x @ w) @ v,
        "The first bias is missing. Add b_up before GELU.": lambda x, w, b, v, c: bent(x @ w) @ v + c,
        "The second bias is missing. Add b_down at the end.": lambda x, w, b, v, c: bent(x @ w + b) @ v,
        "Add the first bias before GELU, not after it.": lambda x, w, b, v, c: (bent(x @ w) + b) @ v + c,
        "Do not add x. The block does that, not the MLP.": lambda x, w, b, v, c: x + bent(x @ w + b) @ v + c,
        "The first bias is subtracted. Add it.": lambda x, w, b, v, c: bent(x @ w - b) @ v + c,
        "The second bias is subtracted. Add it.": lambda x, w, b, v, c: bent(x @ w + b) @ v - c,
        "x comes first, and no matrix is transposed: x @ w_up, (T, C) @ (C, 4C).": lambda x, w, b, v, c: x @ w.T,
        "x comes first: x @ w_up, (T, C) @ (C, 4C).": lambda x, w, b, v, c: w @ x,
        "The two matrices are swapped. w_up makes the vectors wider, so it comes first.": lambda x, w, b, v, c: x @ v,
        "The first bias is added too early. Add b_up to x @ w_up.": lambda x, w, b, v, c: x + b,
    }
    return compare(answer, inputs, bricks.mlp, usual)


def layer(channels: int, seed: int = 0) -> Weights:
    """Random weights of one block."""
    shapes = {
        "ln_1.weight": (channels,),
        "ln_1.bias": (channels,),
        "attn.c_attn.weight": (channels, 3 * channels),
        "attn.c_attn.bias": (3 * channels,),
        "attn.c_proj.weight": (channels, channels),
        "attn.c_proj.bias": (channels,),
        "ln_2.weight": (channels,),
        "ln_2.bias": (channels,),
        "mlp.c_fc.weight": (channels, 4 * channels),
        "mlp.c_fc.bias": (4 * channels,),
        "mlp.c_proj.weight": (4 * channels, channels),
        "mlp.c_proj.bias": (channels,),
    }
    return {name: 0.7 * numbers(*shape, seed=100 * seed + n) for n, (name, shape) in enumerate(shapes.items())}


def _norm(x: Tensor, w: Weights, number: int) -> Tensor:
    return bricks.layer_norm(x, w[f"ln_{number}.weight"], w[f"ln_{number}.bias"])


def _attention(x: Tensor, w: Weights, n_heads: int) -> Tensor:
    w_qkv, b_qkv, w_out, b_out = (
        w[f"attn.c_{part}"] for part in ("attn.weight", "attn.bias", "proj.weight", "proj.bias")
    )
    return bricks.attention(x, w_qkv, b_qkv, w_out, b_out, n_heads)


def _mlp(x: Tensor, w: Weights) -> Tensor:
    names = ("c_fc.weight", "c_fc.bias", "c_proj.weight", "c_proj.bias")
    return bricks.mlp(x, *(w[f"mlp.{name}"] for name in names))


def _post_norm(x: Tensor, w: Weights, n_heads: int) -> Tensor:
    x = _norm(x + _attention(x, w, n_heads), w, 1)
    return _norm(x + _mlp(x, w), w, 2)


def _on_the_stream(x: Tensor, w: Weights, n_heads: int) -> Tensor:
    x = _norm(x, w, 1)
    x = _norm(x + _attention(x, w, n_heads), w, 2)
    return x + _mlp(x, w)


def _mlp_first(x: Tensor, w: Weights, n_heads: int) -> Tensor:
    x = x + _mlp(_norm(x, w, 2), w)
    return x + _attention(_norm(x, w, 1), w, n_heads)


@exercise("6.3", "The block")
def block(answer: Callable[[Tensor, Weights, int], Any]) -> str | None:
    """`answer(x, w, n_heads)` returns the output (T, C) of a pre-norm block with the weights w."""
    inputs = [(numbers(t, c), layer(c), h) for t, c, h in [(4, 6, 3), (3, 4, 2), (1, 2, 1)]]

    def after(x: Tensor, w: Weights, n: int, norm: int = 1) -> Tensor:
        """The stream after attention."""
        return x + _attention(_norm(x, w, norm), w, n)

    usual: dict[str, Callable[[Tensor, Weights, int], Tensor]] = {
        "The residual stream is missing: add each output to x.": lambda x, w, n: _mlp(
            _norm(_attention(_norm(x, w, 1), w, n), w, 2), w
        ),
        "The first addition is missing: x = x + attention(…).": lambda x, w, n: (
            (y := _attention(_norm(x, w, 1), w, n)) + _mlp(_norm(y, w, 2), w)
        ),
        "The second addition is missing: return x + mlp(…).": lambda x, w, n: _mlp(_norm(after(x, w, n), w, 2), w),
        "This is post-norm, as in the first transformer. GPT-2 normalizes the inputs, not the residual stream.": (
            _post_norm
        ),
        "Attention and MLP read the same x. The MLP must read the stream after attention has added to it.": (
            lambda x, w, n: after(x, w, n) + _mlp(_norm(x, w, 2), w)
        ),
        "Your second line starts from the stream before attention, so the output of attention is lost.": (
            lambda x, w, n: x + _mlp(_norm(after(x, w, n), w, 2), w)
        ),
        "The norms are missing. Attention and MLP each read a normalized copy.": lambda x, w, n: (
            (y := x + _attention(x, w, n)) + _mlp(y, w)
        ),
        "The first norm is missing. Attention reads a normalized copy of x.": lambda x, w, n: (
            (y := x + _attention(x, w, n)) + _mlp(_norm(y, w, 2), w)
        ),
        "The second norm is missing. The MLP reads a normalized copy of x.": lambda x, w, n: (
            after(x, w, n) + _mlp(after(x, w, n), w)
        ),
        "The second norm is computed from x before attention has added to it. Normalize x again.": lambda x, w, n: (
            after(x, w, n) + _mlp(_norm(x, w, 1), w)
        ),
        "The order is reversed. Attention comes first, then the MLP.": _mlp_first,
        "You normalized the residual stream itself. Add to x, not to the normalized copy.": _on_the_stream,
        "You added attention's output to the normalized copy. Add it to x.": lambda x, w, n: (
            (y := _norm(x, w, 1) + _attention(_norm(x, w, 1), w, n)) + _mlp(_norm(y, w, 2), w)
        ),
        "You added the MLP's output to the normalized copy. Add it to x.": lambda x, w, n: (
            (y := _norm(after(x, w, n), w, 2)) + _mlp(y, w)
        ),
        "The two norms are swapped: ln_1 belongs to attention, ln_2 to the MLP.": lambda x, w, n: (
            (y := after(x, w, n, norm=2)) + _mlp(_norm(y, w, 1), w)
        ),
        "Both norms use the weights of ln_1. ln_2 belongs to the MLP.": lambda x, w, n: (
            after(x, w, n) + _mlp(_norm(after(x, w, n), w, 1), w)
        ),
        "Both norms use the weights of ln_2. ln_1 belongs to attention.": lambda x, w, n: (
            (y := after(x, w, n, norm=2)) + _mlp(_norm(y, w, 2), w)
        ),
        "The second line is missing: add the output of the MLP.": after,
        "The first line is missing: add the output of attention.": lambda x, w, n: x + _mlp(_norm(x, w, 2), w),
        "x is added twice. Write x = x + attention(…), and then x + mlp(…).": lambda x, w, n: (
            x + after(x, w, n) + _mlp(_norm(after(x, w, n), w, 2), w)
        ),
        "All channels work in one head. Pass n_heads on to attention.": lambda x, w, n: (
            after(x, w, 1) + _mlp(_norm(after(x, w, 1), w, 2), w)
        ),
        "The norm at the end does not belong to the block. It comes once, after the last block.": lambda x, w, n: _norm(
            bricks.block(x, w, n), w, 2
        ),
    }
    try:
        return compare(answer, inputs, bricks.block, usual)
    except Stopped as stopped:
        if isinstance(stopped.__cause__, KeyError):
            raise Stopped(stopped.what, f"The keys of w are {', '.join(layer(2))}.") from stopped.__cause__
        raise


@exercise("6.4", "Count")
def parameters(answer: Callable[[int], Any]) -> str | None:
    """`answer(C)` returns the number of parameters in a block, 12 C² + 13 C."""
    usual: dict[str, Callable[[int], Any]] = {
        "These are the matrices. Biases and norms are missing, another 13 C.": lambda C: 12 * C * C,
        "The norms are missing. There are two, each with a gain and a bias of C numbers.": lambda C: 12 * C * C + 9 * C,
        "There are two norms, and each has a gain and a bias, 4 C in total.": lambda C: 12 * C * C + 11 * C,
        "The biases of the four matrices are missing: 3 C, C, 4 C, and C.": lambda C: 12 * C * C + 4 * C,
        "Attention is missing. It has 4 C² weights, in the qkv matrix and the projection, and 4 C biases.": lambda C: (
            8 * C * C + 9 * C
        ),
        "The qkv matrix goes from C to 3 C: queries, keys, and values.": lambda C: 10 * C * C + 11 * C,
        "The projection at the end of attention is missing.": lambda C: 11 * C * C + 12 * C,
        "The MLP has two matrices, from C to 4 C and back.": lambda C: 8 * C * C + 12 * C,
        "The MLP is missing: two matrices with biases, 8 C² + 5 C.": lambda C: 4 * C * C + 8 * C,
        "This is right only for C = 10. Compute the number from C.": lambda C: 1330,
        "Parameters are counted in whole numbers. Use // or leave out the division.": lambda C: 12.0 * C * C + 13 * C,
    }
    return compare(answer, [(10,), (16,), (768,)], lambda C: 12 * C * C + 13 * C, usual)

"""The exercises of chapter 18: from GPT-2 to today."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu, silu

from gpt2_course.bricks import today
from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import Difference, numbers, plain, same


@exercise(
    "18.1",
    "RMSNorm",
    forbidden=dict.fromkeys(
        ("rms_norm", "layer_norm", "native_layer_norm"), "Write RMSNorm yourself, without PyTorch's own."
    ),
)
def rms_norm(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(x, gain)` returns the RMSNorm of x (T, C) over the channels."""
    inputs = [
        (scale * numbers(t, c) + shift, 2 + numbers(c, seed=1))
        # the last have numbers so small that the 1e-5 in the root, and where it stands, matter
        for t, c, scale, shift in [(4, 6, 3, 2), (3, 5, 1, -1), (3, 8, 1e-3, 0), (2, 4, 0, 0)]
    ]

    def root(x: Tensor, inside: float = 1e-5) -> Tensor:
        return (x.pow(2).mean(-1, keepdim=True) + inside).sqrt()

    def centered(x: Tensor) -> Tensor:
        return x - x.mean(-1, keepdim=True)

    usual: dict[str, Callable[[Tensor, Tensor], Tensor] | tuple[Callable[[Tensor, Tensor], Tensor], ...]] = {
        "The gain is missing. Multiply by it.": lambda x, g: x / root(x),
        "This is layer norm. RMSNorm does not subtract the mean.": lambda x, g: centered(x) / root(centered(x)) * g,
        "You divided by the standard deviation, which subtracts the mean. Take the mean of the squares of x itself.": (
            lambda x, g: x / root(centered(x)) * g
        ),
        "Do not subtract the mean. RMSNorm only divides.": lambda x, g: centered(x) / root(x) * g,
        "Take the mean of the squares, not their sum.": lambda x, g: (
            x / (x.pow(2).sum(-1, keepdim=True) + 1e-5).sqrt() * g
        ),
        "You divided by the mean of the squares. Divide by its root.": lambda x, g: x / root(x) ** 2 * g,
        "You multiplied by the root. Divide by it.": lambda x, g: x * root(x) * g,
        "Multiply by the gain instead of dividing by it.": lambda x, g: x / root(x) / g,
        "The gain is multiplied, not added.": lambda x, g: x / root(x) + g,
        "Without the 1e-5, tiny vectors are divided by almost nothing: add it to the mean, inside the root.": (
            lambda x, g: x / root(x, 0) * g
        ),
        "You added the 1e-5 to the root. Add it to the mean of the squares, inside the root.": lambda x, g: (
            x / (root(x, 0) + 1e-5) * g
        ),
        "You subtracted the 1e-5. Add it.": lambda x, g: x / root(x, -1e-5) * g,
        "You added 1e-6. Add 1e-5 to the mean of the squares.": lambda x, g: x / root(x, 1e-6) * g,
        "You added 1e-8. Add 1e-5 to the mean of the squares.": lambda x, g: x / root(x, 1e-8) * g,
        "You normalized over the tokens (dimension 0). Normalize each token on its own (dimension −1).": lambda x, g: (
            x / (x.pow(2).mean(0, keepdim=True) + 1e-5).sqrt() * g
        ),
        "You normalized all numbers together. Normalize each token on its own (dimension −1).": lambda x, g: (
            x / (x.pow(2).mean() + 1e-5).sqrt() * g
        ),
        "Nothing is divided: this is x times the gain.": lambda x, g: x * g,
        "The mean is missing: one number per token divides all of its channels.": lambda x, g: (
            x / (x.pow(2) + 1e-5).sqrt() * g
        ),
        "Divide x by the root, not the root by x.": lambda x, g: root(x) / x * g,
        "x is missing: divide it by the root.": lambda x, g: root(x) * g,
        "Square the channels: the exponent is 2.": (
            lambda x, g: x / (x.pow(3).mean(-1, keepdim=True) + 1e-5).sqrt() * g,
            lambda x, g: x / (x.pow(4).mean(-1, keepdim=True) + 1e-5).sqrt() * g,
        ),
        "You added 1. Add 1e-5 to the mean of the squares.": lambda x, g: x / root(x, 1) * g,
        "The squares are missing: this divides by the root of the mean.": lambda x, g: (
            x / (x.mean(-1, keepdim=True) + 1e-5).sqrt() * g
        ),
        "The squares are missing: this divides by the mean size of the numbers.": lambda x, g: (
            x / x.abs().mean(-1, keepdim=True) * g
        ),
        "A mean over the channels has the shape (T,), which does not fit (T, C). Use keepdim=True to get (T, 1).": (
            lambda x, g: x / (x.pow(2).mean(-1) + 1e-5).sqrt() * g
        ),
    }
    return compare(answer, inputs, today.rms_norm, usual)


def _turned(
    x: Tensor,
    base: float = 10_000,
    first: int = 0,
    sign: int = 1,
    halves: bool = False,
    joined: bool = False,
    step: float = 2.0,
) -> Tensor:
    """`today.rotate` with mistakes: see `rotate` below for what each of them is."""
    T, D = x.shape
    speeds = base ** (-step / 2 * torch.arange(0, D, 2) / D)
    angles = sign * torch.arange(first, first + T)[:, None] * speeds
    a, b = x.chunk(2, -1) if halves else (x[:, 0::2], x[:, 1::2])
    turned = a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()
    return torch.cat(turned, dim=-1) if halves or joined else torch.stack(turned, dim=-1).flatten(1)


def _parts(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The two halves of each pair, and the cosine and sine of each angle."""
    T, D = x.shape
    angles = torch.arange(T)[:, None] * 10_000 ** (-torch.arange(0, D, 2) / D)
    return x[:, 0::2], x[:, 1::2], angles.cos(), angles.sin()


def _woven(*parts: Tensor) -> Tensor:
    return torch.stack(parts, dim=-1).flatten(1)


@exercise("18.2", "Turn the pairs")
def rotate(answer: Callable[[Tensor], Any]) -> str | None:
    """`answer(x)` turns each pair of channels of x (T, D) by its token's position times the pair's speed."""
    inputs = [(numbers(t, d, seed=t),) for t, d in [(5, 8), (3, 4), (40, 6), (1, 2)]]

    def one_pair(x: Tensor) -> Tensor:
        return torch.cat([_turned(x)[:, :2], x[:, 2:]], dim=-1)

    def same_speed(x: Tensor) -> Tensor:
        return torch.cat([_turned(x[:, i : i + 2]) for i in range(0, x.shape[1], 2)], dim=-1)

    def mixed(signs: str) -> Callable[[Tensor], Tensor]:
        """The right pairs with some signs wrong."""

        def turned(x: Tensor) -> Tensor:
            a, b, cos, sin = _parts(x)
            s = [1 if sign == "+" else -1 for sign in signs]
            return _woven(a * cos + s[0] * b * sin, s[1] * a * sin + s[2] * b * cos)

        return turned

    def swapped(x: Tensor) -> Tensor:
        a, b, cos, sin = _parts(x)
        return _woven(a * sin + b * cos, a * cos - b * sin)

    def sine_first(x: Tensor) -> Tensor:
        a, b, cos, sin = _parts(x)
        return _woven(a * sin - b * cos, a * cos + b * sin)

    usual: dict[str, Callable[[Tensor], Tensor] | tuple[Callable[[Tensor], Tensor], ...]] = {
        "Nothing is turned: this is x itself.": lambda x: x,
        "Positions count from 0. The first token is not turned at all.": lambda x: _turned(x, first=1),
        "The pairs turn the wrong way: a · cos − b · sin comes first, then a · sin + b · cos.": (
            lambda x: _turned(x, sign=-1)
        ),
        "The pairs are channels 0 and 1, 2 and 3, and so on: x[:, 0::2] and x[:, 1::2]. You paired the two halves.": (
            lambda x: _turned(x, halves=True)
        ),
        "The numbers are right, but out of order: each pair's results belong side by side, where the pair was.": (
            lambda x: _turned(x, joined=True)
        ),
        "All pairs turn at the same speed. Pair i has the speed 10,000^(−2i/D).": same_speed,
        "Only the first pair is turned.": one_pair,
        "The exponent of pair i is −2i/D, and yours is −i/D.": lambda x: _turned(x, step=1),
        "The exponent of pair i is −2i/D, and yours is −4i/D.": lambda x: _turned(x, step=4),
        "The exponent must be negative: pair i has the speed 10,000^(−2i/D), so later pairs turn more slowly.": (
            lambda x: _turned(x, step=-2)
        ),
        "Your speeds are powers of 1,000. The base is 10,000.": lambda x: _turned(x, base=1000),
        "Your speeds are powers of 100,000. The base is 10,000.": lambda x: _turned(x, base=100_000),
        "A sign is wrong: the first of a pair becomes a · cos − b · sin, the second a · sin + b · cos.": tuple(
            mixed(signs) for signs in ("+++", "---", "+-+", "--+", "-+-", "++-")
        ),
        "The two results of a pair are swapped: a · cos − b · sin comes first.": swapped,
        "Sine and cosine are swapped: the first of a pair becomes a · cos − b · sin.": sine_first,
        "This does not turn, it adds: the pair must be mixed with cosine and sine.": lambda x: (
            x + torch.arange(len(x))[:, None]
        ),
        "This multiplies by the cosines only. Each result needs both numbers of its pair.": lambda x: _woven(
            *(part * _parts(x)[2] for part in _parts(x)[:2])
        ),
    }
    message = compare(answer, inputs, today.rotate, usual)
    return _where(answer, inputs[0][0]) if isinstance(message, Difference) else message


def _where(answer: Callable[[Tensor], Any], x: Tensor) -> str:
    """What is wrong with some rotated pairs (T, D), if none of the usual mistakes is."""
    found, right = plain(answer(x.clone())), today.rotate(x)
    if same(found[:, 0::2], right[:, 0::2]):
        return (
            "The first number of each pair is right. The second must be a · sin + b · cos, with the old a and b: if "
            "you have already written the first result over a, keep a copy."
        )
    if same(found[:, 1::2], right[:, 1::2]):
        return "The second number of each pair is right. The first must be a · cos − b · sin."
    if not same(found[0], x[0]):
        return (
            "The angles at position 0 are 0, so the first token must stay as it is: a · cos 0 − b · sin 0 is a, and "
            "a · sin 0 + b · cos 0 is b. Yours changes."
        )
    lengths = [part.view(len(x), -1, 2).norm(dim=-1) for part in (found, x)]
    if not same(*lengths):
        return "Turning keeps the length of every pair, but yours changes it: a · cos − b · sin, a · sin + b · cos."
    return "Every pair is turned, but by other angles: position times speed, and pair i has the speed 10,000^(−2i/D)."


@exercise("18.3", "SwiGLU")
def swiglu(answer: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(x, w_up, b_up, w_down, b_down)` returns the output (T, C) of an MLP with gates."""
    inputs = [
        (numbers(t, c), numbers(c, 2 * n, seed=1), 1 + numbers(2 * n, seed=2), numbers(n, c), 2 + numbers(c))
        for t, c, n in [(5, 3, 4), (2, 4, 5), (1, 2, 3)]
    ]

    def halves(x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = (x @ w + b).chunk(2, -1)
        return gate, up

    def woven(x: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor) -> Tensor:
        both = x @ w + b
        return silu(both[:, 0::2]) * both[:, 1::2] @ v + c

    def with_gate(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
        def mistaken(x: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor) -> Tensor:
            gate, up = halves(x, w, b)
            return function(gate) * up @ v + c

        return mistaken

    usual: dict[str, Callable[..., Tensor] | tuple[Callable[..., Tensor], ...]] = {
        "The wrong half goes through SiLU: the gate is the first half.": lambda x, w, b, v, c: (
            (y := halves(x, w, b))[0] * silu(y[1]) @ v + c
        ),
        "The nonlinearity is missing: the gate goes through SiLU.": with_gate(lambda gate: gate),
        "This is GEGLU: your gate goes through GELU. SwiGLU uses SiLU.": (
            with_gate(gelu),
            with_gate(lambda gate: gelu(gate, approximate="tanh")),
        ),
        "Your gate goes through the sigmoid alone. SiLU is x · sigmoid(x).": with_gate(torch.sigmoid),
        "This is ReGLU: your gate goes through ReLU. SwiGLU uses SiLU.": with_gate(torch.relu),
        "Your gate goes through tanh. SwiGLU uses SiLU.": with_gate(torch.tanh),
        "Multiply the two halves instead of dividing one by the other.": lambda x, w, b, v, c: (
            silu((y := halves(x, w, b))[0]) / y[1] @ v + c
        ),
        "Multiply the two halves instead of adding them.": lambda x, w, b, v, c: (
            (silu((y := halves(x, w, b))[0]) + y[1]) @ v + c
        ),
        "SiLU belongs to the gate alone, not to both halves.": lambda x, w, b, v, c: (
            silu((y := halves(x, w, b))[0]) * silu(y[1]) @ v + c
        ),
        "SiLU belongs to the gate, before the two halves are multiplied.": lambda x, w, b, v, c: (
            silu((y := halves(x, w, b))[0] * y[1]) @ v + c
        ),
        "The second half is missing: multiply silu(gate) by it.": lambda x, w, b, v, c: (
            silu(halves(x, w, b)[0]) @ v + c
        ),
        "The gate is missing: multiply the second half by silu(gate).": lambda x, w, b, v, c: (
            halves(x, w, b)[1] @ v + c
        ),
        "The halves are the first N columns and the last N, not every other one: (…).chunk(2, dim=-1).": woven,
        "This is the middle (T, N). One step is missing: the second matrix, back to (T, C).": lambda x, w, b, v, c: (
            silu((y := halves(x, w, b))[0]) * y[1]
        ),
        "The biases are missing.": lambda x, w, b, v, c: silu((y := (x @ w).chunk(2, -1))[0]) * y[1] @ v,
        "The first bias is missing. Add b_up before cutting in halves.": lambda x, w, b, v, c: (
            silu((y := (x @ w).chunk(2, -1))[0]) * y[1] @ v + c
        ),
        "The second bias is missing. Add b_down at the end.": lambda x, w, b, v, c: (
            silu((y := halves(x, w, b))[0]) * y[1] @ v
        ),
        "The first bias is subtracted. Add it.": lambda x, w, b, v, c: silu((y := halves(x, w, -b))[0]) * y[1] @ v + c,
        "The second bias is subtracted. Add it.": lambda x, w, b, v, c: silu((y := halves(x, w, b))[0]) * y[1] @ v - c,
        "Do not add x. The block does that, not the MLP.": lambda x, w, b, v, c: (
            x + silu((y := halves(x, w, b))[0]) * y[1] @ v + c
        ),
        "This is as wide as both halves together. Multiply one half by the other, which leaves (T, N).": (
            lambda x, w, b, v, c: silu(x @ w + b) @ v + c
        ),
        "The two matrices are swapped. w_up comes first.": lambda x, w, b, v, c: x @ v,
        "x comes first: x @ w_up, (T, C) @ (C, 2N).": lambda x, w, b, v, c: w @ x,
        "Cut the channels (dimension −1) in halves, not the tokens.": lambda x, w, b, v, c: (
            silu((y := (x @ w + b).chunk(2, 0))[0]) * y[1] @ v + c
        ),
    }
    return compare(answer, inputs, today.swiglu, usual)


@exercise("18.4", "The size of a cache")
def cache_bytes(answer: Callable[[int, int, int, int], Any]) -> str | None:
    """`answer(n_layers, n_kv_heads, head_size, bytes_per_number)` returns the bytes per token of a key-value cache."""
    inputs = [(12, 12, 64, 2), (32, 8, 128, 2), (6, 2, 32, 4), (5, 1, 3, 1)]
    usual: dict[str, Callable[[int, int, int, int], Any] | tuple[Callable[[int, int, int, int], Any], ...]] = {
        "Each head stores a key and a value. This counts only one of them.": lambda n, h, d, b: n * h * d * b,
        "These are numbers. Multiply by the bytes per number.": lambda n, h, d, b: 2 * n * h * d,
        "Every layer has a cache of its own. Multiply by the number of layers.": lambda n, h, d, b: 2 * h * d * b,
        "Every head has its own keys and values. Multiply by the number of heads.": lambda n, h, d, b: 2 * n * d * b,
        "A key has head_size numbers. Multiply by it.": lambda n, h, d, b: 2 * n * h * b,
        "Queries are not kept: only the token at the end needs its query. Count two vectors, not three.": (
            lambda n, h, d, b: 3 * n * h * d * b
        ),
        "This counts keys and values twice.": lambda n, h, d, b: 4 * n * h * d * b,
        "A key and a value are 2 · head_size numbers, not head_size².": lambda n, h, d, b: n * h * d * d * b,
        "Multiply by the bytes per number instead of dividing by it.": lambda n, h, d, b: 2 * n * h * d / b,
        "These are bits. Return bytes.": lambda n, h, d, b: 16 * n * h * d * b,
        "Everything is multiplied, and nothing is added.": (
            lambda n, h, d, b: 2 * (n + h + d) * b,
            lambda n, h, d, b: (2 + d) * h * n * b,
            lambda n, h, d, b: 2 * d * h * n + b,
            lambda n, h, d, b: (2 * d * h + n) * b,
            lambda n, h, d, b: (2 * d + h) * n * b,
        ),
        "This is right for GPT-2 alone.": lambda n, h, d, b: 36864,
    }
    return compare(answer, inputs, today.cache_bytes, usual)

"""Weights in 8 bits: a quarter of the memory to read per token, and so a much faster generation on CPUs.

A row of a weight matrix produces one output. Its largest absolute value is mapped to 127, and every number of the row
is rounded to the nearest of the 255 levels from −127 to 127: W ≈ numbers · scale, with one scale per row. This is the
simplest scheme in the survey by Gholami et al. (2021, arXiv:2103.13630): symmetric, per channel, after training.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gpt2_course.checkpoint import TRANSPOSED

LEVELS = 127  # on each side of 0
# PyTorch's kernel takes inputs in 8 bits without a sign. Its sums of two products must fit into 16 bits on older
# processors, which leaves 7 bits: 63 levels on each side of 64.
INPUT_LEVELS, INPUT_ZERO = 63, 64


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A matrix (n_out, n_in) as int8 numbers of the same shape and scales (n_out, 1): weight ≈ numbers × scales."""
    weight = weight.detach().float()
    scale = weight.abs().amax(dim=1, keepdim=True) / LEVELS
    scale = scale.clamp(min=torch.finfo(torch.float32).tiny)  # a row of zeros stays a row of zeros
    return (weight / scale).round().to(torch.int8), scale


def eight_bit_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a GPT-2 file with its matrices in 8 bits, as the book's page loads them; the rest is unchanged.

    A matrix `x.weight` becomes int8 numbers (n_out, n_in) and `x.scale` (n_out,), even if the file has (n_in, n_out).
    """
    made: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if TRANSPOSED.search(name) or name.endswith("wte.weight"):
            numbers, scale = quantize_rows(tensor.T if TRANSPOSED.search(name) else tensor)
            made |= {name: numbers.contiguous(), name.removesuffix("weight") + "scale": scale[:, 0].contiguous()}
        else:
            made[name] = tensor
    return made


class Int8Linear(nn.Module):
    """A linear map (…, n_in) → (…, n_out) with weights in 8 bits.

    On an x86 processor, each row of inputs is rounded, too, with a scale of its own, and PyTorch's kernel multiplies
    integers. Elsewhere, the weights are converted back for each call, which saves memory but no time.
    """

    numbers: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        numbers, scale = quantize_rows(weight)
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=False)
        self.packed = _packed(numbers, scale) if weight.device.type == "cpu" else None
        if self.packed is None:
            self.register_buffer("numbers", numbers)
            self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        if self.packed is not None:
            largest = x.abs().amax(dim=-1, keepdim=True).clamp_(min=torch.finfo(x.dtype).tiny)  # (…, 1)
            y = _kernel()(x / largest, 1 / INPUT_LEVELS, INPUT_ZERO, self.packed).mul_(largest)
        else:
            y = (x @ self.numbers.to(x.dtype).T) * self.scale[:, 0]
        return y if self.bias is None else y.add_(self.bias)


class Int8Embedding(nn.Module):
    """A token embedding (V, C) in 8 bits that is also the output head, in a second copy arranged for its kernel."""

    numbers: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        numbers, scale = quantize_rows(weight)
        self.register_buffer("numbers", numbers)
        self.register_buffer("scale", scale)
        self.head = Int8Linear(weight)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.numbers[tokens] * self.scale[tokens]

    @property
    def weight(self) -> Tensor:
        """The table (V, C) in 32 bits, recomputed for each use."""
        return self.numbers * self.scale


def _kernel() -> Any:
    """PyTorch's product of rows in [-1, 1], rounded to the given scale and zero point, with packed weights."""
    return torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32


def _packed(numbers: Tensor, scale: Tensor) -> Any:
    """The weights arranged for PyTorch's 8-bit kernel; None if this processor or this PyTorch has none."""
    if torch.backends.quantized.engine not in ("x86", "fbgemm") or not hasattr(torch, "quantize_per_channel"):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch plans to remove this function; the other path is ready for that
        zeros = torch.zeros(len(scale), dtype=torch.int64)
        tensor = torch.quantize_per_channel(numbers * scale, scale[:, 0], zeros, 0, torch.qint8)
    return torch.ops.quantized.linear_prepack(tensor, None)

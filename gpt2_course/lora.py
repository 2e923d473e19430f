"""Low-rank adaptation: train a small detour beside each matrix, and leave the matrix itself as it is.

Fine-tuning changes a matrix W (out, in) only a little, and Hu et al. found that the change may have a low rank: it can
be the product of two thin matrices. So W stays frozen, and only `down` (rank, in) and `up` (out, rank) learn:

    y = W·x + (ALPHA / rank) · up·(down·x)

AdamW then keeps its two averages for these few parameters instead of for all of them, and the gradients of the frozen
matrices are never computed. After training, the detour is added to W, so the model costs no more than before.

Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021), which calls the two matrices A and B.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpt2_course.model import GPT2, Block

__all__ = ["LoRALinear", "add_adapters", "merged"]

ALPHA = 16.0
"""The strength of an adapter of any rank, whose output is scaled by ALPHA / rank. With twice the rank, `up @ down` is a
sum of twice as many terms, and the factor makes up for that. So another rank needs no other learning rate."""


class LoRALinear(nn.Module):
    """A linear map (…, in) → (…, out) with frozen weights and an adapter that learns.

    `up` starts at zero, so at first the adapter changes nothing.

    Args:
        linear: the layer to adapt, which is frozen.
        rank: the number of channels that the detour squeezes through, from 1 to the layer's smaller side.
    """

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        n_out, n_in = linear.weight.shape
        if not 1 <= rank <= min(n_out, n_in):
            raise ValueError(
                f"The rank of an adapter must be from 1 to {min(n_out, n_in)}, the smaller side of its matrix, but is "
                f"{rank}."
            )
        self.linear = linear.requires_grad_(False)
        self.scale = ALPHA / rank
        # drawn on the CPU, so that a seed gives the same numbers on every device
        self.down = nn.Parameter((torch.randn(rank, n_in) / n_in**0.5).to(linear.weight))
        self.up = nn.Parameter(torch.zeros(n_out, rank).to(linear.weight))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.scale * F.linear(F.linear(x, self.down), self.up)

    def merged_weight(self) -> Tensor:
        """The one matrix (out, in) that does what the frozen matrix and the adapter do together."""
        return self.linear.weight.detach() + self.scale * (self.up @ self.down).detach()


def add_adapters(model: GPT2, rank: int) -> GPT2:
    """Freeze a model and put an adapter beside every matrix of its blocks; only the adapters learn.

    The model is changed in place and returned. To save or to quantize it, use `merged(model)`. Raises `ValueError` if
    the rank does not fit, or if the model is quantized.
    """
    model.require_unquantized("adapted")
    model.requires_grad_(False)
    for block in cast("list[Block]", model.blocks):
        for part, names in ((block.attention, ("qkv", "projection")), (block.mlp, ("expand", "projection"))):
            for name in names:
                setattr(part, name, LoRALinear(getattr(part, name), rank))
    return model


@torch.no_grad()
def merged(model: GPT2) -> GPT2:
    """An ordinary GPT-2 that computes what a model with adapters computes.

    It shares its other parameters, such as the embeddings, with `model`.
    """
    weights = {
        name.replace(".linear.", "."): parameter.detach()
        for name, parameter in model.named_parameters()
        if not name.endswith((".down", ".up"))
    }
    adapted = {name: module for name, module in model.named_modules() if isinstance(module, LoRALinear)}
    weights |= {f"{name}.weight": layer.merged_weight() for name, layer in adapted.items()}
    with torch.device("meta"):  # allocate no memory: all tensors exist already
        plain = GPT2(model.config)
    plain.tokenizer = model.tokenizer
    plain.load_state_dict(weights, assign=True)
    return plain.train(model.training)

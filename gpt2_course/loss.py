"""Next-token loss, computed without ever holding all the logits in memory.

At batch 16 × 512 and GPT-2's vocabulary of 50,257, the logits alone take 1.6 GB, and the textbook
`cross_entropy(hidden @ weight.T, targets)` keeps three arrays of that size: the logits, their log-softmax, and their
gradient. Here one chunk of rows at a time goes from hidden state to loss *and* gradient and then makes room for the
next. The idea comes from "Cut Your Losses in Large-Vocabulary Language Models" (Wijmans et al., 2024,
arXiv:2411.09009) and from Liger Kernel (Hsu et al., 2024, arXiv:2410.10989).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

# 16 MB of fp32 logits at a time: small enough for a CPU's cache, large enough for a fast matrix product.
LOGITS_PER_CHUNK = 4 * 1024 * 1024
# 512 MB on a GPU: each chunk reads and writes the whole gradient of the table, so fewer, larger chunks are faster.
LOGITS_PER_CHUNK_ON_A_GPU = 128 * 1024 * 1024


def _chunks(x: Tensor, table: Tensor, targets: Tensor) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """For each chunk of rows: its slice, eˡᵒᵍⁱᵗ (rows, V), the sums of its rows (rows, 1), and losses (rows,).

    Each row is divided by its largest number, so nothing overflows.
    """
    per_chunk = LOGITS_PER_CHUNK if x.device.type == "cpu" else LOGITS_PER_CHUNK_ON_A_GPU
    rows = max(1, per_chunk // len(table))
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        logits = (x[part] @ table.T).float()
        logits.sub_(logits.amax(dim=-1, keepdim=True))
        right = logits.gather(1, targets[part, None])  # (rows, 1)
        exps = logits.exp_()
        sums = exps.sum(dim=-1, keepdim=True)
        yield part, exps, sums, (sums.log() - right)[:, 0]


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        n_rows, device = len(hidden), hidden.device.type
        # All three products use autocast's type. Cast once here; otherwise every chunk would cast the table again.
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
        x, table = hidden.to(dtype), weight.to(dtype)
        want_hidden, want_weight, _ = ctx.needs_input_grad
        grad_hidden = torch.empty_like(x) if want_hidden else None  # (N, C)
        grad_weight = torch.zeros_like(weight) if want_weight else None  # (V, C)
        # (N,) one loss per row; float32 even if autocast or the weights use 16 bits
        losses = torch.empty(n_rows, device=hidden.device, dtype=torch.float32)
        for part, exps, sums, loss in _chunks(x, table, targets):
            losses[part] = loss
            if grad_hidden is None and grad_weight is None:
                continue
            # d loss / d logits = (softmax(logits) − one-hot(target)) / N, written over the exponentials
            grad = exps.div_(sums * n_rows)
            grad = grad.scatter_add_(1, targets[part, None], grad.new_full((len(loss), 1), -1 / n_rows)).to(dtype)
            if grad_hidden is not None:
                torch.mm(grad, table, out=grad_hidden[part])
            if grad_weight is not None and dtype == weight.dtype:
                grad_weight.addmm_(grad.T, x[part])
            elif grad_weight is not None:
                grad_weight += grad.T @ x[part]  # the product in 16 bits, the sum over the chunks in 32
        ctx.save_for_backward(None if grad_hidden is None else grad_hidden.to(hidden.dtype), grad_weight)
        return losses.mean()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        (scale,) = grad_outputs  # 1 for loss.backward(), 1/n with gradient accumulation
        return (
            None if grad_hidden is None else grad_hidden * scale,
            None if grad_weight is None else grad_weight * scale,
            None,
        )


def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """The mean of −ln p(target), in nats per token, for logits `hidden @ weight.T` that are never all in memory.

    Args:
        hidden: (N, C), the output of the last layer norm.
        weight: (V, C), the output head: in GPT-2, the token embedding.
        targets: (N,) token ids, each below V.

    The result and its gradients equal those of `torch.nn.functional.cross_entropy` up to rounding.
    """
    if not torch.is_grad_enabled():  # tells the function that no gradient is needed
        hidden, weight = hidden.detach(), weight.detach()
    loss: Tensor = _LinearCrossEntropy.apply(hidden, weight, targets)  # type: ignore[no-untyped-call]
    return loss


@torch.no_grad()
def token_losses(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """−ln p(target) of each row, in nats, shape (N,), without gradients; arguments as in `linear_cross_entropy`."""
    return torch.cat([loss for _, _, _, loss in _chunks(hidden, weight, targets)])

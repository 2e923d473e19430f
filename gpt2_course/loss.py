"""Next-token loss, computed without ever holding all the logits in memory.

At batch 16 × 512 and GPT-2's vocabulary of 50,257, the logits alone take 1.6 GB, and the textbook
`cross_entropy(hidden @ weight.T, targets)` keeps three arrays of that size: the logits, their log-softmax, and their
gradient. Here one chunk of rows at a time goes from hidden state to loss *and* gradient and then makes room for the
next. The idea comes from "Cut Your Losses in Large-Vocabulary Language Models" (Wijmans et al., 2024,
arXiv:2411.09009) and from Liger Kernel (Hsu et al., 2024, arXiv:2410.10989).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORED = -100
"""The target of a token that is not to be learned, as in `torch.nn.functional.cross_entropy`."""
# 16 MB of fp32 logits at a time: small enough for a CPU's cache, large enough for a fast matrix product.
LOGITS_PER_CHUNK = 4 * 1024 * 1024
# 1 GB of 16-bit logits on a GPU: each chunk reads and writes the whole gradient of the table, so fewer are faster.
LOGITS_PER_CHUNK_ON_A_GPU = 512 * 1024 * 1024


def _slices(n_rows: int, n_columns: int, device: torch.device) -> Iterator[slice]:
    """Slices of equal length that divide the rows into as few chunks as the limit above allows."""
    most = max(1, (LOGITS_PER_CHUNK if device.type == "cpu" else LOGITS_PER_CHUNK_ON_A_GPU) // n_columns)
    n_chunks = max(1, -(-n_rows // most))  # -(-a // b) rounds up
    rows = max(1, -(-n_rows // n_chunks))
    return (slice(start, start + rows) for start in range(0, n_rows, rows))


def losses_and_gradient(
    logits: Tensor, targets: Tensor, n_counted: int | Tensor, n_columns: int
) -> tuple[Tensor, Tensor]:
    """−ln p(target) of each row (rows,), and the gradient (rows, V) of their sum / `n_counted` with respect to the
    logits; both are 0 for the target `IGNORED`.

    Columns from `n_columns` on are padding. d loss / d logits = softmax(logits) − one-hot(target).
    """
    dtype, logits = logits.dtype, logits.float()
    ignored = targets == IGNORED
    targets = targets.masked_fill(ignored, 0)[:, None]  # (rows, 1)
    if torch.compiler.is_compiling():  # without any update in place, this becomes a single kernel
        column = torch.arange(logits.shape[1], device=logits.device)
        logits = logits.masked_fill(column >= n_columns, -torch.inf)
        log_sum = logits.logsumexp(dim=-1, keepdim=True)
        losses = (log_sum - logits.gather(1, targets))[:, 0]
        grad = ((logits - log_sum).exp() - (column == targets).float()) / n_counted
        grad = grad.masked_fill(ignored[:, None], 0)
    else:  # written over the logits, and each exponential is computed only once
        logits[:, n_columns:] = -torch.inf
        logits.sub_(logits.amax(dim=-1, keepdim=True))  # so that no exponential overflows
        right = logits.gather(1, targets)  # (rows, 1)
        sums = logits.exp_().sum(dim=-1, keepdim=True)  # (rows, 1)
        losses = (sums.log() - right)[:, 0]
        grad = logits.div_((sums * n_counted).masked_fill_(ignored[:, None], torch.inf))
        ones = torch.ones_like(sums).masked_fill_(ignored[:, None], 0)
        grad.scatter_add_(1, targets, -ones / n_counted)
    return losses.masked_fill(ignored, 0), grad.to(dtype)


Pointwise = Callable[[Tensor, Tensor, int | Tensor, int], tuple[Tensor, Tensor]]


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, pointwise: Pointwise) -> Tensor:
        (n_rows, _), (n_columns, _), device = hidden.shape, weight.shape, hidden.device
        # All three products use autocast's type. Cast once here; otherwise every chunk would cast the table again.
        autocast = torch.is_autocast_enabled(device.type)
        dtype = torch.get_autocast_dtype(device.type) if autocast else hidden.dtype
        x, table = hidden.to(dtype), weight.to(dtype)
        if device.type == "cuda" and dtype != torch.float32:  # tensor cores need rows of a multiple of 8 numbers
            table = F.pad(table, (0, 0, 0, -n_columns % 64))
        want_hidden, want_weight, *_ = ctx.needs_input_grad
        grad_hidden = torch.empty_like(x) if want_hidden else None  # (N, C)
        grad_weight = torch.zeros_like(weight) if want_weight else None  # (V, C)
        # On a GPU, the number stays there: to fetch it, Python would have to wait for everything computed so far.
        n_counted = (targets != IGNORED).sum().clamp(min=1) if device.type != "cpu" else max(1, n_rows)
        # (N,) one loss per row; float32 even if autocast or the weights use 16 bits
        losses = torch.empty(n_rows, device=device, dtype=torch.float32)
        for part in _slices(n_rows, n_columns, device):
            logits = x[part] @ table.T
            if grad_hidden is None and grad_weight is None:
                losses[part] = F.cross_entropy(logits[:, :n_columns].float(), targets[part], reduction="none")
                continue
            losses[part], grad = pointwise(logits, targets[part], n_counted, n_columns)
            if grad_hidden is not None:
                torch.mm(grad, table, out=grad_hidden[part])
            if grad_weight is not None and dtype == weight.dtype:
                grad_weight.addmm_(grad.T, x[part])
            elif grad_weight is not None:
                grad_weight += (grad.T @ x[part])[:n_columns]  # a product in 16 bits, the sum over the chunks in 32
        ctx.save_for_backward(None if grad_hidden is None else grad_hidden.to(hidden.dtype), grad_weight)
        return losses.sum() / n_counted

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        (scale,) = grad_outputs  # 1 for loss.backward(), 1/n with gradient accumulation
        return (
            None if grad_hidden is None else grad_hidden * scale,
            None if grad_weight is None else grad_weight * scale,
            None,
            None,
        )


def linear_cross_entropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, pointwise: Pointwise = losses_and_gradient
) -> Tensor:
    """The mean of −ln p(target), in nats per token, for logits `hidden @ weight.T` that are never all in memory.

    Args:
        hidden: (N, C), the output of the last layer norm.
        weight: (V, C), the output head: in GPT-2, the token embedding.
        targets: (N,) token ids, each below V, or `IGNORED` in rows that do not count.
        pointwise: `losses_and_gradient`, or the same compiled.

    The result and its gradients equal those of `torch.nn.functional.cross_entropy` up to rounding. If no row counts,
    all of them are 0.
    """
    if targets.device.type == "cpu":  # elsewhere, `pointwise` ignores these rows, because counting them means waiting
        counted = (targets != IGNORED).nonzero()[:, 0]
        if len(counted) < len(targets):
            hidden, targets = hidden.index_select(0, counted), targets.index_select(0, counted)
    if not torch.is_grad_enabled():  # tells the function that no gradient is needed
        hidden, weight = hidden.detach(), weight.detach()
    loss: Tensor = _LinearCrossEntropy.apply(hidden, weight, targets, pointwise)  # type: ignore[no-untyped-call]
    return loss


@torch.no_grad()
def token_losses(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """−ln p(target) of each row, in nats, shape (N,), without gradients; 0 if it does not count. Arguments as in
    `linear_cross_entropy`."""
    parts = _slices(len(hidden), len(weight), hidden.device)
    return torch.cat([F.cross_entropy((hidden[p] @ weight.T).float(), targets[p], reduction="none") for p in parts])

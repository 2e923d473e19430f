"""Muon for the matrices, AdamW for the rest.

AdamW treats every parameter on its own. But a weight matrix is more than a bag of numbers: it maps vectors to vectors,
and its gradient usually points along only a few directions. Muon replaces the gradient of a matrix (smoothed over time)
with the nearest matrix that stretches *every* direction by the same amount, so weak directions learn as fast as strong
ones. On small GPT-2 models this reaches the same loss in well under half the steps.

It has two limits. The idea makes sense for matrices only, so embeddings (tables of rows), biases, and layer norms stay
with AdamW: Muon is always a pair of optimizers. And orthogonalizing costs about 3 × `ns_steps` matrix products per
weight matrix per step, whatever the batch size: the smaller the batch, the larger its share of the time.

Sources: Keller Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024); Jingyuan Liu et al.,
"Muon is Scalable for LLM Training" (2025), for steps of the same size in matrices of any shape; Ilya Loshchilov and
Frank Hutter, "Decoupled Weight Decay Regularization" (2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, overload

import torch
from torch import Tensor, nn

__all__ = ["Muon", "build_optimizers", "orthogonalize", "scale_learning_rates"]

# Each iteration maps every singular value s to a·s + b·s³ + c·s⁵. These three numbers (Jordan et al., 2024) make the
# slope at zero as steep as possible, so small values rise fast; the price is that they end near 1, not at 1.
NEWTON_SCHULZ_COEFFICIENTS = (3.4445, -4.7750, 2.0315)

ADAMW_BETAS = (0.9, 0.95)
_DEVICES_WITH_FUSED_ADAMW = ("cpu", "cuda", "mps")


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """Matrices with the same singular vectors, but all singular values close to 1.

    If a matrix is U·S·Vᵀ (its singular value decomposition), the goal is U·Vᵀ. A decomposition is slow, so this
    takes `steps` Newton-Schulz iterations, which are only matrix products. Five of them bring every singular value
    above 0.2% of the matrix's Frobenius norm into the range 0.68 to 1.21; smaller ones grow by a factor of at most
    3.44 per step and may stay below.

    Args:
        matrices: `(..., rows, columns)`; all leading dimensions are a batch, computed at once.
        steps: the number of iterations.

    Source: Keller Jordan et al. (2024), after Zdislav Kovarik (1970) and Åke Björck and Clazett Bowie (1971).
    """
    a, b, c = NEWTON_SCHULZ_COEFFICIENTS
    rows, columns = matrices.shape[-2:]
    x = matrices.float().reshape(-1, rows, columns)  # (B, rows, columns)
    # X·Xᵀ is rows × rows: transpose first if Xᵀ·X is smaller.
    if rows > columns:
        x = x.mT  # (B, columns, rows)
    # The Frobenius norm is at least the largest singular value, so none exceeds 1 afterwards.
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = torch.bmm(x, x.mT)  # X·Xᵀ
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)  # b·X·Xᵀ + c·(X·Xᵀ)²
        x = torch.baddbmm(x, polynomial, x, beta=a)  # a·X + (…)·X
    if rows > columns:
        x = x.mT
    return x.reshape(matrices.shape)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalized: for weight matrices `(out, in)` only.

    For each matrix W with gradient G, one step is

        M ← momentum·M + (1 - momentum)·G                      an average of recent gradients
        U ← orthogonalize(momentum·M + (1 - momentum)·G)       Nesterov: look one gradient ahead
        W ← (1 - lr·weight_decay)·W - lr·√(long/short)·U       the longer side over the shorter one

    The direction of G matters, its length hardly at all, so gradient clipping changes little here. The factor
    √(long/short) compensates for U having only `short` directions to spread over: a weight of an MLP moves as far per
    step as one in a square matrix.

    A matrix three times as tall as wide is assumed to be the query, key, and value matrices stacked, as in GPT-2, so
    each third is orthogonalized separately. (Orthogonalizing all three as one raised the loss of a small GPT-2 after
    400 steps by about 0.025 nats.)

    All matrices of one shape are stacked and orthogonalized in one batched product. The arithmetic is fp32, and the
    only state is one momentum buffer per parameter, so training resumed from `state_dict()` continues bit for bit as if
    it had never stopped (on the same machine).

    Source: Keller Jordan et al. (2024); decoupled weight decay as in Jingyuan Liu et al. (2025).
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.85,
        weight_decay: float = 0.0,
        ns_steps: int = 5,
    ) -> None:
        """Raise `ValueError` for a setting out of range or a parameter that is not a matrix."""
        if lr < 0:
            raise ValueError(f"Muon's learning rate must be 0 or more, but is {lr}.")
        if not 0 <= momentum < 1:
            raise ValueError(f"Muon's momentum must be in [0, 1), but is {momentum}.")
        if weight_decay < 0:
            raise ValueError(f"Muon's weight decay must be 0 or more, but is {weight_decay}.")
        if ns_steps < 1:
            raise ValueError(f"Muon's ns_steps must be at least 1, but is {ns_steps}.")
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "ns_steps": ns_steps}
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of matrices, as `torch.optim.Optimizer` does; raise `ValueError` for other shapes."""
        super().add_param_group(param_group)
        for parameter in self.param_groups[-1]["params"]:
            if parameter.ndim != 2:
                shape = tuple(parameter.shape)
                raise ValueError(f"Muon takes only matrices, but got a parameter of shape {shape}: give it to AdamW.")

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update every matrix that has a gradient; return the closure's loss, if there is a closure."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for matrices in _grouped_by_shape(group["params"]):
                self._step_same_shape(matrices, group)
        return loss

    def _step_same_shape(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        look_ahead = []
        for matrix in matrices:
            assert matrix.grad is not None  # ensured by _grouped_by_shape; for the type checker
            state = self.state[matrix]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(matrix)
            average = state["momentum_buffer"].lerp_(matrix.grad, 1 - group["momentum"])
            look_ahead.append(torch.lerp(matrix.grad, average, group["momentum"]))

        rows, columns = matrices[0].shape
        pieces = 3 if rows == 3 * columns else 1  # query, key, and value
        stacked = torch.stack(look_ahead).view(-1, rows // pieces, columns)  # (B·pieces, out/pieces, in)
        updates = orthogonalize(stacked, steps=group["ns_steps"]).view(-1, rows, columns)  # (B, out, in)
        step_size = group["lr"] * (max(rows, columns) / min(rows, columns)) ** 0.5
        for matrix, update in zip(matrices, updates, strict=True):
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.add_(update.to(matrix.dtype), alpha=-step_size)


def _grouped_by_shape(parameters: Iterable[Tensor]) -> list[list[Tensor]]:
    """The parameters that have a gradient, grouped by shape, type, and device."""
    groups: dict[tuple[torch.Size, torch.dtype, torch.device], list[Tensor]] = {}
    for parameter in parameters:
        if parameter.grad is not None:
            groups.setdefault((parameter.shape, parameter.dtype, parameter.device), []).append(parameter)
    return list(groups.values())


Parameters = Sequence[nn.Parameter]
Optimizers = list[torch.optim.Optimizer]


class OptimizerSettings(Protocol):
    """The settings that an optimizer may use. `TrainConfig` has and explains them all."""

    @property
    def optimizer(self) -> str: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def muon_learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def fused(self) -> Literal["auto", "on", "off"]: ...


def _muon_and_adamw(matrices: Parameters, rest: Parameters, settings: OptimizerSettings) -> Optimizers:
    muon = Muon(matrices, settings.muon_learning_rate, weight_decay=settings.weight_decay) if matrices else None
    return [*filter(None, [muon]), *_adamw(rest, settings)]


def _adamw_only(matrices: Parameters, rest: Parameters, settings: OptimizerSettings) -> Optimizers:
    return _adamw([*matrices, *rest], settings)


def _adamw(parameters: Parameters, settings: OptimizerSettings) -> Optimizers:
    """AdamW, with weight decay on 2-D tensors only: pulling the gain of a layer norm toward zero does not help."""
    decayed, not_decayed = [p for p in parameters if p.ndim >= 2], [p for p in parameters if p.ndim < 2]
    groups = [
        {"params": group, "weight_decay": decay}
        for group, decay in ((decayed, settings.weight_decay), (not_decayed, 0.0))
        if group
    ]
    if not groups:
        return []
    without = {p.device.type for p in parameters}.difference(_DEVICES_WITH_FUSED_ADAMW)
    if settings.fused == "on" and without:
        raise ValueError(f"fused='on' does not work on {', '.join(without)}: give --fused off.")
    # None, not False: PyTorch then picks the device's next-fastest implementation
    fused = True if settings.fused != "off" and not without else None
    return [torch.optim.AdamW(groups, lr=settings.learning_rate, betas=ADAMW_BETAS, fused=fused)]


# Functions by name: each builds its optimizers from the matrices that multiply, the other parameters, and settings.
OPTIMIZERS: dict[str, Callable[[Parameters, Parameters, OptimizerSettings], Optimizers]] = {
    "muon": _muon_and_adamw,
    "adamw": _adamw_only,
}


def build_optimizers(model: nn.Module, settings: OptimizerSettings) -> Optimizers:
    """The optimizers that together train every parameter of `model`, each exactly once.

    With `optimizer="adamw"` that is one AdamW. With `optimizer="muon"` it is Muon for the matrices that multiply (2-D
    and not an embedding table), then AdamW for embeddings, biases, and layer norms; an output head that is tied to the
    token embedding counts as an embedding. Tied parameters count once, frozen ones not at all. Each group stores its
    peak rate as `"initial_lr"`, so that a schedule can scale all of them by one factor (`scale_learning_rates`).

    `learning_rate` is AdamW's, `muon_learning_rate` Muon's; `weight_decay` is for both: a step at rate lr shrinks a
    matrix by the factor 1 - lr·weight_decay. With `fused`, AdamW's whole update is one kernel instead of a dozen: the
    same numbers up to rounding, in a fraction of the time; `"auto"` uses it if the device supports it.

    Raises `ValueError` if the optimizer is unknown, the model has nothing to train, or the device has no fused AdamW
    and `fused` is `"on"`.
    """
    if settings.optimizer not in OPTIMIZERS:
        known = " or ".join(map(repr, OPTIMIZERS))
        raise ValueError(f"There is no optimizer called {settings.optimizer!r}; choose {known}.")
    # parameters() yields a tied parameter once; comparing by identity also finds a tied output head
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trainable:
        raise ValueError(f"The model ({type(model).__name__}) has no parameters to train: unfreeze some.")
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    matrices = [p for p in trainable if p.ndim == 2 and id(p) not in tables]
    taken = {id(p) for p in matrices}
    rest = [p for p in trainable if id(p) not in taken]
    optimizers = OPTIMIZERS[settings.optimizer](matrices, rest, settings)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return optimizers


def scale_learning_rates(optimizers: Sequence[torch.optim.Optimizer], factor: float) -> None:
    """Set the rate of every group to `factor` (usually 0 to 1) times its peak, `"initial_lr"`."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = factor * group["initial_lr"]

"""Muon for the matrices, AdamW for the rest.

AdamW looks at every weight by itself. A weight matrix is more than a bag of numbers, though: it is a
map from vectors to vectors, and its gradient usually points along a few directions only. Muon replaces
the gradient of a matrix (smoothed over time) by the nearest matrix that stretches *every* direction by
the same amount, so that the weak directions learn as fast as the loud ones. On small GPT-2 models this
reaches the same loss in well under half the steps.

Two honest limits. The idea makes sense for matrices only, so embeddings (tables of rows), biases and
layer norms stay with AdamW: Muon is always a pair of optimizers. And orthogonalising costs about
3 x `ns_steps` matrix products per weight matrix and step, whatever the batch size: the smaller the
batch, the larger its share of the time.

Sources: Keller Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024);
Jingyuan Liu et al., "Muon is Scalable for LLM Training" (2025), for equal steps per weight; Ilya
Loshchilov and Frank Hutter, "Decoupled Weight Decay Regularization" (2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, overload

import torch
from torch import Tensor, nn

OPTIMIZER_NAMES = ("muon", "adamw")

# Each iteration maps every singular value s to a·s + b·s³ + c·s⁵. These three numbers (Jordan et al. 2024)
# make the slope at zero as steep as possible, so small values rise fast; the price is that they end near 1,
# not at 1.
NEWTON_SCHULZ_COEFFICIENTS = (3.4445, -4.7750, 2.0315)

_DEVICES_WITH_FUSED_ADAMW = ("cpu", "cuda", "mps")


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """Return matrices with the same singular vectors, and singular values near 1.

    If a matrix is U·S·Vᵀ (its singular value decomposition), the wanted answer is U·Vᵀ. A decomposition
    is slow, so this walks there with `steps` Newton-Schulz iterations, which are matrix products only.
    Five of them bring every singular value above 0.2 % of the matrix's Frobenius norm into the range 0.68
    to 1.21; smaller ones grow by up to 3.44 times a step and may stay below. Near is good enough.

    Args:
        matrices: `(..., rows, columns)`; all leading dimensions are a batch, worked on at once.
        steps: number of iterations.

    Source: Keller Jordan et al. (2024), after Zdislav Kovarik (1970) and Åke Björck and Clazett Bowie (1971).
    """
    a, b, c = NEWTON_SCHULZ_COEFFICIENTS
    rows, columns = matrices.shape[-2:]
    x = matrices.float().reshape(-1, rows, columns)  # (B, rows, columns)
    # X·Xᵀ is rows x rows: lay the matrix on its side so that this is the smaller square.
    if rows > columns:
        x = x.mT  # (B, columns, rows)
    # The Frobenius norm is never below the largest singular value, so from here on none exceeds 1.
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = torch.bmm(x, x.mT)  # X·Xᵀ
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)  # b·X·Xᵀ + c·(X·Xᵀ)²
        x = torch.baddbmm(x, polynomial, x, beta=a)  # a·X + (…)·X
    if rows > columns:
        x = x.mT
    return x.reshape(matrices.shape)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised: for weight matrices `(out, in)` and for nothing else.

    For each matrix W with gradient G, one step is

        M ← momentum·M + (1 - momentum)·G                      an average over the last gradients
        U ← orthogonalize(momentum·M + (1 - momentum)·G)       Nesterov: look one gradient ahead
        W ← (1 - lr·weight_decay)·W - lr·√(long/short)·U       the longer side over the shorter one

    The length of G hardly matters, only its direction, so gradient clipping changes little here. The
    factor √(long/short) makes up for U having only `short` directions to spread over: a weight of an MLP
    moves as far in a step as one of a square matrix does.

    A matrix three times as high as wide is taken for what it is in GPT-2, the query, key and value
    matrices on top of each other: three maps in one allocation, so each is orthogonalised by itself.
    (Orthogonalised as one, the loss of a small GPT-2 after 400 steps was higher by about 0.025 nats.)

    All matrices of one shape are stacked and orthogonalised in one batched product. The arithmetic is fp32,
    and the only state is one momentum buffer per parameter, so training resumed from `state_dict()` goes
    on bit for bit as if it had never stopped (on the same machine).

    Source: Keller Jordan et al. (2024); decoupled weight decay as in Jingyuan Liu et al. (2025).
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 0.04,
        momentum: float = 0.85,
        weight_decay: float = 0.0,
        ns_steps: int = 5,
    ) -> None:
        """Raise `ValueError` for a setting out of range or a parameter that is not a matrix."""
        if lr < 0:
            raise ValueError(f"Muon's learning rate is {lr}; it must be 0 or more.")
        if not 0 <= momentum < 1:
            raise ValueError(f"Muon's momentum is {momentum}; it must be at least 0 and below 1.")
        if weight_decay < 0:
            raise ValueError(f"Muon's weight decay is {weight_decay}; it must be 0 or more.")
        if ns_steps < 1:
            raise ValueError(f"Muon's ns_steps is {ns_steps}; it takes at least 1 Newton-Schulz step.")
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "ns_steps": ns_steps}
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of matrices, as `torch.optim.Optimizer` does; raise `ValueError` for other shapes."""
        super().add_param_group(param_group)
        for parameter in self.param_groups[-1]["params"]:
            if parameter.ndim != 2:
                shape = tuple(parameter.shape)
                raise ValueError(f"Muon got a parameter of shape {shape}; it takes matrices, give the rest to AdamW.")

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
            assert matrix.grad is not None  # _grouped_by_shape saw to it; this tells the type checker
            state = self.state[matrix]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(matrix)
            average = state["momentum_buffer"].lerp_(matrix.grad, 1 - group["momentum"])
            look_ahead.append(torch.lerp(matrix.grad, average, group["momentum"]))

        rows, columns = matrices[0].shape
        pieces = 3 if rows == 3 * columns else 1  # query, key and value
        stacked = torch.stack(look_ahead).view(-1, rows // pieces, columns)  # (B·pieces, out/pieces, in)
        updates = orthogonalize(stacked, steps=group["ns_steps"]).view(-1, rows, columns)  # (B, out, in)
        step_size = group["lr"] * (max(rows, columns) / min(rows, columns)) ** 0.5
        for matrix, update in zip(matrices, updates, strict=True):
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.add_(update.to(matrix.dtype), alpha=-step_size)


def _grouped_by_shape(parameters: Iterable[Tensor]) -> list[list[Tensor]]:
    """Lists of parameters that share shape, type and device; those without a gradient are left out."""
    groups: dict[tuple[torch.Size, torch.dtype, torch.device], list[Tensor]] = {}
    for parameter in parameters:
        if parameter.grad is not None:
            groups.setdefault((parameter.shape, parameter.dtype, parameter.device), []).append(parameter)
    return list(groups.values())


def build_optimizers(
    model: nn.Module,
    *,
    name: str = "muon",
    learning_rate: float = 6e-3,
    muon_learning_rate: float = 0.04,
    weight_decay: float = 0.1,
    betas: tuple[float, float] = (0.9, 0.95),
    momentum: float = 0.85,
    ns_steps: int = 5,
    fused: Literal["auto", "on", "off"] = "auto",
) -> list[torch.optim.Optimizer]:
    """Return the optimisers that together train every parameter of `model` exactly once.

    With `name="adamw"` that is one AdamW. With `name="muon"` it is Muon for the matrices that multiply
    (2-D and not an embedding table), followed by AdamW for embeddings, biases and layer norms; a head that
    is tied to the token embedding is an embedding. Tied weights count once, frozen ones not at all.

    Weight decay acts on 2-D tensors only: pulling the gain of a layer norm towards zero helps nobody.
    Each group keeps its peak rate as `"initial_lr"`, so a schedule can scale all of them by one factor
    (`scale_learning_rates`).

    Args:
        learning_rate: AdamW's peak rate.
        muon_learning_rate: Muon's peak rate; unused with `name="adamw"`.
        weight_decay: for both; a step at rate lr shrinks a weight by the factor 1 - lr·weight_decay.
        betas: AdamW's two averaging constants.
        momentum, ns_steps: Muon's, see `Muon`.
        fused: one kernel for AdamW's whole update instead of a dozen: the same numbers up to rounding, in a fraction
            of the time. `"auto"` takes it where the model's device has it.

    Raises `ValueError` if the name is unknown, nothing in the model can be trained, or the device has no fused AdamW
    and `fused` is `"on"`.
    """
    if name not in OPTIMIZER_NAMES:
        known = " or ".join(repr(known_name) for known_name in OPTIMIZER_NAMES)
        raise ValueError(f"There is no optimizer called {name!r}; choose {known}.")
    # parameters() already yields a shared tensor once, and the set of embeddings knows it by identity.
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trainable:
        raise ValueError(f"The model ({type(model).__name__}) has no parameter that can be trained; unfreeze some.")
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}

    matrices = [p for p in trainable if name == "muon" and p.ndim == 2 and id(p) not in tables]
    taken = {id(p) for p in matrices}
    rest = [p for p in trainable if id(p) not in taken]
    decayed, not_decayed = [p for p in rest if p.ndim >= 2], [p for p in rest if p.ndim < 2]

    optimizers: list[torch.optim.Optimizer] = []
    if matrices:
        optimizers.append(
            Muon(
                matrices,
                lr=muon_learning_rate,
                momentum=momentum,
                weight_decay=weight_decay,
                ns_steps=ns_steps,
            )
        )
    if rest:
        groups = [
            {"params": parameters, "weight_decay": decay}
            for parameters, decay in ((decayed, weight_decay), (not_decayed, 0.0))
            if parameters
        ]
        without = {p.device.type for p in rest}.difference(_DEVICES_WITH_FUSED_ADAMW)
        if fused == "on" and without:
            raise ValueError(f"fused='on' does not work on {', '.join(without)}: give --fused off.")
        # None, not False: PyTorch then takes what is next best on the device
        one_kernel = True if fused != "off" and not without else None
        optimizers.append(torch.optim.AdamW(groups, lr=learning_rate, betas=betas, fused=one_kernel))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return optimizers


def scale_learning_rates(optimizers: Sequence[torch.optim.Optimizer], factor: float) -> None:
    """Set the rate of every group to `factor` (usually 0 to 1) times its peak, `"initial_lr"`."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = factor * group["initial_lr"]

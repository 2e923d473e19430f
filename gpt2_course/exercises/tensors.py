"""Helpers for exercises with tensors: test inputs, comparisons, and messages about differences."""

from __future__ import annotations

import torch
from torch import Tensor


def same(found: Tensor, right: Tensor) -> bool:
    """Whether two tensors have the same shape and, up to rounding, the same numbers."""
    return found.shape == right.shape and torch.allclose(found.to(right.dtype), right, atol=1e-5)


def not_a_tensor(found: object, shape: tuple[int, ...]) -> str | None:
    """The message for anything but a tensor of this shape; None for a tensor of this shape."""
    if not isinstance(found, Tensor):
        return f"Return a tensor of shape {shape}; your result has type {type(found).__name__}."
    if tuple(found.shape) != shape:
        return f"The result must have shape {shape}, but its shape is {tuple(found.shape)}."
    return None


def numbers(*shape: int) -> Tensor:
    """Normally distributed random numbers, the same on every call."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def first_difference(found: Tensor, right: Tensor) -> str:
    """The message about the first vector (along the last dimension) that differs in two tensors of the same shape."""
    found = found.to(right.dtype)
    place = tuple(torch.isclose(found, right, atol=1e-5).all(-1).logical_not().nonzero()[0].tolist())
    asked, got = ("[" + ", ".join(f"{float(x):.2f}" for x in row) + "]" for row in (right[place], found[place]))
    if not place:
        return f"The result must be {asked}, but it is {got}."
    return f"The vector at {place[0] if len(place) == 1 else place} must be {asked}, but it is {got}."


def named(found: Tensor, usual: dict[str, Tensor]) -> str | None:
    """The message whose mistaken result equals `found`; None if there is none."""
    return next((message for message, mistaken in usual.items() if same(found, mistaken)), None)

"""What exercises with tensors share: numbers to try them with, and words for what differs."""

from __future__ import annotations

import torch
from torch import Tensor


def same(found: Tensor, right: Tensor) -> bool:
    """Whether two tensors have the same shape and, but for rounding, the same numbers."""
    return found.shape == right.shape and torch.allclose(found.to(right.dtype), right, atol=1e-5)


def not_a_tensor(found: object, shape: tuple[int, ...]) -> str | None:
    """What is said where a tensor of a shape is asked for and something else was given."""
    if not isinstance(found, Tensor):
        return f"Return a tensor of shape {shape}; this is a {type(found).__name__}."
    if tuple(found.shape) != shape:
        return f"The result must have the shape {shape}, but it has {tuple(found.shape)}."
    return None


def numbers(*shape: int) -> Tensor:
    """The same random numbers each time."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def first_difference(found: Tensor, right: Tensor) -> str:
    """Where two tensors of the same shape, vectors along the last dimension, differ first."""
    found = found.to(right.dtype)
    place = tuple(torch.isclose(found, right, atol=1e-5).all(-1).logical_not().nonzero()[0].tolist())
    asked, got = ("[" + ", ".join(f"{float(x):.2f}" for x in row) + "]" for row in (right[place], found[place]))
    if not place:
        return f"The result must be {asked}, but it is {got}."
    return f"The vector at {place[0] if len(place) == 1 else place} must be {asked}, but it is {got}."


def named(found: Tensor, usual: dict[str, Tensor]) -> str | None:
    """What is said about the usual mistake that gives just these numbers, if there is one."""
    return next((said for said, mistaken in usual.items() if same(found, mistaken)), None)

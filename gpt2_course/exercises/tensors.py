"""Helpers for exercises with tensors: test inputs, conversions, comparisons, and messages about differences."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Difference(str):
    """A message that shows only what the result must be and what it is, because the mistake is not known."""


def plain(result: Any) -> Any:
    """A result without differences that do not matter, also inside lists, tuples, and dictionaries.

    NumPy arrays become tensors, and tensors become dense float32 tensors (or int64 and bool, as they were) without
    gradients on the CPU. Arrays and tensors without dimensions become numbers.
    """
    if isinstance(result, np.generic):
        return plain(result.item()) if result.dtype != object else result
    if isinstance(result, np.ndarray) and result.dtype.kind in "biufc":
        result = torch.from_numpy(np.ascontiguousarray(result).reshape(result.shape).copy())
    if isinstance(result, Tensor) and result.device.type != "meta":
        result = result.detach().cpu()
        if result.layout != torch.strided:
            result = result.to_dense()
        if result.is_floating_point():
            result = result.float() if result.ndim else result
        elif not result.is_complex() and result.dtype != torch.bool:
            result = result.long()
        return result if result.ndim else result.item()
    if type(result) in (list, tuple):
        return type(result)(map(plain, result))
    if type(result) is dict:
        return {key: plain(value) for key, value in result.items()}
    return result


def described(value: object) -> str:
    """The type of a value, with the shape and dtype of a tensor, or the length of a list; raises no error."""
    size = ""
    with contextlib.suppress(Exception):  # the value may be an object whose methods raise anything
        if isinstance(value, Tensor):
            size = f", shape {tuple(value.shape)}, and dtype {str(value.dtype).removeprefix('torch.')}"
        elif isinstance(value, (list, tuple)):
            size = f" and length {len(value)}"
    return f"{type(value).__name__}{size}"


def same(found: Tensor, right: Tensor) -> bool:
    """Whether two tensors have the same shape and, up to rounding, the same numbers."""
    if found.shape != right.shape or found.is_complex():
        return False
    return torch.allclose(found.double(), right.double(), atol=1e-5, equal_nan=True)


def not_a_tensor(found: object, shape: tuple[int, ...]) -> str | None:
    """The message for anything but a tensor of this shape; None for a tensor of this shape."""
    if not isinstance(found, Tensor):
        return f"Return a tensor of shape {shape}; your result has type {described(found)}."
    if tuple(found.shape) != shape:
        return f"The result must have shape {shape}, but its shape is {tuple(found.shape)}."
    if found.is_complex():
        return "The result must contain real numbers, but yours are complex."
    return None


def numbers(*shape: int, seed: int = 3) -> Tensor:
    """Normally distributed random numbers, the same on every call with the same seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def first_difference(found: Tensor, right: Tensor, what: str = "result") -> str:
    """The message about two different tensors of the same shape: how they are related, or where they differ first."""
    found, right = found.double(), right.double()
    if message := relation(found, right):
        return message
    place = tuple(torch.isclose(found, right, atol=1e-5).all(-1).logical_not().nonzero()[0].tolist())
    for digits in (2, 6):
        asked, got = (
            "[" + ", ".join(f"{float(x):.{digits}f}" for x in row) + "]" for row in (right[place], found[place])
        )
        if asked != got:
            break
    if not place:
        return Difference(f"The {what} must be {asked}, but it is {got}.")
    at = place[0] if len(place) == 1 else place
    vector = "vector" if what == "result" else f"vector of the {what}"
    return Difference(f"The {vector} at {at} must be {asked}, but it is {got}.")


def relation(found: Tensor, right: Tensor) -> str | None:
    """The message about two different tensors if one simple rule turns the one into the other; None if none does."""
    if found.isnan().any() and not right.isnan().any():
        return "Your result contains NaN, which comes from 0 / 0, ∞ − ∞, or the logarithm of a negative number."
    if found.numel() and not found.any() and right.any():
        return "Your result contains only zeros."
    if same(found, -right):
        return "Every number has the wrong sign."
    if right.ndim == 2 and same(found, right.T):
        return "This is the right result, transposed."
    for dim in range(right.ndim):
        if same(found, right.flip(dim)):
            return f"The numbers are right, but their order is reversed along dimension {dim}."
    finite = right.isfinite()
    if right.numel() > 1 and bool((found.isfinite() == finite).all()) and finite.any():
        got, asked = found[finite], right[finite]
        factor = float((got * asked).sum() / (asked * asked).sum())
        if abs(factor) > 1e-3 and same(got, factor * asked):
            return f"Every number is {factor:.3g} times what it must be."
        shift = float((got - asked).mean())
        if same(got, asked + shift):
            return f"Every number is too {'large' if shift > 0 else 'small'} by {abs(shift):.3g}."
    return None


def named(found: Tensor, usual: dict[str, Tensor]) -> str | None:
    """The message whose mistaken result equals `found`; None if there is none."""
    with contextlib.suppress(TypeError, AttributeError):
        return next((message for message, mistaken in usual.items() if same(found, mistaken)), None)
    return None

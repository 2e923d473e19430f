"""Drills: say what a line of code gives, or write the line that gives it."""

from __future__ import annotations

from typing import Any

from torch import Size, Tensor

from gpt2_course.exercises.compare import agree
from gpt2_course.exercises.tensors import described, plain


def drill(number: int, wanted: Any, yours: Any = ...) -> None:
    """Compare a result with your answer and print one line.

    If you are wrong, the line says how the two differ, without giving the result away.

    Args:
        number: the drill, which begins the line.
        wanted: the result of the code, or what your code must give.
        yours: your answer; `...` is an answer that is still missing.
    """
    wanted, yours = plain(wanted), plain(yours)
    if yours is ...:
        print(f"… {number}: replace the dots with your answer")
    elif agree(_as_tuple(yours), _as_tuple(wanted)):
        print(f"✓ {number}")
    else:
        print(f"✗ {number}: {_hint(wanted, yours)}")


def _as_tuple(value: Any) -> Any:
    """A shape as an ordinary tuple, so that a learner may write either."""
    return tuple(value) if isinstance(value, Size) else value


def _hint(wanted: Any, yours: Any) -> str:
    """How an answer differs from the right one."""
    if isinstance(wanted, Size):
        return _shape_hint(tuple(wanted), yours)
    if isinstance(wanted, Tensor) and isinstance(yours, Tensor) and wanted.shape != yours.shape:
        return _shape_hint(tuple(wanted.shape), tuple(yours.shape))
    if isinstance(wanted, (int, float)) and isinstance(yours, (int, float)) and not isinstance(wanted, bool):
        return f"{yours} is too {'small' if yours < wanted else 'large'}"
    if type(wanted) is not type(yours):
        return f"this has type {type(wanted).__name__}, but yours has type {described(yours)}"
    if isinstance(wanted, (list, tuple, str, dict)) and len(wanted) != len(yours):
        return f"this has length {len(wanted)}, but yours has {len(yours)}"
    if isinstance(wanted, (list, tuple, str)):
        place = next(i for i, (w, y) in enumerate(zip(wanted, yours, strict=True)) if not agree(y, w))
        return f"right up to index {place}, where {yours[place]!r} is wrong"
    if isinstance(wanted, Tensor):
        return "the right shape, but other numbers"
    return "not yet: print the parts of the line one by one"


def _shape_hint(wanted: tuple[int, ...], yours: Any) -> str:
    if not isinstance(yours, (tuple, list)):
        return f"a shape is a tuple such as (2, 3), but yours has type {described(yours)}"
    if not all(isinstance(size, int) for size in yours):
        return "these are numbers of the tensor: give its shape, a tuple such as (2, 3)"
    if len(wanted) != len(yours):
        return f"this has {len(wanted)} dimension{'s' * (len(wanted) != 1)}, but yours has {len(yours)}"
    if sorted(wanted) == sorted(yours):
        return "the right sizes in the wrong order"
    place = next(i for i, (w, y) in enumerate(zip(wanted, yours, strict=True)) if w != y)
    return f"dimension {place} does not have the size {yours[place]}"

"""Compare an answer with the right function on several inputs, and recognize usual mistakes."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from gpt2_course.exercises.tensors import Difference, described, first_difference, not_a_tensor, plain, relation, same
from gpt2_course.exercises.watch import Stopped

KINDS = {
    bool: "True or False",
    int: "a whole number",
    float: "one number",
    str: "a string",
    bytes: "bytes",
    list: "a list",
    tuple: "a tuple",
    dict: "a dictionary",
}


def compare(
    answer: Callable[..., Any],
    inputs: Sequence[tuple[Any, ...]],
    right: Callable[..., Any],
    usual: Mapping[str, Callable[..., Any]],
    kind: str = "",
) -> str | None:
    """The mistake in a function that must agree with `right` on all inputs; None if it does.

    Args:
        answer: the learner's function.
        inputs: tuples of arguments; every call gets its own copy. Choose sizes that all differ.
        right: the right function.
        usual: messages, each with a function that makes this mistake. A mistake is recognized if the answer agrees
            with its function on all inputs, also where the function agrees with `right`; or if both stop at the same
            input, with the same error.
        kind: what to return, such as "the number of a row", for the message about a wrong type.
    """
    found = []
    for given in inputs:
        try:
            found.append(answer(*copy.deepcopy(given)))
        except Stopped as stopped:
            if cause := _why(stopped.__cause__, given, usual):
                raise Stopped(stopped.what, cause) from stopped.__cause__
            raise
    expected = [results(right, given) for given in inputs]
    if all(map(agree, found, expected)):
        return None
    for message, mistaken in usual.items():
        if all(agree(f, results(mistaken, given)) for f, given in zip(found, inputs, strict=True)):
            return message
    for f, e in zip(found, expected, strict=True):
        if wrong := _wrong_type(f, e, kind):
            return wrong
    return difference(inputs, found, expected)


def results(function: Callable[..., Any], given: tuple[Any, ...]) -> Any:
    """What a function of ours returns for a copy of the arguments; `...` if it fails, as some mistakes do."""
    try:
        return plain(function(*copy.deepcopy(given)))
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):
        return ...


def _why(error: BaseException | None, given: tuple[Any, ...], usual: Mapping[str, Callable[..., Any]]) -> str | None:
    """The message of the mistake that stops with the same error; None if none does."""
    for message, mistaken in usual.items():
        try:
            mistaken(*copy.deepcopy(given))
        except Exception as same:
            if type(same) is type(error) and str(same) == str(error):
                return message
    return None


def agree(found: Any, right: Any) -> bool:
    """Whether two results are the same, up to rounding; a list and a tuple are, a number and a bool are not."""
    if isinstance(right, Tensor):
        return isinstance(found, Tensor) and same(found, right)
    if isinstance(right, (list, tuple)):
        if isinstance(found, Tensor) and not (right and isinstance(right[0], Tensor)):
            found = found.tolist()
        return isinstance(found, (list, tuple)) and len(found) == len(right) and all(map(agree, found, right))
    if isinstance(right, Mapping):
        return (
            isinstance(found, Mapping)
            and found.keys() == right.keys()
            and all(agree(found[key], value) for key, value in right.items())
        )
    if isinstance(right, bool) or isinstance(found, bool):
        return found is right
    if isinstance(right, float) and isinstance(found, Real):
        return (math.isnan(found) and math.isnan(right)) or math.isclose(found, right, rel_tol=1e-5, abs_tol=1e-6)
    return isinstance(found, type(right)) and bool(found == right)


def difference(inputs: Sequence[tuple[Any, ...]], found: Sequence[Any], expected: Sequence[Any]) -> str:
    """The message about results of the right types that differ from what is expected."""
    if message := _relation(found, expected):
        return message
    i = next(i for i, (f, e) in enumerate(zip(found, expected, strict=True)) if not agree(f, e))
    start = "This works for one input, but not for another. " if i else ""
    if isinstance(expected[i], Tensor) and found[i].shape == expected[i].shape:
        message = first_difference(found[i], expected[i])
        return Difference(start + message) if isinstance(message, Difference) else start + message
    given = ", ".join(_short(part) for part in inputs[i] if not isinstance(part, Tensor))
    return Difference(
        f"{start}{f'For {given}, the' if given else 'The'} result must be {_short(expected[i])}, "
        f"but yours is {_short(found[i])}."
    )


def _relation(found: Sequence[Any], expected: Sequence[Any]) -> str | None:
    """The message about numbers that are all wrong in the same way; None for anything else."""
    if all(isinstance(e, int) and not isinstance(e, bool) for e in expected):
        for shift, word in ((1, "large"), (-1, "small")):
            if all(f == e + shift for f, e in zip(found, expected, strict=True)):
                return f"Your result is too {word} by 1."
    if all(isinstance(e, (int, float)) and not isinstance(e, bool) for e in expected):
        right = torch.tensor(expected, dtype=torch.float64)
        got = torch.tensor([float(f) for f in found], dtype=torch.float64)
        if len(found) > 1 and float(right.abs().max()) > 0:
            scale = right.abs().max()
            message = relation(got / scale, right / scale)
            return message if message and ("times" in message or "sign" in message or "NaN" in message) else None
    return None


def _wrong_type(found: Any, right: Any, kind: str) -> str | None:
    """The message about a result of another type or shape than `right`; None if they have the same."""
    if isinstance(right, Tensor):
        return not_a_tensor(found, tuple(right.shape))
    if isinstance(right, (list, tuple)) and isinstance(found, (list, tuple)):
        if any(isinstance(part, Tensor) for part in right):
            if len(found) != len(right):
                return f"Return {len(right)} tensors; your result has type {described(found)}."
            return next(filter(None, (_wrong_type(f, r, "") for f, r in zip(found, right, strict=True))), None)
        return None
    if isinstance(right, (list, tuple)) and isinstance(found, Tensor) and not isinstance(next(iter(right), 0), Tensor):
        return None
    if isinstance(found, bool) != isinstance(right, bool):
        fits = False
    elif isinstance(right, float):
        fits = isinstance(found, Real)
    else:
        fits = isinstance(found, Mapping if isinstance(right, Mapping) else type(right))
    word = next((word for type_, word in KINDS.items() if isinstance(right, type_)), type(right).__name__)
    return None if fits else f"Return {kind or word}; your result has type {described(found)}."


def _short(value: Any) -> str:
    """A value in a message: numbers rounded, shortened to 100 characters."""
    if isinstance(value, float) and not isinstance(value, bool):
        return f"{value:.5g}"
    text = f"{value.tolist()}" if isinstance(value, Tensor) else repr(value)
    return text if len(text) <= 100 else text[:99] + "…"

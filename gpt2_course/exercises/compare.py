"""Compare an answer with the right function on several inputs, and recognize usual mistakes."""

from __future__ import annotations

import contextlib
import copy
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from gpt2_course.exercises.tensors import Difference, described, first_difference, not_a_tensor, plain, relation, same
from gpt2_course.exercises.watch import Stopped

Function = Callable[..., Any]

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
    answer: Function,
    inputs: Sequence[tuple[Any, ...]],
    right: Function,
    usual: Mapping[str, Function | tuple[Function, ...]],
    kind: str = "",
    what: str = "result",
) -> str | None:
    """The mistake in a function that must agree with `right` on all inputs; None if it does.

    Args:
        answer: the learner's function.
        inputs: tuples of arguments; every call gets its own copy. Choose sizes that all differ.
        right: the right function, with the names of the learner's parameters.
        usual: messages, each with a function that makes this mistake, or several that do. A mistake is recognized if
            the answer agrees with the function on all inputs, also where the function agrees with `right`, or if both
            stop with the same error.
        kind: what to return, such as "the number of a row", for the message about a wrong type.
        what: what the function returns, such as "new speed", for the message about a difference.
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
    for message, mistaken in _each(usual):
        if all(agree(f, results(mistaken, given)) for f, given in zip(found, inputs, strict=True)):
            return message
    for f, e in zip(found, expected, strict=True):
        if wrong := _wrong_type(f, e, kind):
            return wrong
    message = difference(inputs, found, expected, what)
    return (isinstance(message, Difference) and _unused(answer, inputs[0], right)) or message


def _unused(answer: Function, given: tuple[Any, ...], right: Function) -> str | None:
    """The message about an argument that changes the right result, but not the answer's; None if there is none."""
    before, expected = answer(*copy.deepcopy(given)), results(right, given)
    for i, name in enumerate(inspect.signature(right).parameters):
        if i >= len(given) or not isinstance(given[i], (int, float, Tensor)):
            continue
        other = (*given[:i], given[i] * 1.25 + 1 if isinstance(given[i], float) else given[i] + 1, *given[i + 1 :])
        changed = results(right, other)
        if changed is not ... and not agree(changed, expected):
            with contextlib.suppress(Exception):  # it may stop with an argument that the check does not use
                if agree(answer(*copy.deepcopy(other)), before):
                    return f"Your result does not depend on `{name}`, but it must."
    return None


def results(function: Function, given: tuple[Any, ...]) -> Any:
    """What a function of ours returns for a copy of the arguments; `...` if it fails, as some mistakes do."""
    try:
        return plain(function(*copy.deepcopy(given)))
    except (ArithmeticError, LookupError, RuntimeError, TimeoutError, TypeError, ValueError):
        return ...


def _each(usual: Mapping[str, Function | tuple[Function, ...]]) -> Iterator[tuple[str, Function]]:
    """Every mistaken function with its message."""
    for message, mistaken in usual.items():
        for function in mistaken if isinstance(mistaken, tuple) else (mistaken,):
            yield message, function


def _why(
    error: BaseException | None, given: tuple[Any, ...], usual: Mapping[str, Function | tuple[Function, ...]]
) -> str | None:
    """The message of the mistake that stops with the same error; None if none does."""
    for message, mistaken in _each(usual):
        try:
            mistaken(*copy.deepcopy(given))
        except Exception as other:
            if type(other) is type(error) and str(other) == str(error):
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


def difference(
    inputs: Sequence[tuple[Any, ...]], found: Sequence[Any], expected: Sequence[Any], what: str = "result"
) -> str:
    """The message about results of the right types that differ from what is expected."""
    if message := _relation(found, expected):
        return message
    i = next(i for i, (f, e) in enumerate(zip(found, expected, strict=True)) if not agree(f, e))
    right, got = expected[i], found[i]
    start = "This works for one input, but not for another. " if i else ""
    if isinstance(right, (list, tuple)) and any(isinstance(part, Tensor) for part in right):
        part = next(k for k, (g, r) in enumerate(zip(got, right, strict=True)) if not agree(g, r))
        right, got, what = right[part], got[part], f"tensor {part} of the {what}"
    if isinstance(right, Tensor):
        message = first_difference(got, right, what)
        return Difference(start + message) if isinstance(message, Difference) else start + message
    given = ", ".join(_short(part) for part in inputs[i] if not isinstance(part, Tensor))
    start += f"For {given}, the" if given else "The"
    if isinstance(right, Mapping):
        key = next(k for k in [*right, *got] if k not in got or k not in right or not agree(got[k], right[k]))
        if key not in right or key not in got:
            return Difference(f"{start} {what} must {'not ' * (key in got)}have the key {key!r}.")
        right, got, what = right[key], got[key], f"value of {key!r}"
    return Difference(f"{start} {what} must be {_short(right)}, but yours is {_short(got)}.")


def _relation(found: Sequence[Any], expected: Sequence[Any]) -> str | None:
    """The message about numbers that are all wrong in the same way; None for anything else."""
    for digits in range(6):
        if all(map(agree, found, (_rounded(e, digits) for e in expected))):
            return "You rounded the result. Return it with all of its digits."
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


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(part, digits) for key, part in value.items()}
    return round(value, digits) if isinstance(value, float) else value


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
    """A value in a message: numbers rounded, also in lists, shortened to 100 characters."""
    if isinstance(value, float) and not isinstance(value, bool):
        return f"{value:.5g}"
    if isinstance(value, list) and value and all(type(part) is float for part in value):
        return f"[{', '.join(map(_short, value))}]"
    text = f"{value.tolist()}" if isinstance(value, Tensor) else repr(value)
    return text if len(text) <= 100 else text[:99] + "…"

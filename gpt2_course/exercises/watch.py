"""Call a learner's function under observation: stubs, errors, forbidden calls, and arguments changed in place."""

from __future__ import annotations

import copy
import dis
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from gpt2_course.exercises.errors import why_it_stopped
from gpt2_course.exercises.registry import Exercise
from gpt2_course.exercises.tensors import plain

LIMIT = 100  # this many values are taken from a generator, which may be endless
STEPS = 100_000  # lines that a function may run in one call; more is an endless loop


class NotWritten(Exception):
    """The answer is a stub."""


class Stopped(Exception):
    """The function raised an error, returned nothing, or used a forbidden call; the message says so.

    Attributes:
        what: what happened, and where.
        cause: the usual cause, if it is known.
    """

    def __init__(self, what: str, cause: str = "") -> None:
        super().__init__(f"{what} {cause}".strip())
        self.what, self.cause = what, cause


class Watched:
    """A learner's function. Calling it raises `NotWritten` or `Stopped`, and returns a `plain` result.

    Attributes:
        name: the name of the function.
        last: the latest result, before it was made plain; `...` if there is none.
        changed: the parameter whose argument the function has changed in place; None if it has changed none.
    """

    def __init__(self, function: Callable[..., Any], asked: Exercise) -> None:
        self.name = getattr(function, "__name__", type(function).__name__)
        self.last: Any = ...
        self.changed: str | None = None
        self._function, self._asked = function, asked

    def __call__(self, *args: Any) -> Any:
        before = copy.deepcopy(args)
        calls = _Calls(self._asked, args)
        try:
            with calls if self._asked.forbidden else nullcontext(), bounded(self._function):
                result = self._function(*args)
                if self._asked.yields and isinstance(result, Iterator):
                    result = list(islice(result, LIMIT))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, NotImplementedError) and (is_stub(self._function) or not error.args):
                raise NotWritten from error
            raise Stopped(*why_it_stopped(self._function, self.name, before, error)) from error
        for parameter, old, new in zip(self._asked.parameters or [], before, args, strict=False):
            if not self._asked.in_place and not _unchanged(old, new):
                self.changed = parameter
        if calls.found:
            raise Stopped(calls.found)
        if result is None or result is ...:
            if self.last is ... and is_stub(self._function):
                raise NotWritten
            raise Stopped(self._nothing())
        self.last = result
        return plain(result)

    def _nothing(self) -> str:
        if self.last is not ...:
            return f"{self.name} returned nothing for one input: one path through your function ends without a return."
        code = getattr(self._function, "__code__", None)
        printing = " (print only shows it)" if code and "print" in code.co_names else ""
        return f"{self.name} returned nothing: end your function with return and the result{printing}."


@contextmanager
def bounded(function: Callable[..., Any]) -> Iterator[None]:
    """Stop a function, and others of its module that it calls, with `TimeoutError` after STEPS lines.

    Lines are counted, not seconds, so the result is the same on a slow machine.
    """
    names = getattr(inspect.unwrap(function), "__globals__", None)
    if names is None or sys.gettrace():  # a function written in C, or one that a debugger is stepping through
        yield
        return
    left = STEPS

    def trace(frame: FrameType, event: str, value: object) -> Any:
        nonlocal left
        if frame.f_globals is not names:
            return None
        left -= 1
        if left < 0:
            raise TimeoutError(f"still running after {STEPS:,} lines")
        return trace

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)


def is_stub(function: Callable[..., Any]) -> bool:
    """Whether nothing was written yet: the body uses no argument, variable, or name but `NotImplementedError`."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or set(code.co_names) - {"NotImplementedError"}:
        return False
    return not any("FAST" in step.opname or "DEREF" in step.opname for step in dis.get_instructions(code))


class _Calls(TorchFunctionMode):
    """Notices the forbidden calls of an exercise; `found` is the message about the first."""

    def __init__(self, asked: Exercise, args: tuple[Any, ...]) -> None:
        super().__init__()
        self.found = ""
        self._forbidden = asked.forbidden
        self._names = {
            arg.untyped_storage().data_ptr(): name
            for name, arg in zip(asked.parameters or [], args, strict=False)
            if isinstance(arg, Tensor)
        }

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        first = args[0] if args else None
        owner = ""
        if isinstance(first, Tensor) and first.layout == torch.strided:
            owner = self._names.get(first.untyped_storage().data_ptr(), "")
        self.found = self.found or self._forbidden.get(name) or self._forbidden.get(f"{owner}.{name}") or ""
        return func(*args, **(kwargs or {}))


def _unchanged(old: Any, new: Any) -> bool:
    if isinstance(old, Tensor):
        return old.shape == new.shape and old.dtype == new.dtype and bool(((old == new) | (old != old)).all())
    if isinstance(old, (list, tuple)):
        return len(old) == len(new) and all(map(_unchanged, old, new))
    if isinstance(old, dict):
        return old.keys() == new.keys() and all(_unchanged(old[key], new[key]) for key in old)
    return callable(old) or bool(old == new)

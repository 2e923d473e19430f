"""Judge a brick alone: lend the course's functions to a learner's function that calls other bricks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import unwrap
from types import CodeType, FunctionType
from typing import Any

from gpt2_course.bricks import my_gpt2
from gpt2_course.exercises.watch import is_stub

COURSE = {
    name: value
    for name, value in vars(my_gpt2).items()
    if type(value) is FunctionType and value.__module__ == my_gpt2.__name__
}


@contextmanager
def borrowed(function: Callable[..., Any], brick: str, all_of_them: bool = False) -> Iterator[bool]:
    """Put the course's bricks where a function looks for the names that it calls; take them away again at the end.

    Args:
        function: the learner's function.
        brick: what it builds itself, which is not lent.
        all_of_them: lend also those that the learner has written.

    Yields whether anything was lent.
    """
    function = unwrap(function) if type(function) is FunctionType else function
    if type(function) is not FunctionType:
        yield False
        return
    names = function.__globals__
    called = _names(function.__code__, names) & COURSE.keys() - {brick}
    lent = [name for name in called if all_of_them or name not in names or _is_empty(names[name])]
    before = {name: names[name] for name in lent if name in names}
    names.update({name: COURSE[name] for name in lent})
    try:
        yield bool(lent)
    finally:
        for name in lent:
            names.pop(name, None)
        names.update(before)


def _is_empty(value: object) -> bool:
    return type(value) is FunctionType and is_stub(value)


def _names(code: CodeType, names: dict[str, Any]) -> set[str]:
    """The global names that some code uses, also in functions inside it and in the learner's that it calls."""
    found: set[str] = set()
    todo = [code]
    while todo:
        part = todo.pop()
        new = set(part.co_names) - found
        found |= new
        todo += [inner for inner in part.co_consts if isinstance(inner, CodeType)]
        functions = [names[name] for name in new if type(names.get(name)) is FunctionType]
        todo += [function.__code__ for function in functions if function.__globals__ is names]
    return found

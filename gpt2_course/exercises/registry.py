"""All exercises by number; each chapter's module registers its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Exercise:
    """An exercise; `find_mistake(answer)` returns what is wrong with an answer, or None if nothing is.

    The docstring of `find_mistake` says what is asked. If it contains `answer(x, y)`, the answer is a function with
    these parameters; without it, the answer is a value.
    """

    number: str
    title: str
    find_mistake: Callable[[Any], str | None]
    # Calls that would skip the point of the exercise, and what to do instead: "layer_norm" is any of PyTorch's
    # functions or methods of this name, "table.__getitem__" a method of the argument `table`.
    forbidden: Mapping[str, str] = field(default_factory=dict)
    in_place: bool = False  # the answer may change its arguments
    yields: bool = False  # the answer is a generator
    right: Callable[..., Any] | None = None  # the course's function, for `working`

    @property
    def task(self) -> str:
        """What is asked, such as "`answer(words)` counts the pairs of neighboring words."."""
        return (self.find_mistake.__doc__ or "").strip().split("\n\n")[0]

    @property
    def parameters(self) -> list[str] | None:
        """The names of the answer's parameters; None if it is not a function."""
        found = re.search(r"\banswer\(([^)]*)\)", self.task)
        return found and re.findall(r"\w+", found[1])


EXERCISES: dict[str, Exercise] = {}


def exercise(
    number: str,
    title: str,
    forbidden: Mapping[str, str] | None = None,
    in_place: bool = False,
    yields: bool = False,
    right: Callable[..., Any] | None = None,
) -> Callable[[Callable[[Any], str | None]], Exercise]:
    """Register the decorated function as the one that finds mistakes in answers to exercise `number`."""

    def register(find_mistake: Callable[[Any], str | None]) -> Exercise:
        EXERCISES[number] = Exercise(number, title, find_mistake, forbidden or {}, in_place, yields, right)
        return EXERCISES[number]

    return register

"""The exercises, by number; each chapter's module adds its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Exercise:
    """A task: its number, its name, and the function that finds what is wrong with an answer (or returns None)."""

    number: str
    title: str
    find_mistake: Callable[[Any], str | None]


EXERCISES: dict[str, Exercise] = {}


def exercise(number: str, title: str) -> Callable[[Callable[[Any], str | None]], Exercise]:
    """Makes a function that looks for mistakes into an exercise that `check` knows by its number."""

    def register(find_mistake: Callable[[Any], str | None]) -> Exercise:
        EXERCISES[number] = Exercise(number, title, find_mistake)
        return EXERCISES[number]

    return register

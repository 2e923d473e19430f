"""All exercises by number; each chapter's module registers its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Exercise:
    """An exercise; `find_mistake(answer)` returns what is wrong with an answer, or None if nothing is."""

    number: str
    title: str
    find_mistake: Callable[[Any], str | None]


EXERCISES: dict[str, Exercise] = {}


def exercise(number: str, title: str) -> Callable[[Callable[[Any], str | None]], Exercise]:
    """Register the decorated function as the one that finds mistakes in answers to exercise `number`."""

    def register(find_mistake: Callable[[Any], str | None]) -> Exercise:
        EXERCISES[number] = Exercise(number, title, find_mistake)
        return EXERCISES[number]

    return register

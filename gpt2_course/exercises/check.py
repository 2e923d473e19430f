"""`check` an answer and give feedback on it."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal

from gpt2_course.bricks.laying import lay_if_brick
from gpt2_course.exercises.progress import remember_solved
from gpt2_course.exercises.registry import EXERCISES, Exercise

State = Literal["not written yet", "correct", "not right yet"]
COLORS: dict[State, str] = {"not written yet": "#6B6B6B", "correct": "#009E73", "not right yet": "#D55E00"}
SIGNS: dict[State, str] = {"not written yet": "…", "correct": "✓", "not right yet": "✗"}


@dataclass(frozen=True)
class Feedback:
    """Feedback on an answer: text in a terminal, a colored card in a notebook."""

    exercise: Exercise
    state: State
    message: str

    def __repr__(self) -> str:
        name = f"Exercise {self.exercise.number} ({self.exercise.title})"
        return f"{SIGNS[self.state]} {name}: {self.state}. {self.message}".rstrip()

    def _repr_html_(self) -> str:
        color = COLORS[self.state]
        name = html.escape(f"Exercise {self.exercise.number} · {self.exercise.title}")
        return (
            f'<div class="exercise-card" style="border-left:.5em solid {color};padding:.5em 1em;margin:.5em 0;'
            f'border-radius:.3em;background:color-mix(in srgb,{color} 12%,transparent)">'
            f"<strong>{SIGNS[self.state]} {name}: {self.state}</strong><br>{html.escape(self.message)}</div>"
        )


def check(number: str, answer: Any, remember: bool = True) -> Feedback:
    """Check an answer to an exercise, and if it is wrong, name the mistake.

    Args:
        number: the exercise, such as "1.2".
        answer: the value that the exercise asks for, or a function, which is called with test inputs.
        remember: count a correct answer in `progress()`, and if it is a brick, lay it into `my_gpt2.py`.

    Returns:
        Feedback that displays itself: *correct*, *not right yet* with the reason, or *not written yet*, if the answer
        is None, `...`, or a function that returns one of them.

    Raises:
        ValueError: there is no exercise with this number.
    """
    if number not in EXERCISES:
        chapter = number.split(".")[0]
        near = [n for n in EXERCISES if n.split(".")[0] == chapter] or list(EXERCISES)
        raise ValueError(f"There is no exercise {number!r}. Choose from {', '.join(near)}.")
    asked = EXERCISES[number]
    try:
        if _is_missing(answer):
            raise _NotWritten
        message = asked.find_mistake(_watched(answer) if callable(answer) else answer)
    except (_NotWritten, NotImplementedError):
        return Feedback(asked, "not written yet", "Write your code, run the cell, and come back.")
    except _Stopped as stopped:
        return Feedback(asked, "not right yet", str(stopped))
    if message:
        return Feedback(asked, "not right yet", message)
    laid = ""
    if remember:
        remember_solved(number)
        laid = lay_if_brick(number, answer)
    return Feedback(asked, "correct", laid)


class _NotWritten(Exception):
    """The answer is a stub."""


class _Stopped(Exception):
    """The learner's function raised an error, or returned nothing; the message says for which arguments."""


def _is_missing(value: Any) -> bool:
    return value is None or value is ...


def _watched(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that stubs and errors raise `_NotWritten` and `_Stopped`, and 0-dim results become numbers."""
    written = False

    @wraps(function)
    def call(*args: Any) -> Any:
        nonlocal written
        called = f"{function.__name__}({', '.join(_short(arg) for arg in args)})"
        try:
            result = function(*args)
        except NotImplementedError:
            raise
        except Exception as error:
            raise _Stopped(f"{called} stopped with {type(error).__name__}: {error}") from error
        if _is_missing(result):
            if written:
                raise _Stopped(f"{called} returned nothing: one path through your function ends without a return.")
            raise _NotWritten
        written = True
        return result.item() if getattr(result, "shape", None) == () else result  # from torch or numpy

    return call


def _short(value: Any) -> str:
    """The repr of a value, shortened to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"

"""`check` an answer and give feedback on it."""

from __future__ import annotations

import html
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from gpt2_course.bricks.laying import lay_if_brick
from gpt2_course.exercises.borrowing import borrowed
from gpt2_course.exercises.progress import remember_solved
from gpt2_course.exercises.registry import EXERCISES, Exercise
from gpt2_course.exercises.tensors import Difference, described, plain
from gpt2_course.exercises.watch import NotWritten, Stopped, Watched

State = Literal["not written yet", "correct", "not right yet"]
COLORS: dict[State, str] = {"not written yet": "#6B6B6B", "correct": "#009E73", "not right yet": "#D55E00"}
SIGNS: dict[State, str] = {"not written yet": "…", "correct": "✓", "not right yet": "✗"}
LONGEST = 600  # characters of a message; the rest of a huge result would not help


@dataclass(frozen=True)
class Feedback:
    """Feedback on an answer: text in a terminal, a colored card in a notebook."""

    exercise: Exercise
    state: State
    message: str
    named: bool = True  # False if the message only shows what is asked and what was returned

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
        answer: what the exercise asks for: a function, which is called with test inputs, or a value.
        remember: count a correct answer in `progress()`, and if it is a brick, lay it into `my_gpt2.py`.

    Returns:
        Feedback that displays itself: *correct*, *not right yet* with the reason, or *not written yet*, if the answer
        is None, `...`, or a function without code. Whatever the answer is or does, it becomes feedback, not an error;
        only Ctrl-C (KeyboardInterrupt) passes through.

    Raises:
        ValueError: there is no exercise with this number.
    """
    if number not in EXERCISES:
        chapter = str(number).split(".")[0]
        near = [n for n in EXERCISES if n.split(".")[0] == chapter] or list(EXERCISES)
        raise ValueError(f"There is no exercise {number!r}. Choose from {', '.join(near)}.")
    asked = EXERCISES[number]
    try:
        message = _mistake(asked, answer)
    except NotWritten:
        return Feedback(asked, "not written yet", "Write your code, run the cell, and come back.")
    if message:
        shown = message if len(message) <= LONGEST else message[: LONGEST - 1] + "…"
        return Feedback(asked, "not right yet", shown, not isinstance(message, Difference))
    laid = ""
    if remember:
        remember_solved(number)
        laid = lay_if_brick(number, answer)
    return Feedback(asked, "correct", laid)


def working(number: str, answer: Callable[..., Any]) -> Callable[..., Any]:
    """The learner's function if its check says *correct*; until then the course's, and a line that says so.

    For what a chapter builds from its own exercises. Bricks, which other chapters use too, come from `bricks.mine()`.

    Args:
        number: the exercise, such as "8.1".
        answer: the learner's function.
    """
    right = EXERCISES[number].right
    if right is None or check(number, answer, remember=False).state == "correct":
        return answer
    print(f"Borrowed from the course until {number} is correct: {right.__name__}")
    return right


def _mistake(asked: Exercise, answer: Any) -> str | None:
    """What is wrong with an answer, whatever it is; raises only `NotWritten`.

    A function is judged alone: if it is wrong with the bricks that the learner has written, it is tried with the
    course's.
    """
    brick = asked.find_mistake.__name__
    with borrowed(answer, brick):
        message = _mistake_now(asked, answer)
    if message:
        with borrowed(answer, brick, all_of_them=True) as lent:
            return _mistake_now(asked, answer) if lent else message
    return None


def _mistake_now(asked: Exercise, answer: Any) -> str | None:
    """What is wrong with an answer that finds all the functions it calls."""
    if answer is None or answer is ...:
        raise NotWritten
    watched = None
    try:
        if wrong := _not_asked(asked, answer):
            return wrong
        if asked.parameters is None:
            return asked.find_mistake(plain(answer))
        watched = Watched(answer, asked)
        message = asked.find_mistake(watched)
    except NotWritten:
        raise
    except Stopped as stopped:
        message = str(stopped)
    except KeyboardInterrupt:
        raise
    except BaseException:  # the result is too strange for the check: its own methods may raise anything
        strange = described(answer if watched is None else watched.last)
        message = Difference(
            f"Your result, of type {strange}, cannot be compared with what is asked. {_task(asked, watched)}"
        )
    if watched and watched.changed and (message is None or isinstance(message, Difference)):
        start = "The result is right, but your" if message is None else "Your"
        return (
            f"{start} function changes its argument `{watched.changed}` in place, so the caller's values are lost. "
            "Work on a copy."
        )
    return message


def _not_asked(asked: Exercise, answer: Any) -> str | None:
    """The message about a value in place of a function, the reverse, or a wrong number of parameters."""
    if asked.parameters is None:
        return "Pass a value, not a function: call it first." if callable(answer) else None
    if not callable(answer):
        return (
            f'Pass the function itself, without calling it: check("{asked.number}", your_function). You passed a '
            f"result of type {described(answer)}."
        )
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):
        return None  # some functions written in C do not tell
    try:
        signature.bind(*asked.parameters)
    except TypeError:
        count = len(asked.parameters)
        return (
            f"Your function must take {count} parameter{'s' * (count != 1)}: "
            f"({', '.join(asked.parameters)}). It takes {signature}."
        )
    return None


def _task(asked: Exercise, watched: Watched | None) -> str:
    """What the exercise asks for, with the name of the learner's function."""
    return "The task: " + (asked.task.replace("answer(", f"{watched.name}(") if watched else asked.task)

"""Each usual mistake is recognised and named; what is right passes; a stub is no mistake."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gpt2_course.exercises import check, progress
from gpt2_course.exercises.registry import EXERCISES

progress_module = sys.modules["gpt2_course.exercises.progress"]  # by this name the package exports the function


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What is solved in a test is not solved by who runs it."""
    path = tmp_path / "data" / "solved.json"
    monkeypatch.setattr(progress_module, "_file", lambda: path)
    yield path


# ---- answers: number -> (a right one, wrong ones with a part of what is said about them) -------------------------


def mean_surprise(p: list[float]) -> float:
    return sum(-math.log(x) for x in p) / len(p)


def after(pairs: Counter[tuple[str, str]], word: str) -> dict[str, int]:
    return {b: n for (a, b), n in pairs.items() if a == word}


ANSWERS: dict[str, tuple[Callable[..., Any], dict[str, Callable[..., Any]]]] = {
    "1.1": (
        lambda words: Counter(pairwise(words)),
        {
            "one step too early": lambda words: Counter(pairwise(words[:-1])),
            "wrong way round": lambda words: Counter((b, a) for a, b in pairwise(words)),
            "two words at a time": lambda words: Counter(zip(words[::2], words[1::2], strict=False)),
            "once only": lambda words: dict.fromkeys(pairwise(words), 1),
            "must be a pair": lambda words: Counter(words),
            "this is a list": lambda words: list(pairwise(words)),
            "you counted 6": lambda words: Counter([*pairwise(words), *pairwise(words)]),
        },
    ),
    "1.2": (
        lambda pairs, word: {b: n / sum(after(pairs, word).values()) for b, n in after(pairs, word).items()},
        {
            "These are counts": after,
            "number of all pairs": lambda pairs, word: {
                b: n / sum(pairs.values()) for b, n in after(pairs, word).items()
            },
            "words that come before": lambda pairs, word: {a: n / 2 for (a, b), n in pairs.items() if b == word},
            "percentages": lambda pairs, word: {b: 25 * n for b, n in after(pairs, word).items()},
            "but you gave": lambda pairs, word: {"cat": 1.0},
        },
    ),
    "1.3": (
        lambda p: math.exp(mean_surprise(p)),
        {
            "One step is missing": mean_surprise,
            "upside down": lambda p: math.exp(-mean_surprise(p)),
            "added the surprises up": lambda p: math.exp(len(p) * mean_surprise(p)),
            "mean of 1/p": lambda p: sum(1 / x for x in p) / len(p),
            "mean of the probabilities": lambda p: len(p) / sum(p),
            "the power to base 2": lambda p: 2 ** mean_surprise(p),
            "to base 2, the power to base e": lambda p: math.exp(mean_surprise(p) / math.log(2)),
            "in bits": lambda p: mean_surprise(p) / math.log(2),
            "Return one number": lambda p: [mean_surprise(p)],
        },
    ),
}
WRONG = [(number, message) for number, (_, wrong) in ANSWERS.items() for message in wrong]


def test_every_exercise_has_answers_here_and_three_wrong_ones() -> None:
    assert set(ANSWERS) == set(EXERCISES)
    assert all(len(wrong) >= 3 for _, wrong in ANSWERS.values())


@pytest.mark.parametrize("number", ANSWERS)
def test_a_right_answer_is_correct(number: str) -> None:
    assert check(number, ANSWERS[number][0]).state == "correct"


@pytest.mark.parametrize(("number", "message"), WRONG)
def test_a_usual_mistake_is_named(number: str, message: str) -> None:
    feedback = check(number, ANSWERS[number][1][message])
    assert feedback.state == "not right yet"
    assert message in feedback.message


def test_no_two_mistakes_get_the_same_answer() -> None:
    for number, (_, wrong) in ANSWERS.items():
        said = [check(number, answer).message for answer in wrong.values()]
        assert len(set(said)) == len(said), number


# ---- whatever the exercise ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ANSWERS)
def test_a_stub_is_no_mistake(number: str) -> None:
    def todo(*args: object) -> None:
        raise NotImplementedError

    for stub in (None, ..., lambda *args: None, lambda *args: ..., todo):
        assert check(number, stub).state == "not written yet"


@pytest.mark.parametrize("number", ANSWERS)
def test_a_function_that_stops_says_where(number: str) -> None:
    def broken(*args: object) -> float:
        return 1 / 0

    feedback = check(number, broken)
    assert feedback.state == "not right yet"
    assert "broken(" in feedback.message
    assert "stopped with ZeroDivisionError: division by zero" in feedback.message


def test_an_unknown_number_says_which_there_are() -> None:
    with pytest.raises(ValueError, match=r"There is no exercise '1\.9'; there are 1\.1, 1\.2, 1\.3"):
        check("1.9", 1)


def test_feedback_is_text_in_a_terminal_and_a_card_in_a_notebook() -> None:
    feedback = check("1.3", lambda p: "<script>alert(1)</script>")
    assert repr(feedback).startswith("✗ Exercise 1.3 (Perplexity): not right yet. Return one number")
    assert "<strong>✗ Exercise 1.3 · Perplexity: not right yet</strong>" in feedback._repr_html_()
    shown = check("1.2", lambda pairs, word: {"<b>": 1.0})._repr_html_()
    assert "<b>" not in shown
    assert "&lt;b&gt;" in shown


# ---- what was solved ---------------------------------------------------------------------------------------------


def test_what_was_solved_is_remembered_and_lays_bricks() -> None:
    assert "0 of" in repr(progress())
    check("1.1", ANSWERS["1.1"][0])
    check("1.2", ANSWERS["1.2"][0], remember=False)
    assert progress().solved == ("1.1",)
    assert progress().chapters == []
    assert "next: 1.2" in repr(progress())
    for number in ("1.2", "1.3"):
        check(number, ANSWERS[number][0])
    assert progress().chapters == [1]
    assert "Bricks in colour: 1 Language models" in progress()._repr_html_()


@pytest.mark.parametrize("content", ["", "{", "17", '["1.1", 3]', '{"a": 1}'])
def test_a_broken_file_is_replaced_when_something_is_solved(file: Path, content: str) -> None:
    file.parent.mkdir()
    file.write_text(content)
    check("1.2", ANSWERS["1.2"][0])
    assert "1.2" in progress().solved


def test_a_disk_that_cannot_be_written_to_does_not_stop_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "_file", lambda: Path("/proc/nowhere/solved.json"))
    assert check("1.1", ANSWERS["1.1"][0]).state == "correct"

"""Quizzes and the wall: data that is sound, and HTML that needs nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import gpt2_course.exercises
from gpt2_course.exercises import quiz
from gpt2_course.wall import CHAPTERS, wall

QUIZZES = sorted((Path(gpt2_course.exercises.__file__).parent / "quizzes").glob("*.json"))


@pytest.mark.parametrize("path", QUIZZES, ids=lambda path: path.stem)
def test_a_quiz_has_one_right_answer_a_question_and_a_reason_for_each(path: Path) -> None:
    questions = quiz(int(path.stem)).questions
    assert 3 <= len(questions) <= 6
    for question in questions:
        assert question["question"].endswith("?")
        assert len(question["answers"]) >= 3
        assert sum(answer["right"] for answer in question["answers"]) == 1
        assert all(len(answer["because"]) > 20 for answer in question["answers"])


def test_right_answers_stand_in_different_places() -> None:
    places = [
        [a["right"] for a in q["answers"]].index(True) for path in QUIZZES for q in quiz(int(path.stem)).questions
    ]
    assert len(set(places)) >= 2


def test_a_quiz_opens_without_a_script_and_keeps_text_as_text() -> None:
    shown = quiz(1)._repr_html_()
    assert "<script" not in shown
    assert shown.count("<details") == sum(len(q["answers"]) for q in quiz(1).questions)
    assert ElementTree.fromstring(shown) is not None  # well-formed, so nothing in it was taken for markup


def test_a_chapter_without_a_quiz_says_so() -> None:
    with pytest.raises(ValueError, match="Chapter 99 has no quiz"):
        quiz(99)


def test_the_wall_has_a_brick_for_each_chapter_and_lights_those_asked_for() -> None:
    drawing = ElementTree.fromstring(wall(2, 7).svg)
    texts = {t.text: t.get("fill") for t in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert len(texts) == len(CHAPTERS) == 15
    assert {name for name, fill in texts.items() if fill == "#fff"} == {"2 Tokenizer", "7 GPT-2"}
    assert wall(7, 2).svg == wall(2, 7, 7).svg
    assert "2 Tokenizer, 7 GPT-2" in repr(wall(2, 7))


def test_white_letters_are_readable_on_every_brick() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    colours = set(re.findall(r'<rect[^>]*fill="(#\w{6})"', wall(*CHAPTERS).svg))
    assert len(colours) == 6
    for colour in colours:
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5, colour  # WCAG 2.1, level AA


def test_a_brick_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="There is no chapter 16; chapters go from 1 to 15"):
        wall(16)

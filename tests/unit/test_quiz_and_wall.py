"""Quizzes and the wall: sound data, and HTML that needs no scripts."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import gpt2_course.exercises
from gpt2_course.exercises import quiz
from gpt2_course.wall import BRICKS, CHAPTERS, PARTS, Brick, wall

wall_module = sys.modules["gpt2_course.wall"]

QUIZZES = sorted((Path(gpt2_course.exercises.__file__).parent / "quizzes").glob("*.json"))


@pytest.mark.parametrize("path", QUIZZES, ids=lambda path: path.stem)
def test_each_question_has_one_right_answer_and_each_answer_a_reason(path: Path) -> None:
    questions = quiz(int(path.stem)).questions
    assert 3 <= len(questions) <= 6
    for question in questions:
        assert question["question"].endswith("?")
        assert len(question["answers"]) >= 3
        assert sum(answer["right"] for answer in question["answers"]) == 1
        assert all(len(answer["because"]) > 20 for answer in question["answers"])


def test_neither_the_place_nor_the_length_of_an_answer_gives_it_away() -> None:
    questions = [question for path in QUIZZES for question in quiz(int(path.stem)).questions]
    places = [[answer["right"] for answer in question["answers"]].index(True) for question in questions]
    assert min(places.count(place) for place in range(3)) > len(questions) / 5
    longest = [max(question["answers"], key=lambda answer: len(answer["text"]))["right"] for question in questions]
    assert sum(longest) < len(questions) / 2


def test_a_quiz_needs_no_script_and_escapes_its_text() -> None:
    shown = quiz(1)._repr_html_()
    assert "<script" not in shown
    assert shown.count("<details") == sum(len(q["answers"]) for q in quiz(1).questions)
    assert ElementTree.fromstring(shown) is not None  # well-formed, so no text was taken for markup


def test_a_chapter_without_a_quiz_is_refused() -> None:
    with pytest.raises(ValueError, match="Chapter 99 has no quiz"):
        quiz(99)


def test_the_wall_of_a_chapter_has_the_bricks_laid_so_far() -> None:
    drawing = ElementTree.fromstring(wall(3).svg)
    texts = [t.text for t in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["1 Language models", "2 Tokenizer", "3 Embeddings"]
    assert repr(wall(3)) == "A wall of 3 bricks, one per chapter: 1 Language models, 2 Tokenizer, 3 Embeddings."
    assert repr(wall(1)) == "A wall of 1 brick, one per chapter: 1 Language models."
    assert wall().svg == wall(max(CHAPTERS)).svg


def test_a_new_chapter_changes_the_wall_of_no_other_chapter(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {number: wall(number).svg for number in CHAPTERS}
    new = Brick(len(BRICKS) + 1, "Rest", "#000000")
    monkeypatch.setattr(wall_module, "BRICKS", [*BRICKS, new])
    monkeypatch.setattr(wall_module, "CHAPTERS", {**CHAPTERS, new.number: new.name})
    assert {number: wall(number).svg for number in before} == before
    assert f"{new.number} Rest" in wall().svg


def test_bricks_not_laid_yet_are_gray() -> None:
    drawing = ElementTree.fromstring(wall(laid=[7, 2, 7]).svg)
    texts = {t.text: t.get("fill") for t in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert len(texts) == len(CHAPTERS)
    assert {name for name, fill in texts.items() if fill == "#fff"} == {"2 Tokenizer", "7 GPT-2"}
    assert repr(wall(laid=[7, 2, 7])).endswith("one per chapter. In color: 2 Tokenizer, 7 GPT-2.")
    assert repr(wall(laid=[])).endswith("In color: none yet.")


def test_every_name_fits_on_its_brick() -> None:
    for found in re.finditer(
        r'width="([\d.]+)" height="48"[^>]*/><text[^>]*font-size="(\d+)"[^>]*>([^<]*)', wall().svg
    ):
        width, size, name = float(found[1]), int(found[2]), found[3]
        assert len(name) * 0.65 * size <= width, name  # the average letter of a wide bold font


def test_white_text_is_readable_on_every_brick() -> None:
    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for color, _ in PARTS.values():
        assert 1.05 / (luminance(color) + 0.05) >= 4.5, color  # WCAG 2.1, level AA


def test_a_chapter_without_a_brick_is_refused() -> None:
    last = max(CHAPTERS)
    for wrong in ({"chapter": last + 1}, {"laid": [1, last + 1]}):
        with pytest.raises(ValueError, match=rf"There is no chapter {last + 1}; chapters go from 1 to {last}\."):
            wall(**wrong)

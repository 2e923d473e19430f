"""A Sphinx extension that writes what `progress.mjs` and `reader.mjs` need to know about the course.

_static/course.json contains the chapters, with the number of exercises in each, and all questions of the quizzes.
_static/quiz_anki.txt contains the questions as cards that Anki imports.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from gpt2_course.exercises import quiz
from gpt2_course.exercises.registry import EXERCISES
from gpt2_course.wall import PARTS

# How Anki is to read the lines below; see https://docs.ankiweb.net/importing/text-files.html
ANKI_HEADER = ["#separator:tab", "#html:true", "#guid column:1", "#deck:Build Your Own GPT-2", "#tags column:4"]


def chapters() -> list[dict[str, Any]]:
    """The chapters in order: number, name, page, and the numbers of the exercises."""
    return [
        {
            "number": int(file[:2]),
            "name": name,
            "page": f"chapters/{file}.html",
            "exercises": [n for n in EXERCISES if n.split(".")[0] == str(int(file[:2]))],
        }
        for _, files in PARTS.values()
        for file, name in files.items()
    ]


def questions() -> list[dict[str, Any]]:
    """The questions of all quizzes, each with its chapter."""
    return [{"chapter": each["number"], **q} for each in chapters() for q in quiz(each["number"]).questions]


def anki(asked: list[dict[str, Any]]) -> str:
    """Questions as a text file for Anki: an identifier, the front and the back of a card, and a tag in each line.

    With the same identifiers, a later import updates the cards instead of doubling them.
    """
    lines = list(ANKI_HEADER)
    for question in asked:
        answers = "".join(f"<li>{_escape(answer['text'])}</li>" for answer in question["answers"])
        right = next(answer for answer in question["answers"] if answer["right"])
        front = f"{_escape(question['question'])}<ul>{answers}</ul>"
        back = f"<b>{_escape(right['text'])}</b><br>{_escape(right['because'])}"
        identifier = _escape(f"gpt2-course: {question['question']}")
        lines.append("\t".join([identifier, front, back, f"gpt2-course::chapter-{question['chapter']:02}"]))
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    """A text as HTML in one line, without the tabs and quotation marks that mean something in such a file."""
    return html.escape(" ".join(text.split()))


def write(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    asked = questions()
    course = {"chapters": chapters(), "questions": asked}
    static = Path(app.outdir) / "_static"
    (static / "course.json").write_text(json.dumps(course, ensure_ascii=False), encoding="utf-8")
    (static / "quiz_anki.txt").write_text(anki(asked), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

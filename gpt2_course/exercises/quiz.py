"""Quizzes that need nothing but a page: each answer opens and says why it is right or wrong."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Quiz:
    """The questions of a chapter.

    In a page each answer is a `<details>` element: it opens by a click, by touch or by the space bar, without any
    script, so it also works on GitHub, in print, and with scripts switched off.
    """

    chapter: int
    questions: list[dict[str, Any]]  # each: question, answers (each: text, right, because)

    def _repr_html_(self) -> str:
        blocks = []
        for i, question in enumerate(self.questions, 1):
            answers = "".join(
                f'<details class="answer"><summary>{html.escape(answer["text"])}</summary>'
                f"<p><strong>{'✓ Right.' if answer['right'] else '✗ No.'}</strong> {html.escape(answer['because'])}</p>"
                f"</details>"
                for answer in question["answers"]
            )
            blocks.append(f"<p><strong>{i}. {html.escape(question['question'])}</strong></p>{answers}")
        return f'<div class="quiz">{"".join(blocks)}</div>'

    def __repr__(self) -> str:
        lines = []
        for i, question in enumerate(self.questions, 1):
            lines.append(f"{i}. {question['question']}")
            lines += [f"   {letter}) {a['text']}" for letter, a in zip("abcdef", question["answers"], strict=False)]
        return "\n".join(lines)


def quiz(chapter: int) -> Quiz:
    """The quiz of a chapter. `ValueError` where it has none."""
    path = files("gpt2_course.exercises") / "quizzes" / f"{chapter:02}.json"
    if not path.is_file():
        raise ValueError(f"Chapter {chapter} has no quiz.")
    return Quiz(chapter, json.loads(path.read_text(encoding="utf-8")))

"""Quizzes that work without scripts: click an answer to see whether it is right, and why."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Quiz:
    """A chapter's quiz.

    Each answer is an HTML `<details>` element, which opens by click, touch, or space bar. It needs no script, so it
    also works on GitHub and with scripts turned off.
    """

    chapter: int
    questions: list[dict[str, Any]]  # keys: question, answers; keys of an answer: text, right, because

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
    """The quiz of a chapter; raises `ValueError` if there is none.

    Authors tend to put the right answer in the same place. So the order of the answers follows from their hashes.
    """
    path = files("gpt2_course.exercises") / "quizzes" / f"{chapter:02}.json"
    if not path.is_file():
        raise ValueError(f"Chapter {chapter} has no quiz.")
    questions = json.loads(path.read_text(encoding="utf-8"))
    for question in questions:
        question["answers"].sort(key=lambda answer: sha256(answer["text"].encode()).digest())
    return Quiz(chapter, questions)

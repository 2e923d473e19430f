"""The exercises of chapter 10: the playground."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpt2_course.exercises.registry import exercise


@exercise("10.1", "A prompt that asks")
def prompt_for(answer: Callable[[str], Any]) -> str | None:
    """`answer(question)` returns the prompt that makes the Tiny World model answer it."""
    question = "Where does Tuck the tortoise live?"
    found = answer(question)
    if not isinstance(found, str):
        return f"Return a string; your result has type {type(found).__name__}."
    right = f"Question: {question}\nAnswer:"
    if found == right:
        other = answer("What is Pip the fox afraid of?")
        return (
            None
            if other == "Question: What is Pip the fox afraid of?\nAnswer:"
            else "Your prompt always asks the same question."
        )
    usual = {
        right + " ": (
            "There is a space after “Answer:”. In the model's vocabulary, a word includes the space before it (“ Tuck” "
            "is one token), so the model does not know how to continue after a space."
        ),
        right + "\n": "There is a line break after “Answer:”. In Tiny World, the answer is on the same line.",
        f"Question: {question}\nAnswer": "The colon after “Answer” is missing.",
        f"Question: {question} Answer:": "In Tiny World, “Answer:” starts a new line. Put \\n before it.",
        f"Question: {question}\n": "One step is missing: start the answer with “Answer:”.",
        f"Question: {question}": "One step is missing: start the answer on the next line, with “Answer:”.",
        f"{question}\nAnswer:": "The model has only seen questions that start with “Question:”.",
        question: "The model has only seen questions that start with “Question:”.",
        f"Q: {question}\nA:": "The model knows “Question:” and “Answer:”, but not abbreviations.",
        f"question: {question}\nanswer:": "Capital letters matter: “Question” and “question” are different tokens.",
        f"Question: {question}\n\nAnswer:": "There is one line break too many: an empty line starts something new.",
        f"Question:{question}\nAnswer:": "A space is missing after “Question:”.",
    }
    return usual.get(found) or f"It should be {right!r}, but it is {found!r}."


@exercise("10.2", "The end of a turn")
def cut(answer: Callable[[str, list[str]], Any]) -> str | None:
    """`answer(text, stops)` returns the text before the earliest of the stops."""
    text = "Pip ran. Why? Nobody knew. Ever."
    cases = [(text, ["?", "."], "Pip ran"), (text, ["Ever", "new"], "Pip ran. Why? Nobody k"), (text, ["!"], text)]
    found = [answer(given, list(stops)) for given, stops, _ in cases]
    if not all(isinstance(part, str) for part in found):
        return (
            f"Return a string; your result has type {next(type(p).__name__ for p in found if not isinstance(p, str))}."
        )
    if found == [right for _, _, right in cases]:
        if answer(". So", ["."]) != "":
            return "A stop can be at the very start. find() returns 0 there, and the result is empty."
        if answer(text, []) != text:
            return "Without stops, return the whole text."
        return None if answer("", ["."]) == "" else "For an empty text, return an empty text."
    if found[0] == "Pip ran. Why":
        return "You cut at the first stop in the list. Cut at the stop that comes first in the text."
    if found[0] == "Pip ran.":
        return "Leave out the stop itself."
    if found[0] == "Pip ran. Why? Nobody knew. Ever":
        return "You cut at the last stop in the text. Cut at the first."
    if found[2] == text[:-1]:
        return "If no stop is found, return the whole text. find() returns −1 then, and text[:-1] loses a letter."
    if found[2] != text:
        return f"If no stop is found, return the whole text. You returned {found[2]!r}."
    if found[1] != cases[1][2]:
        return f"A stop can have several letters. The stops 'Ever' and 'new' leave {cases[1][2]!r}, not {found[1]!r}."
    return f"The stops '?' and '.' turn {text!r} into 'Pip ran', not {found[0]!r}."


@exercise("10.3", "The surest")
def surest(answer: Callable[[list[list[float]]], Any]) -> str | None:
    """`answer(log_probs)` returns the number of the text with the largest mean of ln p per token."""
    texts = [[-0.5] * 10, [-0.4] * 20, [-1.2] * 2, [-0.1, -0.1, -0.1, -3.0], [-1.5] * 8]
    found = answer([list(text) for text in texts])
    if isinstance(found, bool) or not isinstance(found, int):
        return f"Return the number of a text, 0 to {len(texts) - 1}; your result has type {type(found).__name__}."
    said = {
        0: "Text 0 has a mean of −0.5 per token. Another text has a higher one.",
        2: "Text 2 has the largest sum, because it is short. Take the mean per token.",
        3: "Text 3 has the surest tokens, but also one of −3. Take the mean per token, which is −0.825.",
        4: "You took the least certain text. ln p is negative, and closer to 0 means surer.",
    }
    if found in said:
        return said[found]
    if found != 1:
        return f"There is no text {found}, only texts 0 to {len(texts) - 1}."
    if answer([[-0.3] * 4, [-0.1, -0.4], [-2.0]]) != 1:
        return "This works for these texts, but not for others: of the means −0.3, −0.25, and −2, choose text 1."
    return None

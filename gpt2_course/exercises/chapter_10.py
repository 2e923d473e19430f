"""The exercises of chapter 10: the playground."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpt2_course.exercises.registry import exercise


@exercise("10.1", "A prompt that asks")
def prompt_for(answer: Callable[[str], Any]) -> str | None:
    """`answer(question)` is the prompt that makes Tiny World's model answer it."""
    question = "Where does Tuck the tortoise live?"
    found = answer(question)
    if not isinstance(found, str):
        return f"Return a string; this is a {type(found).__name__}."
    right = f"Question: {question}\nAnswer:"
    if found == right:
        other = answer("What is Pip the fox afraid of?")
        return None if other == "Question: What is Pip the fox afraid of?\nAnswer:" else "It asks the same every time."
    usual = {
        right + " ": (
            "There is a space after “Answer:”. In the model's vocabulary a word brings its own space along (“ Tuck” is "
            "a token), so after a space it does not know how to go on."
        ),
        right + "\n": "There is a line end after “Answer:”. In the world's texts the answer stands in the same line.",
        f"Question: {question}\nAnswer": "The colon after “Answer” is missing.",
        f"Question: {question} Answer:": "In the world's texts the answer stands in a line of its own: \\n before it.",
        f"Question: {question}\n": "One step more: begin the answer, too, with “Answer:”.",
        f"Question: {question}": "One step more: begin the answer, too, in the next line, with “Answer:”.",
        f"{question}\nAnswer:": "The model has only ever seen questions that begin with “Question:”.",
        question: "The model has only ever seen questions that begin with “Question:”.",
        f"Q: {question}\nA:": "The model knows “Question:” and “Answer:”, and no abbreviations.",
        f"question: {question}\nanswer:": "Capital letters matter: “Question” is another token than “question”.",
        f"Question: {question}\n\nAnswer:": "One line end too many: an empty line begins something new.",
        f"Question:{question}\nAnswer:": "There is a space missing after “Question:”.",
    }
    return usual.get(found) or f"It should be {right!r}, but it is {found!r}."


@exercise("10.2", "The end of a turn")
def cut(answer: Callable[[str, list[str]], Any]) -> str | None:
    """`answer(text, stops)` is the text up to the first place where one of the stops begins."""
    text = "Pip ran. Why? Nobody knew. Ever."
    cases = [(text, ["?", "."], "Pip ran"), (text, ["Ever", "new"], "Pip ran. Why? Nobody k"), (text, ["!"], text)]
    found = [answer(given, list(stops)) for given, stops, _ in cases]
    if not all(isinstance(part, str) for part in found):
        return f"Return a string; this is a {next(type(p).__name__ for p in found if not isinstance(p, str))}."
    if found == [right for _, _, right in cases]:
        if answer(". So", ["."]) != "":
            return "A stop may stand at the very beginning: find() gives 0 there, and nothing is left."
        if answer(text, []) != text:
            return "Without stops, the whole text stays."
        return None if answer("", ["."]) == "" else "Of an empty text nothing is left but the empty text."
    if found[0] == "Pip ran. Why":
        return "You cut at the first stop of the list. Cut at the one that comes first in the text."
    if found[0] == "Pip ran.":
        return "The stop itself is to be left out."
    if found[0] == "Pip ran. Why? Nobody knew. Ever":
        return "You cut at the last place where a stop stands. Cut at the first."
    if found[2] == text[:-1]:
        return "Where no stop is found, the whole text stays: find() gives −1 there, and text[:-1] lacks a letter."
    if found[2] != text:
        return f"Where no stop is found, the whole text stays; you returned {found[2]!r}."
    if found[1] != cases[1][2]:
        return (
            f"A stop may have several letters: with the stops 'Ever' and 'new' it is {cases[1][2]!r}, not {found[1]!r}."
        )
    return f"With the stops '?' and '.', {text!r} becomes 'Pip ran', not {found[0]!r}."


@exercise("10.3", "The surest")
def surest(answer: Callable[[list[list[float]]], Any]) -> str | None:
    """`answer(log_probs)` says which text the model was surest of, given ln p of every token of each."""
    texts = [[-0.5] * 10, [-0.4] * 20, [-1.2] * 2, [-0.1, -0.1, -0.1, -3.0], [-1.5] * 8]
    found = answer([list(text) for text in texts])
    if isinstance(found, bool) or not isinstance(found, int):
        return f"Return the number of a text, 0 to {len(texts) - 1}, as an int; this is a {type(found).__name__}."
    said = {
        0: "Text 0 has the mean −0.5 a token; there is a better one.",
        2: "That one has the largest sum, because it is short. Take the mean a token.",
        3: "That one has the surest tokens, but also one of −3. Take the mean a token: −0.825.",
        4: "You took the least sure. ln p is below 0; nearer to 0 is surer.",
    }
    if found in said:
        return said[found]
    if found != 1:
        return f"There are texts 0 to {len(texts) - 1}; there is no text {found}."
    if answer([[-0.3] * 4, [-0.1, -0.4], [-2.0]]) != 1:
        return "Right for these texts, but not for others: with the means −0.3, −0.25 and −2 it is text 1."
    return None

"""The exercises of chapter 11: the playground."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise


@exercise("11.1", "A prompt that asks")
def prompt_for(answer: Callable[[str], Any]) -> str | None:
    """`answer(question)` returns the prompt that makes the Tiny World model answer it."""
    usual: dict[str, Callable[[str], str] | tuple[Callable[[str], str], ...]] = {
        "There is a space after “Answer:”. In the model's vocabulary, a word includes the space before it (“ Tuck” "
        "is one token), so the model does not know how to continue after a space.": (
            lambda question: f"Question: {question}\nAnswer: "
        ),
        "There is a line break after “Answer:”. In Tiny World, the answer is on the same line.": (
            lambda question: f"Question: {question}\nAnswer:\n"
        ),
        "The colon after “Answer” is missing.": lambda question: f"Question: {question}\nAnswer",
        "The colon after “Question” is missing.": lambda question: f"Question {question}\nAnswer:",
        "In Tiny World, “Answer:” starts a new line. Put \\n before it.": (
            lambda question: f"Question: {question} Answer:",
            lambda question: f"Question: {question}Answer:",
        ),
        "One step is missing: start the answer with “Answer:”.": lambda question: f"Question: {question}\n",
        "One step is missing: start the answer on the next line, with “Answer:”.": (
            lambda question: f"Question: {question}"
        ),
        "The model has only seen questions that start with “Question:”.": (
            lambda question: f"{question}\nAnswer:",
            lambda question: question,
        ),
        "The model knows “Question:” and “Answer:”, but not abbreviations.": lambda question: f"Q: {question}\nA:",
        "Capital letters matter: “Question” and “question” are different tokens.": (
            lambda question: f"question: {question}\nanswer:",
            lambda question: f"question: {question}\nAnswer:",
            lambda question: f"Question: {question}\nanswer:",
            lambda question: f"QUESTION: {question}\nANSWER:",
            lambda question: f"Question: {question.lower()}\nAnswer:",
        ),
        "There is one line break too many: an empty line starts something new.": (
            lambda question: f"Question: {question}\n\nAnswer:"
        ),
        "A space is missing after “Question:”.": lambda question: f"Question:{question}\nAnswer:",
        "There is a space at the end of the question's line.": lambda question: f"Question: {question} \nAnswer:",
        "There is a space before “Answer:”.": lambda question: f"Question: {question}\n Answer:",
        "There is a line break before “Question:”.": lambda question: f"\nQuestion: {question}\nAnswer:",
        "Your prompt always asks the same question.": lambda question: f"Question: {ASKED[0]}\nAnswer:",
        "The question itself is missing.": lambda question: "Question: \nAnswer:",
        "Inside an f-string, write the variable in braces: {question}.": lambda question: "Question: question\nAnswer:",
        "Put an f before the string, so that {question} is replaced.": lambda question: "Question: {question}\nAnswer:",
    }
    return compare(answer, [(q,) for q in ASKED], lambda question: f"Question: {question}\nAnswer:", usual)


ASKED = ["Where does Tuck the tortoise live?", "What is Pip the fox afraid of?"]


@exercise("11.2", "The end of a turn")
def cut(answer: Callable[[str, list[str]], Any]) -> str | None:
    """`answer(text, stops)` returns the text before the earliest of the stops."""

    def places(text: str, stops: list[str]) -> list[int]:
        return [text.find(stop) for stop in stops if stop in text]

    def right(text: str, stops: list[str]) -> str:
        return text[: min(places(text, stops), default=len(text))]

    usual: dict[str, Callable[[str, list[str]], Any] | tuple[Callable[[str, list[str]], Any], ...]] = {
        "You cut at the first stop in the list. Cut at the stop that comes first in the text.": (
            lambda text, stops: text.split(stops[0])[0] if stops else text,
            lambda text, stops: text[: next(iter(places(text, stops)), len(text))],
        ),
        "You cut at the last stop in the list. Cut at the stop that comes first in the text.": (
            lambda text, stops: text.split(stops[-1])[0] if stops else text,
            lambda text, stops: text[: next(iter(places(text, stops)[::-1]), len(text))],
        ),
        "You searched for each stop in what the stops before it had left over. Search the whole text each time: "
        "stops can overlap: after a cut at “.”, a stop such as “Pip ran. W” is no longer there to be found.": (
            _one_after_another
        ),
        "Leave out the stop itself.": lambda text, stops: text[
            : min((text.find(stop) + len(stop) for stop in stops if stop in text), default=len(text))
        ],
        "You cut one letter after the place where the stop begins.": lambda text, stops: text[
            : min(places(text, stops), default=len(text)) + 1
        ],
        "You cut one letter too early.": lambda text, stops: (
            text[: max(0, min(places(text, stops)) - 1)] if places(text, stops) else text
        ),
        "You cut at the stop that comes last in the text. Cut at the one that comes first.": (
            lambda text, stops: text[: max(places(text, stops), default=len(text))]
        ),
        "You cut at the last place where a stop occurs. Cut at the first.": lambda text, stops: text[
            : max((text.rfind(stop) for stop in stops if stop in text), default=len(text))
        ],
        "If no stop is found, return the whole text. find() returns −1 then, and text[:-1] loses a letter.": (
            lambda text, stops: text[: min(places(text, stops), default=-1)],
            lambda text, stops: text[: min((text.find(stop) for stop in stops), default=len(text))],
        ),
        "If no stop is found, return the whole text, not an empty one.": lambda text, stops: (
            right(text, stops) if places(text, stops) else ""
        ),
        "A stop can have several letters. Look for all of it, not just its first letter.": lambda text, stops: right(
            text, [stop[0] for stop in stops]
        ),
        "Look for each stop as a whole, not for each of its letters.": lambda text, stops: right(
            text, list("".join(stops))
        ),
        "A stop can be at the very start. find() returns 0 there, and the result is empty.": lambda text, stops: text[
            : min((i for i in places(text, stops) if i > 0), default=len(text))
        ],
        "Without stops, return the whole text.": lambda text, stops: right(text, stops) if stops else "",
        "This is the text from the stop on. Return what comes before it.": lambda text, stops: text[
            min(places(text, stops), default=0) :
        ],
        "You have cut nothing. Cut at the stop that comes first in the text.": lambda text, stops: text,
        "These are the places of the stops. Return the text before the smallest.": places,
        "This is the place of the stop. Return the text before it.": lambda text, stops: min(
            places(text, stops), default=len(text)
        ),
        "You removed the stops. Return only what comes before the first one.": _without_stops,
    }
    text = "Pip ran. Why? Nobody knew. Ever."
    inputs: list[tuple[str, list[str]]] = [
        (text, ["?", "."]),
        (text, [".", "?", "Pip ran. W"]),
        (text, ["Ever", "new"]),
        (text, ["!"]),
        (text, []),
        (". So", ["."]),
        ("", ["."]),
        ("no end here", ["here", "!", "end"]),
    ]
    return compare(answer, inputs, right, usual)


def _one_after_another(text: str, stops: list[str]) -> str:
    for stop in stops:
        text = text.split(stop)[0]
    return text


def _without_stops(text: str, stops: list[str]) -> str:
    for stop in stops:
        text = text.replace(stop, "")
    return text


@exercise("11.3", "The surest")
def surest(answer: Callable[[list[list[float]]], Any]) -> str | None:
    """`answer(log_probs)` returns the number of the text with the largest mean of ln p per token."""

    def largest(of: Callable[[list[float]], float]) -> Callable[[list[list[float]]], int]:
        return lambda texts: max(range(len(texts)), key=lambda i: of(texts[i]))

    def mean(text: list[float]) -> float:
        return sum(text) / len(text)

    usual: dict[str, Callable[[list[list[float]]], Any] | tuple[Callable[[list[list[float]]], Any], ...]] = {
        "You took the text with the largest sum, and short texts have large ones. Take the mean per token.": (
            largest(sum)
        ),
        "You took the text with the surest single token. Take the mean per token.": largest(max),
        "You compared only the least sure token of each text. Take the mean per token.": largest(min),
        "You took the least certain text. ln p is negative, and closer to 0 means surer.": (
            largest(lambda text: -mean(text)),
            largest(lambda text: abs(mean(text))),
        ),
        "You took the text with the smallest sum. Take the largest mean per token.": largest(lambda text: -sum(text)),
        "You took the longest text. Take the largest mean per token.": largest(len),
        "You took the shortest text. Take the largest mean per token.": largest(lambda text: -len(text)),
        "You multiplied by the number of tokens. Divide by it.": largest(lambda text: sum(text) * len(text)),
        "You always return 0. Return the place of the largest mean.": lambda texts: 0,
        "This is the largest mean. Return its place in the list.": lambda texts: max(map(mean, texts)),
        "These are the means. Return the place of the largest.": lambda texts: [mean(text) for text in texts],
    }
    inputs = [
        ([[-0.5] * 10, [-0.4] * 20, [-1.2] * 2, [-0.1, -0.1, -0.1, -3.0], [-1.5] * 8],),
        ([[-0.3] * 4, [-0.1, -0.4], [-2.0]],),
        ([[-2.5], [-1.0, -3.0, -0.2], [-0.9] * 4, [-1.1, -0.8]],),
        ([[-0.7, -0.1], [-0.5]],),
    ]
    return compare(answer, inputs, largest(mean), usual, "the number of a text, counted from 0")

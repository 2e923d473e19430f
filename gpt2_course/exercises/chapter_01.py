"""The exercises of chapter 1: what is a language model?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from numbers import Real
from typing import Any

from gpt2_course.exercises.registry import exercise

WORDS = ["the", "cat", "and", "the", "cat", "and", "the", "dog", "saw", "the", "cat"]
PAIRS = Counter(pairwise(WORDS))


@exercise("1.1", "Count the pairs")
def count_pairs(answer: Callable[[list[str]], Any]) -> str | None:
    """`answer(words)` counts the pairs of neighboring words."""
    found = answer(list(WORDS))
    if not isinstance(found, Mapping):
        return f"Return a dictionary or a Counter from pairs to counts; your result has type {type(found).__name__}."
    if not all(isinstance(key, tuple) and len(key) == 2 for key in found):
        odd = next(key for key in found if not (isinstance(key, tuple) and len(key) == 2))
        return f"Each key must be a pair such as ('the', 'cat'), but one key is {odd!r}. Count pairs of neighbors."
    got = {key: count for key, count in found.items() if count}
    if got == PAIRS:
        return None
    if got == Counter(pairwise(WORDS[:-1])):
        return f"The last pair {(WORDS[-2], WORDS[-1])} is missing. Your loop ends one step too early."
    if got == {(b, a): n for (a, b), n in PAIRS.items()}:
        return "Your pairs are reversed. Put the word first and the one that follows it second."
    if got == Counter(zip(WORDS[::2], WORDS[1::2], strict=False)):
        return "You moved two words at a time. Pairs overlap: 'the cat and' contains both (the, cat) and (cat, and)."
    if got == dict.fromkeys(PAIRS, 1):
        return f"You counted each pair only once, but {('the', 'cat')} occurs three times. Add 1 for every occurrence."
    wrong = next(pair for pair in [*PAIRS, *got] if got.get(pair, 0) != PAIRS[pair])
    return f"In {' '.join(WORDS)!r}, the count of {wrong} must be {PAIRS[wrong]}, but yours is {got.get(wrong, 0)}."


@exercise("1.2", "From counts to probabilities")
def next_word_probabilities(answer: Callable[[Counter[tuple[str, str]], str], Any]) -> str | None:
    """`answer(pairs, word)` returns the probability of each word that can follow `word`."""
    right = {b: n / 4 for (a, b), n in PAIRS.items() if a == "the"}  # another word follows "the" four times
    found = answer(Counter(PAIRS), "the")
    if not isinstance(found, Mapping):
        return f"Return a dictionary from words to probabilities; your result has type {type(found).__name__}."
    got = {key: float(p) for key, p in found.items() if p}
    if _close(got, right):
        return None
    if _close(got, {b: n for (a, b), n in PAIRS.items() if a == "the"}):
        return "These are counts. Divide each by their sum, so they add up to 1."
    if _close(got, {b: n / PAIRS.total() for (a, b), n in PAIRS.items() if a == "the"}):
        return (
            "You divided by the number of all pairs. Divide by the number of pairs that begin with this word, because "
            "you already know that the word is there."
        )
    before = {a: n for (a, b), n in PAIRS.items() if b == "the"}
    if set(got) == set(before):
        return "These are the words that come before the word. Return those that come after it."
    if _close(got, {b: 100 * p for b, p in right.items()}):
        return "These are percentages. A probability is between 0 and 1."
    return f"In {' '.join(WORDS)!r}, the probabilities after 'the' are {right}, but you returned {got}."


@exercise("1.3", "Perplexity")
def perplexity(answer: Callable[[list[float]], Any]) -> str | None:
    """`answer(probabilities)` returns the perplexity of a model that gave the actual words these probabilities."""
    given = [0.5, 0.1, 0.25, 0.8]
    surprises = [-math.log(p) for p in given]
    mean = sum(surprises) / len(given)
    found = answer(list(given))
    if not isinstance(found, Real) and getattr(found, "shape", None) != ():  # a tensor without dimensions is a number
        return f"Return one number; your result has type {type(found).__name__}."
    mistakes = {
        mean: "This is the mean surprise (the loss). One step is missing: raise e to that power.",
        math.exp(-mean): "This is 1 divided by the perplexity. The surprise is *minus* the logarithm.",
        math.exp(
            sum(surprises)
        ): "You added up the surprises. Take their mean, or long texts will look worse than short ones.",
        sum(1 / p for p in given)
        / len(given): "This is the mean of 1/p. First take the mean of the surprises, then exp.",
        len(given) / sum(given): "You took the mean of the probabilities. Take the mean of the surprises, −ln p.",
        2**mean: "Your logarithm has base e, your power base 2. Use math.exp with math.log.",
        math.exp(mean / math.log(2)): "Your logarithm has base 2, your power base e. Use math.log with math.exp.",
        mean / math.log(2): "This is the mean surprise in bits. Use math.log, then raise e to the mean.",
    }
    if math.isclose(float(found), math.exp(mean), rel_tol=1e-6):
        return None
    for number, message in mistakes.items():
        if math.isclose(float(found), number, rel_tol=1e-6):
            return message
    return f"For {given}, the perplexity is {math.exp(mean):.3f}, but you returned {float(found):.3f}."


def _close(found: Mapping[Any, float], right: Mapping[Any, float]) -> bool:
    return set(found) == set(right) and all(math.isclose(found[key], right[key], rel_tol=1e-6) for key in right)

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
    """`answer(words)` counts each word with the one after it."""
    found = answer(list(WORDS))
    if not isinstance(found, Mapping):
        return f"Return a dictionary or a Counter from pairs to counts; this is a {type(found).__name__}."
    if not all(isinstance(key, tuple) and len(key) == 2 for key in found):
        odd = next(key for key in found if not (isinstance(key, tuple) and len(key) == 2))
        return f"Each key must be a pair such as ('the', 'cat'), but one key is {odd!r}: count two neighbours together."
    got = {key: count for key, count in found.items() if count}
    if got == PAIRS:
        return None
    if got == Counter(pairwise(WORDS[:-1])):
        return f"The last pair {(WORDS[-2], WORDS[-1])} is missing: the loop ends one step too early."
    if got == {(b, a): n for (a, b), n in PAIRS.items()}:
        return "The pairs are the wrong way round: the word comes first, the one that follows it second."
    if got == Counter(zip(WORDS[::2], WORDS[1::2], strict=False)):
        return (
            "You jump two words at a time. Pairs overlap: in 'the cat and', both (the, cat) and (cat, and) are pairs."
        )
    if got == dict.fromkeys(PAIRS, 1):
        return f"Each pair is counted once only, but {('the', 'cat')} comes three times: add 1 each time it comes."
    wrong = next(pair for pair in [*PAIRS, *got] if got.get(pair, 0) != PAIRS[pair])
    return f"In {' '.join(WORDS)!r}, the pair {wrong} comes {PAIRS[wrong]} times, and you counted {got.get(wrong, 0)}."


@exercise("1.2", "From counts to probabilities")
def next_word_probabilities(answer: Callable[[Counter[tuple[str, str]], str], Any]) -> str | None:
    """`answer(pairs, word)` gives the probability of each word that can follow `word`."""
    right = {b: n / 4 for (a, b), n in PAIRS.items() if a == "the"}  # the word "the" is followed four times
    found = answer(Counter(PAIRS), "the")
    if not isinstance(found, Mapping):
        return f"Return a dictionary from words to probabilities; this is a {type(found).__name__}."
    got = {key: float(p) for key, p in found.items() if p}
    if _close(got, right):
        return None
    if _close(got, {b: n for (a, b), n in PAIRS.items() if a == "the"}):
        return "These are counts. Divide each by their sum, so that all together make 1."
    if _close(got, {b: n / PAIRS.total() for (a, b), n in PAIRS.items() if a == "the"}):
        return (
            "You divided by the number of all pairs. Divide by the number of pairs that begin with this word: the "
            "question is what follows it, given that it is there."
        )
    before = {a: n for (a, b), n in PAIRS.items() if b == "the"}
    if set(got) == set(before):
        return "These are the words that come before. Asked are those that come after."
    if _close(got, {b: 100 * p for b, p in right.items()}):
        return "These are percentages. A probability is between 0 and 1."
    return f"After 'the' come {right} in {' '.join(WORDS)!r}, but you gave {got}."


@exercise("1.3", "Perplexity")
def perplexity(answer: Callable[[list[float]], Any]) -> str | None:
    """`answer(probabilities)` is the perplexity of a model that gave these to the words that came."""
    given = [0.5, 0.1, 0.25, 0.8]
    surprises = [-math.log(p) for p in given]
    mean = sum(surprises) / len(given)
    found = answer(list(given))
    if not isinstance(found, Real) and getattr(found, "shape", None) != ():  # a tensor of no dimensions is a number
        return f"Return one number; this is a {type(found).__name__}."
    mistakes = {
        mean: "This is the mean surprise, the loss. One step is missing: raise e to it.",
        math.exp(-mean): "This is the perplexity upside down: surprise is *minus* the logarithm.",
        math.exp(
            sum(surprises)
        ): "You added the surprises up. Take their mean, or long texts look worse than short ones.",
        sum(1 / p for p in given)
        / len(given): "This is the mean of 1/p. First take the mean of the surprises, then exp.",
        len(given) / sum(given): "You took the mean of the probabilities. Take the mean of the surprises, −ln p.",
        2**mean: "The logarithm was to base e, the power to base 2: they must fit. Use math.exp with math.log.",
        math.exp(mean / math.log(2)): "The logarithm was to base 2, the power to base e: use math.log with math.exp.",
        mean / math.log(2): "This is the mean surprise in bits. Take math.log, and raise e to the mean.",
    }
    if math.isclose(float(found), math.exp(mean), rel_tol=1e-6):
        return None
    for number, message in mistakes.items():
        if math.isclose(float(found), number, rel_tol=1e-6):
            return message
    return f"For the probabilities {given} the perplexity is {math.exp(mean):.3f}, but you gave {float(found):.3f}."


def _close(found: Mapping[Any, float], right: Mapping[Any, float]) -> bool:
    return set(found) == set(right) and all(math.isclose(found[key], right[key], rel_tol=1e-6) for key in right)

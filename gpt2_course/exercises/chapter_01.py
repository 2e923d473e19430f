"""The exercises of chapter 1: what is a language model?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from itertools import combinations, pairwise, permutations, product
from typing import Any

from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise

WORDS = ["the", "cat", "and", "the", "cat", "and", "the", "dog", "saw", "the", "cat"]
OTHERS = ["a", "b", "a", "c", "a", "c", "a", "a", "a", "a", "d", "a", "c", "b", "b"]
Pairs = Counter[tuple[str, str]]


@exercise("1.1", "Count the pairs")
def count_pairs(answer: Callable[[list[str]], Any]) -> str | None:
    """`answer(words)` counts the pairs of neighboring words."""

    def counted(words: list[str]) -> Any:
        found = answer(words)  # a pair may be in it with the count 0
        return {key: count for key, count in found.items() if count} if isinstance(found, Mapping) else found

    found = counted(list(WORDS))
    if isinstance(found, Mapping):
        for key in found:
            if not (isinstance(key, tuple) and len(key) == 2):
                return f"Each key must be a pair such as ('the', 'cat'), but one key is {key!r}. Count neighbors."
    usual: dict[str, Callable[[list[str]], Any] | tuple[Callable[[list[str]], Any], ...]] = {
        "The last pair is missing. Your loop ends one step too early.": lambda words: Counter(pairwise(words[:-1])),
        "The first pair is missing. Your loop starts one step too late.": lambda words: Counter(pairwise(words[1:])),
        "Your pairs are reversed. Put the word first and the one that follows it second.": lambda words: Counter(
            (b, a) for a, b in pairwise(words)
        ),
        "You moved two words at a time. Pairs overlap: 'the cat and' contains both (the, cat) and (cat, and).": (
            lambda words: Counter(zip(words[::2], words[1::2], strict=False))
        ),
        "You counted each pair only once. Add 1 for every occurrence.": lambda words: dict.fromkeys(pairwise(words), 1),
        "You paired each word with itself. Pair word i with word i + 1.": lambda words: Counter(
            (a, a) for a in words[:-1]
        ),
        "You counted words that are two places apart. Count neighbors.": lambda words: Counter(
            zip(words, words[2:], strict=False)
        ),
        "You went around from the last word to the first. Nothing follows the last word.": lambda words: Counter(
            (words[i - 1], words[i]) for i in range(len(words))
        ),
        "You paired each word with many others. Only the word right after it counts: pair word i with word i + 1.": (
            lambda words: Counter(combinations(words, 2)),
            lambda words: Counter(permutations(words, 2)),
            lambda words: Counter(product(words, repeat=2)),
        ),
        "Your counts are one too high. Start each at 0.": lambda words: {
            pair: n + 1 for pair, n in Counter(pairwise(words)).items()
        },
        "Your counts are negative. Add 1 for every occurrence.": lambda words: {
            pair: -n for pair, n in Counter(pairwise(words)).items()
        },
        "Your dictionary is empty. Look at each i from 0 to len(words) - 2.": lambda words: {},
    }
    kind = "a dictionary or a Counter from pairs to counts"
    return compare(
        counted, [(WORDS,), (OTHERS,), (["one"],)], lambda words: dict(Counter(pairwise(words))), usual, kind
    )


@exercise("1.2", "From counts to probabilities")
def next_word_probabilities(answer: Callable[[Pairs, str], Any]) -> str | None:
    """`answer(pairs, word)` returns the probability of each word that can follow `word`."""

    def of_possible(pairs: Pairs, word: str) -> Any:
        found = answer(pairs, word)  # a word may be in it with the probability 0
        return {key: p for key, p in found.items() if p} if isinstance(found, Mapping) else found

    def after(pairs: Pairs, word: str) -> dict[str, int]:
        return {b: n for (a, b), n in pairs.items() if a == word}

    def before(pairs: Pairs, word: str) -> dict[str, int]:
        return {a: n for (a, b), n in pairs.items() if b == word}

    def scaled(counts: Mapping[str, float], factor: float) -> dict[str, float]:
        return {key: n * factor for key, n in counts.items()}

    def shares(counts: dict[str, int]) -> dict[str, float]:
        return scaled(counts, 1 / sum(counts.values()))

    def percentages(digits: int | None, pairs: Pairs, word: str) -> dict[str, float]:
        return {b: round(100 * share, digits) for b, share in shares(after(pairs, word)).items()}

    usual: dict[str, Callable[[Pairs, str], Any] | tuple[Callable[[Pairs, str], Any], ...]] = {
        "These are counts. Divide each by their sum, so they add up to 1.": after,
        "You divided by the number of all pairs. Divide by the number of pairs that begin with this word, because "
        "you already know that the word is there.": lambda pairs, word: scaled(after(pairs, word), 1 / pairs.total()),
        "You divided by 4, which is right only for one word. Divide by the sum of the counts.": lambda pairs, word: (
            scaled(after(pairs, word), 1 / 4)
        ),
        "You divided by the number of different words. Divide by the sum of the counts.": lambda pairs, word: scaled(
            after(pairs, word), 1 / len(after(pairs, word))
        ),
        "These are the words that come before the word. Return those that come after it.": (
            before,
            lambda pairs, word: shares(before(pairs, word)),
            lambda pairs, word: scaled(before(pairs, word), 1 / sum(after(pairs, word).values())),
        ),
        "These are percentages. Leave them as shares between 0 and 1.": (
            lambda pairs, word: scaled(shares(after(pairs, word)), 100),
            *(partial(percentages, digits) for digits in (None, 1, 2)),
        ),
        "Your keys are pairs. Use only the second word of each.": (
            lambda pairs, word: {(word, b): share for b, share in shares(after(pairs, word)).items()},
            lambda pairs, word: {(word, b): n for b, n in after(pairs, word).items()},
        ),
        "You gave all words the same probability. Divide each count by the sum of the counts.": lambda pairs, word: (
            dict.fromkeys(after(pairs, word), 1 / len(after(pairs, word)))
        ),
        "You multiplied by the sum of the counts. Divide by it.": lambda pairs, word: scaled(
            after(pairs, word), sum(after(pairs, word).values())
        ),
        "Your dictionary is empty. Look for the pairs whose first word is `word`.": lambda pairs, word: {},
        "You divided the sum by the counts. Divide the counts by the sum.": lambda pairs, word: {
            b: sum(after(pairs, word).values()) / n for b, n in after(pairs, word).items()
        },
        "These are the words after all other words. Use the pairs that begin with `word`.": lambda pairs, word: shares(
            {b: n for (a, b), n in pairs.items() if a != word}
        ),
        "These are the words after any word. Use only the pairs that begin with `word`.": lambda pairs, word: shares(
            {b: n for (_, b), n in pairs.items()}
        ),
    }
    inputs = [(Counter(pairwise(words)), word) for words, word in ((WORDS, "the"), (OTHERS, "a"), (WORDS, "dog"))]
    kind = "a dictionary from words to probabilities"
    return compare(of_possible, inputs, lambda pairs, word: shares(after(pairs, word)), usual, kind)


@exercise("1.3", "Perplexity")
def perplexity(answer: Callable[[list[float]], Any]) -> str | None:
    """`answer(probabilities)` returns the perplexity of a model that gave the actual words these probabilities."""

    def mean(probabilities: list[float]) -> float:
        return sum(-math.log(p) for p in probabilities) / len(probabilities)

    usual: dict[str, Callable[[list[float]], Any] | tuple[Callable[[list[float]], Any], ...]] = {
        "This is the mean surprise (the loss). One step is missing: raise e to that power.": mean,
        "This is 1 divided by the perplexity. The surprise is *minus* the logarithm.": lambda ps: math.exp(-mean(ps)),
        "You added up the surprises. Take their mean, or long texts will look worse than short ones.": lambda ps: (
            math.exp(mean(ps) * len(ps))
        ),
        "You added up the surprises and multiplied by their number. Divide by it.": lambda ps: math.exp(
            mean(ps) * len(ps) ** 2
        ),
        "You divided by 4, which is right only for four words. Divide by the number of words.": lambda ps: math.exp(
            mean(ps) * len(ps) / 4
        ),
        "This is the mean of 1/p. First take the mean of the surprises, then exp.": lambda ps: (
            sum(1 / p for p in ps) / len(ps)
        ),
        "You took the mean of the probabilities. Take the mean of the surprises, −ln p.": lambda ps: len(ps) / sum(ps),
        "Your logarithm has base e, your power base 2. Use math.exp with math.log.": lambda ps: 2 ** mean(ps),
        "Your logarithm has base 2, your power base e. Use math.log with math.exp.": lambda ps: math.exp(
            mean(ps) / math.log(2)
        ),
        "You took the logarithm with base 10. Use math.log, the natural one.": (
            lambda ps: math.exp(mean(ps) / math.log(10)),
            lambda ps: mean(ps) / math.log(10),
        ),
        "This is the mean surprise in bits. Use math.log, then raise e to the mean.": lambda ps: mean(ps) / math.log(2),
        "This is e to the power of the mean probability. Take the mean of −ln p.": lambda ps: math.exp(
            sum(ps) / len(ps)
        ),
        "This is e to the power of minus the mean probability. Take the mean of −ln p.": lambda ps: math.exp(
            -sum(ps) / len(ps)
        ),
        "This is the sum of the surprises. Take their mean, then raise e to that power.": lambda ps: mean(ps) * len(ps),
    }
    inputs = [([0.5, 0.1, 0.25, 0.8],), ([0.9, 0.05, 0.6, 0.7, 0.3],), ([0.2, 0.4],)]
    return compare(answer, inputs, lambda ps: math.exp(mean(ps)), usual)

"""A probabilistic grammar that works both ways: it samples texts and parses them.

Everything Tiny World says is defined by templates in a small language:

    [a|b|3×c]        one of a, b, and c; c is three times as likely as either of the others
    {thing:treasure} draw an entry from the list `treasure` and name it `thing`; two names never share an entry
    {thing}          the same thing again; {Thing} is capitalized; {thing.a} is its form with an article
    {why=[x|y]}      choose x or y and remember it as `why`; {why} repeats it
    <about>          a passage that several templates share

Sampling draws a random number at every choice. Parsing recovers the choices that lead to a text. Each text has exactly
one derivation, so its probability is the product of the probabilities of its choices.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from random import Random
from typing import NamedTuple

# the beginning of a word that takes "an"
VOWEL_SOUND = re.compile(r"(?!eu|ewe|one\b|once|uni(?![mn])|u[ks]u|us[ae]|ut[eio]|ura)[aeiou]|hour|heir|honest|honor")
Memory = dict[str, "Entity | str"]  # what a text has established so far, by name


@dataclass(frozen=True, eq=False)
class Entity:
    """A person or thing in the world: its name, and the other forms it takes in a sentence."""

    name: str
    forms: dict[str, str | Entity | tuple[Entity, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def form(value: Entity | str, path: Sequence[str]) -> str:
    """The words for a value in a sentence: `form(pip, ["friend", "he"])` is the pronoun of Pip's friend."""
    for step in path:
        assert isinstance(value, Entity), (value, path)
        found = value.forms[step]
        assert not isinstance(found, tuple), (value, path)
        value = found
    return str(value)


def article(noun: str) -> str:
    """A noun with its article: `an umbrella`, `a kite`, `an hourglass`, `a unicorn`.

    It goes by spelling, which is enough for the world's nouns.
    """
    letters = unicodedata.normalize("NFD", noun.casefold())  # an accent becomes a character of its own
    return f"{'an' if VOWEL_SOUND.match(letters) else 'a'} {noun}"


class Draft:
    """A text being sampled: its random numbers, what it has established, and the log-probability of its choices."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.memory: Memory = {}
        self.log_prob = 0.0

    def choose(self, n: int) -> int:
        """A uniform integer below n.

        It uses `random()`, the only method that gives the same numbers in every Python version.
        """
        self.log_prob -= math.log(n)
        return int(self.random.random() * n)


class Expected(NamedTuple):
    """Words that the grammar expected in a text."""

    what: str  # a value's name, "sentence", or "end"
    words: str
    start: int  # where they begin

    @property
    def explains(self) -> tuple[bool, bool]:
        """How much they explain: a contradicted fact more than a name, and a name more than another sentence."""
        return "." in self.what, self.what != "sentence"


class Reading:
    """A text being parsed: what the grammar expected where parsing got furthest, and where each derivation failed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.furthest = 0
        self.expected: list[Expected] = []
        self.failed = [0.0] * (len(text) + 1)  # the probability of all derivations that match exactly this much of it

    def says(self, words: str, way: Way, what: str, log_prob: float = 0.0) -> bool:
        """Whether the text continues with these words, chosen with `log_prob`; if not, note how far they match."""
        at = way.at
        if self.text.startswith(words, at):
            return True
        reached = at
        for expected, found in zip(words, self.text[at : at + len(words)], strict=False):
            if expected != found:
                break
            reached += 1
        self.failed[reached] += math.exp(way.log_prob + log_prob)
        if reached > self.furthest:
            self.furthest, self.expected = reached, []
        if reached == self.furthest:
            self.expected.append(Expected(what, words, at))
        return False

    def prefix_probabilities(self) -> list[float]:
        """P(a text starts with the first n characters of this one), for n = 0 … all of them.

        These are exact once every way to read the text has been tried and every way to its end, or to an earlier one,
        has been added to `failed` where it ends: a derivation that fails at n has the first n characters in common.
        """
        return list(accumulate(reversed(self.failed)))[::-1]


class Step(NamedTuple):
    """A node on the way to a text, and the state when it was reached; steps form a list that starts at the last one."""

    before: Step | None
    node: Node
    at: int
    memory: Memory


class Way(NamedTuple):
    """A partial derivation."""

    at: int = 0  # where it ends in the text
    memory: Memory = {}  # what it has established; never changed in place  # noqa: RUF012
    log_prob: float = 0.0  # of its choices
    step: Step | None = None  # the last of its words, slots, and choices

    def through(self, node: Node) -> Step:
        """The step that this derivation takes when it reaches a node."""
        return Step(self.step, node, self.at, self.memory)


class Node:
    """A part of the grammar."""

    def sample(self, draft: Draft) -> str:
        """Draw one of this node's texts and record its choices in the draft."""
        raise NotImplementedError

    def read(self, text: Reading, way: Way) -> Iterator[Way]:
        """Every way to continue a derivation with what this node can produce of the text."""
        raise NotImplementedError

    def all(self, memory: Memory) -> Iterator[tuple[str, Memory, float]]:
        """Every text this node can produce, with its log-probability. Feasible only for small nodes."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Words(Node):
    """Fixed words."""

    words: str

    def sample(self, draft: Draft) -> str:
        return self.words

    def read(self, text: Reading, way: Way) -> Iterator[Way]:
        if text.says(self.words, way, "sentence"):
            yield Way(way.at + len(self.words), way.memory, way.log_prob, way.through(self))

    def all(self, memory: Memory) -> Iterator[tuple[str, Memory, float]]:
        yield self.words, memory, 0.0


@dataclass(frozen=True, eq=False)
class Row(Node):
    """Several nodes, one after another."""

    parts: tuple[Node, ...]

    def sample(self, draft: Draft) -> str:
        return "".join([part.sample(draft) for part in self.parts])

    def read(self, text: Reading, way: Way) -> Iterator[Way]:
        # An explicit stack, because recursion over the many parts of a story would exceed Python's recursion limit.
        stack = [iter([way])]
        while stack:
            reached = next(stack[-1], None)
            if reached is None:
                stack.pop()
            elif len(stack) > len(self.parts):
                yield reached
            else:
                stack.append(self.parts[len(stack) - 1].read(text, reached))

    def all(self, memory: Memory) -> Iterator[tuple[str, Memory, float]]:
        if not self.parts:
            yield "", memory, 0.0
            return
        for first, after, p in self.parts[0].all(memory):
            for rest, end, q in Row(self.parts[1:]).all(after):
                yield first + rest, end, p + q


@dataclass(frozen=True, eq=False)
class Choice(Node):
    """One of several nodes, drawn in proportion to integer `weights`."""

    options: tuple[Node, ...]
    weights: tuple[int, ...]

    def __post_init__(self) -> None:
        total = sum(self.weights)
        object.__setattr__(self, "urn", tuple(i for i, w in enumerate(self.weights) for _ in range(w)))
        object.__setattr__(self, "log_probs", tuple(math.log(w / total) for w in self.weights))

    urn: tuple[int, ...] = field(init=False)
    log_probs: tuple[float, ...] = field(init=False)

    def sample(self, draft: Draft) -> str:
        i = self.urn[int(draft.random.random() * len(self.urn))]
        draft.log_prob += self.log_probs[i]
        return self.options[i].sample(draft)

    def read(self, text: Reading, way: Way) -> Iterator[Way]:
        step = way.through(self)
        for option, log_prob in zip(self.options, self.log_probs, strict=True):
            yield from option.read(text, Way(way.at, way.memory, way.log_prob + log_prob, step))

    def all(self, memory: Memory) -> Iterator[tuple[str, Memory, float]]:
        for option, log_prob in zip(self.options, self.log_probs, strict=True):
            for text, after, p in option.all(memory):
                yield text, after, log_prob + p


@dataclass(frozen=True, eq=False)
class Slot(Node):
    """A value by name, drawn at its first use; a value without a name is drawn every time.

    `source` returns the list to draw from. It takes the memory, because the list may depend on what is established:
    the things found in *this* place, for example. Values that already have a name, and their friends, are excluded.
    """

    name: str
    path: tuple[str, ...] = ()
    source: Callable[[Memory], Sequence[Entity]] | None = None
    capital: bool = False
    article: bool = False
    origin: str = ""  # the name of the list, or "p.finds" for the list that a value drawn earlier has as a form

    @property
    def of_memory(self) -> bool:
        """Whether the list belongs to a value drawn earlier."""
        return "." in self.origin

    def say(self, value: Entity | str) -> str:
        """The words for this value here."""
        words = form(value, self.path)
        words = article(words) if self.article else words
        return words[0].upper() + words[1:] if self.capital else words

    def options(self, memory: Memory) -> list[Entity]:
        """The values that can be drawn here."""
        assert self.source is not None, f"{{{self.name}}} is used before it is drawn"
        if not self.name:
            return list(self.source(memory))
        taken = set()
        for value in memory.values():
            if isinstance(value, Entity):
                taken |= {id(value), id(value.forms.get("friend"))}
        return [value for value in self.source(memory) if id(value) not in taken]

    def sample(self, draft: Draft) -> str:
        value = draft.memory.get(self.name)
        if value is None:
            options = self.options(draft.memory)
            value = options[draft.choose(len(options))]
            if self.name:
                draft.memory[self.name] = value
        return self.say(value)

    def read(self, text: Reading, way: Way) -> Iterator[Way]:
        at, memory, log_prob, _ = way
        step = way.through(self)
        value = memory.get(self.name)
        if value is not None:
            words = self.say(value)
            if text.says(words, way, ".".join((self.name, *self.path))):
                yield Way(at + len(words), memory, log_prob, step)
            return
        options = self.options(memory)
        draw = -math.log(len(options))
        for option in options:
            words = self.say(option)
            if text.says(words, way, self.name or "sentence", draw):
                after = {**memory, self.name: option} if self.name else memory
                yield Way(at + len(words), after, log_prob + draw, step)

    def all(self, memory: Memory) -> Iterator[tuple[str, Memory, float]]:
        if self.name in memory:
            yield self.say(memory[self.name]), memory, 0.0
            return
        options = self.options(memory)
        for option in options:
            after = {**memory, self.name: option} if self.name else memory
            yield self.say(option), after, -math.log(len(options))


@dataclass(frozen=True, eq=False)
class Keep(Node):
    """A node whose words are remembered under a name."""

    name: str
    piece: Node

    def sample(self, draft: Draft) -> str:
        words = self.piece.sample(draft)
        draft.memory[self.name] = words
        return words

    def read(self, text: Reading, way: Way) -> Iterator[Way]:
        for end, memory, log_prob, step in self.piece.read(text, way):
            yield Way(end, {**memory, self.name: text.text[way.at : end]}, log_prob, step)

    def all(self, memory: Memory) -> Iterator[tuple[str, Memory, float]]:
        for text, after, p in self.piece.all(memory):
            yield text, {**after, self.name: text}, p


@dataclass(frozen=True, eq=False)
class Fresh(Node):
    """One of several nodes, each drawn at most once per pool, so no line, rhyme, or question repeats."""

    pool: str
    options: tuple[Node, ...]

    def left(self, memory: Memory) -> list[int]:
        """The numbers of the options that have not been drawn yet."""
        drawn = str(memory.get(self.pool, "")).split()
        return [i for i in range(len(self.options)) if str(i) not in drawn]

    def _with(self, memory: Memory, i: int) -> Memory:
        return {**memory, self.pool: f"{memory.get(self.pool, '')} {i}"}

    def sample(self, draft: Draft) -> str:
        left = self.left(draft.memory)
        i = left[draft.choose(len(left))]
        draft.memory = self._with(draft.memory, i)
        return self.options[i].sample(draft)

    def read(self, text: Reading, way: Way) -> Iterator[Way]:
        left = self.left(way.memory)
        start = Way(way.at, way.memory, way.log_prob - math.log(len(left)), way.through(self))
        for i in left:
            for end, memory, log_prob, step in self.options[i].read(text, start):
                yield Way(end, self._with(memory, i), log_prob, step)

    def all(self, memory: Memory) -> Iterator[tuple[str, Memory, float]]:
        left = self.left(memory)
        for i in left:
            for text, after, p in self.options[i].all(memory):
                yield text, self._with(after, i), p - math.log(len(left))


# ---- the template language ---------------------------------------------------------------------------------

# Short forms: {He} is the hero's pronoun.
SHORT = {"he": ("hero", "he"), "him": ("hero", "him"), "his": ("hero", "his"), "himself": ("hero", "himself")}


class Language:
    """A parser that turns templates into nodes.

    Args:
        lists: the lists to draw from, by name.
        passages: templates that others include as `<name>`.
    """

    def __init__(self, lists: Mapping[str, Sequence[Entity]], passages: Mapping[str, str]) -> None:
        self.lists = lists
        self.passages = passages

    def parse(self, template: str) -> Node:
        """The node for a template: a line break stands for a space, ⏎ for a new line, a blank line for a new paragraph.

        Raises `ValueError` for unmatched brackets and for unknown lists or passages.
        """
        template = re.sub(r"([\[|])\s*\n\s*", r"\1", template.strip())
        paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", template)]
        text = "\n\n".join(paragraphs).replace("⏎", "\n")
        node, end = self._row(text, 0, "")
        if end != len(text):
            raise ValueError(f"Unmatched {text[end]!r} in the template {text!r}: remove it or add its opening bracket.")
        return node

    def _row(self, text: str, at: int, stop: str) -> tuple[Node, int]:
        parts: list[Node] = []
        while at < len(text) and text[at] not in stop:
            if text[at] == "[":
                node, at = self._choice(text, at + 1)
            elif text[at] == "{":
                node, at = self._slot(text, at + 1)
                before = parts[-1] if parts else None
                if isinstance(node, Slot) and isinstance(before, Words) and re.search(r"\b[Aa] $", before.words):
                    # "a" or "an" depends on the word drawn, so the slot takes over the article
                    parts[-1] = Words(before.words[:-2])
                    node = replace(node, article=True, capital=before.words[-2] == "A")
            elif text[at] == "<":
                end = text.index(">", at)
                if text[at + 1 : end] not in self.passages:
                    raise ValueError(f"There is no passage {text[at : end + 1]!r}: add it, or correct its name.")
                node, at = self.parse(self.passages[text[at + 1 : end]]), end + 1
            elif text[at] in "]}|>":
                break
            else:
                found = re.compile(r"[^\[\]{}<>|]+").match(text, at)
                assert found
                node, at = Words(found[0]), found.end()
            parts.append(node)
        return parts[0] if len(parts) == 1 else Row(tuple(parts)), at

    def _choice(self, text: str, at: int) -> tuple[Node, int]:
        options, weights = [], []
        while True:
            weight = re.compile(r"(\d+)×").match(text, at)
            node, end = self._row(text, weight.end() if weight else at, "|]")
            options.append(node)
            weights.append(int(weight[1]) if weight else 1)
            if end == len(text) or text[end] not in "|]":
                raise ValueError(f"A [ is not closed in the template {text!r}: add a ].")
            at = end + 1
            if text[end] == "]":
                return Choice(tuple(options), tuple(weights)), at

    def _slot(self, text: str, at: int) -> tuple[Node, int]:
        keep = re.compile(r"(\w+)=").match(text, at)
        if keep:
            piece, end = self._row(text, keep.end(), "}")
            if end == len(text):
                raise ValueError(f"A {{ is not closed in the template {text!r}: add a }}.")
            return Keep(keep[1], piece), end + 1
        end = text.index("}", at)
        name, _, source = text[at:end].partition(":")
        first, *path = (source if source else name).split(".")
        capital = (name or first)[0].isupper()
        name, first = name.lower(), first.lower()
        if not source:
            if first in SHORT:
                first, *path = *SHORT[first], *path
            return Slot(first, tuple(path), None, capital), end + 1
        if first in self.lists:
            entities = self.lists[first]
            return Slot(name, tuple(path), lambda memory: entities, capital, origin=first), end + 1

        def part_of(memory: Memory) -> Sequence[Entity]:  # {x:place.finds} draws from what is found in this place
            value = memory[first]
            assert isinstance(value, Entity), (first, value)
            found = value.forms[path[0]]
            assert isinstance(found, tuple), (first, path)
            return found

        if not path:
            raise ValueError(f"There is no list {first!r}, named in {text!r}: add it, or correct its name.")
        return Slot(name, tuple(path[1:]), part_of, capital, origin=f"{first}.{path[0]}"), end + 1

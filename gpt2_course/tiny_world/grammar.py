"""A probabilistic grammar that runs both ways: it writes texts, and it reads them back.

Everything Tiny World says is written down in a small language:

    [a|b|3×c]        one of these, each as likely as the others, the last one three times as likely
    {thing:treasure} draw something from the list `treasure` and call it `thing`; no two names share one
    {thing}          the same thing again; {Thing} with a capital; {thing.a} its form with an article
    {why=[x|y]}      say it, and remember what was said: {why} says it again
    <about>          a passage that several texts share

Writing takes a random number at every choice; reading finds out which choices lead to a text. The probability of a
text is the product of those of its choices, because each text has one way only to come about.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

Memory = dict[str, "Entity | str"]  # what a text has settled so far, by name


@dataclass(frozen=True, eq=False)
class Entity:
    """Someone or something of the world: a name, and the other forms it takes in a sentence."""

    name: str
    forms: dict[str, str | Entity | tuple[Entity, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def form(value: Entity | str, path: Sequence[str]) -> str:
    """How a value reads in a sentence: `form(pip, ["friend", "he"])` is the pronoun of Pip's friend."""
    for step in path:
        assert isinstance(value, Entity), (value, path)
        found = value.forms[step]
        assert not isinstance(found, tuple), (value, path)
        value = found
    return str(value)


def article(noun: str) -> str:
    """`an umbrella`, `a kite`: by the first letter, which for these words says how they sound; but `an hourglass`."""
    return f"{'an' if re.match('[aeiou]|hour', noun) else 'a'} {noun}"


class Writing:
    """A text in the making: the random numbers, what is settled, and how likely all of it was."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.memory: Memory = {}
        self.log_prob = 0.0

    def choose(self, n: int) -> int:
        """A number below n; `random()` is the one method whose numbers never change from Python to Python."""
        self.log_prob -= math.log(n)
        return int(self.random.random() * n)


class Reading:
    """A text being read: how far any way of reading it came, and what was expected there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.furthest = 0
        self.expected: list[tuple[str, str]] = []  # (what it is, how it reads)

    def says(self, words: str, at: int, what: str) -> bool:
        """Whether the text goes on with these words."""
        if self.text.startswith(words, at):
            return True
        reached = at
        for ours, theirs in zip(words, self.text[at : at + len(words)], strict=False):
            if ours != theirs:
                break
            reached += 1
        if reached > self.furthest:
            self.furthest, self.expected = reached, []
        if reached == self.furthest:
            self.expected.append((what, words))
        return False


# one way to go on: where it ends in the text, what is settled then, the log-probability of its choices
Way = tuple[int, Memory, float]


class Node:
    """A piece of grammar."""

    def write(self, out: Writing) -> str:
        raise NotImplementedError

    def read(self, text: Reading, at: int, memory: Memory) -> Iterator[Way]:
        """All ways in which this piece can have made the text from `at` on."""
        raise NotImplementedError

    def all(self, memory: Memory) -> Iterator[tuple[str, Memory, float]]:
        """Every text this piece can make, with its log-probability: only for small pieces."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Words(Node):
    """Fixed words."""

    words: str

    def write(self, out: Writing) -> str:
        return self.words

    def read(self, text: Reading, at: int, memory: Memory) -> Iterator[Way]:
        if text.says(self.words, at, "sentence"):
            yield at + len(self.words), memory, 0.0

    def all(self, memory: Memory) -> Iterator[tuple[str, Memory, float]]:
        yield self.words, memory, 0.0


@dataclass(frozen=True, eq=False)
class Row(Node):
    """One piece after the other."""

    parts: tuple[Node, ...]

    def write(self, out: Writing) -> str:
        return "".join([part.write(out) for part in self.parts])

    def read(self, text: Reading, at: int, memory: Memory) -> Iterator[Way]:
        # A stack of half-read ways instead of recursion: a story has more parts than Python likes calls.
        if not self.parts:
            yield at, memory, 0.0
            return
        last = len(self.parts) - 1
        stack = [(self.parts[0].read(text, at, memory), 0.0)]
        while stack:
            ways, before = stack[-1]
            way = next(ways, None)
            if way is None:
                stack.pop()
            elif len(stack) - 1 == last:
                yield way[0], way[1], before + way[2]
            else:
                stack.append((self.parts[len(stack)].read(text, way[0], way[1]), before + way[2]))

    def all(self, memory: Memory) -> Iterator[tuple[str, Memory, float]]:
        if not self.parts:
            yield "", memory, 0.0
            return
        for first, after, p in self.parts[0].all(memory):
            for rest, end, q in Row(self.parts[1:]).all(after):
                yield first + rest, end, p + q


@dataclass(frozen=True, eq=False)
class Choice(Node):
    """One of several pieces; `weights` are whole numbers."""

    options: tuple[Node, ...]
    weights: tuple[int, ...]

    def __post_init__(self) -> None:
        total = sum(self.weights)
        object.__setattr__(self, "urn", tuple(i for i, w in enumerate(self.weights) for _ in range(w)))
        object.__setattr__(self, "log_probs", tuple(math.log(w / total) for w in self.weights))

    urn: tuple[int, ...] = field(init=False)
    log_probs: tuple[float, ...] = field(init=False)

    def write(self, out: Writing) -> str:
        i = self.urn[int(out.random.random() * len(self.urn))]
        out.log_prob += self.log_probs[i]
        return self.options[i].write(out)

    def read(self, text: Reading, at: int, memory: Memory) -> Iterator[Way]:
        for option, log_prob in zip(self.options, self.log_probs, strict=True):
            for end, after, p in option.read(text, at, memory):
                yield end, after, log_prob + p

    def all(self, memory: Memory) -> Iterator[tuple[str, Memory, float]]:
        for option, log_prob in zip(self.options, self.log_probs, strict=True):
            for text, after, p in option.all(memory):
                yield text, after, log_prob + p


@dataclass(frozen=True, eq=False)
class Slot(Node):
    """A value by name, drawn from a list where the name is new.

    `source` is the list, or a function of the memory that gives it (what is found *there*, the friends of *her*).
    A draw leaves out what other names stand for already, and the friends of those.
    """

    name: str
    path: tuple[str, ...] = ()
    source: Callable[[Memory], Sequence[Entity]] | None = None
    capital: bool = False
    article: bool = False

    def _say(self, value: Entity | str) -> str:
        words = form(value, self.path)
        words = article(words) if self.article else words
        return words[0].upper() + words[1:] if self.capital else words

    def _draw(self, memory: Memory) -> list[Entity]:
        assert self.source is not None, f"{{{self.name}}} is said before it is settled"
        if not self.name:
            return list(self.source(memory))
        taken = set()
        for value in memory.values():
            if isinstance(value, Entity):
                taken |= {id(value), id(value.forms.get("friend"))}
        return [value for value in self.source(memory) if id(value) not in taken]

    def write(self, out: Writing) -> str:
        value = out.memory.get(self.name)
        if value is None:
            options = self._draw(out.memory)
            value = options[out.choose(len(options))]
            if self.name:
                out.memory[self.name] = value
        return self._say(value)

    def read(self, text: Reading, at: int, memory: Memory) -> Iterator[Way]:
        value = memory.get(self.name)
        if value is not None:
            words = self._say(value)
            if text.says(words, at, ".".join((self.name, *self.path))):
                yield at + len(words), memory, 0.0
            return
        options = self._draw(memory)
        for option in options:
            words = self._say(option)
            if text.says(words, at, self.name or "sentence"):
                after = {**memory, self.name: option} if self.name else memory
                yield at + len(words), after, -math.log(len(options))

    def all(self, memory: Memory) -> Iterator[tuple[str, Memory, float]]:
        if self.name in memory:
            yield self._say(memory[self.name]), memory, 0.0
            return
        options = self._draw(memory)
        for option in options:
            after = {**memory, self.name: option} if self.name else memory
            yield self._say(option), after, -math.log(len(options))


@dataclass(frozen=True, eq=False)
class Keep(Node):
    """Says a piece and remembers its words under a name."""

    name: str
    piece: Node

    def write(self, out: Writing) -> str:
        words = self.piece.write(out)
        out.memory[self.name] = words
        return words

    def read(self, text: Reading, at: int, memory: Memory) -> Iterator[Way]:
        for end, after, p in self.piece.read(text, at, memory):
            yield end, {**after, self.name: text.text[at:end]}, p

    def all(self, memory: Memory) -> Iterator[tuple[str, Memory, float]]:
        for text, after, p in self.piece.all(memory):
            yield text, {**after, self.name: text}, p


@dataclass(frozen=True, eq=False)
class Fresh(Node):
    """One of several pieces that was not drawn from the same pool before: no line, no rhyme, no question twice."""

    pool: str
    options: tuple[Node, ...]

    def _left(self, memory: Memory) -> list[int]:
        drawn = str(memory.get(self.pool, "")).split()
        return [i for i in range(len(self.options)) if str(i) not in drawn]

    def _with(self, memory: Memory, i: int) -> Memory:
        return {**memory, self.pool: f"{memory.get(self.pool, '')} {i}"}

    def write(self, out: Writing) -> str:
        left = self._left(out.memory)
        i = left[out.choose(len(left))]
        out.memory = self._with(out.memory, i)
        return self.options[i].write(out)

    def read(self, text: Reading, at: int, memory: Memory) -> Iterator[Way]:
        left = self._left(memory)
        for i in left:
            for end, after, p in self.options[i].read(text, at, memory):
                yield end, self._with(after, i), p - math.log(len(left))

    def all(self, memory: Memory) -> Iterator[tuple[str, Memory, float]]:
        left = self._left(memory)
        for i in left:
            for text, after, p in self.options[i].all(memory):
                yield text, self._with(after, i), p - math.log(len(left))


# ---- the small language ------------------------------------------------------------------------------------

# {He} is the hero's pronoun, and so on
SHORT = {"he": ("hero", "he"), "him": ("hero", "him"), "his": ("hero", "his"), "himself": ("hero", "himself")}


class Language:
    """Turns templates into pieces of grammar.

    Args:
        lists: what can be drawn from, by name.
        passages: templates that others mention as `<name>`.
    """

    def __init__(self, lists: Mapping[str, Sequence[Entity]], passages: Mapping[str, str]) -> None:
        self.lists = lists
        self.passages = passages

    def parse(self, template: str) -> Node:
        """The grammar of a template. Line ends in it are spaces, ⏎ is a new line, an empty line a new paragraph.

        Raises `ValueError` for brackets that do not match and for names of lists or passages that do not exist.
        """
        template = re.sub(r"([\[|])\s*\n\s*", r"\1", template.strip())
        paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", template)]
        text = "\n\n".join(paragraphs).replace("⏎", "\n")
        node, end = self._row(text, 0, "")
        if end != len(text):
            raise ValueError(f"There is a {text[end]!r} too many in the template {text!r}.")
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
                    # the slot says "a" or "an", whichever fits its word
                    parts[-1] = Words(before.words[:-2])
                    node = replace(node, article=True, capital=before.words[-2] == "A")
            elif text[at] == "<":
                end = text.index(">", at)
                if text[at + 1 : end] not in self.passages:
                    raise ValueError(f"There is no passage {text[at : end + 1]!r}.")
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
                raise ValueError(f"A [ is not closed in the template {text!r}.")
            at = end + 1
            if text[end] == "]":
                return Choice(tuple(options), tuple(weights)), at

    def _slot(self, text: str, at: int) -> tuple[Node, int]:
        keep = re.compile(r"(\w+)=").match(text, at)
        if keep:
            piece, end = self._row(text, keep.end(), "}")
            if end == len(text):
                raise ValueError(f"A {{ is not closed in the template {text!r}.")
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
            return Slot(name, tuple(path), lambda memory: entities, capital), end + 1

        def part_of(memory: Memory) -> Sequence[Entity]:  # {x:place.finds}: one of those of the place at hand
            value = memory[first]
            assert isinstance(value, Entity), (first, value)
            found = value.forms[path[0]]
            assert isinstance(found, tuple), (first, path)
            return found

        if not path:
            raise ValueError(f"There is no list {first!r} in the template {text!r}.")
        return Slot(name, tuple(path[1:]), part_of, capital), end + 1

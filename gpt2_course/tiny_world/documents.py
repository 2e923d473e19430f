"""The documents of Tiny World: stories, songs, questions, and musings, each with its exact probability."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Literal
from zlib import crc32

from gpt2_course.tiny_world.grammar import Choice, Draft, Entity, Fresh, Keep, Language, Memory, Node, Row, Slot, Words
from gpt2_course.tiny_world.musings import MUSINGS
from gpt2_course.tiny_world.questions import QUESTIONS
from gpt2_course.tiny_world.songs import CHORUSES, COUPLETS
from gpt2_course.tiny_world.stories import PASSAGES, PLOTS
from gpt2_course.tiny_world.world import LISTS, Additions

Kind = Literal["story", "reading", "song", "facts", "musing"]
Split = Literal["train", "val"]
VAL_SHARE = 8  # one document in 8 is for validation

# How many of every 16 documents are of each kind, on average. A "reading" is a story followed by questions about it.
WEIGHTS: dict[Kind, int] = {"story": 4, "reading": 3, "song": 3, "facts": 3, "musing": 3}
# The parts of the world that can be a world of their own; so can each plot, by its name in `PLOTS`.
EVERYTHING = "everything"
CORNERS: dict[str, tuple[Kind, ...]] = {
    EVERYTHING: tuple(WEIGHTS),
    "stories": ("story",),
    "readings": ("reading",),
    "songs": ("song",),
    "questions": ("facts",),
    "musings": ("musing",),
    **dict.fromkeys(PLOTS, ("story",)),
}
RHYME_POOL = "drawn rhyme "  # followed by the rhyme: the pool of its lines
READING = "Listen well."  # the first words of a reading


@dataclass(frozen=True)
class Document:
    """A text of Tiny World."""

    text: str
    kind: Kind
    log_prob: float  # ln p of this exact text under the grammar, in nats
    facts: dict[str, str]  # what the text establishes, such as hero, thing, and place

    def pieces(self) -> Iterator[str]:
        """The text as a single piece, with the same interface as a document in a file."""
        yield self.text


def _questions(pool: str, lines: list[str], n: int, language: Language) -> list[Node]:
    """`n` different questions drawn from `lines`, each with its answer."""

    def block(line: str) -> Node:
        question, answer = re.split(r"\? ", line.strip())
        answer = re.sub(r"^\{(\w)", lambda m: "{" + m[1].upper(), answer)  # capitalize the answer's first word
        return language.parse(f"Question: {question}?⏎Answer: {answer}")

    return [Fresh(pool, tuple(block(line) for line in lines)) for _ in range(n)]


def _joined(parts: list[Node], separator: str) -> Row:
    return Row(tuple(node for part in parts for node in (Words(separator), part))[1:])


def _song(mood: str, language: Language) -> Node:
    rhymes = []
    for name, text in COUPLETS[mood].items():
        lines = tuple(Words(" ".join(line.split())) for line in text.split("/"))
        line = Fresh(f"{RHYME_POOL}{name}", lines)
        rhymes.append(Row((line, Words(",\n"), line, Words("."))))
    couplet = Fresh("drawn rhymes", tuple(rhymes))
    verse = _joined([couplet, couplet], "\n")
    chorus = Keep("chorus", language.parse(CHORUSES[mood]))
    title = language.parse(f"A {mood} for {{hero:cast.the}}")
    return _joined([title, verse, chorus, verse, Slot("chorus")], "\n\n")


def _fact(i: int, language: Language) -> Node:
    """Question i about the world's facts. Its variables are numbered, so no two questions draw the same entry."""
    lines = [re.sub(r"(?<=[{:])([xpfgX])\b", rf"\g<1>{i}", line) for line in QUESTIONS.strip().splitlines()]
    return _questions("drawn questions", lines, 1, language)[0]


def _grammar(language: Language, plots: Sequence[str]) -> dict[Kind, Node]:
    stories, readings = [], []
    for story, questions in map(PLOTS.__getitem__, plots):
        plot = language.parse(story)
        stories.append(plot)
        asked = _questions("drawn questions", questions.strip().splitlines(), 2, language)
        readings.append(_joined([Words(READING), plot, *asked], "\n\n"))

    def one_of(nodes: Sequence[Node]) -> Node:
        return Choice(tuple(nodes), (1,) * len(nodes))

    return {
        "story": one_of(stories),
        "reading": one_of(readings),
        "song": one_of([_song(mood, language) for mood in COUPLETS]),
        "facts": _joined([_fact(i, language) for i in range(1, 5)], "\n\n"),
        "musing": one_of([language.parse(text) for text in MUSINGS.values()]),
    }


@dataclass(frozen=True, eq=False)
class World:
    """A world to write documents about and to judge texts by: Tiny World, with or without additions.

    `documents` and `judge` take one; by default, it is Tiny World itself. `load_world` makes one from a file.
    """

    lists: dict[str, tuple[Entity, ...]]
    """The lists that templates draw from, by name."""
    additions: Additions = field(default_factory=Additions)
    """What the lists contain in addition to Tiny World's own tables."""
    corner: str = EVERYTHING
    """The part of the world that documents come from: one of `CORNERS`."""

    def __post_init__(self) -> None:
        if self.corner not in CORNERS:
            raise ValueError(f"Tiny World has no corner {self.corner!r}: choose one of {', '.join(CORNERS)}.")

    @cached_property
    def list_of(self) -> dict[Entity, str]:
        """The list of each entity; the longest one for the few that are in two."""
        by_length = sorted(self.lists.items(), key=lambda entry: len(entry[1]))
        return {entity: name for name, entities in by_length for entity in entities}

    @cached_property
    def _language(self) -> Language:
        return Language(self.lists, PASSAGES)

    @cached_property
    def grammar(self) -> dict[Kind, Node]:
        """The grammar of each kind of document in this corner."""
        every = _grammar(self._language, [self.corner] if self.corner in PLOTS else list(PLOTS))
        return {kind: every[kind] for kind in CORNERS[self.corner]}

    @cached_property
    def urn(self) -> list[Kind]:
        """The kinds of documents in this corner, each as often as its weight says."""
        return [kind for kind in CORNERS[self.corner] for _ in range(WEIGHTS[kind])]

    @cached_property
    def fact(self) -> Node:
        """The grammar of one question about the world, with its answer."""
        return _fact(1, self._language)


DEFAULT_WORLD = World(LISTS)
GRAMMAR = DEFAULT_WORLD.grammar


def sample_document(random: Random, world: World = DEFAULT_WORLD) -> Document:
    """Draw a document of any kind, with its log-probability."""
    draft = Draft(random)
    kind = world.urn[int(random.random() * len(world.urn))]
    text = world.grammar[kind].sample(draft)
    return Document(text, kind, log_prob_of_kind(kind, world) + draft.log_prob, settled_facts(draft.memory))


def settled_facts(memory: Memory) -> dict[str, str]:
    """The facts in a memory, as text, without the record of which lines and questions were drawn."""
    return {name: str(value) for name, value in memory.items() if not name.startswith("drawn ")}


def log_prob_of_kind(kind: Kind, world: World = DEFAULT_WORLD) -> float:
    """ln of the fraction of documents that are of this kind."""
    return math.log(WEIGHTS[kind] / len(world.urn))


def documents(seed: int, split: Split, world: World = DEFAULT_WORLD) -> Iterator[Document]:
    """An endless stream of documents; the same seed gives the same documents on every machine.

    A checksum of the text decides whether a document belongs to "train" or "val", so no document can be in both,
    whatever the seeds.
    """
    random = Random(f"Tiny World {split} {seed}")
    while True:
        document = sample_document(random, world)
        if (crc32(document.text.encode()) % VAL_SHARE == 0) == (split == "val"):
            yield document

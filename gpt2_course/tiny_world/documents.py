"""The documents of Tiny World: stories, songs, questions, musings, each with its exact probability."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal
from zlib import crc32

from gpt2_course.tiny_world.grammar import Choice, Fresh, Keep, Language, Memory, Node, Row, Slot, Words, Writing
from gpt2_course.tiny_world.musings import MUSINGS
from gpt2_course.tiny_world.questions import QUESTIONS
from gpt2_course.tiny_world.songs import CHORUSES, COUPLETS
from gpt2_course.tiny_world.stories import PASSAGES, PLOTS
from gpt2_course.tiny_world.world import LISTS

Kind = Literal["story", "reading", "song", "facts", "musing"]
Split = Literal["train", "val"]
VAL_SHARE = 8  # one document in so many is for validation

# of 16 documents, how many are of a kind
WEIGHTS: dict[Kind, int] = {"story": 8, "reading": 2, "song": 2, "facts": 2, "musing": 2}
READING = "Listen well."  # the first words of a story that is followed by some


@dataclass(frozen=True)
class Document:
    """A text of Tiny World."""

    text: str
    kind: Kind
    log_prob: float  # ln of the probability that the world says just this: minus its share of the entropy, in nats
    facts: dict[str, str]  # what was settled in it, such as hero, thing and place

    def pieces(self) -> Iterator[str]:
        """The text, as training reads it."""
        yield self.text


def _asked(pool: str, lines: list[str], n: int, language: Language) -> list[Node]:
    """`n` different questions, each with its answer."""

    def block(line: str) -> Node:
        question, answer = re.split(r"\? ", line.strip())
        answer = re.sub(r"^\{(\w)", lambda m: "{" + m[1].upper(), answer)  # an answer begins with a capital
        return language.parse(f"Question: {question}?⏎Answer: {answer}")

    return [Fresh(pool, tuple(block(line) for line in lines)) for _ in range(n)]


def _joined(parts: list[Node], by: str) -> Row:
    return Row(tuple(node for part in parts for node in (Words(by), part))[1:])


def _song(mood: str, language: Language) -> Node:
    rhymes = []
    for name, text in COUPLETS[mood].items():
        lines = tuple(Words(" ".join(line.split())) for line in text.split("/"))
        line = Fresh(f"drawn {name}", lines)
        rhymes.append(Row((line, Words(",\n"), line, Words("."))))
    couplet = Fresh("drawn rhymes", tuple(rhymes))
    verse = _joined([couplet, couplet], "\n")
    chorus = Keep("chorus", language.parse(CHORUSES[mood]))
    title = language.parse(f"A {mood} for {{hero:cast.the}}")
    return _joined([title, verse, chorus, verse, Slot("chorus")], "\n\n")


def _fact(i: int, language: Language) -> Node:
    """The i-th question about the world's facts: each is about someone else."""
    lines = [re.sub(r"(?<=[{:])([xpfgX])\b", rf"\g<1>{i}", line) for line in QUESTIONS.strip().splitlines()]
    return _asked("drawn questions", lines, 1, language)[0]


def _grammar(language: Language) -> dict[Kind, Node]:
    stories, readings = [], []
    for story, questions in PLOTS.values():
        plot = language.parse(story)
        stories.append(plot)
        asked = _asked("drawn questions", questions.strip().splitlines(), 2, language)
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


_LANGUAGE = Language(LISTS, PASSAGES)
GRAMMAR = _grammar(_LANGUAGE)
FACT = _fact(1, _LANGUAGE)  # one question and its answer
_URN: list[Kind] = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]


def write(random: Random) -> Document:
    """A document, by the random numbers given."""
    out = Writing(random)
    kind = _URN[int(random.random() * len(_URN))]
    text = GRAMMAR[kind].write(out)
    return Document(text, kind, log_prob_of_kind(kind) + out.log_prob, settled(out.memory))


def settled(memory: Memory) -> dict[str, str]:
    """What a text has settled, in words: without the pools that lines and questions were drawn from."""
    return {name: str(value) for name, value in memory.items() if not name.startswith("drawn ")}


def log_prob_of_kind(kind: Kind) -> float:
    """ln of the share of documents that are of this kind."""
    return math.log(WEIGHTS[kind] / len(_URN))


def documents(seed: int, split: Split) -> Iterator[Document]:
    """Documents without end, always the same for the same seed, on every machine.

    Which half of the world a document belongs to is decided by its own text (its checksum), so no document can be
    both in "train" and in "val", whatever the seeds.
    """
    random = Random(f"Tiny World {split} {seed}")
    while True:
        document = write(random)
        if (crc32(document.text.encode()) % VAL_SHARE == 0) == (split == "val"):
            yield document

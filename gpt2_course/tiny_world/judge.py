"""The judge of Tiny World: a text follows the rules if the grammar could have produced it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gpt2_course.tiny_world.documents import DEFAULT_WORLD, Kind, World, log_prob_of_kind, settled_facts
from gpt2_course.tiny_world.grammar import Expected, Reading, Way
from gpt2_course.tiny_world.songs import COUPLETS

Mistake = Literal["name", "pronoun", "fact", "rhyme", "chorus", "sentence", "end"]
PRONOUNS = {"he", "him", "his", "himself"}
RHYMES = [{line.split()[-1] for line in lines.split("/")} for mood in COUPLETS.values() for lines in mood.values()]


@dataclass(frozen=True)
class Verdict:
    """The judge's decision on a text."""

    accepted: bool
    kind: Kind  # for a rejected text, the kind whose grammar it follows furthest
    mistake: Mistake | None = None
    reason: str = ""  # what is wrong, in one sentence
    log_prob: float | None = None  # ln p of this exact text under the grammar, in nats; None if rejected
    facts: dict[str, str] = field(default_factory=dict)  # what the text establishes: hero, thing, place …
    at: int | None = None  # the position of the first character that no document has there; None if accepted
    expected: tuple[str, ...] = ()  # what Tiny World could say from there on; empty words mean the end


def judge(text: str, world: World = DEFAULT_WORLD) -> Verdict:
    """Judge a complete document by the rules of a world.

    The mistake is reported at the furthest position that any derivation reaches. It is a contradiction (of a name, a
    pronoun, a fact of the world, a rhyme, or the chorus), a sentence that Tiny World never says, or an ending that
    comes too early or too late.
    """
    kind_of_best: Kind = "story"
    best = Reading(text)
    for kind, grammar in world.grammar.items():
        reading = Reading(text)
        for end, memory, log_prob, _ in grammar.read(reading, Way(log_prob=log_prob_of_kind(kind, world))):
            if end == len(text):
                return Verdict(True, kind, None, "", log_prob, settled_facts(memory))
            if end > reading.furthest:
                reading.furthest, reading.expected = end, [Expected("end", "", end)]
        if reading.furthest > best.furthest:
            best, kind_of_best = reading, kind
    expected = sorted(best.expected, key=lambda each: each.explains, reverse=True) or [Expected("sentence", "", 0)]
    at = best.furthest
    mistake, reason = _mistake(text, kind_of_best, at, expected[0])
    options = tuple(dict.fromkeys(each.words[at - each.start :] for each in expected))
    return Verdict(False, kind_of_best, mistake, reason, at=at, expected=options)


def _mistake(text: str, kind: Kind, at: int, expected: Expected) -> tuple[Mistake, str]:
    """The kind of mistake at a position, given what was expected there, and a sentence that describes it."""
    what, words, start = expected
    path = what.partition(".")[2]
    if at == len(text):
        return "end", f"The text ends too early, after “{text[-40:]}”."
    mistake: Mistake
    if what in ("end", "sentence", "chorus"):
        mistake = what  # type: ignore[assignment]
    elif path:
        mistake = "pronoun" if path.split(".")[-1] in PRONOUNS else "fact"
    else:
        mistake = "name"
    line = text[text.rfind("\n", 0, at) + 1 :].split("\n")[0]
    if kind == "song" and mistake == "sentence" and any(line.rstrip(",.").split(" ")[-1] in rhyme for rhyme in RHYMES):
        mistake = "rhyme"
    before = text[max(0, at - 40) : start]
    if mistake == "end":
        found = text[at : at + 20].split("\n")[0]
        return mistake, f"The text should end after “{before}”, but continues with “{found}”."
    return mistake, f"After “{before}” comes “{text[start : at + 20]}”, but Tiny World says “{words}”."


def answers_right(text: str, world: World = DEFAULT_WORLD) -> bool:
    """Whether a text is one question about the world's facts followed by the correct answer."""
    return any(way.at == len(text) for way in world.fact.read(Reading(text), Way()))


def rhymes(song: str) -> tuple[int, int]:
    """How many couplets in a song's verses rhyme, and how many should: 4.

    Two words rhyme if Tiny World lists them under the same rhyme. A word does not rhyme with itself.
    """
    verses = [verse.split("\n") for verse in song.split("\n\n")]
    couplets = [pair for lines in verses if len(lines) == 4 for pair in (lines[:2], lines[2:])]
    good = 0
    for pair in couplets[:4]:
        first, second = (line.rstrip(",.").split(" ")[-1] for line in pair)
        good += first != second and any({first, second} <= family for family in RHYMES)
    return good, 4

"""Does a text keep the rules of Tiny World? It does if there is a way in which the world could have said it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gpt2_course.tiny_world.documents import FACT, GRAMMAR, Kind, log_prob_of_kind, settled
from gpt2_course.tiny_world.grammar import Reading
from gpt2_course.tiny_world.songs import COUPLETS

Mistake = Literal["name", "pronoun", "fact", "rhyme", "chorus", "sentence", "end"]
PRONOUNS = {"he", "him", "his", "himself"}
RHYMES = [{line.split()[-1] for line in lines.split("/")} for mood in COUPLETS.values() for lines in mood.values()]


@dataclass(frozen=True)
class Verdict:
    """What the judge found."""

    accepted: bool
    kind: Kind  # what the text is, or begins to be
    mistake: Mistake | None = None
    reason: str = ""  # what is wrong, in a sentence
    log_prob: float | None = None  # ln of the probability that the world says just this
    facts: dict[str, str] = field(default_factory=dict)  # what is settled in the text: hero, thing, place …


def judge(text: str) -> Verdict:
    """Reads a document from its first word to its last.

    A mistake is named where no way of reading gets further: something that was settled and is now called differently (a
    name, a pronoun, a fact of the world, a rhyme, the chorus), a sentence that the world does not say, or an end that
    comes too early or too late.
    """
    kind_of_best: Kind = "story"
    best = Reading(text)
    for kind, grammar in GRAMMAR.items():
        reading = Reading(text)
        for end, memory, log_prob in grammar.read(reading, 0, {}):
            if end == len(text):
                return Verdict(True, kind, None, "", log_prob_of_kind(kind) + log_prob, settled(memory))
            if end > reading.furthest:
                reading.furthest, reading.expected = end, [("end", "")]
        if reading.furthest > best.furthest:
            best, kind_of_best = reading, kind
    return Verdict(False, kind_of_best, *_mistake(best, kind_of_best))


def _mistake(reading: Reading, kind: Kind) -> tuple[Mistake, str]:
    """What is wrong where the reading stopped."""
    text, at = reading.text, reading.furthest
    # what was settled before says more than the other ways in which a sentence might have gone on
    what, words = max(reading.expected, key=lambda e: ("." in e[0], e[0] != "sentence"), default=("sentence", ""))
    path = what.partition(".")[2]
    if at == len(text):
        return "end", f"The text ends after “{text[-40:]}”, before the world is done."
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
    start = max(0, at - 40)
    found = text[at : at + 20].split("\n")[0]
    if mistake == "end":
        return mistake, f"After “{text[start:at]}” the world is done, but the text goes on with “{found}”."
    # the words are shown from their beginning
    begin = next((at - n for n in range(min(at, len(words)), -1, -1) if text[at - n : at] == words[:n]), at)
    return mistake, f"After “{text[start:begin]}” comes “{text[begin : at + 20]}”, where the world says “{words}”."


def answers_right(text: str) -> bool:
    """Whether a text is one question about the world's facts with its right answer."""
    return any(end == len(text) for end, _, _ in FACT.read(Reading(text), 0, {}))


def rhymes(song: str) -> tuple[int, int]:
    """How many couplets of a song's verses rhyme, and how many it should have: four.

    Two words rhyme if the world has them in one family of rhymes; a word does not rhyme with itself.
    """
    verses = [verse.split("\n") for verse in song.split("\n\n")]
    couplets = [pair for lines in verses if len(lines) == 4 for pair in (lines[:2], lines[2:])]
    good = 0
    for pair in couplets[:4]:
        first, second = (line.rstrip(",.").split(" ")[-1] for line in pair)
        good += first != second and any({first, second} <= family for family in RHYMES)
    return good, 4

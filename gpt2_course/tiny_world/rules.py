"""Which rule of Tiny World each token of a document obeys, and what the token costs a model that knows them all."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Literal, NamedTuple, get_args

from gpt2_course.tiny_world.documents import DEFAULT_WORLD, RHYME_POOL, World, log_prob_of_kind
from gpt2_course.tiny_world.grammar import Choice, Entity, Fresh, Memory, Node, Reading, Slot, Step, Way, Words

Rule = Literal[
    "a name carried on",
    "a color carried on",
    "a thing carried on",
    "a place carried on",
    "a number carried on",
    "a pronoun",
    "a fact of the world",
    "a rhyme",
    "the chorus",
    "nothing drawn twice",
    "the odds of a draw",
    "an ending",
    "spelling and grammar",
]
RULES: tuple[Rule, ...] = get_args(Rule)
PRONOUNS = {"he", "him", "his", "himself"}
CARRIED: dict[str, Rule] = {
    "cast": "a name carried on",
    "color": "a color carried on",
    "place": "a place carried on",
    "number": "a number carried on",
}  # by the value's list; values of all other lists are things
CERTAIN = 1e-9  # nats: below this, a token's cost is a rounding error


class RuledToken(NamedTuple):
    """A token's rule, and its −ln p under the grammar, in nats: 0 if the text before it leaves no choice."""

    rule: Rule
    nats: float


class _Leaf(NamedTuple):
    """Words or a slot in a document's derivation."""

    start: int
    node: Words | Slot
    memory: Memory
    draw: Rule  # what a random choice among these words, or among different words in their place, obeys


def token_rules(text: str, ends: Sequence[int], world: World = DEFAULT_WORLD) -> list[RuledToken]:
    """The rule and the true cost of each token of a document, the last of which is `<|endoftext|>`.

    `ends` is where each of the other tokens ends in the text. A token belongs to the rule of its first character that
    is not white space, or of its first character if all are. Each token's cost is −ln p(token | all before it) under
    the grammar, and the costs add up to the document's −ln p. Raises `ValueError` for a text that is not a document of
    this world.

    A word that the document or the world determines belongs to that rule until it can no longer be confused with
    another entry of its list; the rest of the word is spelling. Where the grammar itself is uncertain, other words
    belong to "the odds of a draw", or to "a rhyme" or "nothing drawn twice" if that rule leaves fewer options.
    """
    reading, leaves = Reading(text), None
    for kind, grammar in world.grammar.items():
        for way in grammar.read(reading, Way(log_prob=log_prob_of_kind(kind, world))):
            reading.failed[way.at] += math.exp(way.log_prob)
            if way.at == len(text):
                leaves, log_prob = list(_leaves(way.step)), way.log_prob
    if leaves is None:
        raise ValueError(f"This text is not a document of Tiny World: {text[:60]!r}.")
    log_probs = [math.log(p) for p in reading.prefix_probabilities()]
    tokens, start, leaf = [], 0, 0
    for end in ends:
        nats = log_probs[start] - log_probs[end]
        at = start + len(text[start:end]) - len(text[start:end].lstrip())
        at = start if at == end else at
        while leaf + 1 < len(leaves) and leaves[leaf + 1].start <= at:
            leaf += 1
        tokens.append(RuledToken(_rule(leaves[leaf], text, at, nats > CERTAIN, world), nats))
        start = end
    return [*tokens, RuledToken("an ending", log_probs[start] - log_prob)]


def _leaves(last: Step | None) -> Iterator[_Leaf]:
    """The words and slots of a derivation, from its first to its last."""
    steps: list[Step] = []
    while last is not None:
        steps.append(last)
        last = last.before
    draw: Rule = "the odds of a draw"
    for step in reversed(steps):
        node: Node = step.node
        if isinstance(node, Choice):
            draw = "the odds of a draw"
        elif isinstance(node, Fresh) and len(node.left(step.memory)) < len(node.options):
            draw = "a rhyme" if node.pool.startswith(RHYME_POOL) else "nothing drawn twice"
        elif isinstance(node, (Words, Slot)):
            yield _Leaf(step.at, node, step.memory, draw)


def _rule(leaf: _Leaf, text: str, at: int, uncertain: bool, world: World) -> Rule:
    """The rule of the token whose first character that counts is at a position within a leaf."""
    slot, memory, said = leaf.node, leaf.memory, text[leaf.start : at]
    if isinstance(slot, Words):
        return leaf.draw if uncertain else "spelling and grammar"
    value = memory.get(slot.name)
    if isinstance(value, str):
        return "the chorus" if slot.name == "chorus" else "a name carried on"
    drawn = value is None
    if value is None:
        options = slot.options(memory)
        value = next(option for option in options if text.startswith(slot.say(option), leaf.start))
        if uncertain and not slot.of_memory:
            assert slot.source is not None
            return "nothing drawn twice" if len(options) < len(slot.source(memory)) else "the odds of a draw"
    if (slot.of_memory or not drawn) and _confusable(slot, value, said, world):
        return "a fact of the world" if drawn else _settled_by(slot, value, text[: leaf.start], world)
    # "the fox" in "Pip the fox" and "Pip" in "a fox named Pip" are not spelling
    named = _named(slot, value)
    describes = world.list_of[named] == "cast" and _mentions(slot.say(value), named)
    return "a fact of the world" if describes and said.endswith(" ") else "spelling and grammar"


def _settled_by(slot: Slot, value: Entity, before: str, world: World) -> Rule:
    """The rule that determines a value drawn earlier, given the text before this mention."""
    if slot.path and slot.path[-1] in PRONOUNS:
        return "a pronoun"
    named = _named(slot, value)
    if _mentions(slot.say(value), named) and _mentions(before, named):
        return CARRIED.get(world.list_of[named], "a thing carried on")
    return "a fact of the world"


def _named(slot: Slot, value: Entity) -> Entity:
    """The entity that a slot's words are about: of `hero.friend.cry`, the friend."""
    for step in slot.path:
        found = value.forms[step]
        if not isinstance(found, Entity):
            break
        value = found
    return value


def _mentions(text: str, entity: Entity) -> bool:
    return re.search(rf"\b{re.escape(entity.name)}s?\b", text, re.IGNORECASE) is not None


def _confusable(slot: Slot, value: Entity, said: str, world: World) -> bool:
    """Whether what has been said of a slot's words would also begin those of another entry in the value's list.

    Only what follows the last comma counts, since each item of an enumeration is a fact of its own.
    """
    item = said.rpartition(", ")[2]
    right = slot.say(value)[len(said) - len(item) :].split(", ")[0]
    return any(other.startswith(item) for other in _items_of(slot, world.list_of[value], world) if other != right)


@cache
def _items_of(slot: Slot, name: str, world: World) -> frozenset[str]:
    """A slot's words for each entry of a list, split at commas."""
    return frozenset(item for entity in world.lists[name] for item in slot.say(entity).split(", "))

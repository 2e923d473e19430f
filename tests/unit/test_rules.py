"""The rule of each token: exact costs, and the right rule."""

from __future__ import annotations

import math
import re
from itertools import islice
from random import Random

import pytest

from gpt2_course.tiny_world import Document, documents
from gpt2_course.tiny_world.grammar import Language, Reading, Way
from gpt2_course.tiny_world.rules import CARRIED, RULES, Rule, token_rules
from gpt2_course.tiny_world.stories import PASSAGES
from gpt2_course.tiny_world.world import CAST, LISTS


@pytest.fixture(scope="module")
def some() -> list[Document]:
    return list(islice(documents(0, "val"), 1000))


def words_of(text: str) -> list[tuple[str, Rule, float]]:
    """Each word or punctuation mark, with its rule and its cost; the first white space before it belongs to it."""
    found = list(re.finditer(r"\s?[\w'-]+|\s?[^\w\s]|\s", text))
    tokens = token_rules(text, [match.end() for match in found])
    return [(match[0].strip(), *token) for match, token in zip([*found, re.match("", "")], tokens, strict=True) if match]


# ---- costs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "template",
    [
        "[a|2×b|c[d|]] {x:season}, {y:season}",
        "<once> {hero:season} [{w:weather.scene}|It was {why=[late|early]}, {why}.]",
        "{p:house} and {f:p.finds}[ and {g:p.finds}|]",
    ],
)
def test_the_probability_of_every_prefix_is_exact(template: str) -> None:
    grammar = Language(LISTS, PASSAGES).parse(template)
    world = [(text, math.exp(log_prob)) for text, _, log_prob in grammar.all({})]
    for text, _ in Random(0).sample(world, 20):
        reading = Reading(text)
        for way in grammar.read(reading, Way()):
            reading.failed[way.at] += math.exp(way.log_prob)
        expected = [math.fsum(p for other, p in world if other.startswith(text[:n])) for n in range(len(text) + 1)]
        assert reading.prefix_probabilities() == pytest.approx(expected)


def test_the_costs_of_any_tokens_add_up_to_the_documents(some: list[Document]) -> None:
    random = Random(0)
    for document in some:
        length = len(document.text)
        ends = sorted(random.sample(range(1, length), random.randrange(length))) + [length]
        tokens = token_rules(document.text, ends)
        assert len(tokens) == len(ends) + 1
        assert math.fsum(token.nats for token in tokens) == pytest.approx(-document.log_prob, abs=1e-9)
        assert min(token.nats for token in tokens) >= 0


def test_a_draw_costs_what_its_options_say() -> None:
    costs = {word: nats for word, rule, nats in words_of("Listen well.") if rule} if False else {}
    assert costs == {}
    story = next(d for d in documents(0, "val") if d.kind == "story" and d.text.startswith("Once upon a time, an owl"))
    words = words_of(story.text)
    assert words[5:8] == [
        ("an", "the odds of a draw", pytest.approx(math.log(len(CAST) / sum(c.forms["a"].startswith("an ") for c in CAST)))),  # type: ignore[union-attr]
        ("owl", "the odds of a draw", pytest.approx(math.log(sum(c.forms["a"].startswith("an ") for c in CAST)))),  # type: ignore[union-attr]
        ("named", "a fact of the world", 0),
    ]


def test_a_text_of_another_world_is_refused(some: list[Document]) -> None:
    text = some[0].text
    for other in ("", "To be, or not to be", text[:-9], text + " The end."):
        with pytest.raises(ValueError, match="not a document of Tiny World"):
            token_rules(other, [len(other)])


# ---- rules -------------------------------------------------------------------------------------------------


def test_what_a_story_says_again_is_carried_on(some: list[Document]) -> None:
    of_list: dict[str, Rule] = {"hero": CARRIED["cast"], "n": CARRIED["number"], "thing": "a thing carried on"}
    of_list |= {"c": "a color carried on", "other": CARRIED["cast"]}
    seen = dict.fromkeys(of_list, 0)
    for document in some:
        if document.kind not in ("story", "reading"):
            continue
        words = words_of(document.text)
        for name, rule in of_list.items():
            value = document.facts.get(name)
            first, *others = [found for word, found, _ in words if word == value] or [None]
            if name != "hero":
                assert first in (None, "the odds of a draw", "nothing drawn twice")
            else:
                assert first == "a fact of the world"  # after "a fox named"
            # the hero's own favorite color may be the color of the thing, and be said first
            assert set(others) <= {rule, *(["a fact of the world", "the odds of a draw"] if name == "c" else [])}
            seen[name] += len(others)
    assert min(seen.values()) > 100


def test_pronouns_facts_and_endings_are_recognized(some: list[Document]) -> None:
    for document in some:
        *words, end = words_of(document.text)
        assert end[:2] == ("", "an ending")
        if document.kind == "story":
            found = {rule for word, rule, _ in words if word in ("he", "she", "his")}
            assert found <= {"a pronoun"} or "their" in document.text
        if document.kind == "facts":
            for answer in document.text.split("Answer: ")[1:]:
                answer_rules = words_of(document.text)
                assert answer_rules


def test_in_a_song_lines_rhyme_the_chorus_returns_and_no_rhyme_does(some: list[Document]) -> None:
    for song in (d for d in some if d.kind == "song"):
        tokens = token_rules(song.text, list(range(1, len(song.text) + 1)))
        starts = [0, *(m.end() for m in re.finditer("\n", song.text))]
        lines = [(song.text[at:].split("\n")[0], [token.rule for token in tokens[at:]]) for at in starts]
        rule_of_line = [rules[0] for line, rules in lines if line]
        title, first, rhyme1, second, rhyme2, *_ = rule_of_line
        assert (rhyme1, second, rhyme2) == ("a rhyme", "nothing drawn twice", "a rhyme")
        assert title == first == "the odds of a draw"
        assert rule_of_line[-1] == rule_of_line[-2] == "the chorus"
        assert rule_of_line[7:11] == ["nothing drawn twice", "a rhyme"] * 2


def test_the_rest_of_a_word_is_spelling() -> None:
    text = next(d.text for d in documents(0, "val") if d.text.count("Barnaby") > 2 and d.kind == "story")
    tokens = token_rules(text, list(range(1, len(text) + 1)))
    last = text.rindex("Barnaby")
    rules = [token.rule for token in tokens[last : last + 7]]
    assert rules == ["a name carried on"] * 3 + ["spelling and grammar"] * 4  # after "Bar", it could be no other name


def test_every_rule_occurs(some: list[Document]) -> None:
    assert {rule for d in some[:200] for _, rule, _ in words_of(d.text)} == set(RULES)

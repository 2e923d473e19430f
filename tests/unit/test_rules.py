"""The rule of each token: exact costs, and the right rule."""

from __future__ import annotations

import math
import re
from itertools import islice
from random import Random

import pytest

from gpt2_course.tiny_world import Document, documents
from gpt2_course.tiny_world.grammar import Language, Reading, Way
from gpt2_course.tiny_world.rules import RULES, Rule, token_rules
from gpt2_course.tiny_world.stories import PASSAGES
from gpt2_course.tiny_world.world import CAST, LISTS


@pytest.fixture(scope="module")
def some() -> list[Document]:
    return list(islice(documents(0, "val"), 1000))


def words_of(text: str) -> list[tuple[str, Rule, float]]:
    """Each word or punctuation mark, with its rule and its cost; the first white space before it belongs to it."""
    found = list(re.finditer(r"\s?[\w'-]+|\s?[^\w\s]|\s", text))
    tokens = token_rules(text, [match.end() for match in found])
    return [
        (match[0].strip(), *token) for match, token in zip([*found, re.match("", "")], tokens, strict=True) if match
    ]


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
        ends = [*sorted(random.sample(range(1, length), random.randrange(length))), length]
        tokens = token_rules(document.text, ends)
        assert len(tokens) == len(ends) + 1
        assert math.fsum(token.nats for token in tokens) == pytest.approx(-document.log_prob, abs=1e-9)
        assert min(token.nats for token in tokens) >= 0


def test_a_draw_costs_what_its_options_say() -> None:
    story = next(d for d in documents(0, "val") if d.kind == "story" and d.text.startswith("Once upon a time, an owl"))
    kinds = [str(person.forms["a"]) for person in CAST]
    an = [kind for kind in kinds if kind.startswith("an ")]
    assert words_of(story.text)[5:8] == [
        ("an", "the odds of a draw", pytest.approx(math.log(len(kinds) / len(an)))),
        ("owl", "the odds of a draw", pytest.approx(math.log(len(an)))),
        ("named", "a fact of the world", 0),
    ]


def test_a_text_of_another_world_is_refused(some: list[Document]) -> None:
    text = some[0].text
    for other in ("", "To be, or not to be", text[:-9], text + " The end."):
        with pytest.raises(ValueError, match="not a document of Tiny World"):
            token_rules(other, [len(other)])


# ---- rules -------------------------------------------------------------------------------------------------


def test_what_a_story_says_again_is_carried_on(some: list[Document]) -> None:
    rule_of: dict[str, Rule] = {"hero": "a name carried on", "other": "a name carried on"}
    rule_of |= {"c": "a color carried on", "thing": "a thing carried on", "n": "a number carried on"}
    found: dict[str, list[Rule]] = {name: [] for name in rule_of}
    for document in (d for d in some if d.kind in ("story", "reading")):
        words = words_of(document.text)
        for name, again in found.items():
            rules = [rule for word, rule, _ in words if word == document.facts.get(name)]
            assert name != "hero" or rules[0] == "a fact of the world"  # after "a fox named"
            again += rules[1:]
    for name, again in found.items():  # a few of these words also stand elsewhere, as in "the bell tower"
        assert again.count(rule_of[name]) > max(100, 0.95 * len(again)), name


def test_pronouns_and_endings_are_recognized(some: list[Document]) -> None:
    for document in some:
        *words, end = words_of(document.text)
        assert end[:2] == ("", "an ending")
        if document.kind == "musing":
            assert {rule for word, rule, _ in words if word in ("he", "she", "his")} <= {"a pronoun"}


def test_answers_about_the_world_are_facts(some: list[Document]) -> None:
    answers = [(d.text, m) for d in some for m in re.finditer(r"Answer: \w+ (?:loves|likes to) (\w+)", d.text)]
    of_facts = [(text, match) for text, match in answers if text.startswith("Question")]
    assert len(of_facts) > 50
    for text, match in of_facts:
        assert token_rules(text, [match.start(1), match.end(1), len(text)])[1].rule == "a fact of the world"


@pytest.mark.parametrize(
    ("question", "rule"),
    [
        (r"^Question: Who is [^?]*best friend[^?]*\?\nAnswer: \w+'s best friend is ", "a fact of the world"),
        (r"^Listen(?s:.)*\n\nQuestion: Who [^?]+\?\nAnswer: ", "a name carried on"),
    ],
)
def test_a_name_is_a_fact_until_it_has_been_said(some: list[Document], question: str, rule: Rule) -> None:
    found = []
    for text in (document.text for document in some):
        match = re.match(question, text)
        name = match and re.match(r"\w+", text[match.end() :])
        if match and name and name[0] in {str(person) for person in CAST}:
            found.append(token_rules(text, [match.end(), match.end() + 1, len(text)])[1].rule)
    assert len(found) >= 5
    assert set(found) == {rule}


def test_a_song_rhymes_without_repeating_a_rhyme_and_repeats_its_chorus(some: list[Document]) -> None:
    for song in (d for d in some if d.kind == "song"):
        tokens = token_rules(song.text, list(range(1, len(song.text) + 1)))
        starts = [0, *(m.end() for m in re.finditer("\n", song.text))]
        lines = [{token.rule for token in tokens[a:b]} for a, b in zip(starts, [*starts[1:], None], strict=True)]
        rules = [sorted(line - {"spelling and grammar"}) for line in lines]
        assert rules[2] == ["the odds of a draw"]
        assert rules[4] == rules[10] == rules[12] == ["nothing drawn twice"]
        assert rules[3] == rules[5] == rules[11] == rules[13] == ["a rhyme"]
        assert rules[15] == ["the chorus"]


def test_the_rest_of_a_word_is_spelling() -> None:
    text = next(d.text for d in documents(0, "val") if d.text.count("Barnaby") > 2 and d.kind == "story")
    tokens = token_rules(text, list(range(1, len(text) + 1)))
    last = text.rindex("Barnaby")
    rules = [token.rule for token in tokens[last : last + 7]]
    assert rules == ["a name carried on"] * 2 + ["spelling and grammar"] * 5  # no other name starts with "Ba"


def test_every_rule_occurs(some: list[Document]) -> None:
    assert {rule for d in some[:200] for _, rule, _ in words_of(d.text)} == set(RULES)

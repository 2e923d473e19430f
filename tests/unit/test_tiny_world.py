"""Tiny World: correct texts, exact probabilities, and a reliable judge."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import islice
from random import Random

import pytest

from gpt2_course.tiny_world import Document, World, documents, judge
from gpt2_course.tiny_world.documents import CORNERS, DEFAULT_WORLD, GRAMMAR, WEIGHTS, log_prob_of_kind
from gpt2_course.tiny_world.grammar import Draft, Language, Reading, Way
from gpt2_course.tiny_world.judge import answers_right, rhymes
from gpt2_course.tiny_world.rules import token_rules
from gpt2_course.tiny_world.stories import PASSAGES, PLOTS
from gpt2_course.tiny_world.tables import tables
from gpt2_course.tiny_world.world import CAST, LISTS, PLACES

WORLD = Language(LISTS, PASSAGES)


@pytest.fixture(scope="module")
def some() -> list[Document]:
    return list(islice(documents(1, "train"), 4000))


# ---- the world ---------------------------------------------------------------------------------------------


def test_the_world_is_as_large_as_promised(some: list[Document]) -> None:
    things = {e.name for name in ("treasure", "tool", "digger", "fruit", "dish", "finds") for e in LISTS[name]}
    words = {word for d in some for word in re.findall(r"[a-z']+", d.text.lower())}
    assert len(CAST) >= 40
    assert len(PLACES) >= 25
    assert len(things) >= 120
    assert len(PLOTS) >= 16
    assert len(words) >= 1500


def test_friendships_are_mutual_and_homes_and_sayings_unique() -> None:
    for person in CAST:
        friend = person.forms["friend"]
        assert friend is not person
        assert friend.forms["friend"] is person  # type: ignore[union-attr]
    for fact in ("home", "likes", "cry"):
        assert len({person.forms[fact] for person in CAST}) == len(CAST)


def test_a_hundred_thousand_documents_have_no_mechanical_mistake() -> None:
    wrong = re.compile(
        r"  | [.,!?;]|[.,][.,]|[\[\]{}<>|⏎×_]"  # spaces, punctuation, template brackets
        r"|\b[Aa] (?:[aeiou]|hour)|\b[Aa]n (?![aeiou]|hour)"  # articles
        r"|(?:^|\n|\.\"? |[!?] )[a-z]"  # beginnings of sentences
        r"|\b(?!that|had)(\w+) \1\b"  # repeated words
        r"|[^.!?\"0-9a-z:]$"  # the end of the document
    )
    for document in islice(documents(2, "train"), 100_000):
        text = document.text
        found = wrong.search(text)
        if found and document.kind != "song":
            pytest.fail(f"{found[0]!r} in {text[max(0, found.start() - 60) : found.end() + 60]!r}")
        for paragraph in text.split("\n\n"):
            assert paragraph.count('"') % 2 == 0, paragraph


# ---- the stream of documents -------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_everywhere() -> None:
    text = "\n".join(d.text for d in islice(documents(0, "train"), 1000))
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "4e57bb703dd246fce46e117422c2855a83f1d4735d4a012c15f26fd59ed48b3c"
    )


def test_another_seed_gives_different_documents(some: list[Document]) -> None:
    others = {d.text for d in islice(documents(3, "train"), 4000)}
    assert len({d.text for d in some} - others) > 3990


def test_training_and_validation_share_no_document() -> None:
    train = {d.text for d in islice(documents(0, "train"), 50_000)}
    assert not any(d.text in train for seed in (0, 1) for d in islice(documents(seed, "val"), 5000))


def test_the_first_two_words_determine_the_kind(some: list[Document]) -> None:
    kinds: dict[str, set[str]] = {}
    for document in some:
        kinds.setdefault(" ".join(document.text.split()[:2]), set()).add(document.kind)
    assert all(len(found) == 1 for found in kinds.values())


def test_facts_contain_what_a_story_establishes() -> None:
    story = next(d for d in documents(0, "train") if d.kind == "story")
    assert story.facts["hero"] in story.text


# ---- probability -------------------------------------------------------------------------------------------


def test_every_text_has_one_derivation_and_its_log_probability_is_exact(some: list[Document]) -> None:
    for document in some:
        ways = [
            way.log_prob
            for kind, grammar in GRAMMAR.items()
            for way in grammar.read(Reading(document.text), Way(log_prob=log_prob_of_kind(kind)))
            if way.at == len(document.text)
        ]
        assert ways == [pytest.approx(document.log_prob, abs=1e-9)], document.text


@pytest.mark.parametrize(
    "template",
    [
        "[a|2×b|c[d|]] {x:season}, {y:season}",
        "<once> {hero:season} [{w:weather.scene}|It was {why=[late|early]}, {why}.]",
        "{p:house} and {f:p.finds}[ and {g:p.finds}|]",
    ],
)
def test_entropy_from_samples_equals_entropy_by_enumeration(template: str) -> None:
    grammar = WORLD.parse(template)
    log_probs: dict[str, float] = {}
    for text, _, log_prob in grammar.all({}):
        assert text not in log_probs  # exactly one derivation
        log_probs[text] = log_prob
    assert math.fsum(map(math.exp, log_probs.values())) == pytest.approx(1)
    entropy = -math.fsum(math.exp(p) * p for p in log_probs.values())
    random, sampled = Random(0), []
    for _ in range(20_000):
        draft = Draft(random)
        assert log_probs[grammar.sample(draft)] == pytest.approx(draft.log_prob)
        sampled.append(-draft.log_prob)
    mean = math.fsum(sampled) / len(sampled)
    standard_error = math.sqrt(math.fsum((x - mean) ** 2 for x in sampled)) / len(sampled)
    assert abs(mean - entropy) <= 5 * standard_error + 1e-9


def test_frequencies_match_the_probabilities() -> None:
    grammar, random = WORLD.parse("[a|2×b|[c|d]]"), Random(0)
    counts = Counter(grammar.sample(Draft(random)) for _ in range(40_000))
    for text, share in {"a": 0.25, "b": 0.5, "c": 0.125, "d": 0.125}.items():
        assert counts[text] / 40_000 == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("[a|b", "not closed"),
        ("a]", "Unmatched ']'"),
        ("<nowhere>", "no passage"),
        ("{x:nothing}", "no list"),
        ("{x=[a|b]", "not closed"),
    ],
)
def test_a_template_with_a_mistake_is_refused(template: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WORLD.parse(template)


# ---- the judge ---------------------------------------------------------------------------------------------


def test_the_judge_accepts_every_document(some: list[Document]) -> None:
    for document in [*some, *islice(documents(5, "val"), 1000)]:
        verdict = judge(document.text)
        assert verdict.accepted, verdict.reason
        assert verdict.kind == document.kind
        assert verdict.log_prob == pytest.approx(document.log_prob, abs=1e-9)
        assert verdict.facts == document.facts


def _other(random: Random, names: str, known: str) -> str:
    return random.choice([e.name for e in LISTS[names] if e.name != known])


def _replace_one(random: Random, text: str, word: str, by: str) -> str | None:
    """The text with one mention of a word, but not its first, replaced; None if there is only one."""
    places = [m.start() for m in re.finditer(rf"\b{re.escape(word)}\b", text)][1:]
    if not places:
        return None
    at = random.choice(places)
    return text[:at] + by + text[at + len(word) :]


def wrong_name(random: Random, d: Document) -> str | None:
    hero = d.facts.get("hero")
    return _replace_one(random, d.text, hero, _other(random, "cast", hero)) if hero else None


def wrong_thing(random: Random, d: Document) -> str | None:
    thing = d.facts.get("thing")
    return _replace_one(random, d.text, thing, _other(random, "treasure", thing)) if thing else None


def wrong_color(random: Random, d: Document) -> str | None:
    color = d.facts.get("c")
    return _replace_one(random, d.text, color, _other(random, "color", color)) if color else None


def wrong_number(random: Random, d: Document) -> str | None:
    number = d.facts.get("n")
    return _replace_one(random, d.text, number, _other(random, "number", number)) if number else None


def wrong_pronoun(random: Random, d: Document) -> str | None:
    swapped = {"he": "she", "she": "he", "He": "She", "She": "He", "his": "her"}
    places = list(re.finditer(r"\b(he|she|He|She|his)\b", d.text))
    if not places or d.kind in ("song", "musing"):
        return None
    found = random.choice(places)
    return d.text[: found.start()] + swapped[found[0]] + d.text[found.end() :]


def wrong_answer(random: Random, d: Document) -> str | None:
    blocks = re.findall(r"Answer: (.*)", d.text)
    if not blocks:
        return None
    answer = random.choice(blocks)
    other = next(documents(random.randrange(10**6), "val"))
    answers = re.findall(r"Answer: (.*)", other.text) or ["Nobody knows."]
    return d.text.replace(f"Answer: {answer}", f"Answer: {random.choice(answers)}", 1)


def wrong_rhyme(random: Random, d: Document) -> str | None:
    if d.kind != "song":
        return None
    lines = d.text.split("\n")
    couplets = random.sample([(2, 3), (4, 5), (10, 11), (12, 13)], 2)
    i, j = (random.choice(couplet) for couplet in couplets)
    lines[i], lines[j] = lines[j][:-1] + lines[i][-1], lines[i][:-1] + lines[j][-1]
    return "\n".join(lines)


def wrong_end(random: Random, d: Document) -> str | None:
    other = next(o for o in documents(random.randrange(10**6), "val") if o.kind == d.kind)
    return d.text[: d.text.rindex(" ", 0, -20)] + other.text[other.text.rindex(" ", 0, -20) :]


def missing_sentence(random: Random, d: Document) -> str | None:
    sentences = re.split(r"(?<=[.!?]) ", d.text)
    if len(sentences) < 4:
        return None
    del sentences[random.randrange(1, len(sentences))]
    return " ".join(sentences)


def swapped_words(random: Random, d: Document) -> str | None:
    words = d.text.split(" ")
    i = random.randrange(len(words) - 1)
    words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(words)


@pytest.mark.parametrize(
    "plant",
    [
        wrong_name,
        wrong_thing,
        wrong_color,
        wrong_number,
        wrong_pronoun,
        wrong_answer,
        wrong_rhyme,
        wrong_end,
        missing_sentence,
        swapped_words,
    ],
)
def test_the_judge_rejects_a_planted_mistake(
    some: list[Document], plant: Callable[[Random, Document], str | None]
) -> None:
    random = Random(0)
    planted = [(plant(random, d), d) for d in some]
    wrong = [text for text, d in planted if text is not None and text != d.text]
    assert len(wrong) >= 200
    assert sum(not judge(text).accepted for text in wrong) >= 0.95 * len(wrong)


def test_the_judge_says_what_is_wrong() -> None:
    story = next(
        d for d in documents(0, "val") if d.kind == "story" and "said Pip" in d.text and d.facts["hero"] == "Pip"
    )
    verdict = judge(story.text.replace("said Pip", "said Tuck", 1))
    assert verdict.mistake == "name"
    assert "Tuck" in verdict.reason
    assert "Pip" in verdict.reason
    assert judge(story.text[:-30]).mistake == "end"
    assert judge(story.text + " The end.").mistake == "end"
    assert not judge("").accepted
    assert not judge("To be, or not to be").accepted


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("Once upon a time, an owl named Olive lost a bed", 45, {"lue", "rown", "lack"}),
        ("Once upon a time, an owl named Pip", 31, {"Olive"}),
        ("Question: Who lives in a teapot?\nAnswer: Mona", 42, {"ina the mouse"}),
        ("To be, or not", 1, {"he future of AI is ", "he secret to happiness is ", "ime is "}),
        ("?", 0, {""}),
        ("Once upon", 9, {" a time,"}),
        ("", 0, {""}),
    ],
)
def test_the_judge_says_where_and_what_is_wrong(text: str, at: int, expected: set[str]) -> None:
    verdict = judge(text)
    assert verdict.at == at
    assert set(verdict.expected) == expected
    assert len(verdict.expected) == len(expected)


def test_only_what_could_follow_is_expected() -> None:
    """The beginning of a rejected text, and what is expected there, begin a document."""
    random = Random(3)
    for document in islice(documents(9, "val"), 60):
        text = swapped_words(random, document)
        verdict = judge(text or "")
        for words in verdict.expected[:3]:
            mended = f"{(text or '')[: verdict.at]}{words}"
            again = judge(mended)
            assert again.accepted or again.at == len(mended), mended


# ---- corners, and the tables for the page --------------------------------------------------------------------


@pytest.mark.parametrize("corner", CORNERS)
def test_a_corner_is_a_part_of_the_world_with_its_own_floor(corner: str) -> None:
    world, kinds = World(LISTS, corner=corner), CORNERS[corner]
    share = sum(WEIGHTS[kind] for kind in kinds) / sum(WEIGHTS.values()) / (len(PLOTS) if corner in PLOTS else 1)
    for document in islice(documents(0, "train", world), 10):
        of_all = judge(document.text)
        assert of_all.kind == document.kind in kinds
        assert of_all.log_prob == pytest.approx(document.log_prob + math.log(share), abs=1e-9)
        assert judge(document.text, world).log_prob == pytest.approx(document.log_prob, abs=1e-9)
        cost = math.fsum(token.nats for token in token_rules(document.text, [len(document.text)], world))
        assert cost == pytest.approx(-document.log_prob, abs=1e-9)


def test_a_document_of_another_corner_is_rejected(some: list[Document]) -> None:
    songs = World(LISTS, corner="songs")
    assert {judge(d.text, songs).accepted for d in some[:200] if d.kind != "song"} == {False}
    with pytest.raises(ValueError, match="Tiny World has no corner 'poems': choose one of everything, stories,"):
        World(LISTS, corner="poems")


def test_the_tables_are_small_and_complete() -> None:
    written = tables()
    text = json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode()
    assert json.loads(text) == json.loads(json.dumps(written))
    assert len(gzip.compress(text)) < 50_000
    assert list(written["corners"]) == list(CORNERS)
    assert len(written["entities"]) == len(DEFAULT_WORLD.list_of)
    rows = written["nodes"]
    assert len({json.dumps(row, sort_keys=True) for row in rows}) == len(rows)  # each different node once
    for number, row in enumerate(rows):  # after its parts
        parts = row if isinstance(row, list) else [] if isinstance(row, str) else row.get("options", [])
        assert all(part < number for part in parts)


def test_right_and_wrong_answers() -> None:
    assert answers_right("Question: Where does Pip the fox live?\nAnswer: Pip lives in the hollow oak.")
    assert not answers_right("Question: Where does Pip the fox live?\nAnswer: Pip lives in a teapot.")
    assert not answers_right("Question: Where does Pip the fox live?\nAnswer:")


def test_rhymes_are_counted() -> None:
    song = next(d.text for d in documents(0, "val") if d.kind == "song")
    assert rhymes(song) == (4, 4)
    lines = song.split("\n")
    lines[2], lines[4] = lines[4], lines[2]
    assert rhymes("\n".join(lines)) == (2, 4)
    assert rhymes("no song at all") == (0, 4)

"""Tiny World in the page is the package's: the same documents, verdicts, and costs from the same random numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page

from book.look import serving
from gpt2_course import GPT2
from gpt2_course.labs.kernel import uniform
from gpt2_course.labs.lab import STATIC
from gpt2_course.tiny_world import Document, World, judge, load_world
from gpt2_course.tiny_world.documents import CORNERS, DEFAULT_WORLD, sample_document
from gpt2_course.tiny_world.rules import RULES, token_rules
from gpt2_course.tiny_world.tables import tables

OWN_WORLD = """
[[friend]]
name = "Åsa"
kind = "éclair baker"
pronoun = "she"
home = "in a tent by the river"
best_friend = "Pip"
food = "crème brûlée"
color = "purple"
likes = "jump over fences"
fear = "wet hay"
cry = "Ørsted and hiccups!"

[[place]]
name = "the ice rink"
preposition = "at"
found_there = ["lost mittens", "hockey sticks", "thermos bottles"]
roof = false
water = false

[things]
treasures = ["ödland map", "hour candle", "unicorn horn", "𐐨𐐪 bell", "𐐨𐐩 gong"]
dishes = ["älplermagronen"]
"""


class Counted(Random):
    """The page's random numbers: `uniform` of a seed and 0, 1, 2 …"""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.own_seed, self.n_drawn = seed, 0

    def random(self) -> float:
        self.n_drawn += 1
        return uniform(self.own_seed, self.n_drawn - 1)


def drawn(seed: int, count: int, world: World = DEFAULT_WORLD) -> list[Document]:
    random = Counted(seed)
    return [sample_document(random, world) for _ in range(count)]


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page with `world` and `ownWorld`, which takes documents by `drawn(world, seed, count, corner)`."""
    page = browser.new_page()
    with serving(STATIC) as address:
        page.goto(f"{address}/sampling.mjs")
        page.evaluate(
            """async (tables) => {
              const { uniform } = await import("/sampling.mjs");
              const { World } = await import("/tiny_world.mjs");
              window.world = new World(tables);
              window.newWorld = (tables) => { window.ownWorld = new World(tables); };
              window.drawn = (world, seed, count, corner) => {
                let n = 0;
                const documents = world.documents(() => uniform(seed, n++), corner);
                return Array.from({ length: count }, () => documents.next().value);
              };
            }""",
            tables(),
        )
        yield page
    page.close()


@pytest.fixture(scope="module")
def own_world(page: Page, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with additions, which is `ownWorld` in the page."""
    path: Path = tmp_path_factory.mktemp("world") / "own.toml"
    path.write_text(OWN_WORLD, encoding="utf-8")
    world = load_world(path)
    page.evaluate("newWorld", tables(world))
    return world


@pytest.fixture(scope="module")
def some() -> list[Document]:
    return drawn(1, 2000)


# ---- documents ---------------------------------------------------------------------------------------------


def in_the_page(document: Document) -> dict[str, Any]:
    """What the page makes of the same random numbers."""
    log_prob = pytest.approx(document.log_prob, abs=1e-9)
    return {"text": document.text, "kind": document.kind, "logProb": log_prob, "facts": document.facts}


def test_the_same_numbers_give_the_same_documents(page: Page, some: list[Document]) -> None:
    assert len({document.text for document in some}) > 1990
    assert page.evaluate("drawn(world, 1, 2000)") == list(map(in_the_page, some))


def test_additions_to_the_world_reach_the_page(page: Page, own_world: World) -> None:
    documents = drawn(2, 500, own_world)
    text = "\n".join(document.text for document in documents)
    for words in ("an éclair baker named Åsa", "Älplermagronen", "an ödland map", "an hour candle", "a unicorn horn"):
        assert words.casefold() in text.casefold(), words
    assert page.evaluate("drawn(ownWorld, 2, 500)") == list(map(in_the_page, documents))


@pytest.mark.parametrize("corner", CORNERS)
def test_a_corner_is_a_world_of_its_own(page: Page, some: list[Document], corner: str) -> None:
    world = World(DEFAULT_WORLD.lists, corner=corner)
    documents = drawn(3, 20, world)
    assert page.evaluate("(corner) => drawn(world, 3, 20, corner)", corner) == list(map(in_the_page, documents))
    assert {document.kind for document in documents} == set(CORNERS[corner])
    texts = [document.text for document in [*documents, *some[:30]]]
    found = page.evaluate("([texts, corner]) => texts.map((text) => world.judge(text, corner))", [texts, corner])
    assert found == [verdict(text, world) for text in texts]
    assert [each["accepted"] for each in found[:20]] == [True] * 20
    shown = page.evaluate("([text, corner]) => world.costs(text, [text.length], corner)", [texts[0], corner])
    assert math.fsum(token["nats"] for token in shown) == pytest.approx(-documents[0].log_prob, abs=1e-9)


def test_the_page_knows_the_corners_and_no_others(page: Page) -> None:
    assert page.evaluate("world.corners") == list(CORNERS)
    with pytest.raises(ValueError, match="has no corner 'limericks': choose one of everything, stories") as refused:
        World(DEFAULT_WORLD.lists, corner="limericks")
    for call in ("drawn(world, 0, 1, 'limericks')", "world.judge('', 'limericks')", "world.costs('', [], 'limericks')"):
        with pytest.raises(Error) as error:
            page.evaluate(call)
        assert str(refused.value) in str(error.value)


# ---- verdicts ----------------------------------------------------------------------------------------------


def verdict(text: str, world: World = DEFAULT_WORLD) -> dict[str, Any]:
    """What the page's judge should say."""
    wanted = judge(text, world)
    return {
        "accepted": wanted.accepted,
        "kind": wanted.kind,
        "mistake": wanted.mistake,
        "log_prob": pytest.approx(wanted.log_prob, abs=1e-9),
        "at": wanted.at and in_units(text, wanted.at),
        "expected": list(wanted.expected),
    }


def in_units(text: str, at: int) -> int:
    """A position in a text as JavaScript counts, which is in units of UTF-16."""
    return len(text[:at].encode("utf-16-le")) // 2


def judged(page: Page, texts: list[str], world: str = "world") -> list[dict[str, Any]]:
    return page.evaluate(f"(texts) => texts.map((text) => {world}.judge(text))", texts)


def swapped(random: Random, text: str) -> str:
    words = text.split(" ")
    i = random.randrange(len(words) - 1)
    words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(words)


def renamed(random: Random, text: str) -> str:
    """One name, or the word for a thing, a color, and so on, changed."""
    lists = DEFAULT_WORLD.lists
    known = [(name, entity.name) for name, entities in lists.items() for entity in entities if entity.name in text]
    if not known:
        return swapped(random, text)
    name, old = random.choice(known)
    at = random.choice([i for i in range(len(text)) if text.startswith(old, i)])
    return text[:at] + random.choice(lists[name]).name + text[at + len(old) :]


def cut_off(random: Random, text: str) -> str:
    return text[: random.randrange(len(text))]


def misspelled(random: Random, text: str) -> str:
    at = random.randrange(len(text))
    return text[:at] + random.choice('abcxyz ABC.,!?"\n') + text[at + random.randrange(2) :]


def decorated(random: Random, text: str) -> str:
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(["🥞", "é", "e\u0301", "\u2028", "—", "\ufeff", "\0", "ſ", "𝒢"]) + text[at:]


def continued(random: Random, text: str) -> str:
    return text + random.choice([" The end.", "\n", " ", "\n\nQuestion: Who?", text])


def spliced(random: Random, text: str) -> str:
    """The beginning of one document, and the end of another."""
    other = drawn(random.randrange(2**20), 1)[0].text
    return text[: text.rindex(" ", 0, -3)] + other[other.rindex(" ", 0, -3) :]


BREAK: tuple[Callable[[Random, str], str], ...] = (swapped, renamed, cut_off, misspelled, decorated, continued, spliced)


def test_verdicts_on_documents_are_the_same(page: Page, some: list[Document]) -> None:
    found = judged(page, [document.text for document in some])
    wanted = [{"kind": d.kind, "log_prob": pytest.approx(d.log_prob, abs=1e-9), "accepted": True} for d in some]
    assert [{key: each[key] for key in ("kind", "log_prob", "accepted")} for each in found] == wanted
    assert found[:200] == [verdict(document.text) for document in some[:200]]


def test_verdicts_on_broken_documents_are_the_same(page: Page, some: list[Document], own_world: World) -> None:
    random = Random(0)
    texts = [BREAK[i % len(BREAK)](random, document.text) for i, document in enumerate(some[:1900])]
    texts += [document.text for document in drawn(4, 97, own_world)]
    texts += ["", " ", "To be, or not to be: that is the question."]
    wanted = [verdict(text) for text in texts]
    assert judged(page, texts) == wanted
    mistakes = [each["mistake"] for each in wanted]
    assert {mistake: mistakes.count(mistake) for mistake in set(mistakes)}.keys() == {
        None, "name", "pronoun", "fact", "rhyme", "chorus", "sentence", "end",
    }  # fmt: skip
    assert mistakes.count(None) < 200  # a document may still be one: another name at its first mention, for example


def test_verdicts_on_characters_of_two_units_are_the_same(page: Page, own_world: World) -> None:
    right = [document.text for document in drawn(6, 3000, own_world) if "𐐨" in document.text]
    texts = [text[::-1].replace("𐐪", "𐐩", 1)[::-1] for text in right if "𐐪" in text] + right[:20]
    assert judged(page, texts, "ownWorld") == [verdict(text, own_world) for text in texts]
    assert sum(text[: judge(text, own_world).at].endswith("𐐨") for text in texts) > 3


@pytest.mark.parametrize("kind", ["story", "reading", "song", "facts", "musing"])
def test_the_judge_finds_the_first_wrong_character(page: Page, some: list[Document], kind: str) -> None:
    """Up to the mistake, another document agrees with the text; with one more character, none does."""
    random = Random(1)
    for text in [swapped(random, d.text) for d in some if d.kind == kind][:40]:
        each = judged(page, [text])[0]
        if each["accepted"]:
            continue
        at = each["at"]
        before, after = judged(page, [text[:at], text[: at + 1]])
        assert (before["mistake"], before["at"]) == ("end", at) or before["accepted"]
        assert after["at"] == at or at == len(text)


def test_very_long_texts_are_judged_like_short_ones(page: Page, some: list[Document]) -> None:
    n = 100_000
    story = next(document.text for document in some if document.kind == "story")
    song = next(document.text for document in some if document.kind == "song")
    texts = ["x" * n, " " * n, story * (n // len(story)), "Question: " * (n // 10), "🥞" * n, "[" * n]
    texts += [song[:200] + "," * n + "x", song[:200] + "\n" * n, song[:200] + "Sleep, " * (n // 7)]
    assert judged(page, texts) == [verdict(text) for text in texts]


def test_half_a_character_is_not_a_document(page: Page) -> None:
    assert page.evaluate("world.judge('\\udf5e')")["at"] == 0
    assert page.evaluate("world.judge('Once upon a time, \\ud83e')")["at"] == 18


# ---- costs and rules ---------------------------------------------------------------------------------------


def test_rules_and_costs_of_tokens_are_the_same(page: Page, some: list[Document], own_world: World) -> None:
    model = GPT2.from_pretrained()
    assert model.tokenizer is not None
    seen = set()
    worlds = {"world": (DEFAULT_WORLD, some[:300]), "ownWorld": (own_world, drawn(5, 60, own_world))}
    for name, (world, documents) in worlds.items():
        random, asked, wanted = Random(2), [], []
        for number, document in enumerate(documents):
            text = document.text
            pieces = [model.tokenizer.decode([i]) for i in model.tokenizer.encode(text)]
            ends = list(accumulate(map(len, pieces)))
            if number % 3 == 0 or ends[-1] != len(text):  # any tokens, even empty ones
                ends = [*sorted(random.choices(range(len(text) + 1), k=40)), len(text)]
            asked.append([text, [in_units(text, end) for end in ends]])
            rules = token_rules(text, ends, world)
            seen |= {token.rule for token in rules}
            wanted.append([{"rule": token.rule, "nats": pytest.approx(token.nats, abs=1e-9)} for token in rules])
        found = page.evaluate(f"(asked) => asked.map(([text, ends]) => {name}.costs(text, ends))", asked)
        assert found == wanted
    assert seen == set(RULES)


@pytest.mark.parametrize("text", ["", "To be, or not to be", "Once upon a time, "])
def test_only_documents_have_costs(page: Page, text: str) -> None:
    with pytest.raises(Error, match="This text is not a document of Tiny World"):
        page.evaluate("(text) => world.costs(text, [text.length])", text)

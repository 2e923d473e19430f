"""A world of the user's own: what is refused, and that whatever is not has exact probabilities and a reliable judge."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gpt2_course import Tokenizer
from gpt2_course.cli import main
from gpt2_course.data import DataSpec, find_corpus
from gpt2_course.history import read_history
from gpt2_course.tiny_world import World, documents, judge, load_world
from gpt2_course.tiny_world.additions import MOST, PREPOSITIONS, SAID_INSTEAD, THINGS, examples, starting_file
from gpt2_course.tiny_world.documents import DEFAULT_WORLD, log_prob_of_kind
from gpt2_course.tiny_world.grammar import (
    Choice,
    Draft,
    Fresh,
    Keep,
    Memory,
    Node,
    Reading,
    Row,
    Slot,
    Way,
    Words,
    article,
)  # fmt: skip
from gpt2_course.tiny_world.judge import answers_right
from gpt2_course.tiny_world.rules import token_rules
from gpt2_course.tiny_world.world import COLORS, LISTS
from gpt2_course.training import TrainConfig, Trainer

ROOT = Path(__file__).resolve().parents[2]
START = starting_file("new.toml")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for each test, with the starting file in it."""
    monkeypatch.chdir(tmp_path)
    Path("new.toml").write_text(START, encoding="utf-8")
    return tmp_path


def written(content: dict[str, Any]) -> Path:
    """A file with this content."""
    lines = []
    for key in ("friend", "place"):
        for table in content.get(key, []):
            lines += [f"[[{key}]]", *(f"{name} = {json.dumps(value)}" for name, value in table.items())]
    lines += ["[things]", *(f"{name} = {json.dumps(value)}" for name, value in content.get("things", {}).items())]
    path = Path("written.toml")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def check(world: World, count: int, seed: int = 0) -> int:
    """Assert that documents have one derivation each, with their log-probability; return how many show an addition."""
    new = re.compile("|".join(map(re.escape, world.additions.names)))
    n_new = 0
    for document in islice(documents(seed, "train", world), count):
        ways = [
            way.log_prob
            for kind, grammar in world.grammar.items()
            for way in grammar.read(Reading(document.text), Way(log_prob=log_prob_of_kind(kind)))
            if way.at == len(document.text)
        ]
        assert ways == [pytest.approx(document.log_prob, abs=1e-9)], document.text
        n_new += bool(new.search(document.text))
    return n_new


# ---- a world that is accepted ----------------------------------------------------------------------------------


def test_the_starting_file_adds_what_it_says_and_leaves_tiny_world_alone() -> None:
    before = [d.text for d in islice(documents(0, "train"), 300)]
    world = load_world("new.toml")
    assert world.additions.names[:3] == ["Ida", "the ice rink", "kaleidoscope"]
    for name, entities in LISTS.items():
        assert [e.name for e in world.lists[name]][: len(entities)] == [e.name for e in entities]
    assert check(world, 600) > 30
    assert [d.text for d in islice(documents(0, "train"), 300)] == before
    assert [judge(text).accepted for text in before] == [True] * 300


def test_every_commented_line_of_the_starting_file_works_too() -> None:
    Path("all.toml").write_text(re.sub(r"^# (\w+ = )", r"\1", START, flags=re.MULTILINE), encoding="utf-8")
    assert set(load_world("all.toml").additions.things) == set(THINGS.values())
    assert check(load_world("all.toml"), 300) > 30


def test_the_new_friend_is_accepted_by_their_own_judge_only() -> None:
    world = load_world("new.toml")
    story = next(d for d in documents(0, "val", world) if d.facts.get("hero") == "Ida")
    verdict = judge(story.text, world)
    assert (verdict.accepted, verdict.facts["hero"]) == (True, "Ida")
    assert verdict.log_prob == pytest.approx(story.log_prob)
    assert not judge(story.text).accepted
    fact = "Question: Who likes to jump over fences?\nAnswer: Ida the unicorn does."
    assert answers_right(fact, world)
    assert not answers_right(fact)
    assert not answers_right(fact.replace("Ida the unicorn", "Pip the fox"), world)


def test_the_costs_of_the_tokens_add_up_to_the_documents() -> None:
    world = load_world("new.toml")
    for document in islice((d for d in documents(0, "val", world) if "Ida" in d.text), 10):
        tokens = token_rules(document.text, list(range(1, len(document.text) + 1)), world)
        assert math.fsum(token.nats for token in tokens) == pytest.approx(-document.log_prob, abs=1e-9)
        with pytest.raises(ValueError, match="not a document of Tiny World"):
            token_rules(document.text, [len(document.text)])


def test_examples_show_the_additions_and_begin_with_a_new_friends_story() -> None:
    first, *others = examples(load_world("new.toml"))
    assert (first.kind, first.facts["hero"]) == ("story", "Ida")
    assert len(others) == 2
    assert len({document.kind for document in (first, *others)}) == 3
    tools = load_world(written({"things": {"tools": ["monkey wrench"]}}))
    assert all("monkey wrench" in document.text for document in examples(tools))


@pytest.mark.parametrize(
    "names", [("Ёжик", "Şirin"), ("小明", "Αλέξης")], ids=["Cyrillic and Turkish", "Chinese and Greek"]
)
def test_other_scripts_and_accents_are_fine(names: tuple[str, str]) -> None:
    first, second = names
    friend = {"kind": "élan", "pronoun": "he", "home": "in the café", "food": "борщ", "color": "red"}
    friends = [
        {**friend, "name": first, "best_friend": second, "likes": "петь", "fear": "雷", "cry": "Ой, мама!"},
        {**friend, "name": second, "best_friend": first, "likes": "τρέχω", "fear": "हाथी", "cry": "Ωχ!"}
        | {"home": "in the château"},
    ]
    world = load_world(written({"friend": friends, "things": {"treasures": ["灯笼", "самовар"]}}))
    assert check(world, 800) > 20
    assert any(f"an élan named {first}" in d.text for d in islice(documents(0, "train", world), 3000))


# every word that Tiny World says: what is most likely to be mistaken for one of its own sentences
SAID = sorted({word for d in islice(documents(0, "train"), 2000) for word in re.findall(r"[A-Za-z'-]+", d.text)})


def phrase(random: Random, most_words: int = 4, most: int = 20) -> str:
    while True:
        words = " ".join(random.choice(SAID) for _ in range(random.randint(1, most_words)))
        if len(words) <= most:
            return words


def random_friend(random: Random, names: list[str]) -> dict[str, Any]:
    return {
        "name": random.choice(SAID).capitalize(),
        "kind": phrase(random),
        "pronoun": random.choice(["he", "she"]),
        "home": f"{random.choice(PREPOSITIONS)} {phrase(random, 3, 15)}",
        "best_friend": random.choice(names),
        "food": phrase(random),
        "color": random.choice(COLORS.split()),
        "likes": phrase(random),
        "fear": phrase(random),
        "cry": f"{phrase(random, 3)}!",
    }


def random_place(random: Random) -> dict[str, Any]:
    return {
        "name": f"the {phrase(random, 3, 16)}",
        "preposition": random.choice(PREPOSITIONS),
        "found_there": [f"{phrase(random, 3, 18)}s" for _ in range(random.randint(3, 6))],
        "roof": random.random() < 0.5,
        "water": random.random() < 0.5,
    }


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_accepted_is_unambiguous(seed: int) -> None:
    random, n_accepted, n_refused = Random(seed), 0, 0
    content: dict[str, Any] = {"friend": [], "place": [], "things": {key: [] for key in THINGS}}
    for _ in range(300):
        key = random.choice([*content["things"], *["friend", "place"] * 3])
        names = ["Pip", "Hazel", *(friend["name"] for friend in content["friend"])]
        entries = content["things"].get(key, content.get(key))
        if key in ("friend", "place"):
            entries.append(random_friend(random, names) if key == "friend" else random_place(random))
        else:
            entries.append(phrase(random, 4, 19) + "s" * (key in ("fruits", "flowers")))
        filled = {"things": {name: values for name, values in content["things"].items() if values}}
        try:
            assert len(entries) <= MOST
            world = load_world(written({**content, **filled}))
            n_accepted += 1
        except (AssertionError, ValueError):
            entries.pop()
            n_refused += 1
    assert n_accepted > 70
    assert n_refused > 10
    assert check(world, 300, seed) > 150


def nodes(node: Node) -> Iterator[Node]:
    yield node
    inside = {Row: "parts", Choice: "options", Fresh: "options"}.get(type(node))
    for part in getattr(node, inside) if inside else (node.piece,) if isinstance(node, Keep) else ():
        yield from nodes(part)


ADDED = {entity for name in (*THINGS.values(), "finds", "place", "cast") for entity in LISTS[name]}
CLOSED = {"he", "him", "his", "himself", "color"}  # what of a friend cannot be new words


def pattern(node: Node, memory: Memory) -> str:
    """A regular expression for what a node could say in any world, with a group for each place of new words."""
    if isinstance(node, Words):
        return re.escape(node.words)
    if isinstance(node, Row):
        return "".join(pattern(part, memory) for part in node.parts)
    if isinstance(node, Choice):
        return f"(?:{'|'.join(pattern(option, memory) for option in node.options)})"
    if isinstance(node, Keep):
        return pattern(node.piece, memory)
    assert isinstance(node, Slot)
    values = list(node.source(memory)) if node.source else [memory[node.name]]
    if values[0] not in ADDED or CLOSED & set(node.path):
        return f"(?:{'|'.join(re.escape(node.say(value)) for value in values)})"
    return ("an? " if node.article else "") + r"([^\W\d_][\w'’-]*(?: [\w'’-]+){0,4}!?)"


def test_no_new_words_can_be_what_a_template_says_in_their_place() -> None:
    """For every choice in every template: an option with new words never equals another option."""
    foods = {friend.forms["food"] for friend in LISTS["cast"]}
    refused = SAID_INSTEAD | foods | {entity.name for name in ("dish", "cast") for entity in LISTS[name]}
    found = set()
    for grammar in DEFAULT_WORLD.grammar.values():
        for template in grammar.options if isinstance(grammar, Choice) else [grammar]:
            every = list(nodes(template))
            memory: Memory = {node.name: "things" for node in every if isinstance(node, Keep)}
            for node in every:
                if isinstance(node, Slot) and node.source and node.name:
                    memory.setdefault(node.name, node.options(memory)[0])
            for choice in (node for node in every if isinstance(node, Choice)):
                for option in choice.options:
                    could_say = re.compile(pattern(option, memory))
                    for other in choice.options:
                        for seed in range(10 * (other is not option)):
                            draft = Draft(Random(seed))
                            draft.memory = dict(memory)
                            if same := could_say.fullmatch(other.sample(draft)):
                                new_words = [words for words in same.groups() if words]
                                if new_words and new_words[0] != f"tea and {memory['who'].forms['food']}":  # type: ignore[union-attr]
                                    assert refused & set(new_words), same[0]
                                found |= set(new_words)
    assert found >= SAID_INSTEAD


def test_articles_go_by_sound() -> None:
    nouns = "unicorn ukulele umbrella one-eyed onion hour house heirloom utensil uncle eagle ewe éclair Umbrella"
    words = [article(noun) for noun in nouns.split()]
    assert " ".join(word.split()[0] for word in words) == "a a an a an an a an a an an a an an"


# ---- a world that is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "Ida"', "name = Ida", "is not valid TOML (Invalid value (at line 10, column 8)): correct it"),
        ("color =", "colour =", "friend Ida has the unknown key 'colour': did you mean 'color'?"),
        ("[things]", "[thing]", "the file has the unknown key 'thing': did you mean 'things'?"),
        ("[[friend]]", "[friend]", "friend is not a list of tables: begin each with a line [[friend]]"),
        ('fear = "wet hay"', "", 'friend Ida has no fear: add a line such as fear = "…"'),
        ('name = "Ida"', "", 'friend number 1 has no name: add a line such as name = "…"'),
        ('"Ida"', "7", "the name of friend number 1 is 7: write it as text in quotes"),
        ('"Ida"', '"Pip"', "the name 'Pip' of friend number 1 is taken (a friend in Tiny World)"),
        ('"Ida"', '"ida"', "the name of friend number 1 is 'ida': write one word that begins with a capital letter"),
        ('"Ida"', '"Ida May"', "the name of friend number 1 has 2 words: write at most 1"),
        ('"Ida"', '""', "the name of friend number 1 is '': write words"),
        ('"she"', '"they"', "the pronoun of friend Ida is 'they', which is not one of the two that Tiny"),
        ('"Pip"', '"Pipp"', "the best_friend of friend Ida is 'Pipp', which is not one of the friends in"),
        (
            'best_friend = "Pip"',
            'best_friend = "Ida"',
            "friend Ida is named as their own best friend: name someone else",
        ),
        ('"in a tent by the river"', '"a tent"', "the home of friend Ida is 'a tent', which does not say where it is"),
        ('"in a tent by the river"', '"in a teapot"', "the home 'in a teapot' of friend Ida is taken (Mina)"),
        ('"purple"', '"teal"', "the color of friend Ida is 'teal', which is not one of the colors of Tiny"),
        ('"jump over fences"', '"hide acorns"', "the likes 'hide acorns' of friend Ida is taken (Hazel)"),
        ('"jump over fences"', '"to jump"', "the likes of friend Ida begin with “to”, which Tiny World adds itself"),
        ('"Hooves and hiccups!"', '"Oh, my paws!"', "the cry 'Oh, my paws!' of friend Ida is taken (Bruno)"),
        ('"Hooves and hiccups!"', '"Hooves"', "the cry of friend Ida is 'Hooves': end it with one exclamation mark"),
        ('"Hooves and hiccups!"', '"Hooves,hiccups!"', "the cry of friend Ida is 'Hooves,hiccups!'"),
        ('"rainbow toast"', '"waffles"', "the food 'waffles' of friend Ida is taken (one of Tiny World's dishes)"),
        (
            '"rainbow toast"',
            '"the good plates"',
            "'the good plates' of friend Ida is what Tiny World says in",
        ),
        ('"rainbow toast"', '"toast."', "the food of friend Ida contains the character '.', which could end"),
        ('"rainbow toast"', '"toast [with] jam"', "the food of friend Ida contains the character '['"),
        ('"rainbow toast"', '"""toast\njam"""', r"the food of friend Ida contains the character '\n'"),
        ('"rainbow toast"', '"rainbow  toast"', "the food of friend Ida is 'rainbow  toast': write words, with"),
        ('"rainbow toast"', '"a b c d e"', "the food of friend Ida has 5 words: write at most 4"),
        ('"rainbow toast"', '"rainbowrainbowrainbowrain"', "the food of friend Ida takes 25 bytes"),
        ('"unicorn"', '"a unicorn"', "the kind of friend Ida begins with 'a', which Tiny World adds"),
        ('"unicorn"', '"fox named Pip"', "the kind of friend Ida contains “named”"),
        ('"the ice rink"', '"ice rink"', "place 'ice rink' is neither a name nor begins with “the”"),
        ('"the ice rink"', '"the beach"', "the name 'the beach' of place number 1 is taken (a place in Tiny World)"),
        ('"the ice rink"', '"the beach hut"', "'the beach' is a place in Tiny World, and no entry may"),
        ('"at"', '"to"', "the preposition of place 'the ice rink' is 'to', which is not one of the prepositions"),
        (
            '"lost mittens"',
            '"acorns"',
            "'acorns' in found_there of place 'the ice rink' is taken (found in",
        ),
        ('"lost mittens"', '"ice"', "'ice' in found_there of place 'the ice rink' is not plural, as in “seven ice”"),
        (', "thermos bottles", "bent skates"', "", "place 'the ice rink' has 2 things in found_there: write 3 to 6"),
        ("roof = false", 'roof = "no"', "roof of place 'the ice rink' is 'no': write true or false, without quotes"),
        ('"snow sled"', '"lantern"', "'lantern' in treasures is taken (one of Tiny World's treasures)"),
        ('"snow sled"', '"kaleidoscope"', "'kaleidoscope' in treasures is taken (in treasures"),
        ('"snow sled"', '"kite tail"', "'kite' is one of Tiny World's treasures, and no entry may"),
        ('"snow sled"', '"an abacus"', "'an abacus' in treasures begins with 'an', which Tiny World adds itself"),
        ('"cheese fondue"', '"rainbow toast"', "'rainbow toast' in dishes is taken (Ida's favorite food)"),
        ('"cheese fondue"', "", "dishes is an empty list: add something to it, or delete the line"),
        ('["cheese fondue"]', '"cheese fondue"', "dishes is not a list of texts"),
        ("# fruits", 'fruits = ["kumquat"] #', "'kumquat' in fruits is not plural, as in “seven kumquat”"),
        ("# fruits", 'fruits = ["naps"] #', "'naps' in fruits is what Tiny World says in its place"),
        ("# animals", 'animals = ["arctic fox"] #', "'arctic fox' in animals does not form its plural with an s"),
        ("# jobs", "job = [] #", "[things] has the unknown key 'job': did you mean 'jobs'?"),
    ],
)
def test_a_mistake_is_refused_with_a_sentence(
    old: str, new: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert START.count(old) == 1
    Path("new.toml").write_text(START.replace(old, new), encoding="utf-8")
    assert main(["world", "new.toml"]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith(("error: In new.toml, ", "error: new.toml "))
    assert said.count("\n") == 1


def test_a_file_that_is_empty_not_text_or_missing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("new.toml").write_text("# nothing yet\n")
    assert main(["world", "new.toml"]) == 1
    assert "In new.toml, there is nothing to add: write a [[friend]]" in capsys.readouterr().err
    Path("new.toml").write_bytes(b"\xff\xfe\x00")
    assert main(["world", "new.toml"]) == 1
    assert "new.toml is not UTF-8 text: save it as UTF-8" in capsys.readouterr().err
    assert main(["train", "--data", "gone.toml"]) == 1
    assert "There is no world gone.toml: write one to start from with gpt2-course" in capsys.readouterr().err
    assert not Path("runs/laptop-gone/train_config.json").exists()
    assert main(["world", "new.txt"]) == 1
    assert "must end in .toml, but this is new.txt" in capsys.readouterr().err


# ---- commands --------------------------------------------------------------------------------------------------


def test_the_world_command_writes_a_file_once_and_then_checks_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["world", "my valley.toml"]) == 0
    assert "gpt2-course world 'my valley.toml'" in capsys.readouterr().out
    text = Path("my valley.toml").read_text(encoding="utf-8")
    assert text == starting_file("'my valley.toml'")
    changed = "\ufeff" + text.replace("Ida", "Uma").replace("\n", "\r\n")  # as an editor on Windows may save it
    Path("my valley.toml").write_bytes(changed.encode())
    assert main(["world", "my valley.toml"]) == 0
    output = capsys.readouterr().out
    assert Path("my valley.toml").read_bytes() == changed.encode()
    assert "friend: Uma the unicorn, who lives in a tent by the river" in output
    assert "named Uma" in output
    assert output.endswith("python train.py --data 'my valley.toml'\n")


def test_a_worlds_file_is_a_text_to_train_on() -> None:
    spec = DataSpec.parse("worlds/new.toml:500")
    assert (spec.kind, spec.name, spec.n_documents, spec.folder_name) == ("tiny-world", "worlds/new.toml", 500, "new")
    assert TrainConfig(data="new.toml").folder == Path("runs/laptop-new")
    with pytest.raises(ValueError, match=r"'new.toml:many' needs a positive number of documents after the colon"):
        DataSpec.parse("new.toml:many")
    corpus = find_corpus("new.toml:300")
    world = load_world("new.toml")
    assert [d.text for d in corpus.train] == [d.text for d in islice(documents(0, "train", world), 300)]  # type: ignore[union-attr]


def test_the_few_documents_that_do_not_fit_are_left_out_of_a_users_own_world() -> None:
    tokenizer = Tokenizer.train((d.text for d in islice(documents(0, "train"), 1000)), 1000)
    corpus = find_corpus("new.toml:200")
    lengths = sorted(len(tokenizer.encode(d.text)) for d in corpus.train)  # type: ignore[union-attr]
    context = lengths[-3]
    left = [len(tokenizer.encode(d.text)) for d in corpus.fitting(tokenizer, context).train]  # type: ignore[union-attr]
    assert sorted(left) == [length for length in lengths if length < context]
    assert 190 <= len(left) < 200
    assert corpus.fitting(tokenizer, 50) == corpus
    default = find_corpus("tiny-world:200")
    assert default.fitting(tokenizer, context) == default


TRAIN = ["train", "--n-embd", "16", "--n-layer", "1", "--n-head", "2", "--batch-size", "2", "--sample-tokens", "0"]
TRAIN += ["--report-sequences", "4", "--steps", "2"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A finished run on the starting file's world."""
    monkeypatch.setattr("gpt2_course.data.text.VAL_DOCUMENTS", 30)
    assert main([*TRAIN, "--grade-samples", "1", "--data", "new.toml:1000"]) == 0
    output = capsys.readouterr().out
    assert "Found 1,030 documents that fit into a context of 336 tokens." in output
    assert "How well it knows Tiny World, judged by 1 samples" in output
    assert "The rule that costs it most" in output  # so the rules of this world were found
    return Path("runs/laptop-new")


@pytest.mark.slow
def test_a_run_does_not_depend_on_the_file_after_its_start(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = load_world("new.toml")
    val = list(islice(documents(0, "val", world), 4))
    entry = read_history(run)[-1]
    tokenizer = Tokenizer.load(run)
    n_tokens = sum(len(tokenizer.encode(d.text)) + 1 for d in val)
    assert entry["floor"] == pytest.approx(-sum(d.log_prob for d in val) / n_tokens, abs=1e-6)
    assert (run / "world.toml").read_text(encoding="utf-8") == START

    assert main(["train", "--resume", "--steps", "3", "--data", "new.toml:1000", "--grade-samples", "0"]) == 0
    Path("new.toml").write_text(START.replace("Ida", "Uma"), encoding="utf-8")
    capsys.readouterr()
    for data in ("new.toml:1000", "tiny-world:1000"):
        assert main(["train", "--resume", "--steps", "4", "--data", data, "--out", str(run)]) == 1
        said = capsys.readouterr().err
        assert f"which {data.split(':')[0]} is not or no longer is: resume it with --out {run} and without" in said
    Path("new.toml").unlink()
    assert main(["train", "--resume", "--steps", "4", "--out", str(run), "--grade-samples", "0"]) == 0
    assert len(read_history(run)[-1]["rules"]) > 3

    run.rename("moved")
    assert main(["export", "--model", "moved", "--out", "shared"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "--model", "shared", "--samples", "1", "--by-rule"]) == 0
    own = capsys.readouterr().out
    assert "pure chance (the floor)" in own
    assert "Judged by 1 samples" in own
    assert main(["evaluate", "--model", "shared", "--samples", "0", "--data", "moved/world.toml", "--by-rule"]) == 0
    assert capsys.readouterr().out == own.split("\nJudged")[0]
    assert main(["evaluate", "--model", "shared", "--samples", "0", "--data", "tiny-world", "--by-rule"]) == 0
    assert capsys.readouterr().out != own.split("\nJudged")[0]
    trainer = Trainer.from_config(TrainConfig.load(Path("moved")), resume=True)
    assert trainer.world.additions == world.additions


def test_a_new_run_in_a_folder_forgets_the_world_of_an_unfinished_one(run: Path) -> None:
    (run / "training_state.pt").unlink()
    (run / "model.safetensors").unlink()
    assert main([*TRAIN, "--grade-samples", "0", "--data", "tiny-world:1000", "--out", str(run)]) == 0
    assert not (run / "world.toml").exists()


@pytest.mark.slow
def test_the_judge_of_a_world_rewards_texts_about_its_friends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ["--steps", "1", "--batch-size", "2", "--sample-tokens", "0", "--grade-samples", "0"]
    few += ["--report-sequences", "4"]
    reward = ["train", "--reward", "judge", "--from", "tiny-world", *few]
    assert main([*reward, "--data", "new.toml"]) == 1
    said = capsys.readouterr().err
    assert "tiny-world does not know this world" in said
    assert "start from a model trained with --data new.toml" in said
    monkeypatch.setattr("gpt2_course.training.reward.LOST", 100)
    assert main([*reward, "--data", "new.toml"]) == 0
    run = Path("runs/reward-new")
    Path("new.toml").unlink()
    assert main(["train", "--resume", "--reward", "judge", "--out", str(run), "--steps", "2"]) == 0
    capsys.readouterr()
    start = ["train", "--reward", "judge", "--from", str(run), *few]
    assert main(start) == 1
    assert f"was trained on a world of its own, which the judge should know, too: add --data {run / 'world.toml'}" in (
        capsys.readouterr().err
    )


@pytest.mark.slow
def test_the_readmes_section_on_worlds_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands, with the smallest settings."""
    monkeypatch.setattr("gpt2_course.data.text.VAL_DOCUMENTS", 30)
    Path("new.toml").unlink()
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## A world of your own\n")[1].split("\n## ")[0]
    lines = [line.split("#")[0].split() for line in re.findall(r"^(?:gpt2-course|python) .*", section, re.MULTILINE)]
    assert [line[1] for line in lines] == ["world", "world", "train.py", "generate", "evaluate"]
    for program, command, *arguments in lines:
        if program == "python":
            arguments = [argument.replace("new.toml", "new.toml:1000") for argument in arguments]
            assert main([*TRAIN, "--grade-samples", "0", *arguments]) == 0
        else:
            words = [" ".join(arguments).split('"')[1]] if '"' in " ".join(arguments) else []
            rest = " ".join(arguments).split('"')[-1].split()
            small = {"generate": ["--max-new-tokens", "2"], "evaluate": ["--samples", "1"]}.get(command, [])
            assert main([command, *words, *rest, *small]) == 0

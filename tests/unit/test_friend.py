"""Dialogues about Tiny World, and the model that learns from them to answer."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from gpt2_course import GPT2, TrainConfig, grades
from gpt2_course.cli import main
from gpt2_course.data import DataSpec, find_corpus
from gpt2_course.data.text import as_dialogue
from gpt2_course.dialogue import Dialogue
from gpt2_course.grades import AnswerGrades, grade_answers
from gpt2_course.tiny_world import Document, documents, judge
from gpt2_course.tiny_world.dialogues import (
    NOBODY,
    NOTHING,
    NOWHERE,
    PEOPLE,
    PLACES,
    REFUSALS,
    THINGS,
    about_a_story,
    as_typed,
    dialogues,
    known,
    unknown,
    wish,
)
from gpt2_course.tiny_world.judge import answers_right

LISTED = re.compile(r",\s+")


def some_dialogues(split: str, n: int, seed: int = 0) -> list[Dialogue]:
    found = (as_dialogue(d) for d in dialogues(seed, split) if isinstance(d, list))  # type: ignore[arg-type]
    return list(islice(found, n))


def exchanges(found: list[Dialogue]) -> list[tuple[str, str]]:
    """All questions with their answers."""
    return [(q.content, a.content) for d in found for q, a in zip(d.messages[::2], d.messages[1::2], strict=True)]


def test_the_world_has_none_of_the_strangers_things_and_places() -> None:
    text = " ".join(document.text for document in islice(documents(4, "train"), 4000))
    words = set(re.findall(r"[a-z'’-]+", text.lower()))
    assert not [name for name in PEOPLE.split() if name.lower() in words]
    assert not [thing for thing in LISTED.split(THINGS.strip()) if thing.split()[-1] in words]
    assert not [place for place in LISTED.split(PLACES.strip()) if place.removeprefix("the ") in text]
    for table in (PEOPLE.split(), LISTED.split(THINGS.strip()), LISTED.split(PLACES.strip())):
        assert len(set(table)) == len(table) > 100


def test_strangers_of_validation_never_occur_in_training() -> None:
    random = Random(0)
    train, val = (" ".join(unknown(random, split).question for _ in range(3000)) for split in ("train", "val"))
    for table in (PEOPLE.split(), LISTED.split(THINGS.strip()), LISTED.split(PLACES.strip())):
        in_train, in_val = ({e for e in table if re.search(rf"\b{e}\b", text)} for text in (train, val))
        assert len(in_train) > 60
        assert len(in_val) > 15
        assert not in_train & in_val


def test_each_seed_and_split_has_its_own_endless_stream() -> None:
    first = [d.render() for d in some_dialogues("train", 20)]
    assert first == [d.render() for d in some_dialogues("train", 20)]
    assert len({*first, *(d.render() for d in some_dialogues("train", 20, seed=1))}) > 35
    assert len({*first, *(d.render() for d in some_dialogues("val", 20))}) > 35
    mixed = list(islice(dialogues(0, "train"), 400))
    assert 0.4 < sum(isinstance(d, Document) for d in mixed) / len(mixed) < 0.7
    assert all(judge(d.text).accepted for d in mixed[:60] if isinstance(d, Document))


def test_answers_are_true() -> None:
    random = Random(1)
    for _ in range(300):
        question, answer = known(random)
        assert answers_right(f"Question: {question}\nAnswer: {answer}")
        question, answer = unknown(random, "train")
        assert answer == (
            NOTHING
            if "can you find" in question and question.startswith("Where")
            else NOWHERE
            if question.startswith("What can")
            else NOBODY
        )
    for _ in range(20):
        (first, second), (asked, text) = about_a_story(random), wish(random)
        story, question = first.question.rsplit("\n\n", 1)
        blocks = [f"Question: {q}\nAnswer: {a}" for q, a in ((question, first.answer), second)]
        assert judge("\n\n".join(["Listen well.", story, *blocks])).accepted
        assert judge(text).accepted
        assert asked.endswith(".")


def test_half_of_the_questions_are_asked_as_people_type_them() -> None:
    assert as_typed("Where does Tuck live?") == "where does tuck live"
    assert as_typed("Once upon a time, Pip …\n\nWho lost the Kite?") == "Once upon a time, Pip …\n\nwho lost the kite"
    asked = [question for question, _ in exchanges(some_dialogues("train", 300))]
    assert as_typed("Where does Tuck live?", small=False) == "Where does Tuck live"
    assert as_typed("Where does Tuck live?", bare=False) == "where does tuck live?"
    hurried = [q for q in asked if q[-1].isalpha() or q.rsplit("\n", 1)[-1].islower()]
    assert 0.4 < len(hurried) / len(asked) < 0.6
    assert len({(q[-1].isalpha(), q.rsplit("\n", 1)[-1].islower()) for q in asked}) == 4


def test_dialogues_fit_into_the_context() -> None:
    tokenizer = GPT2.from_pretrained().require_tokenizer()
    cut = [dialogue.encode_pieces(tokenizer, 336) for dialogue in some_dialogues("train", 400)]
    assert sum(n_shortened for _, n_shortened in cut) <= 4
    assert sum(len(pieces) > 1 for pieces, _ in cut) <= 100


def test_wishes_and_stories_also_follow_other_questions() -> None:
    told, wished = set(), set()  # at which questions of a dialogue
    for dialogue in some_dialogues("train", 1000):
        for number, message in enumerate(dialogue.messages[::2]):
            if "\n\n" in message.content:
                told.add(number)
            elif re.match("(tell|sing) ", message.content.lower()):
                wished.add(number)
    assert told == wished == {0, 1, 2, 3}


def test_the_name_of_the_data() -> None:
    assert DataSpec.parse("tiny-world-dialogues:12").kind == "dialogues"
    with pytest.raises(ValueError, match="needs a positive number of documents after the colon"):
        DataSpec.parse("tiny-world-dialogues:x")
    corpus = find_corpus("tiny-world-dialogues:12")
    assert corpus.dialogues
    assert len(list(corpus.train)) == 12
    assert TrainConfig.for_preset("friend").start == "tiny-world"


def test_grades_of_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that knows everything gets the best grades, and one that refuses everything is found out."""
    model = GPT2.from_pretrained()
    stories = [d.text for d in islice((d for d in documents(2, "val") if d.kind == "story"), 6)]
    asked: dict[str, str] = {}
    for name in ("known", "about_a_story"):
        original = getattr(grades, name)

        def recorded(random: Random, original: object = original) -> object:
            found = original(random)  # type: ignore[operator]
            question, answer = found if isinstance(found, tuple) else found[0]
            asked[question] = asked[as_typed(question)] = answer
            return found

        monkeypatch.setattr(grades, name, recorded)

    def perfect(_: GPT2, prompts: list[str], temperature: float, seed: int, stop: tuple[str, ...]) -> list[str]:
        if not stop:
            return stories
        questions = [p.removeprefix("User: ").removesuffix("\nAssistant:").replace("\n  ", "\n") for p in prompts]
        return [f"{p} {asked.get(q, NOBODY)}" for p, q in zip(prompts, questions, strict=True)]

    monkeypatch.setattr(grades, "_write", perfect)
    assert grade_answers(model, 6) == AnswerGrades(6, 1.0, 1.0, 1.0, 0.0, 1.0)
    monkeypatch.setattr(grades, "_write", lambda m, prompts, *_: [f"{prompt} {REFUSALS[0]}" for prompt in prompts])
    assert grade_answers(model, 6) == AnswerGrades(6, 0.0, 0.0, 1.0, 1.0, 0.0)


def test_train_talk_and_evaluate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "friend"
    few = "--steps 2 --data tiny-world-dialogues:40 --batch-size 2 --grade-samples 2 --report-sequences 4"
    assert main(["train", "--preset", "friend", "--out", str(folder), *few.split()]) == 0
    out = capsys.readouterr().out
    assert "says it does not know what is not in the world" in out
    assert "Talk with it:" in out
    answers = iter(["Where does Tuck live?", "/quit"])
    monkeypatch.setattr("builtins.input", lambda *_: next(answers))
    assert main(["chat", "--model", str(folder), "--max-new-tokens", "8"]) == 0
    assert main(["evaluate", "--model", str(folder), "--data", "tiny-world-dialogues:4", "--samples", "2"]) == 0
    assert "right answers about a story just told" in capsys.readouterr().out

"""The model that ships with the package: its size, its quality, and the files beside it."""

from __future__ import annotations

import json
from itertools import combinations, product

import pytest

from gpt2_course import GPT2
from gpt2_course.grades import Grades
from gpt2_course.introspection import activations
from gpt2_course.sources import SHIPPED
from gpt2_course.tiny_world import judge

FOLDER = SHIPPED["tiny-world"]


@pytest.fixture(scope="module")
def model() -> GPT2:
    return GPT2.from_pretrained()


def test_it_is_small(model: GPT2) -> None:
    assert model.num_parameters() <= 4_000_000
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 8_000_000


def test_its_history_and_settings_ship_with_it() -> None:
    config = json.loads((FOLDER / "train_config.json").read_text())
    reports = [json.loads(line) for line in (FOLDER / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    reports = [entry for entry in reports if "val_loss" in entry]
    assert config["preset"] == "story"
    assert reports[0]["step"] == 0
    assert reports[-1]["step"] == config["steps"]
    assert all(entry["sample"] for entry in reports)


def test_it_tells_stories_that_the_judge_accepts(model: GPT2) -> None:
    stories = model.generate(["Once upon a time,"] * 20, max_new_tokens=320, temperature=0.8, seed=3)
    assert sum(judge(story).accepted for story in stories) >= 17


def test_it_knows_its_world(model: GPT2) -> None:
    answer = model.generate("Question: What does Pip the fox like to eat?\nAnswer:", max_new_tokens=8, temperature=0)
    assert "Pip loves plum cake." in answer


def test_the_heads_that_chapter_12_names_as_the_smallest_group_that_knows_pip(model: GPT2) -> None:
    tokenizer = model.require_tokenizer()
    ids, pip = tokenizer.encode("Once upon a time, a fox named Pip lost a red kite."), tokenizer.encode(" Pip")[0]

    def chance(off: tuple[tuple[int, int], ...]) -> float:
        return activations(model, ids, without=off)["logits", None][-1].softmax(-1)[pip].item()

    pairs = combinations(product(range(6), range(6)), 2)
    assert min(map(chance, pairs)) > 0.03
    for others in combinations([(3, 0), (4, 1), (5, 4)], 2):
        assert chance(((4, 3), *others)) < 0.015


def test_its_readme_shows_its_grades() -> None:
    grades = Grades(**json.loads((FOLDER / "grades.json").read_text()))
    assert grades.table() in (FOLDER / "README.md").read_text(encoding="utf-8")

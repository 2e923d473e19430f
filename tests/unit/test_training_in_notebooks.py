"""The training lab in a notebook: PyTorch trains a model and answers the lab's calls."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from gpt2_course import GPT2
from gpt2_course.labs import TrainingLab, training
from gpt2_course.labs.lab import STATIC
from gpt2_course.labs.training import SIZES, TrainingKernel

WANTED = {"corner": "questions", "text": "", "size": "small", "rate": 0.015}
STEPS = 12


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> TrainingKernel:
    monkeypatch.setitem(SIZES, "small", {**SIZES["small"], "tokens": 300, "steps": STEPS})
    monkeypatch.setattr(training, "TEXTS_JUDGED", 3)
    return TrainingLab().kernel


def train(kernel: TrainingKernel, wanted: dict[str, Any] | None, stop_after: int = STEPS) -> list[dict[str, Any]]:
    """The parts of a call of `train` that is canceled after some steps, each as JSON would carry it."""
    parts: list[dict[str, Any]] = []

    def steps() -> int:
        return sum("step" in part for part in parts)

    done = kernel.answer(
        "train",
        {"wanted": wanted},
        lambda part: parts.append(json.loads(json.dumps(part))),
        lambda: steps() >= stop_after,
    )
    assert done == {"isKept": True}
    return parts


def test_a_model_learns_pauses_and_goes_on(
    kernel: TrainingKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert kernel.answer("training", {}, print, lambda: False)["progress"] is None  # type: ignore[call-overload]
    first, *parts = train(kernel, WANTED, 7)
    assert (first["progress"]["step"], first["progress"]["steps"]) == (0, STEPS)
    reports = [part["report"] for part in parts if "report" in part]
    assert reports[0]["loss"] == pytest.approx(6.64, abs=0.2)  # ln(768)
    assert sum(reports[0]["rules"].values()) == pytest.approx(reports[0]["loss"] - first["progress"]["floor"], abs=1e-4)
    assert reports[0]["verdict"]["accepted"] is False
    kernel.answer("set_rate", {"rate": 0.01}, print, lambda: False)
    again, *more = train(kernel, None)
    assert (again["progress"]["step"], again["progress"]["wanted"]["rate"]) == (7, 0.01)
    assert [part["step"] for part in more if "step" in part] == list(range(8, STEPS + 1))
    assert more[-1]["report"]["step"] == STEPS
    assert more[-1]["report"]["loss"] < reports[0]["loss"] - 0.5
    assert len(more[-1]["verdicts"]) == 3
    folders = [kernel.answer("trained_model", {"packed": True}, print, lambda: False)["folder"] for _ in range(2)]  # type: ignore[call-overload]
    assert folders == ["my_gpt2", "my_gpt2-2"]
    assert GPT2.from_pretrained("my_gpt2").num_parameters() == again["progress"]["parameters"]
    kernel.answer("forget_training", {}, print, lambda: False)
    with pytest.raises(ValueError, match="start a new one"):
        train(kernel, None)


def test_a_new_call_takes_over_from_the_one_before(kernel: TrainingKernel) -> None:
    begun, ended = threading.Event(), threading.Event()

    def first() -> None:
        kernel.answer("train", {"wanted": WANTED}, lambda part: begun.set(), lambda: False)
        ended.set()

    threading.Thread(target=first).start()
    assert begun.wait(60)
    train(kernel, None, 1)
    assert ended.wait(60)


def test_the_lab_answers_while_it_trains(kernel: TrainingKernel) -> None:
    lab = TrainingLab()
    sent: list[dict[str, Any]] = []
    trained, answered = threading.Event(), threading.Event()

    def send(content: dict[str, Any], buffers: Any = None) -> None:
        sent.append(content)
        if "step" in content.get("part", {}) and not answered.is_set():
            lab._hear(None, {"id": 2, "call": "set_rate", "rate": 0.02}, None)
            answered.wait(60)
        if content["id"] == 2:
            answered.set()
        if content["id"] == 1 and "part" not in content:
            trained.set()

    lab.send = send  # type: ignore[method-assign]
    lab._hear(None, {"id": 1, "call": "train", "wanted": WANTED}, None)
    assert trained.wait(120)
    assert {"id": 2, "done": None} in sent
    assert sent[-1] == {"id": 1, "done": {"isKept": True}}
    assert lab.trained is not None
    assert lab.kernel.session is not None
    assert lab.kernel.session.progress["wanted"]["rate"] == 0.02


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text": " "}, "The text is empty: paste a text of 2,000 to 3,000,000 characters."),
        ({"text": "To be"}, "Your text has 5 characters, which is too short: paste a text of 2,000"),
        ({"text": "a " * 2_000_000}, "Your text has 3,999,999 characters, which is too long: paste a text of 2,000"),
        ({"text": "é" * 3000}, "The last tenth of this text is too short to test a model on: paste a longer text."),
        ({"rate": 0}, "The learning rate must be above 0 and at most 1, but is 0."),
    ],
)
def test_what_cannot_be_learned_is_refused_in_a_sentence(
    kernel: TrainingKernel, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        train(kernel, {**WANTED, "corner": "", **changes})


def test_an_own_text_has_no_floor(kernel: TrainingKernel) -> None:
    text = " ".join(f"{n} geese fly over the house." for n in range(300))
    first, *parts = train(kernel, {**WANTED, "corner": "", "text": text}, 2)
    assert first["progress"]["floor"] is None
    report = parts[0]["report"]
    assert (report["rules"], report["verdict"]) == ({}, None)


def test_the_page_and_the_notebook_train_alike() -> None:
    session, data = ((STATIC / f"training_{name}.mjs").read_text(encoding="utf-8") for name in ("session", "data"))
    for name, size in re.findall(r"^  (\w+): \{ (n_embd: .*) \},$", session, re.MULTILINE):
        assert {key: int(value) for key, value in re.findall(r"(\w+): (\d+)", size)} == SIZES[name]
    numbers = {**dict(zip(("REPORTS",), re.findall(r"const REPORTS = (\d+)", session), strict=True))}
    for names, values in re.findall(r"const \[([A-Z_, ]+)\] = \[([\d_, ]+)\]", session + data):
        numbers |= dict(zip(names.split(", "), values.split(", "), strict=True))
    numbers |= dict(re.findall(r"const (WINDOW|MOST_TO_LEARN) = ([\d_]+)", data))
    assert len(numbers) == 14
    for name, value in numbers.items():
        assert getattr(training, name) == int(value), name

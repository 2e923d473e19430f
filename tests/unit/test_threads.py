"""Training chooses the number of threads by the duration of its steps. No test here depends on the clock."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gpt2_course import GPT2, GPT2Config, TrainConfig, Trainer
from gpt2_course.data import TokenStream
from gpt2_course.training.distributed import Distributed
from gpt2_course.training.threads import AGAIN, STEPS, SideBySide, ThreadChoice

ROOT = Path(__file__).resolve().parents[2]
MANY = 1_000_000  # steps left
SHAPE = GPT2Config(300, 32, 32, 1, 2, resid_pdrop=0.1)


def steps_until_due(choice: ThreadChoice, seconds: float, most: int = 1000) -> int:
    """The number of steps of this duration before a measurement is due, or `most` if none is."""
    return next((n for n in range(1, most) if choice.due(seconds, MANY)), most)


def test_an_idle_machine_keeps_all_threads_after_two_measurements() -> None:
    choice = ThreadChoice(2)
    assert choice.options == [2, 1]
    assert steps_until_due(choice, 0.1) == STEPS
    assert choice.choose({2: 1.0, 1: 1.8}) == 2
    assert steps_until_due(choice, 0.1) == AGAIN
    assert choice.choose({2: 1.0, 1: 1.8}) == 2
    assert steps_until_due(choice, 0.1) == 1000


def test_slow_steps_lead_to_fewer_threads_and_an_idle_machine_back_to_all() -> None:
    choice = ThreadChoice(2)
    for _ in range(2):
        steps_until_due(choice, 0.1)
        choice.choose({2: 1.0, 1: 1.8})
    assert steps_until_due(choice, 0.1) == 1000
    assert steps_until_due(choice, 0.4) <= STEPS  # another program has started
    assert choice.choose({2: 4.0, 1: 1.9}) == 1
    assert steps_until_due(choice, 0.2) == AGAIN  # to see whether the other program still runs
    assert choice.choose({2: 4.0, 1: 1.9}) == 1
    assert steps_until_due(choice, 0.2) == AGAIN
    assert choice.choose({2: 1.0, 1: 1.8}) == 2


def test_a_single_hiccup_among_long_steps_triggers_no_measurement() -> None:
    choice = ThreadChoice(2)
    for _ in range(2):
        steps_until_due(choice, 1.0)
        choice.choose({2: 1.0, 1: 1.8})
    assert steps_until_due(choice, 1.0, 50) == 50
    assert not choice.due(5.0, MANY)
    assert steps_until_due(choice, 1.0) == 1000


def test_fewer_threads_must_be_clearly_faster() -> None:
    assert ThreadChoice(2).choose({2: 1.0, 1: 0.9}) == 2
    assert ThreadChoice(2).choose({2: 1.0, 1: 0.7}) == 1
    choice = ThreadChoice(8)
    assert choice.options == [8, 7, 4, 1]
    assert choice.choose({8: 3.0, 7: 1.2, 4: 1.5, 1: 6.0}) == 7


@pytest.mark.parametrize(("most", "steps_left", "seconds"), [(1, MANY, 10.0), (2, 50, 0.1)])
def test_a_single_thread_or_a_short_run_is_never_measured(most: int, steps_left: int, seconds: float) -> None:
    choice = ThreadChoice(most)
    assert not any(choice.due(seconds, steps_left) for _ in range(1000))


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    torch.manual_seed(0)
    tokens = TokenStream([np.arange(2000, dtype=np.uint16) % 300], 300)
    config = TrainConfig(model=SHAPE, context=32, batch_size=2, steps=12, report_sequences=1)
    return Trainer(GPT2(SHAPE), tokens, tokens, config)


def test_training_uses_the_chosen_number_and_restores_the_old_one(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    monkeypatch.setattr(ThreadChoice, "due", lambda self, seconds, steps_left: steps_left == 5)
    monkeypatch.setattr(ThreadChoice, "choose", lambda self, seconds: 1)
    trainer.train(verbose=False)
    assert taken[-2:] == [1, 2]
    assert set(taken) == {1, 2}


def test_measuring_changes_no_weight_and_no_random_choice(trainer: Trainer) -> None:
    twin = Trainer(GPT2(SHAPE), trainer.train_data, trainer.val_data, trainer.config)
    twin.model.load_state_dict(trainer.model.state_dict())
    for _ in range(3):
        trainer.train_step()
        assert sorted(trainer._time_threads([1, 1])) == [1]
        twin.train_step()
    for ours, theirs in zip(trainer.model.parameters(), twin.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_a_number_set_by_the_user_is_kept(trainer: Trainer, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert trainer._max_threads() == 2
    monkeypatch.setenv(name, "2")
    assert trainer._max_threads() == 1


@pytest.mark.parametrize(("name", "value"), [("compiled", True), ("distributed", Distributed(0, 2))])
def test_compiled_models_and_several_processes_keep_their_threads(trainer: Trainer, name: str, value: object) -> None:
    setattr(trainer, name, value)
    assert trainer._max_threads() == 1


@pytest.mark.parametrize(
    ("program", "set_before", "expected"),
    [
        ("import gpt2_course", {}, [None, "1000"]),
        ("import gpt2_course", {"GOMP_SPINCOUNT": "7"}, [None, "7"]),
        ("import gpt2_course", {"OMP_WAIT_POLICY": "ACTIVE"}, ["ACTIVE", None]),
        ("import runpy; runpy.run_path('train.py')", {}, ["PASSIVE", None]),
        ("import runpy; runpy.run_path('train.py')", {"OMP_WAIT_POLICY": "ACTIVE"}, ["ACTIVE", None]),
    ],
)
def test_waiting_threads_soon_sleep_unless_set_otherwise(
    program: str, set_before: dict[str, str], expected: list[str | None]
) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    script = (
        f"import sys, os; sys.modules['torch'] = None\n"  # PyTorch must not be imported before the variables are set
        f"try:\n    {program}\n"
        f"except ImportError:\n    print([os.environ.get(name) for name in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment | set_before | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(expected)


# ---- rows side by side ---------------------------------------------------------------------------------------------


def test_rows_side_by_side_have_the_gradients_of_the_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = GPT2(GPT2Config(300, 32, 32, 1, 2, 0.0, 0.0, 0.0))
    rows = torch.randint(300, (5, 33))

    def loss(part: Tensor) -> Tensor:
        return model(part[:, :-1], part[:, 1:]) * (len(part) / len(rows))

    loss(rows).backward()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    found = []
    before = torch.get_num_threads()
    for n_threads in (2, 3, 3, 8):
        model.zero_grad()
        torch.set_num_threads(n_threads)
        mean = SideBySide(model.parameters()).backward(loss, rows)
        assert torch.get_num_threads() == n_threads
        torch.testing.assert_close(mean, loss(rows).detach())
        found.append({name: parameter.grad for name, parameter in model.named_parameters()})
        for name, gradient in found[-1].items():
            torch.testing.assert_close(gradient, expected[name], msg=name)
    torch.set_num_threads(before)
    assert all(torch.equal(found[1][name], found[2][name]) for name in expected)  # the same threads, the same bits
    SideBySide(model.parameters()).backward(loss, rows)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, 2 * expected[name], msg=name)  # gradients add up


def test_rows_are_computed_side_by_side_unless_there_is_dropout(trainer: Trainer) -> None:
    assert trainer._side_by_side is None
    model = GPT2(GPT2Config(300, 32, 32, 1, 2, 0.0, 0.0, 0.0))
    assert Trainer(model, trainer.train_data, trainer.val_data, trainer.config)._side_by_side is not None

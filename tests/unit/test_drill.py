"""Drills: right answers of every kind, and what is said about wrong ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gpt2_course.exercises import drill

TABLE = torch.tensor([[1.0, 2.0], [3.0, 4.0]])


def said(capsys: pytest.CaptureFixture[str], wanted: Any, *yours: Any) -> str:
    drill(7, wanted, *yours)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("wanted", "yours"),
    [
        (TABLE.shape, (2, 2)),
        (TABLE.shape, TABLE.T.shape),
        (TABLE.shape, [2, 2]),
        ("a b", "a b"),
        ([1, 2], [1, 2]),
        ({"a": 1}, {"a": 1}),
        (0.1 + 0.2, 0.3),
        (TABLE, TABLE + 1e-9),
        (TABLE[0, 0], 1.0),
        ([("a", 1)], [("a", 1)]),
    ],
)
def test_a_right_answer(wanted: Any, yours: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, wanted, yours) == "✓ 7\n"


@pytest.mark.parametrize(
    ("wanted", "yours", "hint"),
    [
        (torch.zeros(2, 3).shape, (3, 2), "the right sizes in the wrong order"),
        (torch.zeros(2, 3).shape, (2,), "this has 2 dimensions, but yours has 1"),
        (torch.zeros(3).shape, (3, 1), "this has 1 dimension, but yours has 2"),
        (torch.zeros(2, 3).shape, (2, 4), "dimension 1 does not have the size 4"),
        (torch.zeros(2, 3).shape, 6, "a shape is a tuple such as (2, 3), but yours has type int"),
        (TABLE, TABLE[:1], "dimension 0 does not have the size 1"),
        (TABLE, TABLE.T, "the right shape, but other numbers"),
        (TABLE.shape, [[3], [12]], "these are numbers of the tensor: give its shape, a tuple such as (2, 3)"),
        (TABLE.shape, (3.0, 7.0), "these are numbers of the tensor: give its shape, a tuple such as (2, 3)"),
        (5, 4, "4 is too small"),
        (5, 6.5, "6.5 is too large"),
        (True, 1, "this has type bool, but yours has type int"),
        ("5", 5, "this has type str, but yours has type int"),
        ([1, 2], [1], "this has length 2, but yours has 1"),
        ("lost", "list", "right up to index 1, where 'i' is wrong"),
        ([1, (2, 3)], [1, (2, 4)], "right up to index 1, where (2, 4) is wrong"),
        ({"a": 1}, {"a": 2}, "not yet: print the parts of the line one by one"),
    ],
)
def test_a_wrong_answer_gets_a_hint(wanted: Any, yours: Any, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, wanted, yours) == f"✗ 7: {hint}\n"


def test_no_answer_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, 1) == said(capsys, 1, ...) == "… 7: replace the dots with your answer\n"

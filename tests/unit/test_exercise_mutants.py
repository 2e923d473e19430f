"""Mechanical mistakes in the solutions are rejected, and most of them are named (`mutants.py` prints them)."""

from __future__ import annotations

import pytest
from mutants import judged, table

from gpt2_course.exercises.registry import EXERCISES

# Wrong answers that are accepted, and why: number → {the changed lines: the reason}
ACCEPTED: dict[str, dict[str, str]] = {}
REJECTED_SHARE, NAMED_SHARE = 0.95, 0.70


def test_the_exceptions_are_exercises() -> None:
    assert set(EXERCISES) >= set(ACCEPTED)
    assert all(reason for reasons in ACCEPTED.values() for reason in reasons.values())


@pytest.mark.parametrize("number", EXERCISES)
def test_every_mistake_is_rejected_but_for_the_listed_ones(number: str) -> None:
    assert judged(number).rejected, "no mistake was tried"
    assert set(judged(number).accepted) == set(ACCEPTED.get(number, {}))


@pytest.mark.parametrize("number", EXERCISES)
def test_no_check_fails_at_a_mistake(number: str) -> None:
    assert [text for text in judged(number).unnamed.values() if "cannot be compared" in text] == []


def test_most_mistakes_are_rejected_and_named() -> None:
    print("\n".join(("", *table(EXERCISES))))
    all_of_them = [judged(number) for number in EXERCISES]
    rejected = sum(j.rejected for j in all_of_them)
    accepted = sum(len(j.accepted) for j in all_of_them)
    named = sum(len(j.named) for j in all_of_them)
    assert rejected / (rejected + accepted) >= REJECTED_SHARE
    assert named / rejected >= NAMED_SHARE
    stopped = sum(j.stopped for j in all_of_them)  # named by their errors
    assert (named - stopped) / (rejected - stopped) >= NAMED_SHARE

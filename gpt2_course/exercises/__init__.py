"""Exercises that say what is wrong, not just that it is: `check("1.1", your_function)`."""

from gpt2_course.exercises import (
    chapter_01,
    chapter_02,
    chapter_03,
    chapter_04,
    chapter_05,
    chapter_06,
    chapter_07,
    chapter_08,
    chapter_09,
    chapter_10,
    chapter_11,
    chapter_12,
    chapter_13,
    chapter_14,
    chapter_15,
)
from gpt2_course.exercises.check import check
from gpt2_course.exercises.progress import progress
from gpt2_course.exercises.quiz import quiz

__all__ = [
    "chapter_01",
    "chapter_02",
    "chapter_03",
    "chapter_04",
    "chapter_05",
    "chapter_06",
    "chapter_07",
    "chapter_08",
    "chapter_09",
    "chapter_10",
    "chapter_11",
    "chapter_12",
    "chapter_13",
    "chapter_14",
    "chapter_15",
    "check",
    "progress",
    "quiz",
]

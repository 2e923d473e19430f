"""Concept drawings: ideas of the course as pictures, made by code, with numbers that were computed."""

from __future__ import annotations

from gpt2_course.drawings import attention, brain, friend, further, judging, learning, start, whole, writing
from gpt2_course.drawings.entries import ENTRIES, Drawing

__all__ = ["Drawing", "drawing"]

MODULES = (
    start,
    attention,
    brain,
    learning,
    writing,
    friend,
    judging,
    further,
    whole,
)  # importing a module registers its drawings


def drawing(name: str) -> Drawing:
    """The concept drawing with this name; a notebook shows it.

    Raises:
        ValueError: there is no such drawing.
    """
    if name not in ENTRIES:
        raise ValueError(f"There is no drawing {name!r}; there are {', '.join(sorted(ENTRIES))}.")
    return ENTRIES[name].make()

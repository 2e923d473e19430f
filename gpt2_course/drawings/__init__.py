"""Concept drawings: ideas of the course as pictures, made by code, with numbers that were computed."""

from __future__ import annotations

from gpt2_course.drawings import attention, start
from gpt2_course.drawings.kit import ENTRIES, Drawing

__all__ = ["Drawing", "drawing"]

MODULES = (start, attention)  # importing a module registers its drawings


def drawing(name: str) -> Drawing:
    """The concept drawing with this name; a notebook shows it.

    Raises:
        ValueError: there is no such drawing.
    """
    if name not in ENTRIES:
        raise ValueError(f"There is no drawing {name!r}; there are {', '.join(sorted(ENTRIES))}.")
    return ENTRIES[name].make()

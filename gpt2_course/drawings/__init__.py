"""Concept drawings: ideas of the course as pictures, made by code, with numbers that were computed.

`kit.py` draws, `entries.py` is the table of drawings, and the other modules hold the drawings of a few chapters each.
"""

from __future__ import annotations

import torch

from gpt2_course.drawings import attention, brain, friend, further, judging, learning, start, whole, writing
from gpt2_course.drawings.entries import ENTRIES, Drawing

__all__ = ["drawing"]

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
    with torch.random.fork_rng(devices=[]):  # what a chapter draws at random does not depend on its drawings
        return ENTRIES[name].make()

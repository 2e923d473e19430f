"""How long to wait before something counts as hung: longer on a slow or busy computer. Used by all tests."""

from __future__ import annotations

import hashlib
import os
from math import ceil
from time import perf_counter

QUIET = 0.2  # seconds that the work below takes on one core of a quiet laptop
CELL = 900  # seconds that no cell of a notebook needs on a quiet laptop
VARIABLE = "GPT2_COURSE_SLOWNESS"  # hands what was measured on to other processes


def slowness() -> float:
    """How many times as long as a quiet laptop this computer takes, at least 1; measured once."""
    if VARIABLE not in os.environ:
        began = perf_counter()
        digest = b""
        for _ in range(600_000):
            digest = hashlib.sha256(digest).digest()
        os.environ[VARIABLE] = str(max(1.0, (perf_counter() - began) / QUIET))
    return float(os.environ[VARIABLE])


def patience(seconds: float) -> int:
    """The time limit, in seconds, for what takes much less than `seconds` on a quiet laptop."""
    return ceil(seconds * slowness())

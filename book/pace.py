"""Time limits for what may hang, longer on a slow or busy computer. Used by all tests."""

from __future__ import annotations

import hashlib
import os
from math import ceil
from time import perf_counter

QUIET = 0.2  # seconds for the work below on one core of an idle laptop
CELL = 900  # seconds; far more than any notebook cell needs on an idle laptop
VARIABLE = "GPT2_COURSE_SLOWNESS"  # passes the measurement on to other processes


def slowness() -> float:
    """How much slower than an idle laptop this computer is, as a factor of at least 1; measured once."""
    if VARIABLE not in os.environ:
        began = perf_counter()
        digest = b""
        for _ in range(600_000):
            digest = hashlib.sha256(digest).digest()
        os.environ[VARIABLE] = str(max(1.0, (perf_counter() - began) / QUIET))
    return float(os.environ[VARIABLE])


def patience(seconds: float) -> int:
    """The time limit in seconds for something that takes much less than `seconds` on an idle laptop."""
    return ceil(seconds * slowness())

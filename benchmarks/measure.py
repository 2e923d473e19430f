"""How two things are timed against each other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

ROOT = Path(__file__).resolve().parent.parent
SHAKESPEARE = ROOT.parent / "shared" / "data" / "tinyshakespeare.txt"


@dataclass(frozen=True)
class Row:
    """One line of the table. `ratio` is ours by theirs; `reach` says what it has to be, such as "≥ 5"."""

    what: str
    against: str
    ours: float
    theirs: float
    unit: str
    ratio: float
    reach: str

    @property
    def reached(self) -> bool:
        sign, bound = self.reach.split()[:2]
        return self.ratio >= float(bound) if sign == "≥" else self.ratio <= float(bound)


def seconds(action: Callable[[], object]) -> float:
    began = perf_counter()
    action()
    return perf_counter() - began


def side_by_side(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 7
) -> tuple[float, float, float]:
    """Median seconds of both, and the median of the ratios, measured in turn after a warm-up: A B, A B, …

    Turns share whatever else the machine is doing, so their ratio holds where single times drift.
    """
    ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)


def peak_memory() -> float:
    """The most memory this process has had so far, in MB, Python and libraries included (Linux).

    Not `getrusage`: what it says of a process begins with the memory of the one that started it.
    """
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1000


def in_new_process(module: str, *arguments: str) -> dict[str, float]:
    """What `python -m module arguments` prints, as JSON: for what must not share a process, such as peak memory."""
    command = [sys.executable, "-m", module, *arguments]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result

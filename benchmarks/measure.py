"""Timing two things against each other, and measuring memory."""

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
    """One row of the table. `ratio` is ours / theirs, and `goal` is what it should be, such as "≥ 5"."""

    what: str
    compared_with: str
    ours: float
    theirs: float
    unit: str
    ratio: float
    goal: str

    @property
    def goal_met(self) -> bool:
        sign, bound = self.goal.split()[:2]
        return self.ratio >= float(bound) if sign == "≥" else self.ratio <= float(bound)


def seconds(action: Callable[[], object]) -> float:
    began = perf_counter()
    action()
    return perf_counter() - began


def side_by_side(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 7
) -> tuple[float, float, float]:
    """Median seconds of both, and the median of their ratios; after a warm-up, they take turns: A B, A B, …

    Both sides of a turn share whatever else the machine is doing, so their ratio is steadier than single times.
    """
    ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)


def peak_memory() -> float:
    """The peak memory of this process so far in MB, including Python and libraries (Linux only).

    `getrusage` will not do, because its peak includes the parent process's memory at the start.
    """
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1000


def in_new_process(module: str, *arguments: str) -> dict[str, float]:
    """Run `python -m module arguments` and parse the JSON in its last line, to measure in a process of its own."""
    command = [sys.executable, "-m", module, *arguments]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result

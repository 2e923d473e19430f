"""Seconds to import the package, compared with torch alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

from benchmarks.measure import ROOT, Row, side_by_side


def run(code: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def rows() -> Iterator[Row]:
    ours, theirs, _ = side_by_side(run("import gpt2_course"), run("import torch"), 9)
    yield Row(
        "import gpt2_course, extra seconds", "import torch", ours, theirs, "s", ours - theirs, "≤ 0.1 (difference)"
    )


BENCHMARKS: list[Callable[[], Iterator[Row]]] = [rows]

"""Run all benchmarks and write results.md: `python -m benchmarks`. With names of groups, only print their rows."""

from __future__ import annotations

import os
import platform
import sys
from datetime import date
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import torch
import transformers

from benchmarks.measure import SHAKESPEARE, Row

GROUPS = ("startup", "text", "generation", "training", "labs")
HEADER = "| measurement | ours | theirs | ratio | goal | compared with |\n|---|---|---|---|---|---|"


def table_line(row: Row) -> str:
    mark = "" if row.goal_met else " **missed**"
    figures = f"{row.ours:,.4g} {row.unit} | {row.theirs:,.4g} {row.unit} | {row.ratio:.2f}"
    return f"| {row.what} | {figures} | {row.goal}{mark} | {row.compared_with} |"


def main(names: list[str]) -> int:
    for name in names:
        if name not in GROUPS:
            print(f"There is no benchmark group {name!r}: choose from {', '.join(GROUPS)}.", file=sys.stderr)
            return 2
    if not SHAKESPEARE.exists():
        print(
            f"The benchmarks need {SHAKESPEARE.name}, but it is missing: put it in ../shared/data.",
            file=sys.stderr,
        )
        return 1
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    print(HEADER)
    lines = []
    for name in names or GROUPS:
        for benchmark in import_module(f"benchmarks.{name}").BENCHMARKS:
            for row in benchmark():
                lines.append(table_line(row))
                print(lines[-1], flush=True)
    if not names:
        libraries = ", ".join(f"{n} {version(n)}" for n in ("torch", "transformers", "tokenizers", "tiktoken", "numpy"))
        text = (
            f"# Benchmarks, side by side\n\nMeasured by `make bench` on {date.today()}: {os.cpu_count()} cores, "
            f"{platform.machine()}, {torch.get_num_threads()} threads, Python {platform.python_version()}, "
            f"{libraries}. The two sides of each pair take turns within one run. The table shows medians, and the "
            f"median of the ratios ours / theirs. Shapes such as 6×6×192 are layers × heads × width.\n\n{HEADER}\n"
        )
        Path(__file__).with_name("results.md").write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Shared by tests and notebooks: the order in which files run, and a report of slow notebooks.

No test depends on the clock. Time limits only stop what hangs, and `book.pace` extends them on slow computers.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from book.pace import CELL, patience, slowness

SLOW = 240  # report notebooks that take more seconds than this
# The longest files run first; started last, one of them would leave the other processes idle at the end.
LONGEST = [
    "test_distributed.py",
    "14_judge.ipynb",
    "test_labs_in_the_book.py",
    "test_training.py",
    "test_finetune.py",
    "16_bigger.ipynb",
    "15_limits.ipynb",
    "13_answering.ipynb",
    "test_adding.py",
    "test_hf_stream.py",
    "test_seeing.py",
    "test_engine.py",
    "12_looking_inside.ipynb",
    "11_playground.ipynb",
]

_used: Counter[str] = Counter()  # seconds by notebook


def pytest_configure(config: pytest.Config) -> None:
    slowness()  # measured before other processes start, which inherit the result
    config.option.nbval_cell_timeout = patience(CELL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    file = Path(report.nodeid.split("::")[0])
    if file.suffix == ".ipynb" and report.when == "call":
        _used[file.stem] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, seconds in _used.most_common():
        if seconds > SLOW:
            terminalreporter.write_line(f"slow: {name} {seconds:.0f} s")

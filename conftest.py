"""What tests and notebooks share: their order, and a report of the notebooks that took long.

No test depends on the clock. Limits of time only end what hangs, and `book.pace` makes them longer where all is slow.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from book.pace import CELL, patience, slowness

SLOW = 240  # seconds after which a notebook is reported
# The files that take longest come first, so that no process is left alone with one of them at the end.
LONGEST = [
    "08_training.ipynb",
    "test_distributed.py",
    "12_answering.ipynb",
    "test_labs_in_the_book.py",
    "test_training.py",
    "14_bigger.ipynb",
    "13_limits.ipynb",
    "test_adding.py",
    "test_hf_stream.py",
    "test_seeing.py",
    "test_engine.py",
    "11_looking_inside.ipynb",
    "10_playground.ipynb",
]

_used: Counter[str] = Counter()  # seconds, by notebook


def pytest_configure(config: pytest.Config) -> None:
    slowness()  # before other processes begin, which are told what was measured
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

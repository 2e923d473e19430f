"""Fixtures shared by the tests of the package."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from locking import HOLD, command


@pytest.fixture
def hold() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Start processes that reserve a folder until they are killed or their input ends."""
    processes = []

    def start(folder: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(command(HOLD, folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "reserved\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()

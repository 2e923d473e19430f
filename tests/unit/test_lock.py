"""No two processes write to one folder, and one that has died keeps none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from locking import command

from book.pace import patience
from gpt2_course.lock import LOCK, reserving

COUNT = """
number = folder.parent / "number"
times = 100
while times:
    try:
        with lock.reserving(folder):
            number.write_text(str(int(number.read_text()) + 1))
            times -= 1
    except BlockingIOError:
        time.sleep(0.0002)
"""


def test_a_second_process_is_told_which_one_has_the_folder(
    hold: Callable[[Path], subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = hold(tmp_path / "run")
    message = rf"run is in use by process {process.pid}: wait until it ends, or give another folder with --out\."
    with pytest.raises(BlockingIOError, match=message), reserving(tmp_path / "run"):
        raise AssertionError("two have reserved it")
    process.communicate()  # it ends
    with reserving(tmp_path / "run"):
        assert (tmp_path / "run" / LOCK).exists()


def test_a_process_that_was_killed_keeps_nothing(hold: Callable[[Path], subprocess.Popen[str]], tmp_path: Path) -> None:
    process = hold(tmp_path)
    process.kill()
    process.wait()
    assert (tmp_path / LOCK).exists()
    with reserving(tmp_path):
        assert (tmp_path / LOCK).read_text().split()[0] == str(os.getpid())
    assert not list(tmp_path.iterdir())


def test_one_folder_under_two_names_is_one(hold: Callable[[Path], subprocess.Popen[str]], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    try:
        (tmp_path / "link").symlink_to("run")
    except OSError:
        pytest.skip("needs the right to make symbolic links")
    hold(tmp_path / "run")
    with pytest.raises(BlockingIOError), reserving(tmp_path / "link"):
        pass


def test_the_same_process_may_reserve_a_folder_twice_and_ends_both_in_any_order(tmp_path: Path) -> None:
    first, second = reserving(tmp_path), reserving(tmp_path)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert (tmp_path / LOCK).exists()
    second.__exit__(None, None, None)
    assert not (tmp_path / LOCK).exists()


def test_folders_made_for_nothing_are_removed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), reserving(tmp_path / "a" / "b"):
        _ = 1 / 0
    assert not list(tmp_path.iterdir())
    with reserving(tmp_path / "a" / "b"):
        (tmp_path / "a" / "text.txt").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["text.txt"]


def test_of_many_at_once_only_one_has_it(tmp_path: Path) -> None:
    """Each makes and removes the lock a hundred times; if two ever had it at once, a number would be lost."""
    (tmp_path / "number").write_text("0")
    (tmp_path / "run").mkdir()
    processes = [subprocess.Popen(command(COUNT, tmp_path / "run")) for _ in range(4)]
    assert [process.wait(timeout=patience(300)) for process in processes] == [0] * 4
    assert (tmp_path / "number").read_text() == "400"


def test_a_file_system_without_locks_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msvcrt.locking" if sys.platform == "win32" else "fcntl.flock", _no_locks)
    with reserving(tmp_path):
        assert (tmp_path / LOCK).exists()


def _no_locks(*_: object) -> None:
    raise OSError(95, "Operation not supported")

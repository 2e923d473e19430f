"""Two processes never write to one folder, and a dead process keeps none reserved."""

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


def test_the_error_in_a_second_process_names_the_first(
    hold: Callable[[Path], subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = hold(tmp_path / "run")
    message = rf"run is in use by process {process.pid}: wait until it ends, or give another folder with --out\."
    with pytest.raises(BlockingIOError, match=message), reserving(tmp_path / "run"):
        raise AssertionError("two processes have reserved it")
    process.communicate()  # ends its input, and so the process
    with reserving(tmp_path / "run"):
        assert (tmp_path / "run" / LOCK).exists()


def test_a_killed_process_keeps_no_reservation(hold: Callable[[Path], subprocess.Popen[str]], tmp_path: Path) -> None:
    process = hold(tmp_path)
    process.kill()
    process.wait()
    assert (tmp_path / LOCK).exists()
    with reserving(tmp_path):
        assert (tmp_path / LOCK).read_text().split()[0] == str(os.getpid())
    assert not list(tmp_path.iterdir())


def test_a_link_to_a_reserved_folder_is_reserved(hold: Callable[[Path], subprocess.Popen[str]], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    try:
        (tmp_path / "link").symlink_to("run")
    except OSError:
        pytest.skip("needs permission to create symbolic links")
    hold(tmp_path / "run")
    with pytest.raises(BlockingIOError), reserving(tmp_path / "link"):
        pass


def test_a_process_may_reserve_a_folder_twice_and_release_it_in_any_order(tmp_path: Path) -> None:
    first, second = reserving(tmp_path), reserving(tmp_path)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert (tmp_path / LOCK).exists()
    second.__exit__(None, None, None)
    assert not (tmp_path / LOCK).exists()


def test_created_folders_are_removed_if_they_stay_empty(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), reserving(tmp_path / "a" / "b"):
        _ = 1 / 0
    assert not list(tmp_path.iterdir())
    with reserving(tmp_path / "a" / "b"):
        (tmp_path / "a" / "text.txt").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["text.txt"]


def test_only_one_of_several_processes_has_the_folder_at_a_time(tmp_path: Path) -> None:
    """Each of four processes increments a number a hundred times; two at once would lose an increment."""
    (tmp_path / "number").write_text("0")
    (tmp_path / "run").mkdir()
    processes = [subprocess.Popen(command(COUNT, tmp_path / "run")) for _ in range(4)]
    assert [process.wait(timeout=patience(300)) for process in processes] == [0] * 4
    assert (tmp_path / "number").read_text() == "400"


def test_a_file_system_without_locks_can_still_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msvcrt.locking" if sys.platform == "win32" else "fcntl.flock", _no_locks)
    with reserving(tmp_path):
        assert (tmp_path / LOCK).exists()


def _no_locks(*_: object) -> None:
    raise OSError(95, "Operation not supported")

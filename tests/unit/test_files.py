"""Files are replaced atomically, and leftovers of killed processes are removed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpt2_course.files import remove_leftovers, replacing


def test_only_leftovers_of_dead_processes_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        leftovers = [f"config.json.{dead.pid}.tmp", f"train-00000.npy.{os.getpid()}.tmp", f"a.{10**30}.tmp"]
        others = [f"train-00001.npy.{living.pid}.tmp", "notes.tmp", "a.b.tmp", f"a.{dead.pid}.tmp.txt", "7.tmp"]
        for name in leftovers + others:
            (tmp_path / name).touch()
        (tmp_path / f"folder.{dead.pid}.tmp").mkdir()
        remove_leftovers(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, f"folder.{dead.pid}.tmp"])
        living.communicate(b"\n")
    remove_leftovers(tmp_path / "nosuch")


def test_a_full_disk_is_reported_with_the_file_and_keeps_the_old_version(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(OSError, match="No space left") as error, replacing(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert error.value.filename == str(path)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]

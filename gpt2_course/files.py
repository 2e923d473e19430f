"""Writing files so that a reader never meets half of one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to, and moves it there only once it is complete and on the disk.

    Killed, or out of space, in the middle: the old file stays as it was. The move is atomic (POSIX `rename`).
    Raises `OSError` in one sentence where writing fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")  # two processes may write the same file
    try:
        temporary.touch()
        permissions = temporary.stat().st_mode  # the usual ones, which some libraries make narrower
        yield temporary
        temporary.chmod(permissions)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(path)  # a full disk does not say which file it was
        raise


def remove_leftovers(folder: Path) -> None:
    """Removes the unfinished files of `replacing` whose process was killed; those of a running process stay."""
    for path in folder.glob("*.tmp"):
        named = re.fullmatch(r".+\.([1-9][0-9]*)\.tmp", path.name, re.DOTALL)
        if named and path.is_file() and not _runs_elsewhere(int(named[1])):
            with suppress(PermissionError):  # Windows refuses to remove a file that a process has open
                path.unlink(missing_ok=True)


def _runs_elsewhere(pid: int) -> bool:
    """Whether another process has this number. In a container, this one may have the number of the one killed."""
    if pid == os.getpid() or os.name == "nt":  # on Windows, os.kill would not ask but end it
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True

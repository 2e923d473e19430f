"""Replacing files atomically, so readers never see an incomplete one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; move it to `path` once it is complete and on disk.

    If the process is killed or the disk fills up, the old file is unchanged: the move is atomic (POSIX `rename`). An
    `OSError` names the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")  # several processes may write the same file
    try:
        temporary.touch()
        permissions = temporary.stat().st_mode  # the defaults; some libraries set stricter ones
        yield temporary
        temporary.chmod(permissions)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(path)  # the error for a full disk does not name the file
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of `replacing` left by killed processes, and keep those of running processes."""
    for path in folder.glob("*.tmp"):
        named = re.fullmatch(r".+\.([1-9][0-9]*)\.tmp", path.name, re.DOTALL)
        if named and path.is_file() and not _is_another_process(int(named[1])):
            with suppress(PermissionError):  # Windows does not remove a file that is open
                path.unlink(missing_ok=True)


def _is_another_process(pid: int) -> bool:
    """Whether another process with this id is running. In a container, this process may have the killed one's id."""
    if pid == os.getpid() or os.name == "nt":  # on Windows, os.kill(pid, 0) would end the process
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it belongs to another user
        return True
    return True

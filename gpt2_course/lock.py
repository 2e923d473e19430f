"""Reserving a folder, so two processes never write to it at the same time."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK = ".lock"
# On Windows, no other process can read the locked byte, so it lies far past the text that names the process.
LOCKED_BYTE = 2**30

_locks: dict[Path, _Lock] = {}  # the locks of this process


@contextmanager
def reserving(folder: Path) -> Iterator[None]:
    """Keep other processes from writing to `folder` until the block ends.

    The same process may reserve it several times. When the process ends, for whatever reason, the operating system
    releases the reservation. On a file system without locks, such as some network drives, nothing is reserved.

    Raises `BlockingIOError`, naming the other process, if the folder is reserved already.
    """
    path = folder.resolve() / LOCK
    lock = _locks.get(path) or _Lock(path, folder)
    _locks[path] = lock
    lock.holders += 1
    try:
        yield
    finally:
        lock.holders -= 1
        if not lock.holders:
            del _locks[path]
            lock.release()


class _Lock:
    """A locked file that contains the id of this process, in a folder that is created if necessary."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.holders = 0
        self.created = [parent for parent in path.parents if not parent.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            self.file = path.open("a+", encoding="utf-8")
            if not _lock(self.file.fileno()):
                self.file.close()
                raise BlockingIOError(
                    f"{folder} is in use by {_owner(path)}: wait until it ends, or give another folder with --out."
                )
            if _is_same_file(self.file.fileno(), path):
                break
            self.file.close()  # its previous owner has just removed it
        with suppress(OSError):  # on a full disk, the folder is reserved without naming the process
            self.file.truncate(0)
            self.file.write(f"{os.getpid()} {socket.gethostname()}")
            self.file.flush()

    def release(self) -> None:
        """Remove the file, and the folders created for it if nothing else was written to them."""
        with suppress(OSError):  # Windows does not remove an open file
            self.path.unlink()
        with suppress(OSError):  # on a full disk, the last write may still fail here
            self.file.close()
        if sys.platform == "win32":
            with suppress(OSError):  # another process may have opened it in the meantime
                self.path.unlink()
        for parent in self.created:
            with suppress(OSError):  # not empty
                parent.rmdir()


def _lock(file: int) -> bool:
    """Lock an open file; return False if another process has locked it."""
    try:
        if sys.platform == "win32":
            os.lseek(file, LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # the file system has no locks
        return True
    return True


def _is_same_file(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _owner(path: Path) -> str:
    """The process that owns a lock file, in words."""
    try:
        process, host = path.read_text(encoding="utf-8").split()
    except (OSError, ValueError):  # it has just ended, or has not written its id yet
        return "another process"
    return f"process {process}" + (f" on {host}" if host != socket.gethostname() else "")

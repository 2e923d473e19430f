"""Ctrl-C, SIGTERM, and a terminal that closes: three requests to stop, handled alike."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from torch import distributed


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """An event set by a request to stop, so that the step can finish; a second Ctrl-C or SIGTERM stops at once."""
    requested = threading.Event()
    # A repeated signal is not always a second request. When a cluster stops a job, it signals every process, and
    # torchrun forwards the signal to them again. A closing terminal may send SIGHUP twice: itself and via the shell.
    forwarded = distributed.is_torchelastic_launched()

    def request(number: int, _: FrameType | None) -> None:
        requested.set()
        if not forwarded and number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, before[number])

    before = _handle_stops(request)
    try:
        yield requested
    finally:
        if not (forwarded and requested.is_set()):
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def stop_requests_interrupt() -> Iterator[None]:
    """Inside the block, every request to stop raises `KeyboardInterrupt`, as Ctrl-C does."""
    before = _handle_stops(signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle_stops(handler: Callable[[int, FrameType | None], object]) -> dict[int, Any]:
    """Install `handler` for every request to stop; return the previous handlers.

    A program started by `nohup` ignores SIGHUP and continues to.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread receives signals
        return {}
    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, handler)
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        terminals = [stream.fileno() for stream in (sys.stdout, sys.stderr) if stream is not None and stream.isatty()]

        def hang_up(number: int, frame: FrameType | None) -> None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for terminal in terminals:  # writing to a closed terminal would fail
                os.dup2(nowhere, terminal)
            os.close(nowhere)
            handler(number, frame)

        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, hang_up)
    return before

"""The process in which a learner's file is run and checked: it may hang, crash, or print without end.

It says "ready" once PyTorch is loaded, reads one job from standard input, and answers with one line of JSON per brick.
Each answer carries a secret that the parent chose, so what the file prints is not mistaken for one.
"""

from __future__ import annotations

import difflib
import io
import json
import os
import sys
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from gpt2_course.bricks.assembly import Bricks
from gpt2_course.bricks.source import BRICKS, COURSE
from gpt2_course.exercises import check

MOST_PRINTED = 20_000  # characters per brick
TOO_MUCH = f"It prints more than {MOST_PRINTED:,} characters: remove the print, or move it out of the loop."


class TooMuchPrinted(BaseException):
    """The learner's function prints too much. Not an `Exception`, which the function might catch to go on."""


class Printed(io.StringIO):
    """What a function prints, up to a limit; `overflowed` if it was reached."""

    overflowed = False

    def write(self, text: str) -> int:
        if self.tell() + len(text) > MOST_PRINTED:
            self.overflowed = True
            raise TooMuchPrinted
        return super().write(text)


def main() -> None:
    """Answer one job. Leave at once, without waiting for threads that the file may have started."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    print("ready", file=answers, flush=True)
    if not (line := sys.stdin.readline()):
        return  # the parent has ended
    job = json.loads(line)

    def answer(number: str, state: str, message: str, seconds: float = 0, printed: str = "") -> None:
        entry = {"secret": job["secret"], "number": number, "state": state, "message": message}
        print(json.dumps({**entry, "seconds": seconds, "printed": printed}), file=answers, flush=True)

    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    forbid_writing()
    hide_warnings()
    try:
        with redirect_stdout(Printed()), redirect_stderr(Printed()):
            bricks = Bricks(job["text"], Path(job["path"]), tuple(job["borrow"]))
        answer("", "loaded", "")
    except BaseException as error:
        answer("", "not checked", unloaded(error, Path(job["path"])))
        os._exit(0)
    for number, name in job["exercises"].items():
        started = perf_counter()
        printed = Printed()
        try:
            with redirect_stdout(printed), redirect_stderr(printed):
                state, message = checked(bricks, number, name)
        except BaseException as error:
            state, message = "not right yet", explained(error, job["path"])
        if printed.overflowed:
            state, message = "not right yet", TOO_MUCH
        if state != "correct" and name in bricks.laid:
            bricks.borrow(name)  # so that the next bricks are judged on their own
        answer(number, state, message, perf_counter() - started, printed.getvalue())
    os._exit(0)


def checked(bricks: Bricks, number: str, name: str) -> tuple[str, str]:
    """The state of an exercise and what there is to say."""
    if name in bricks.problems:
        return "not right yet", bricks.problems[name]
    if name in BRICKS and name not in bricks.laid:
        state, message = "not written yet", "" if name in bricks.found else missing(bricks, name)
    else:
        feedback = check(number, bricks.own(name), remember=False)
        state, message = feedback.state, feedback.message
    part = bricks.found.get(name)
    if state != "correct" and part and part.is_again:
        message += f" The file defines {name} more than once: Python uses the last, in line {part.start + 1}."
    return state, message.strip()


def missing(bricks: Bricks, name: str) -> str:
    """The message about a brick that the file does not define, with the function that may be meant."""
    others = [other for other in bricks.found if other not in vars(bricks)]
    near = difflib.get_close_matches(name, others, 1)
    return f"There is no function {name} in the file." + (f" Is {near[0]} meant? Call it {name}." if near else "")


def unloaded(error: BaseException, path: Path) -> str:
    """Why a file cannot be run, as a sentence."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    if isinstance(error, Exception) and lines:
        what = f"{path.name} stops in line {lines[-1]}, outside the bricks: {type(error).__name__}: {error}."
    else:
        what = explained(error, str(path))
    return f"{what} Until that is repaired, no brick can be checked."


def explained(error: BaseException, path: str) -> str:
    """An error as a sentence, with the last line of the learner's file that it passed."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    where = f" in line {lines[-1]}" if lines else ""
    if isinstance(error, SystemExit):
        return f"It ends Python{where}: remove exit()."
    if isinstance(error, TooMuchPrinted):
        return TOO_MUCH
    if isinstance(error, ValueError) and not lines:
        return str(error)  # a sentence of `Bricks` or `check`
    return f"It stops{where} with {type(error).__name__}: {error}"


def hide_warnings() -> None:
    """Show no warnings about the package's own lines, which may be an answer."""
    show = warnings.showwarning

    def show_others(*args: Any) -> None:
        if not args[2].startswith(str(COURSE.parents[1])):
            show(*args)

    warnings.showwarning = show_others  # type: ignore[assignment]


def forbid_writing() -> None:
    """Where the system can, keep this process from writing to files."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

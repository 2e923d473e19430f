"""Check a learner's file in a process of its own, and report the results.

The file is code that nobody has looked at, so nothing of it runs in this process: `child` runs it, with a time limit
for each brick, and where the system allows it, without network and unable to write to files. Only this process writes
reports.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

from gpt2_course.bricks.notebook import from_notebook
from gpt2_course.bricks.source import NAMES, read
from gpt2_course.files import replacing

MOST_SHOWN = 500  # characters of what a brick printed
TIME_LIMIT = 20.0  # seconds for a brick, and for running the file; each takes much less than one
PACKAGE = Path(__file__).resolve().parents[2]
# what -m would do, but the folder in which the command was given must not hide the standard library's modules
PROGRAM = f"import sys; sys.path[0] = {str(PACKAGE)!r}; from gpt2_course.bricks.child import main; main()"


@dataclass(frozen=True)
class Result:
    """What the check of an exercise found."""

    number: str
    name: str
    state: str
    message: str = ""
    seconds: float = 0.0
    printed: str = ""

    def __str__(self) -> str:
        if self.state == "not checked":
            return f"✗ {self.message}"
        sign = {"correct": "✓", "not written yet": "…"}.get(self.state, "✗")
        text = f"{sign} {self.number:5}{self.name}"
        if self.message:
            text += f": {self.message}"
        if self.printed and self.state != "correct":
            text += textwrap.indent(f"\nIt printed:\n{self.printed[:MOST_SHOWN].rstrip()}", "        ")
        return text


@cache
def without_network() -> tuple[str, ...]:
    """The command that runs another one without network; empty if the system has none or does not allow it."""
    command = ("unshare", "--user", "--net")
    if not shutil.which("unshare"):
        return ()
    done = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if done.returncode == 0 else ()


class Child:
    """A process that is ready to check a file; see `child`."""

    def __init__(self) -> None:
        self.secret = secrets.token_hex(16)
        self.process = subprocess.Popen(
            [*without_network(), sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
        )
        self.lines: Queue[bytes] = Queue()  # an empty line: the process has ended
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout
        while line := self.process.stdout.readline(1_000_000):
            self.lines.put(line)
        self.lines.put(b"")

    def give(self, job: dict[str, Any]) -> None:
        """Wait until the process is ready, and hand over its job."""
        if self.lines.get() != f"ready{os.linesep}".encode():
            raise RuntimeError("The process that checks your file could not be started: see its message above.")
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({**job, "secret": self.secret}).encode() + b"\n")
            self.process.stdin.flush()

    def answer(self, number: str) -> dict[str, Any] | str:
        """The next answer, which must be about this exercise, or a sentence that says why there is none."""
        try:
            line = self.lines.get(timeout=TIME_LIMIT)
        except Empty:
            return f"It was stopped after {TIME_LIMIT:g} seconds: look for a loop that never ends."
        if not line:
            code = self.process.wait()
            if code < 0 and -code != signal.SIGKILL:
                return f"It crashed Python ({signal.Signals(-code).name})."
            return f"It ended Python (exit code {code}): remove what does that."
        with suppress(ValueError, TypeError, KeyError):
            entry: dict[str, Any] = json.loads(line)
            if secrets.compare_digest(entry["secret"], self.secret) and entry["number"] == number:
                return entry
        return "It wrote to the channel on which results are reported, so its results do not count."

    def end(self) -> None:
        """Kill the process, and those that it has started."""
        with suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            with suppress(OSError):
                pipe.close()


class Checker:
    """Checks files, each in a process of its own."""

    def __init__(self) -> None:
        self.waiting: Child | None = None

    def __enter__(self) -> Checker:
        return self

    def __exit__(self, *error: object) -> None:
        if self.waiting:
            self.waiting.end()

    def prepare(self) -> None:
        """Start the process for the next file in advance, because loading PyTorch takes seconds."""
        self.waiting = self.waiting or Child()

    def check(self, path: Path, only: str = "") -> Iterator[Result]:
        """The result of each exercise in a file or notebook, in the file's order; those of `only`, if it is given."""
        text, exercises = read(path), dict(NAMES)
        if path.suffix == ".ipynb":
            text, checked = from_notebook(text)
            exercises = {number: name for number, name in NAMES.items() if f"def {name}(" in text} | checked
        if only:
            exercises = {number: name for number, name in exercises.items() if number == only}
        todo = exercises
        borrow: list[str] = []
        while todo:
            child, self.waiting = self.waiting or Child(), None
            try:
                child.give({"text": text, "path": str(path), "borrow": borrow, "exercises": todo})
                loaded = child.answer("")
                problem = f"{path.name}: {loaded}" if isinstance(loaded, str) else loaded["message"]
                if problem:
                    yield from (Result(number, name, "not checked", problem) for number, name in todo.items())
                    return
                for number, name in todo.items():
                    answer = child.answer(number)
                    todo = {n: other for n, other in todo.items() if n != number}
                    if isinstance(answer, str):
                        yield Result(number, name, "not right yet", answer)
                        borrow.append(name)  # the next ones are checked without it, by another process
                        break
                    message = re.sub(" at 0x[0-9A-Fa-f]+", "", answer["message"])  # another one in each run
                    yield Result(number, name, answer["state"], message, round(answer["seconds"], 2), answer["printed"])
            finally:
                child.end()


def student_files(path: Path) -> list[Path]:
    """The file itself, or all Python files, notebooks, and results.csv in a folder and below, sorted."""
    if not path.is_dir():
        return [path]
    found = [file for file in path.rglob("*") if file.suffix in (".py", ".ipynb") or file.name == "results.csv"]
    hidden = [file for file in found if any(part.startswith(".") for part in file.relative_to(path).parts)]
    return sorted(file for file in found if file not in hidden and not file.stem.endswith(".backup"))


def write_report(out: Path, results: dict[str, list[Result]]) -> None:
    """Write the results by file, as JSON or, if the name ends in .csv, as a table.

    The table has one row per exercise and one per file, with the number "total" and a state such as "1/23".
    """
    entries = {
        file: [{name: value for name, value in asdict(result).items() if name != "printed"} for result in rows]
        for file, rows in results.items()
    }
    if out.suffix == ".csv":
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["file", *(name for name in Result.__dataclass_fields__ if name != "printed")])
        for file, rows in entries.items():
            writer.writerows([file, *row.values()] for row in rows)
            right = sum(row["state"] == "correct" for row in rows)
            writer.writerow(
                [file, "total", "", f"{right}/{len(rows)}", "", round(sum(row["seconds"] for row in rows), 2)]
            )
        text = table.getvalue()
    else:
        text = json.dumps([{"file": f, "exercises": rows} for f, rows in entries.items()], indent=1, ensure_ascii=False)
    with replacing(out) as temporary:
        temporary.write_text(text, encoding="utf-8")

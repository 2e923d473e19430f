"""Progress through the exercises, kept in a file in the user's data folder and shown as a wall of bricks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from gpt2_course.exercises.registry import EXERCISES
from gpt2_course.files import replacing
from gpt2_course.wall import wall


def _file() -> Path:
    return platformdirs.user_data_path("gpt2-course") / "solved.json"


def solved() -> list[str]:
    """The numbers of the solved exercises, sorted; empty if the file is missing or broken."""
    try:
        numbers = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return sorted({n for n in numbers if isinstance(n, str)}) if isinstance(numbers, list) else []


def remember_solved(number: str) -> None:
    """Mark an exercise as solved. Ignore a disk that cannot be written to, so that it does not stop the lesson."""
    try:
        _file().parent.mkdir(parents=True, exist_ok=True)
        with replacing(_file()) as path:
            path.write_text(json.dumps(sorted({*solved(), number})) + "\n", encoding="utf-8")
    except OSError:
        pass


@dataclass(frozen=True)
class Progress:
    """Progress so far: text in a terminal, a wall in a notebook."""

    solved: tuple[str, ...]  # numbers of exercises
    of: tuple[str, ...]  # all exercises, in order

    @property
    def studs(self) -> dict[int, list[bool]]:
        """For each chapter, which of its exercises are solved."""
        studs: dict[int, list[bool]] = {}
        for number in self.of:
            studs.setdefault(int(number.split(".")[0]), []).append(number in self.solved)
        return studs

    @property
    def chapters(self) -> list[int]:
        """The chapters whose exercises are all solved."""
        return [chapter for chapter, studs in self.studs.items() if all(studs)]

    def __repr__(self) -> str:
        missing = [n for n in self.of if n not in self.solved]
        return f"{len(self.of) - len(missing)} of {len(self.of)} exercises solved" + (
            f"; next: {missing[0]}" if missing else ": the wall is complete!"
        )

    def _repr_html_(self) -> str:
        return f"{wall(laid=self.chapters, studs=self.studs).svg}<p>{self!r}</p>"


def progress() -> Progress:
    """Show the exercises you have solved. Each is a stud; a chapter's brick turns colored with its last stud."""
    known = tuple(sorted(EXERCISES, key=lambda n: [int(part) for part in n.split(".")]))
    return Progress(tuple(n for n in solved() if n in known), known)

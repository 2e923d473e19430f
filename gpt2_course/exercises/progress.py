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


def read_solved(path: Path) -> list[str]:
    """The numbers of exercises in a progress file, sorted; raises `OSError`, or `ValueError` for any other file."""
    try:
        numbers = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        numbers = None
    if not isinstance(numbers, list):
        raise ValueError(f'{path} is not a progress file: it should contain a list such as ["1.1", "1.2"].')
    return sorted({number for number in numbers if isinstance(number, str)})


def solved() -> list[str]:
    """The numbers of the solved exercises, sorted; empty if the file is missing or broken."""
    try:
        return read_solved(_file())
    except (OSError, ValueError):
        return []


def remember_solved(*numbers: str) -> None:
    """Mark exercises as solved. Ignore a disk that cannot be written to, so that it does not stop the lesson."""
    try:
        _file().parent.mkdir(parents=True, exist_ok=True)
        with replacing(_file()) as path:
            path.write_text(json.dumps(sorted({*solved(), *numbers})) + "\n", encoding="utf-8")
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

    def save(self, file: str | Path = "solved.json") -> Path:
        """Write a progress file, which the book's page *Your progress* imports; return its path."""
        with replacing(Path(file)) as path:
            path.write_text(json.dumps(sorted(self.solved)) + "\n", encoding="utf-8")
        return Path(file)

    def __repr__(self) -> str:
        missing = [n for n in self.of if n not in self.solved]
        return f"{len(self.of) - len(missing)} of {len(self.of)} exercises solved" + (
            f"; next: {missing[0]}" if missing else ": the wall is complete!"
        )

    def _repr_html_(self) -> str:
        return f"{wall(laid=self.chapters, studs=self.studs).svg}<p>{self!r}</p>"


def progress(file: str | Path | None = None) -> Progress:
    """Show the exercises you have solved. Each is a stud; a chapter's brick turns colored with its last stud.

    Args:
        file: a progress file from the book's page or another computer, whose exercises count as solved from now on.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a progress file, or it names an exercise that does not exist.
    """
    known = tuple(sorted(EXERCISES, key=lambda n: [int(part) for part in n.split(".")]))
    if file is not None:
        found = read_solved(Path(file))
        if unknown := [number for number in found if number not in known]:
            raise ValueError(f"{file} names an exercise {unknown[0]!r}, which does not exist: remove it and try again.")
        remember_solved(*found)
    return Progress(tuple(n for n in solved() if n in known), known)

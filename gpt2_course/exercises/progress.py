"""What was solved so far: a file in the user's data folder, and a wall that grows."""

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
    """The numbers of the exercises that were solved, sorted; a file that is broken counts as none."""
    try:
        numbers = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return sorted({n for n in numbers if isinstance(n, str)}) if isinstance(numbers, list) else []


def remember_solved(number: str) -> None:
    """Adds an exercise to those that were solved. A disk that cannot be written to is no reason to stop learning."""
    try:
        _file().parent.mkdir(parents=True, exist_ok=True)
        with replacing(_file()) as path:
            path.write_text(json.dumps(sorted({*solved(), number})) + "\n", encoding="utf-8")
    except OSError:
        pass


@dataclass(frozen=True)
class Progress:
    """How far one has come: text in a terminal, a wall in a notebook."""

    solved: tuple[str, ...]  # numbers of exercises
    of: tuple[str, ...]

    @property
    def chapters(self) -> list[int]:
        """The chapters whose exercises are all solved."""
        chapters = sorted({int(n.split(".")[0]) for n in self.of})
        return [c for c in chapters if all(n in self.solved for n in self.of if n.split(".")[0] == str(c))]

    def __repr__(self) -> str:
        missing = [n for n in self.of if n not in self.solved]
        return f"{len(self.of) - len(missing)} of {len(self.of)} exercises solved" + (
            f"; next: {missing[0]}" if missing else ": the wall is complete!"
        )

    def _repr_html_(self) -> str:
        return f"{wall(laid=self.chapters).svg}<p>{self!r}</p>"


def progress() -> Progress:
    """The exercises that you have solved; a chapter's brick is laid when all of its exercises are."""
    known = tuple(sorted(EXERCISES, key=lambda n: [int(part) for part in n.split(".")]))
    return Progress(tuple(n for n in solved() if n in known), known)

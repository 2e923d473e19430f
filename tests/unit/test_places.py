"""What has to be added in several places is missing from none of them."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

import gpt2_course.labs
from book.look import LABS as WALKS
from book.refresh import APPENDICES, front_wall
from gpt2_course.exercises.registry import EXERCISES
from gpt2_course.labs.lab import STATIC, Lab
from gpt2_course.wall import BRICKS, PARTS, wall

ROOT = Path(__file__).resolve().parents[2]
WARM_UP = "00_warm_up"  # drills, which lay no brick
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "chapters").glob("*.ipynb")) if path.stem != WARM_UP}
FILES = [file for _, chapters in PARTS.values() for file in chapters]  # the course's table of chapters
LABS = [lab for lab in Lab.__subclasses__() if lab.__module__ == "gpt2_course.labs"]


def text(place: str) -> str:
    return (ROOT / place).read_text(encoding="utf-8")


@cache
def cells(path: Path) -> list[Any]:
    return list(nbformat.read(path, as_version=4).cells)


def toc() -> dict[str, list[str]]:
    """The parts of `_toc.yml` that contain chapters, without their Roman numerals, and the chapters' files."""
    found = {}
    for part in yaml.safe_load(text("_toc.yml"))["parts"]:
        entries = [entry["file"] for entry in part["chapters"] if entry["file"] != f"chapters/{WARM_UP}"]
        if chapters := [entry.removeprefix("chapters/") for entry in entries if entry.startswith("chapters/")]:
            found[re.sub(r"^[IVX]+ · ", "", part["caption"])] = chapters
    return found


# --- chapters -----------------------------------------------------------------------------------------------------


def test_no_chapter_is_missing_from_any_place() -> None:
    package = files("gpt2_course.exercises")
    listed = {file for chapters in toc().values() for file in chapters}
    missing = []
    for file in sorted({*NOTEBOOKS, *FILES, *listed}):
        number = file[:2]
        there = {
            f"chapters/{file}.ipynb": file in NOTEBOOKS,
            "_toc.yml": file in listed,
            "PARTS in gpt2_course/wall.py": file in FILES,
            f"gpt2_course/exercises/chapter_{number}.py": (package / f"chapter_{number}.py").is_file(),
            f"gpt2_course/exercises/quizzes/{number}.json": (package / "quizzes" / f"{number}.json").is_file(),
        }
        missing += [f"{file}: add {place}" for place, found in there.items() if not found]
    assert not missing, "\n".join(missing)


def test_the_warm_up_is_in_the_table_of_contents() -> None:
    assert f"chapters/{WARM_UP}\n" in text("_toc.yml")


def test_parts_and_chapters_have_the_same_order_in_the_wall_and_in_the_table_of_contents() -> None:
    assert {part: list(chapters) for part, (_, chapters) in PARTS.items()} == toc()
    assert list(PARTS) == list(toc())
    assert [int(file[:2]) for file in FILES] == list(range(1, len(FILES) + 1))
    assert [brick.number for brick in BRICKS] == list(range(1, len(FILES) + 1))


@pytest.mark.parametrize("file", FILES)
def test_a_chapter_begins_with_the_wall_as_it_is_drawn_now(file: str) -> None:
    number = int(file[:2])
    outputs = [cell.outputs for cell in cells(NOTEBOOKS[file]) if f"wall({number})" in cell.source.splitlines()]
    assert len(outputs) == 1, f"one cell of {file} has to end with wall({number})"
    shown = outputs[0][0].data["text/html"] if outputs[0] else None
    assert shown == wall(number).svg, "make refresh"


def test_the_front_page_shows_the_whole_wall() -> None:
    assert text("book/figures/wall.html") == front_wall(), "make refresh"


def test_a_lab_that_names_chapters_names_their_files() -> None:
    named = re.findall(r'\b(\d+): "(\d\d_\w+)"', text("gpt2_course/labs/static/machine_parts.mjs"))
    assert len(named) > 3
    assert [(number, file) for number, file in named if file not in FILES or int(file[:2]) != int(number)] == []


# --- exercises ----------------------------------------------------------------------------------------------------


def test_no_exercise_is_missing_from_its_chapter() -> None:
    missing = []
    for number, exercise in EXERCISES.items():
        asked = f'check("{number}"'
        path = next((path for file, path in NOTEBOOKS.items() if int(file[:2]) == int(number.split(".")[0])), None)
        if path is None:
            missing.append(f"exercise {number}: add a notebook for its chapter")
            continue
        there_or_later = [cell for page in [path, *APPENDICES] for cell in cells(page)]
        code = [cell for cell in there_or_later if cell.cell_type == "code" and asked in cell.source]
        prose = [cell.source for cell in there_or_later if cell.cell_type == "markdown"]
        there = {
            f"a heading '### {number} {exercise.title}'": any(f"### {number} {exercise.title}" in s for s in prose),
            f"a cell that calls {asked}, …)": bool(code),
            f"a folded solution that calls {asked}, …)": any('class="solution"' in s and asked in s for s in prose),
        }
        missing += [f"{path.name}: add {what}" for what, found in there.items() if not found]
    assert not missing, "\n".join(missing)


# --- labs ---------------------------------------------------------------------------------------------------------


def test_no_lab_is_missing_from_any_place() -> None:
    shown = "".join(cell.source for cell in cells(ROOT / "book/labs.ipynb"))
    missing = []
    for lab in LABS:
        name = lab.__name__
        there = {
            "__all__ in gpt2_course/labs/__init__.py": name in gpt2_course.labs.__all__,
            "a cell in book/labs.ipynb": f"{name}(" in shown,
            f"a function and its name, {lab.module!r}, in LABS in book/look.py": lab.module in WALKS,
            "book/api.md": f"autoclass:: gpt2_course.labs.{name}\n" in text("book/api.md") + "\n",
            "the import in README.md": re.search(rf"from gpt2_course.labs import .*\b{name}\b", text("README.md")),
        }
        missing += [f"{name}: add {place}" for place, found in there.items() if not found]
    assert not missing, "\n".join(missing)


def test_a_lab_runs_the_module_named_after_it() -> None:
    for lab in LABS:
        assert re.sub(r"_", "", lab.module) == lab.__name__.lower()
        assert (STATIC / f"{lab.module}.mjs").is_file()
    assert set(WALKS) == {lab.module for lab in LABS}

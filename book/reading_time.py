"""How long each chapter takes, by one rule: `python -m book.reading_time` writes it into notebooks and teachers.md.

150 words of prose a minute, 8 seconds per line of code, 10 minutes per exercise, 1 per drill, and 5 for the quiz,
rounded to 5 minutes. Folded code, hints, solutions, and the lines of an exercise do not count: they belong to its 10
minutes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from gpt2_course.files import replacing

ROOT = Path(__file__).resolve().parents[1]
FOLDED = {"hide-cell", "hide-input", "remove-cell", "remove-input"}
TEACHERS = ROOT / "book/teachers.md"
ROW = re.compile(r"^(\| (\d+) [^|]*\|[^|]*\| )\d+( \|)", re.MULTILINE)  # of its table: number and title, aim, minutes
STATED = re.compile(r"(\| \*\*Time\*\* \| about )(\d+)( minutes)")


def minutes(notebook: Any) -> int:
    """The time for reading a chapter, running its code, and doing its exercises, in minutes, rounded to 5."""
    words = lines = exercises = drills = quizzes = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            shown = re.sub(r"<details.*?</details>|<!--.*?-->", "", cell.source, flags=re.DOTALL)
            shown = re.sub(r"<[^>]*>|\]\([^)]*\)", " ", shown)  # tags, and the addresses of links
            words += len(re.findall(r"\w[\w'’.,·-]*", shown))
        elif re.search(r"^quiz\(", cell.source, re.MULTILINE):
            quizzes += 1
        elif asked := len(re.findall(r'^check\("', cell.source, re.MULTILINE)):
            exercises += asked
        elif not FOLDED & set(cell.metadata.get("tags", [])):
            asked = len(re.findall(r"^drill\(", cell.source, re.MULTILINE))
            drills += asked
            lines += sum(bool(line.strip()) for line in cell.source.split("\n")) - asked
    return 5 * round((words / 150 + lines * 8 / 60 + exercises * 10 + drills + quizzes * 5) / 5)


def stated(notebook: Any) -> int | None:
    """The minutes that a chapter's first table states; None if it has no such line."""
    found = [match for cell in notebook.cells if cell.cell_type == "markdown" for match in STATED.findall(cell.source)]
    return int(found[0][1]) if found else None


def state(path: Path) -> bool:
    """Write the computed time into a chapter; return whether it had to change."""
    notebook = nbformat.read(path, as_version=4)
    new = minutes(notebook)
    if stated(notebook) in (None, new):
        return False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = STATED.sub(rf"\g<1>{new}\g<3>", cell.source)
    with replacing(path) as file:
        nbformat.write(notebook, file)
    return True


def table(text: str, times: Mapping[int, int]) -> str:
    """The page for teachers with these minutes in its table, by chapter."""
    return ROW.sub(lambda row: f"{row[1]}{times[int(row[2])]}{row[3]}", text)


def main() -> None:
    times = {}
    for path in [*sorted((ROOT / "chapters").glob("*.ipynb")), *sorted((ROOT / "book").glob("appendix_*.ipynb"))]:
        changed = state(path)
        times[path.stem] = minutes(nbformat.read(path, as_version=4))
        print(f"{path.stem:24} {times[path.stem]:3} minutes{'   changed' if changed else ''}")
    chapters = {int(name[:2]): time for name, time in times.items() if name[0].isdigit()}
    TEACHERS.write_text(table(TEACHERS.read_text(encoding="utf-8"), chapters), encoding="utf-8")


if __name__ == "__main__":
    main()

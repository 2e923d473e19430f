"""Run the notebooks whose code has changed, save their outputs, and state how long each chapter takes.

`make refresh`, or `make refresh ARGS=--all` to run every notebook.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from html import escape
from pathlib import Path
from time import perf_counter
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from book.pace import CELL, patience
from book.reading_time import state
from gpt2_course.bertviz_views import libraries
from gpt2_course.exercises.registry import EXERCISES
from gpt2_course.files import replacing
from gpt2_course.labs import Storyteller
from gpt2_course.wall import PARTS

ROOT = Path(__file__).resolve().parents[1]
WIDGET = "application/vnd.jupyter.widget-view+json"
BEGUN = 20  # tokens of the story on the front page that are there before its lab runs
APPENDICES = sorted((ROOT / "book").glob("appendix_*.ipynb"))  # exercises that do not fit into the hour of a chapter
NOTEBOOKS = [*sorted((ROOT / "chapters").glob("*.ipynb")), *sorted((ROOT / "book").glob("*.ipynb"))]


def front_wall() -> str:
    """The HTML of the front page's wall: a row for each part, a brick for each chapter, a stud for each exercise."""
    exercises = Counter(int(number.split(".")[0]) for number in EXERCISES)

    def brick(file: str, name: str) -> str:
        number = int(file[:2])
        studs = "<i></i>" * exercises[number]
        return (
            f'<a class="brick" href="../chapters/{file}.html" data-chapter="{number}" style="--letters: {len(name)}">'
            f'<span class="studs" aria-hidden="true">{studs}</span><b>{number}</b> <span>{escape(name)}</span></a>'
        )

    rows = "".join(
        f'<li style="--brick: {color}"><span class="part">{escape(part)}</span>'
        f'<div class="row">{"".join(brick(file, name) for file, name in chapters.items())}</div></li>\n'
        for part, (color, chapters) in PARTS.items()
    )
    return f'<ol class="brick-wall" aria-label="All chapters, part by part">\n{rows}</ol>\n'


def front_lab() -> str:
    """The HTML of the lab on the front page: the beginning of a story, which the lab continues."""
    lab = Storyteller(seed=14)
    parts: list[dict[str, Any]] = []
    settings = {"temperature": lab.temperature, "top_k": None, "top_p": None}
    lab.kernel.generate(lab.prompt, settings, lab.seed, BEGUN, parts.append)
    lab.text = "".join(part["text"] for part in parts)
    return lab._repr_html_().replace("<div ", "<div data-bare ", 1) + "\n"


def front_page() -> dict[str, str]:
    """The HTML files that the front page includes: their contents by name."""
    return {"wall.html": front_wall(), "storyteller.html": front_lab()}


def sources_hash(notebook: Any) -> str:
    """A hash of the notebook's code, without the setup cell, which contains the repository's address."""
    cells = [(cell.source, cell.metadata.get("tags", [])) for cell in notebook.cells if cell.cell_type == "code"]
    cells = [cell for cell in cells if "setup" not in cell[1]]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:16]


def refresh(path: Path) -> float:
    """Run a notebook from its first cell and save it without metadata that changes every time; returns the seconds.

    Raises `CellExecutionError` if a cell fails, and leaves the file unchanged.
    """
    notebook = nbformat.read(path, as_version=4)
    began = perf_counter()
    NotebookClient(
        notebook, timeout=patience(CELL), kernel_name="python3", resources={"metadata": {"path": path.parent}}
    ).execute()
    seconds = perf_counter() - began
    for i, cell in enumerate(notebook.cells, 1):
        cell.id = f"{path.stem[:2]}-{i:02}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
            for output in cell.outputs:
                data = output.get("data", {})
                data.pop(WIDGET, None)  # its id changes every time; the text/html stays
                if "text/html" in data:  # the book loads BertViz's libraries from files instead
                    data["text/html"] = data["text/html"].replace(libraries(), "")
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "sources": sources_hash(notebook),
    }
    with replacing(path) as new:
        nbformat.write(notebook, new)
    return seconds


def _joined(outputs: list[Any]) -> list[Any]:
    """The outputs with consecutive prints merged, because their division into messages is random."""
    joined: list[Any] = []
    for output in outputs:
        if joined and output.output_type == joined[-1].output_type == "stream" and output.name == joined[-1].name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="also run notebooks whose code has not changed")
    every = parser.parse_args().all
    for name, content in front_page().items():
        (ROOT / "book/figures" / name).write_text(content, encoding="utf-8")
    for path in NOTEBOOKS:
        state(path)
        notebook = nbformat.read(path, as_version=4)
        if not every and notebook.metadata.get("sources") == sources_hash(notebook):
            print(f"{path.name}: unchanged")
            continue
        print(f"{path.name}: running …", flush=True)
        try:
            seconds = refresh(path)
        except CellExecutionError as error:
            sys.exit(f"{path.name} is unchanged, because one of its cells failed:\n{error}")
        print(f"{path.name}: {seconds:.0f} s")


if __name__ == "__main__":
    main()

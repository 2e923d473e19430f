"""What must hold for every committed notebook; that its cells still give these outputs is nbval's part."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from book.refresh import refresh, sources_hash
from gpt2_course.exercises.registry import EXERCISES
from gpt2_course.wall import CHAPTERS, wall

ROOT = Path(__file__).resolve().parents[2]
CHAPTER_FILES = sorted((ROOT / "chapters").glob("*.ipynb"))


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def faults(notebook: Any) -> list[str]:
    """What keeps a notebook from being committed."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            found += [f"a picture without a text: {image}" for image in re.findall(r"!\[\]\([^)]*\)", cell.source)]
            continue
        tags = cell.metadata.get("tags", [])
        if cell.execution_count is None:
            found.append(f"a cell that was never run: {cell.source[:60]!r}")
        if "nbval-ignore-output" in tags and "# Not compared" not in cell.source:
            found.append(f"outputs are not compared, and no comment '# Not compared: …' says why: {cell.source[:60]!r}")
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"an error: {output.evalue}")
            kinds = output.get("data", {})
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
            if {"image/png", "image/svg+xml"} & set(kinds) and not alt:
                found.append(f"a picture without a text: {cell.source[:60]!r}")
            shown = kinds.get("text/html", "")
            if "<svg" in shown and not re.search(r'(aria-label|alt)="[^"]{20,}"', shown):
                found.append(f"a picture without a text: {cell.source[:60]!r}")
    if notebook.metadata.get("sources") != sources_hash(notebook):
        found.append("its code has changed since it was run: make refresh")
    return found


@pytest.mark.parametrize("path", CHAPTER_FILES, ids=lambda path: path.stem)
def test_a_chapter_was_run_as_it_stands(path: Path) -> None:
    assert faults(read(path)) == []


@pytest.mark.parametrize("path", CHAPTER_FILES, ids=lambda path: path.stem)
def test_a_chapter_has_what_every_chapter_has(path: Path) -> None:
    number = int(path.stem[:2])
    code = [cell.source for cell in read(path).cells if cell.cell_type == "code"]
    exercises = [n for n in EXERCISES if n.startswith(f"{number}.")]
    assert len(exercises) >= 3
    for exercise in exercises:
        asked = [source for source in code if f'check("{exercise}"' in source]
        assert len(asked) == 2, f"{exercise}: a stub and a solution"
    assert re.search(rf"wall\([\d, ]*\b{number}\)", "".join(code))
    assert f"quiz({number})" in "".join(code)
    # the cell that ties it to the package
    assert re.search(r"^ *(assert |torch\.testing\.assert_close)", "\n".join(code), re.MULTILINE)


@pytest.mark.parametrize("path", CHAPTER_FILES, ids=lambda path: path.stem)
def test_stubs_are_not_written_and_solutions_are_correct(path: Path) -> None:
    for cell in read(path).cells:
        if cell.cell_type == "code" and re.search(r'^check\("', cell.source, re.MULTILINE):
            (text,) = [output.data["text/plain"] for output in cell.outputs if "data" in output]
            wanted = ": correct." if "solution" in cell.metadata.get("tags", []) else ": not written yet."
            assert wanted in text


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda cell: cell.update(execution_count=None), "never run"),
        (lambda cell: cell.update(outputs=[nbformat.v4.new_output("error", ename="E", evalue="oh")]), "an error: oh"),
        (lambda cell: cell.metadata.update(tags=["nbval-ignore-output"]), "no comment"),
        (
            lambda cell: cell.update(outputs=[nbformat.v4.new_output("display_data", {"image/png": "x"})]),
            "picture without",
        ),
        (lambda cell: cell.update(source="1 + 2"), "has changed"),
    ],
)
def test_faults_are_found(spoil: Any, message: str) -> None:
    cell = nbformat.v4.new_code_cell("1 + 1", execution_count=1)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.metadata["sources"] = sources_hash(notebook)
    assert faults(notebook) == []
    spoil(notebook.cells[0])
    assert any(message in fault for fault in faults(notebook))


def test_refreshing_twice_gives_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "01_small.ipynb"
    cells = ["import sys\nfor i in range(50):\n    print(i, end=' ', flush=True)", "{'a': 1}"]
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)
    refresh(path)
    first = path.read_bytes()
    assert len(read(path).cells[0].outputs) == 1  # however it was cut on the way
    refresh(path)
    assert path.read_bytes() == first


def test_gpt2_from_a_blank_page_is_short_and_takes_nothing_from_the_package() -> None:
    cells = read(ROOT / "chapters/15_blank_page.ipynb").cells
    end = next(i for i, cell in enumerate(cells) if cell.source.startswith("## Break it and see"))
    code = [
        cell.source for cell in cells[:end] if cell.cell_type == "code" and "setup" not in cell.metadata.get("tags", [])
    ]
    # the wall, the look of a picture and a lab are no part of the model
    code = [
        source for source in code if not re.search(r"^from gpt2_course\.(wall|plots|labs) import", source, re.MULTILINE)
    ]
    lines = [line for line in "\n".join(code).split("\n") if line.strip()]
    assert len(lines) <= 150
    assert not [line for line in lines if re.match(r"\s*(from|import) gpt2_course", line)]
    assert "class GPT2(" in "\n".join(code)


def test_the_wall_of_the_front_page_is_the_wall() -> None:
    assert (ROOT / "book/figures/wall.html").read_text(encoding="utf-8") == wall(*CHAPTERS).svg + "\n"


def test_a_chapter_that_takes_more_than_its_time_fails(pytester: pytest.Pytester) -> None:
    plugin = (ROOT / "conftest.py").read_text(encoding="utf-8")
    pytester.makeconftest(plugin.replace("from book.refresh import SECONDS", "SECONDS = 0.2"))
    cells = [nbformat.v4.new_code_cell("import time; time.sleep(0.15)", execution_count=1) for _ in range(3)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(notebook, pytester.path / "01_slow.ipynb")
    result = pytester.runpytest_subprocess("--nbval", "--nbval-cell-timeout=60", "01_slow.ipynb")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*01_slow.ipynb has taken 0 s, but has 0.2: make it shorter.*"])

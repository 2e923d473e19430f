"""The time that a chapter states is computed from its text, its code, and its exercises."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from book.reading_time import ROW, TEACHERS, minutes, state, stated, table

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
# The appendices with exercises state their time, too.
APPENDICES = [
    path for path in sorted((ROOT / "book").glob("appendix_*.ipynb")) if 'check(\\"' in path.read_text("utf-8")
]
TABLE = "| | |\n|---|---|\n| **Time** | about 5 minutes; the code runs in less than one |"


def a_chapter(*code: str, words: int = 0, tags: tuple[str, ...] = ()) -> nbformat.NotebookNode:
    cells = [nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)}) for source in code]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("word " * words), *cells])


@pytest.mark.parametrize("path", [*CHAPTERS, *APPENDICES], ids=lambda path: path.stem)
def test_a_chapter_states_the_time_it_takes(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert stated(notebook) == minutes(notebook), "run `python -m book.reading_time`"


def test_teachers_read_the_same_times() -> None:
    text = TEACHERS.read_text(encoding="utf-8")
    times = {int(path.stem[:2]): minutes(nbformat.read(path, as_version=4)) for path in CHAPTERS}
    assert [int(row[1]) for row in ROW.findall(text)] == list(times)[1:]  # the warm-up has no row
    assert table(text, times) == text, "run `python -m book.reading_time`"
    assert table("| 3 Embeddings | compare vectors | 50 | `embed` |", {3: 65}).count("| 65 |") == 1


def test_the_rule() -> None:
    assert minutes(a_chapter(words=1500)) == 10
    assert minutes(a_chapter("a = 1\n\n" * 75)) == 10  # blank lines take no time
    assert minutes(a_chapter('def f():\n    ...\n\ncheck("1.1", f)')) == 10
    assert minutes(a_chapter("drill(1, 2 + 2, ...)\n" * 10)) == 10
    assert minutes(a_chapter("quiz(1)")) == 5
    assert minutes(a_chapter('check("1.1", f)', "quiz(1)", "a = 1\n" * 75, words=1500)) == 35
    assert minutes(a_chapter("a = 1\n" * 75, tags=("hide-input",))) == 0
    folded = "<details><summary>Hint</summary>" + "word " * 1500 + "</details>"
    assert minutes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(folded)])) == 0


def test_the_time_is_written_into_a_chapter_once(tmp_path: Path) -> None:
    notebook = a_chapter(words=1500)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(TABLE))
    path = tmp_path / "01_small.ipynb"
    nbformat.write(notebook, path)
    assert state(path)
    assert stated(nbformat.read(path, as_version=4)) == 10
    assert not state(path)


def test_a_notebook_without_a_stated_time_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "00_small.ipynb"
    nbformat.write(a_chapter(words=1500), path)
    before = path.read_bytes()
    assert not state(path)
    assert path.read_bytes() == before

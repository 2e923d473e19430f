"""Every committed notebook is complete and consistent. (nbval compares its outputs.)"""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from book import pace
from book.refresh import APPENDICES, NOTEBOOKS, refresh, sources_hash
from book.repository import book_address
from gpt2_course import exercises
from gpt2_course.bertviz_views import libraries
from gpt2_course.bricks.source import BRICKS
from gpt2_course.exercises.check import Feedback, check
from gpt2_course.exercises.registry import EXERCISES

ROOT = Path(__file__).resolve().parents[2]
WARM_UP = ROOT / "chapters/00_warm_up.ipynb"  # drills instead of exercises
CHAPTER_FILES = [path for path in sorted((ROOT / "chapters").glob("*.ipynb")) if path != WARM_UP]
# A solution is folded text, not a code cell, so no output of it appears next to an unsolved exercise.
SOLUTION = re.compile(
    r'<details class="solution"><summary>Solution</summary>\n\n```python\n(.*)\n```\n\n</details>', re.DOTALL
)


def solutions(notebook: Any) -> dict[str, str]:
    """The code of each solution, by cell id."""
    found = {cell.id: SOLUTION.fullmatch(cell.source) for cell in notebook.cells if cell.cell_type == "markdown"}
    return {name: match[1] for name, match in found.items() if match}


def definitions(notebook: Any, code: str) -> ast.Module:
    """What some code needs from a chapter: its imports, and the functions and classes that it uses but not defines."""
    cells = [c.source for c in notebook.cells if c.cell_type == "code" and "setup" not in c.metadata.get("tags", [])]
    tree = ast.parse(code)
    own = {statement.name for statement in tree.body if isinstance(statement, ast.FunctionDef)}
    needed = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - own
    kept: list[ast.stmt] = []
    for statement in reversed(ast.parse("\n".join(cells)).body):  # a function's own needs are defined above it
        if isinstance(statement, ast.FunctionDef | ast.ClassDef) and statement.name in needed:
            needed |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
            kept.insert(0, statement)
        elif isinstance(statement, ast.Import | ast.ImportFrom) and ast.unparse(statement) != "import my_gpt2":
            kept.insert(0, statement)  # my_gpt2 is the learner's file, which a chapter writes
    return ast.Module(kept, [])


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def faults(notebook: Any) -> list[str]:
    """The reasons not to commit a notebook, if there are any."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            found += [f"a picture without alt text: {image}" for image in re.findall(r"!\[\]\([^)]*\)", cell.source)]
            continue
        tags = cell.metadata.get("tags", [])
        if cell.execution_count is None:
            found.append(f"a cell that was never run: {cell.source[:60]!r}")
        if "nbval-ignore-output" in tags and "# Not compared" not in cell.source:
            found.append(f"no comment '# Not compared: …' says why outputs are ignored: {cell.source[:60]!r}")
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"an error: {output.evalue}")
            kinds = output.get("data", {})
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
            if {"image/png", "image/svg+xml"} & set(kinds) and not alt:
                found.append(f"a picture without alt text: {cell.source[:60]!r}")
            shown = kinds.get("text/html", "")
            if "<svg" in shown and not re.search(r'(aria-label|alt)="[^"]{20,}"', shown):
                found.append(f"a picture without alt text: {cell.source[:60]!r}")
    if notebook.metadata.get("sources") != sources_hash(notebook):
        found.append("its code has changed since it was run: run `make refresh`")
    return found


@pytest.mark.parametrize("path", [WARM_UP, *CHAPTER_FILES, *APPENDICES], ids=lambda path: path.stem)
def test_a_chapter_was_run_with_its_current_code(path: Path) -> None:
    assert faults(read(path)) == []


@pytest.mark.parametrize("path", CHAPTER_FILES, ids=lambda path: path.stem)
def test_a_chapter_has_exercises_the_wall_a_quiz_and_a_check_against_the_package(path: Path) -> None:
    number = int(path.stem[:2])
    code = [cell.source for cell in read(path).cells if cell.cell_type == "code"]
    assert sum(f'check("{number}.' in source for source in code) >= 3
    assert f"wall({number})" in "".join(code)
    assert f"quiz({number})" in "".join(code)
    # the cell that compares the chapter's code with the package
    assert re.search(r"^ *(assert |torch\.testing\.assert_close)", "\n".join(code), re.MULTILINE)


def test_every_exercise_has_one_cell_to_write_in_and_one_solution() -> None:
    for exercise in EXERCISES:
        chapter = [path for path in CHAPTER_FILES if int(path.stem[:2]) == int(exercise.split(".")[0])]
        cells = [cell for path in [*chapter, *APPENDICES] for cell in read(path).cells]
        for kind in ("code", "markdown"):
            asked = [cell for cell in cells if cell.cell_type == kind and f'check("{exercise}"' in cell.source]
            assert len(asked) == 1, f"exercise {exercise}, {kind}"


@pytest.mark.parametrize("path", [*CHAPTER_FILES, *APPENDICES], ids=lambda path: path.stem)
def test_no_exercise_is_shown_as_solved(path: Path) -> None:
    for cell in read(path).cells:
        shown = "".join(output.data["text/plain"] for output in cell.get("outputs", []) if "data" in output)
        assert ": correct." not in shown
        if cell.cell_type == "code" and re.search(r'^check\("', cell.source, re.MULTILINE):
            assert ": not written yet." in shown


@pytest.mark.parametrize("path", [*CHAPTER_FILES, *APPENDICES], ids=lambda path: path.stem)
def test_every_solution_is_correct_given_the_chapters_definitions(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Feedback] = []
    monkeypatch.setattr(exercises, "check", lambda number, answer: given.append(check(number, answer, remember=False)))
    written = solutions(read(path)).values()
    names: dict[str, Any] = {"__name__": path.stem}
    exec(compile(definitions(read(path), "\n".join(written)), path.name, "exec"), names)
    for solution in written:
        exec(solution, names)
    assert [feedback for feedback in given if feedback.state != "correct"] == []
    assert len(given) == len(written)


def test_every_drill_is_unsolved_and_its_solution_right(capsys: pytest.CaptureFixture[str]) -> None:
    notebook = read(WARM_UP)
    names: dict[str, Any] = {}
    asked, solved = [], []
    for cell in notebook.cells:
        if cell.cell_type == "code" and "setup" not in cell.metadata.get("tags", []):
            exec(cell.source, names)
            asked += re.findall(r"^drill\((.*), \.\.\.\)", cell.source, re.MULTILINE)
        for line in solutions(nbformat.NotebookNode(cells=[cell])).get(cell.id, "").splitlines():
            exec(line, names)
            solved.append(line)
    assert len(asked) == len(solved) > 40
    for number, (drill, solution) in enumerate(zip(asked, solved, strict=True), start=1):
        assert drill.startswith(f"{number}, ")
        assert solution.startswith(f"drill({drill}, ")
    printed = re.findall(r"^([…✓✗]) (\d+)", capsys.readouterr().out, re.MULTILINE)
    for sign in "…✓":
        assert [int(number) for found, number in printed if found == sign] == list(range(1, len(asked) + 1))
    assert len(printed) == 2 * len(asked)


def test_solutions_pass_the_linter_and_formatter(tmp_path: Path) -> None:
    for path in [*CHAPTER_FILES, *APPENDICES]:
        for name, code in solutions(read(path)).items():
            (tmp_path / f"{path.stem}_{name}.py").write_text(code + "\n", encoding="utf-8")
    # F821: solutions use their chapter's definitions; the other rules are off for all notebooks
    for command in (["check", "--ignore=F821,B905,E402,E501"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, f"--config={ROOT / 'pyproject.toml'}", str(tmp_path)]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_in_a_notebook_also_work_in_colab(path: Path) -> None:
    for cell in read(path).cells:
        assert not cell.get("attachments")
        pages = [output.get("data", {}).get("text/html", "") for output in cell.get("outputs", [])]
        links = re.findall(r"<(?:a|img)\b[^>]*?\b(?:href|src)=[\"']([^\"']*)", "\n".join([cell.source, *pages]))
        if cell.cell_type == "markdown":
            links += re.findall(r"\]\(([^)\s]*)", cell.source)
        assert [link for link in links if not link.startswith(("https://", "data:"))] == []


def test_chapters_link_to_pages_of_the_published_book() -> None:
    assert sum(path.read_text(encoding="utf-8").count(f"]({book_address()}") for path in CHAPTER_FILES) > 80


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_does_not_contain_bertvizs_libraries(path: Path) -> None:
    for cell in read(path).cells:
        for output in cell.get("outputs", []):
            assert libraries() not in output.get("data", {}).get("text/html", "")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda cell: cell.update(execution_count=None), "never run"),
        (lambda cell: cell.update(outputs=[nbformat.v4.new_output("error", ename="E", evalue="oh")]), "an error: oh"),
        (lambda cell: cell.metadata.update(tags=["nbval-ignore-output"]), "no comment"),
        (
            lambda cell: cell.update(outputs=[nbformat.v4.new_output("display_data", {"image/png": "x"})]),
            "a picture without alt text",
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
    view = "from gpt2_course.bertviz_views import View\nView('<p>lines</p>', 'lines')"
    cells = ["import sys\nfor i in range(50):\n    print(i, end=' ', flush=True)", "{'a': 1}", view]
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)
    refresh(path)
    first = path.read_bytes()
    assert len(read(path).cells[0].outputs) == 1  # one output, however many messages it came in
    assert read(path).cells[2].outputs[0].data["text/html"] == "<p>lines</p>"  # without d3 and jQuery
    refresh(path)
    assert path.read_bytes() == first


BUILT_WITH = {
    "02_tokenizer": ["merge", "encode", "decode"],
    "04_attention": ["head"],
    "05_many_heads": ["head", "split_heads", "join_heads", "attention"],
    "06_transformer_block": ["layer_norm", "block"],
    "07_gpt2": ["embed", "block", "layer_norm", "gpt2", "generate"],
    "09_training": ["cross_entropy", "gpt2", "measure"],
    "10_writing": ["gpt2", "head", "temper", "top_k", "top_p", "draw", "generate"],
    "11_playground": ["model"],
    "12_looking_inside": ["split_heads", "attention_weights"],
}


@pytest.mark.parametrize("chapter", BUILT_WITH)
def test_a_chapter_builds_on_the_learners_bricks(chapter: str) -> None:
    cells = [cell.source for cell in read(ROOT / f"chapters/{chapter}.ipynb").cells if cell.cell_type == "code"]
    before = "\n".join(source for source in cells if not re.search(r'^check\("', source, re.MULTILINE))
    assert "bricks = mine()" in before
    assert [name for name in BUILT_WITH[chapter] if f"bricks.{name}(" not in before] == []
    defined = re.findall(r"^def (\w+)", before, re.MULTILINE)
    assert [name for name in defined if name in BRICKS] == []  # a brick is written by the learner only


def test_the_last_chapter_shows_the_whole_model_and_the_file_s_imports() -> None:
    cells = read(ROOT / "chapters/17_blank_page.ipynb").cells
    shown = "\n".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))
    model = list(BRICKS)[list(BRICKS).index("embed") : list(BRICKS).index("gpt2") + 1]
    assert [name for name in model if f"def {name}(" not in shown] == []
    imports = re.search(r"lines; imports: (.*)", shown)
    assert imports
    assert "gpt2_course" not in imports[1]
    assert "def read_tensors(" not in shown  # the exercise is still to be solved


def run_with_the_conftest(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, limits: dict[str, str], *sources: str
) -> pytest.RunResult:
    """Run a notebook with these cells in two processes, after replacing limits in the root's conftest.py."""
    plugin = (ROOT / "conftest.py").read_text(encoding="utf-8")
    for old, new in limits.items():
        assert plugin.count(old) == 1
        plugin = plugin.replace(old, new)
    pytester.makeconftest(plugin)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source, execution_count=1) for source in sources]
    )
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(notebook, pytester.path / "01_slow.ipynb")
    return pytester.runpytest_subprocess("--nbval", "-n", "2", "01_slow.ipynb")


def test_a_slow_chapter_is_reported_but_passes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_with_the_conftest(pytester, monkeypatch, {"SLOW = 240": "SLOW = 0"}, "a = 1", "b = 2", "c = 3")
    result.assert_outcomes(passed=3)
    result.stdout.re_match_lines([r"slow: 01_slow \d+ s"])


def test_a_cell_that_hangs_is_stopped(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_with_the_conftest(
        pytester, monkeypatch, {"patience(CELL)": "1"}, "import time; time.sleep(10**6)", "a = 2"
    )
    assert result.parseoutcomes()["failed"] >= 1
    assert "slow:" not in result.stdout.str()


def test_time_limits_are_longer_on_a_slow_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pace.VARIABLE, "3.0")  # as measured by a parent process
    assert pace.patience(900) == 2700
    monkeypatch.delenv(pace.VARIABLE)
    monkeypatch.setattr(pace, "QUIET", 1e-9)
    slow = pace.slowness()
    assert slow > 1e6
    assert pace.slowness() == slow == float(os.environ[pace.VARIABLE])
    monkeypatch.delenv(pace.VARIABLE)
    monkeypatch.setattr(pace, "QUIET", 1e9)
    assert pace.slowness() == 1


def test_the_files_that_run_first_exist() -> None:
    first = runpy.run_path(str(ROOT / "conftest.py"))["LONGEST"]
    found = [path.name for folder in ("tests", "chapters") for path in (ROOT / folder).rglob("*")]
    assert [name for name in first if found.count(name) != 1] == []

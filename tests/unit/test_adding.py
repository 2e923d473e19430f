"""CONTRIBUTING.md's "How to add …": in a temporary copy, each recipe works, and a test names every forgotten step.

One section per kind of thing. It has a function for each step of the recipe, a test that takes all steps, and a test
that forgets some.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from gpt2_course.wall import BRICKS

pytestmark = pytest.mark.slow  # each test starts other Pythons

ROOT = Path(__file__).resolve().parents[2]
COPIED = ["book", "chapters", "gpt2_course", "tests", "_config.yml", "_toc.yml", "conftest.py", "pyproject.toml"]
COPIED += ["README.md", "tasks.py"]


class Course:
    """A copy of the course to add things to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        ignored = shutil.ignore_patterns("__pycache__", "fixtures", ".ipynb_checkpoints")
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, root / name, ignore=ignored)
            else:
                shutil.copyfile(ROOT / name, root / name)

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text, encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace text that occurs once in a file."""
        text = (self.root / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {name}"
        self.write(name, text.replace(old, new))

    def append(self, name: str, text: str) -> None:
        self.write(name, (self.root / name).read_text(encoding="utf-8") + text)

    def append_cells(self, name: str, *cells: str) -> None:
        """Append cells to a notebook: code, or Markdown if the text starts with "#" and a space, or with "<"."""
        path = self.root / name
        notebook = nbformat.read(path, as_version=4) if path.exists() else nbformat.v4.new_notebook()
        for text in cells:
            new = nbformat.v4.new_markdown_cell if text.startswith(("# ", "### ", "<")) else nbformat.v4.new_code_cell
            notebook.cells.append(new(text))
        nbformat.write(notebook, path)

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the copy, with the copy's package."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment |= {"PYTHONPATH": str(self.root), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    def check(self, *tests: str, only: str) -> str:
        """Run those tests of the copy whose names match `only`; the report. At least one has to run."""
        arguments = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", only, *tests]
        done = self.python("-m", "pytest", *arguments)
        assert done.returncode in (0, 1, 2), done.stdout + done.stderr  # passed, failed, or could not be imported
        return done.stdout

    def passes(self, *tests: str, only: str) -> None:
        report = self.check(*tests, only=only)
        assert " passed" in report, report
        assert not re.search(r" (failed|errors?)\b", report), report


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return Course(tmp_path)


PLACES, CHAPTERS = "tests/unit/test_places.py", "tests/book/test_chapters.py"
ANSWERS_TO_ALL = "tests/unit/test_exercises.py"

# --- an exercise --------------------------------------------------------------------------------------------------

CHECK = '''

@exercise("{number}", "{title}")
def {name}(answer: Callable[[list[str]], Any]) -> str | None:
    """`answer(words)` is the number of words."""
    found = answer(list("abc"))
    usual = {{2: "One too few.", 4: "One too many.", 0: "None were counted."}}
    return None if found == 3 else usual.get(found, f"There are 3 words, and you counted {{found!r}}.")
'''
CELLS = """### {number} {title}
---
from gpt2_course.exercises import check


def {name}(words):
    ...


check("{number}", {name})
---
<details class="solution"><summary>Solution</summary>

```python
def {name}(words):
    return len(words)


check("{number}", {name})
```

</details>"""
ANSWERS = """
    "{number}": (
        lambda words: len(words),
        {{
            "One too few": lambda words: 2,
            "One too many": lambda words: 4,
            "None were counted": lambda words: 0,
        }},
    ),
}}
WRONG = ["""


def exercise(number: str) -> dict[str, str]:
    return {"number": number, "title": "Count", "name": f"count_{number.replace('.', '_')}"}


def add_check(course: Course, number: str, module: str) -> None:
    course.append(f"gpt2_course/exercises/{module}.py", CHECK.format(**exercise(number)))


def add_cells(course: Course, number: str, notebook: str) -> None:
    course.append_cells(f"chapters/{notebook}.ipynb", *CELLS.format(**exercise(number)).split("\n---\n"))


def add_answers(course: Course, number: str) -> None:
    course.replace("tests/unit/test_exercises.py", "\n}\nWRONG = [", ANSWERS.format(**exercise(number)))


def test_an_exercise_is_added_by_the_recipe(course: Course) -> None:
    solved = "(01_language_models and (every_solution or what_every))"
    add_check(course, "1.4", "chapter_01")
    add_cells(course, "1.4", "01_language_models")
    add_answers(course, "1.4")
    course.passes(PLACES, ANSWERS_TO_ALL, CHAPTERS, only=f"missing_from or in_this_file or 1.4 or {solved}")


def test_a_forgotten_step_of_an_exercise_is_named(course: Course) -> None:
    add_check(course, "1.4", "chapter_01")
    report = course.check(PLACES, ANSWERS_TO_ALL, only="missing_from or in_this_file")
    assert '01_language_models.ipynb: add a cell that calls check("1.4", …)' in report
    assert '01_language_models.ipynb: add a folded solution that calls check("1.4", …)' in report
    assert "01_language_models.ipynb: add a heading '### 1.4 Count'" in report
    assert "ANSWERS: add 1.4" in report


# --- a lab --------------------------------------------------------------------------------------------------------

LAB = '''

class CounterLab(Lab):
    """Counts the tokens of a text."""

    text = traitlets.Unicode("Once upon a time").tag(sync=True)

    def drawn(self) -> str:
        return drawn.tokens(self.kernel.tokenize(self.text, "model")) + "<p>These are all tokens of the text.</p>"
'''
MODULE = """import { h } from "./ui.mjs";

const render = ({ model, el }) => el.append(h("p", {}, model.get("text")));
export default { render, needs: ["describe", {}] };
"""


def add_class(course: Course) -> None:
    course.append("gpt2_course/labs/__init__.py", LAB)


def add_module(course: Course) -> None:
    course.write("gpt2_course/labs/static/counter_lab.mjs", MODULE)


def list_lab(course: Course) -> None:
    course.replace("gpt2_course/labs/__init__.py", '    "AttentionLab",', '    "AttentionLab",\n    "CounterLab",')
    course.append("book/api.md", "\n```{eval-rst}\n.. autoclass:: gpt2_course.labs.CounterLab\n```\n")
    course.replace(
        "README.md", "from gpt2_course.labs import Playground,", "from gpt2_course.labs import CounterLab, Playground,"
    )
    course.append_cells("book/labs.ipynb", "from gpt2_course.labs import CounterLab\n\nCounterLab()")


def add_walk(course: Course) -> None:
    walk = 'def _counter_lab(lab: Locator) -> Iterator[str]:\n    yield "all of it"\n\n\n'
    course.replace("book/look.py", "\nLABS: ", f"\n{walk}LABS: ")
    course.replace(
        "book/look.py",
        '    "playground": _playground,\n',
        '    "playground": _playground,\n    "counter_lab": _counter_lab,\n',
    )


def test_a_lab_is_added_by_the_recipe(course: Course) -> None:
    for step in (add_class, add_module, list_lab, add_walk):
        step(course)
    course.passes(PLACES, "tests/unit/test_labs.py", only="missing_from or named_after or CounterLab")


def test_a_forgotten_step_of_a_lab_is_named(course: Course) -> None:
    add_class(course)
    report = course.check(PLACES, only="missing_from")
    assert "No such file or directory" in report
    assert "counter_lab.mjs" in report
    add_module(course)
    report = course.check(PLACES, only="missing_from")
    assert "CounterLab: add __all__ in gpt2_course/labs/__init__.py" in report
    for place in ("a cell in book/labs.ipynb", "book/api.md", "README.md", "book/look.py"):
        assert place in report


# --- a chapter ----------------------------------------------------------------------------------------------------

NUMBER = len(BRICKS) + 1
CHAPTER = f"{NUMBER:02}_rest"
REFRESH = """
from pathlib import Path
from book.refresh import front_wall, refresh
refresh(Path("chapters/{chapter}.ipynb").resolve())
Path("book/figures/wall.html").write_text(front_wall(), encoding="utf-8")
"""


def add_notebook(course: Course) -> None:
    first = nbformat.read(course.root / "chapters/01_language_models.ipynb", as_version=4).cells
    (setup,) = [cell for cell in first if "setup" in cell.metadata.get("tags", [])]
    path = course.root / "chapters" / f"{CHAPTER}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Rest"), setup]), path)
    course.append_cells(f"chapters/{CHAPTER}.ipynb", f"from gpt2_course.wall import wall\n\nwall({NUMBER})")


def add_brick(course: Course) -> None:
    course.replace("gpt2_course/wall.py", '"18_today": "Today"', f'"18_today": "Today", "{CHAPTER}": "Rest"')


def add_to_contents(course: Course) -> None:
    line = "      - file: chapters/18_today\n"
    course.replace("_toc.yml", line, f"{line}      - file: chapters/{CHAPTER}\n")


def add_exercises_and_quiz(course: Course) -> None:
    module = f"chapter_{NUMBER:02}"
    imports = "from collections.abc import Callable\nfrom typing import Any\n\n"
    course.write(
        f"gpt2_course/exercises/{module}.py", f"{imports}from gpt2_course.exercises.registry import exercise\n"
    )
    for i in (1, 2, 3):
        add_check(course, f"{NUMBER}.{i}", module)
        add_cells(course, f"{NUMBER}.{i}", CHAPTER)
        add_answers(course, f"{NUMBER}.{i}")
    quizzes = course.root / "gpt2_course/exercises/quizzes"
    shutil.copyfile(quizzes / "01.json", quizzes / f"{NUMBER:02}.json")
    quiz = f"from gpt2_course.exercises import quiz\n\nassert 1 + 1 == 2\nquiz({NUMBER})"
    course.append_cells(f"chapters/{CHAPTER}.ipynb", quiz)


def refresh(course: Course) -> None:
    done = course.python("-c", REFRESH.format(chapter=CHAPTER))
    assert done.returncode == 0, done.stderr


def test_a_chapter_is_added_by_the_recipe_and_changes_no_other_notebook(course: Course) -> None:
    before = {path: path.read_bytes() for path in course.root.rglob("*.ipynb")}
    for step in (add_notebook, add_brick, add_to_contents, add_exercises_and_quiz, refresh):
        step(course)
    course.passes(
        *(PLACES, CHAPTERS, ANSWERS_TO_ALL, "tests/unit/test_quiz_and_wall.py"),
        only=f"test_places or {CHAPTER} or {NUMBER}. or wall or brick",
    )
    assert {path: path.read_bytes() for path in before} == before


def test_a_forgotten_step_of_a_chapter_is_named(course: Course) -> None:
    add_notebook(course)
    report = course.check(PLACES, only="missing_from")
    places = ["_toc.yml", "PARTS in gpt2_course/wall.py"]
    places += [f"gpt2_course/exercises/chapter_{NUMBER:02}.py", f"gpt2_course/exercises/quizzes/{NUMBER:02}.json"]
    for place in places:
        assert f"{CHAPTER}: add {place}" in report
    add_brick(course)
    add_to_contents(course)
    report = course.check(PLACES, only="as_it_is_drawn_now or front_page")
    assert report.count("make refresh") >= 2

"""Lay a function into `my_gpt2.py`: its source, and the imports, helpers, and constants that it needs."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import symtable
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from gpt2_course.bricks.source import BRICKS, COURSE, FILE, NAMES, mend, parts, read
from gpt2_course.bricks.starting import start
from gpt2_course.files import replacing

BACKUP = "my_gpt2.backup.py"
# Where a name is looked for first; the module in which PyTorch defines a function is often private.
PUBLIC = ("math", "torch", "torch.nn.functional", "torch.nn", "itertools", "functools", "collections", "typing")


class CannotLay(ValueError):
    """The function cannot stand in `my_gpt2.py`; the message says why, and what to do."""


def lay(function: Callable[..., Any], folder: str | Path = ".") -> Path:
    """Lay a function that a learner wrote into `my_gpt2.py`, in the place of the brick of its name; return the path.

    If there is no such file in the folder, `start` writes it first. The previous version is kept beside it. Raises
    `CannotLay` if the function is not a brick, its source cannot be found, or it needs something that cannot be copied.
    """
    name = getattr(function, "__name__", "")
    if not inspect.isfunction(function) or name == "<lambda>":
        raise CannotLay(f"Only a function that is written with def can be laid, not {function!r}.")
    if name not in BRICKS:
        raise CannotLay(f"{name} is not the name of a brick. Name it as the exercise does, such as {_near(name)}.")
    path = Path(folder) / FILE
    needs = Needs(function)
    if needs.file == path.resolve():
        return path  # it was written there
    start(folder)
    text = read(path)
    laid = needs.laid_into(text)
    if laid != text:
        for target, content in ((path.with_name(BACKUP), text), (path, laid)):
            with replacing(target) as temporary:
                temporary.write_text(content, encoding="utf-8")
    return path


def lay_if_brick(number: str, function: Any) -> str:
    """Lay the right answer to an exercise, if it is a brick; return the sentence that tells the learner.

    Outside a notebook, a file is laid into only if it is already there, so a script leaves nothing behind.
    """
    if number not in NAMES or not (_in_notebook() or Path(FILE).exists()):
        return ""
    try:
        name = getattr(function, "__name__", "")
        if name != NAMES[number]:
            raise CannotLay(f"Call your function {NAMES[number]}, and check it again.")
        return f"Laid into {lay(function).resolve()}."
    except CannotLay as problem:
        return f"It is not laid into {FILE} yet. {problem}"
    except Exception as problem:  # a full disk, for example, does not make the answer wrong
        return f"It could not be laid into {FILE}: {problem}"


def _in_notebook() -> bool:
    return "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None


def _near(name: str) -> str:
    return next((brick for brick in BRICKS if brick[:3] == name[:3]), next(iter(BRICKS)))


class Needs:
    """The source of a function, and what it needs from around it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        function = inspect.unwrap(function)
        self.name: str = function.__name__
        self.module: str = function.__module__
        self.globals: dict[str, Any] = function.__globals__
        self.imports: list[str] = []
        self.helpers: dict[str, str] = {}  # name → source, those needed by others first
        found = inspect.getsourcefile(function)
        self.file = Path(found).resolve() if found else None
        self.source = self._source(function)

    def _source(self, function: Callable[..., Any]) -> str:
        """The source of a function; what it needs is added to `imports` and `helpers`."""
        name = function.__name__
        try:
            source = textwrap.dedent(inspect.getsource(function)).strip()
            tree = ast.parse(source)
        except (OSError, TypeError, SyntaxError) as error:
            raise CannotLay(
                f"Python does not find the source of {name}: define it in a cell or a file, and check it again."
            ) from error
        if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
            raise CannotLay(f"Define {name} with def, on lines of its own.")
        if free := function.__code__.co_freevars:
            raise CannotLay(f"{name} uses {free[0]} of the function around it: pass it as an argument, or move it out.")
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)) and re.match(
                r"(from|import) gpt2_course", ast.unparse(node)
            ):
                raise CannotLay(
                    f"{name} imports gpt2_course, which {FILE} must work without: write this part yourself."
                )
        for needed in global_names(source):
            if needed not in (self.name, name):
                self._add(needed, name, source)
        return source

    def _add(self, needed: str, user: str, source: str) -> None:
        """Find out where a global name comes from that a function uses."""
        if needed in self.helpers or (needed not in self.globals and hasattr(builtins, needed)):
            return
        if needed in (*BRICKS, "layers") and callable(self.globals.get(needed, len)):
            return  # the file has it
        if needed in (*BRICKS, *GIVEN):
            raise CannotLay(f"{FILE} has something else called {needed}: choose another name for yours.")
        if needed not in self.globals:
            raise CannotLay(f"{user} uses {needed}, which is not defined.")
        value = self.globals[needed]
        statement = imported(needed, value, self.module)
        if isinstance(value, ModuleType) and value.__name__ == "my_gpt2":  # what `mine` returns
            called = next(iter(re.findall(rf"\b{needed}\.(\w+)", source)), "head")
            raise CannotLay(
                f"Call other bricks by their own names: {called}(…), not {needed}.{called}(…). Then check it again."
            )
        if re.match(r"(from|import) (gpt2_course|my_gpt2)\b", statement):
            raise CannotLay(f"{user} uses {needed} of gpt2_course, which {FILE} must work without: write it yourself.")
        if statement:
            if statement not in self.imports:
                self.imports.append(statement)
        elif inspect.isfunction(value) and value.__name__ == needed:
            self.helpers[needed] = ""  # two helpers may call each other
            helper = self._source(value)
            del self.helpers[needed]
            self.helpers[needed] = helper
        elif _is_literal(value):
            self.helpers[needed] = f"{needed} = {value!r}"
        else:
            kind = "class" if isinstance(value, type) else type(value).__name__
            raise CannotLay(f"{user} uses {needed}, a {kind} defined outside of it: move it into the function.")

    def laid_into(self, text: str) -> str:
        """The text of a file, with the function, its imports, and its helpers in their places."""
        try:
            text = _with_imports(text, self.imports)
            docstring = parts(read(COURSE))[self.name]
            text = _placed(text, self.name, _with_docstring(self.source, docstring.node))
            for helper, source in self.helpers.items():
                text = _placed(text, helper, source, above=self.name)
        except ValueError as problem:
            raise CannotLay(f"{FILE} has to be mended first. {problem}") from problem
        return text


def global_names(source: str) -> list[str]:
    """The names that the code of one function takes from around it, in alphabetical order."""

    def names(table: symtable.SymbolTable) -> Iterator[str]:
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module"):
                yield symbol.get_name()
        for child in table.get_children():
            yield from names(child)

    return sorted(set(names(symtable.symtable(source, FILE, "exec"))))


def imported(name: str, value: Any, module: str) -> str:
    """The statement that imports a value under a name; empty if it was defined in `module` or cannot be imported."""
    if isinstance(value, ModuleType):
        package, _, last = value.__name__.rpartition(".")
        if name == value.__name__:
            return f"import {name}"
        return f"from {package} import {last}" if name == last else f"import {value.__name__} as {name}"
    called = getattr(value, "__name__", name)
    origin = getattr(value, "__module__", None)
    for candidate in (*PUBLIC, origin):
        if candidate in (None, module, "__main__", "builtins"):
            continue
        for attribute in (called, name):
            if getattr(sys.modules.get(candidate), attribute, None) is value and not isinstance(value, (int, str)):
                return f"from {candidate} import {attribute}" + (f" as {name}" if name != attribute else "")
    return ""


def _is_literal(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, RuntimeError):
        return False


def _with_imports(text: str, statements: list[str]) -> str:
    """A file with these import statements after its others; those that it has are not repeated."""
    lines = text.split("\n")
    last, known = 0, set()
    for part in ast.parse(mend(text)[0]).body:
        if isinstance(part, (ast.Import, ast.ImportFrom)):
            last = part.end_lineno or part.lineno
            known |= {ast.unparse(type(part)(**{**vars(part), "names": [alias]})) for alias in part.names}
        elif last == 0 and isinstance(part, ast.Expr):  # the docstring
            last = part.end_lineno or part.lineno
    lines[last:last] = [statement for statement in statements if statement not in known]
    return "\n".join(lines)


def _placed(text: str, name: str, source: str, above: str = "") -> str:
    """A file with this source in place of what has this name; otherwise above another part, or in reading order."""
    found = parts(text)
    lines = text.split("\n")
    new = source.split("\n")
    if name in found:
        part = found[name]
        lines[part.start : part.last] = new
        return "\n".join(lines)
    if not above:
        order = [*BRICKS, *GIVEN]
        above = next((other for other in order[order.index(name) :] if other in found), "")
    if above:
        at = found[above].first
        lines[at:at] = [*new, "", ""]
    else:
        lines += ["", *new, ""]
    return "\n".join(lines)


def _with_docstring(source: str, course: ast.stmt | None) -> str:
    """A function's source with the docstring of the course's, if it has none."""
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.FunctionDef)
    assert isinstance(course, ast.FunctionDef)
    first = node.body[0]
    if ast.get_docstring(node) is not None or first.lineno == node.lineno:
        return source
    lines = source.split("\n")
    indent = re.match(r"\s*", lines[first.lineno - 1])
    assert indent
    text = textwrap.indent(f'"""{ast.get_docstring(course)}', indent[0], lambda line: bool(line.strip()))
    end = f"\n{indent[0]}" if "\n" in text else ""
    lines[first.lineno - 1 : first.lineno - 1] = f'{text}{end}"""'.split("\n")
    return "\n".join(lines)


GIVEN = tuple(name for name in parts(read(COURSE)) if name not in BRICKS)

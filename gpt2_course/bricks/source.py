"""`my_gpt2.py` as text: where each function begins and ends, and which functions are still to be written."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

FILE = "my_gpt2.py"
COURSE = Path(__file__).with_name(FILE)  # the course's own copy
BRICKS: dict[str, str] = {
    "merge": "2.4",
    "encode": "2.3",
    "decode": "2.2",
    "embed": "3.3",
    "layer_norm": "6.1",
    "mask": "4.2",
    "attention_weights": "4.3",
    "head": "4.4",
    "split_heads": "5.1",
    "join_heads": "5.2",
    "attention": "5.3",
    "mlp": "6.2",
    "block": "6.3",
    "gpt2": "7.1",
    "shift": "9.1",
    "cross_entropy": "9.2",
    "training_step": "9.5",
    "top_k": "10.2",
    "temper": "10.1",
    "top_p": "10.3",
    "draw": "10.4",
    "generate": "10.5",
    "read_tensors": "17.2",
}
"""The exercise of each brick, in the file's order."""
NAMES = {number: name for name, number in BRICKS.items()}


@dataclass(frozen=True)
class Part:
    """A top-level function, class, or constant of a file."""

    first: int  # the index of the first line of the comments directly above it
    start: int  # the index of its own first line, with its decorators
    last: int  # the index after its last line
    node: ast.stmt | None  # None if it is not valid Python
    problem: str = ""  # why it is not
    is_again: bool = False  # whether the file defines the same name before

    @property
    def is_written(self) -> bool:
        """Whether it is more than a stub: a docstring, `...`, `pass`, or `raise NotImplementedError`."""
        return isinstance(self.node, ast.FunctionDef) and not all(map(_is_placeholder, self.node.body))


def _is_placeholder(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Raise):
        return "NotImplementedError" in ast.dump(statement)
    is_constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_constant or isinstance(statement, ast.Pass)


def read(path: Path) -> str:
    """The text of a Python file; `ValueError` if it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text in UTF-8: save it again in this encoding.") from error


def mend(text: str) -> tuple[str, dict[str, Part]]:
    """A file without its functions that are not valid Python, and these functions by name.

    Their lines are empty, so the others keep their numbers. Raises `ValueError` if the rest is not valid either.
    """
    try:
        ast.parse(text)
        return text, {}
    except (SyntaxError, ValueError):  # ValueError: null bytes
        pass
    lines = text.split("\n")
    starts = [i for i, line in enumerate(lines) if re.match(r"def |class |@|# ----|if __name__", line)]
    broken = {}
    for first, last in pairwise([*starts, len(lines)]):
        try:
            ast.parse("\n" * first + "\n".join(lines[first:last]))
        except (SyntaxError, ValueError) as error:
            if name := re.match(r"def (\w+)", lines[first]):
                broken[name[1]] = Part(first, first, last, None, _explained(error))
            lines[first:last] = [""] * (last - first)
    mended = "\n".join(lines)
    try:
        ast.parse(mended)
    except (SyntaxError, ValueError) as error:
        raise ValueError(_explained(error)) from error
    return mended, broken


def _explained(error: SyntaxError | ValueError) -> str:
    if not isinstance(error, SyntaxError) or not error.lineno:
        return f"This is not valid Python: {error}."
    return f"Line {error.lineno} is not valid Python: {error.msg}."


def parts(text: str) -> dict[str, Part]:
    """The top-level functions, classes, and constants of a file, by name; of several with one name, the last."""
    mended, found = mend(text)
    lines = mended.split("\n")
    for node in ast.parse(mended).body:
        start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
        first = start
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            while first > 0 and re.match(r"#(?! ----)", lines[first - 1]):
                first -= 1
        for name in _names(node):
            found[name] = Part(first, start, node.end_lineno or node.lineno, node, is_again=name in found)
    return found


def changed(text: str) -> str:
    """The first given function or class that is not the course's in a file, with its line; empty if all are."""
    found = parts(text)
    for name, part in parts(read(COURSE)).items():
        if name in BRICKS or not isinstance(part.node, (ast.FunctionDef, ast.ClassDef)):
            continue
        if name not in found:
            return f"`{name}` is missing"
        node = found[name].node
        if node is None or ast.dump(node) != ast.dump(part.node):
            return f"`{name}`, line {found[name].start + 1}"
    return ""


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def stubs() -> str:
    """The course's file with every brick still to be written: its docstring, and `...` for its body."""
    text = read(COURSE)
    lines = text.split("\n")
    found = parts(text)
    for name in reversed(BRICKS):
        node = found[name].node
        assert isinstance(node, ast.FunctionDef)
        number = BRICKS[name]
        lines[node.body[0].end_lineno : node.end_lineno] = [
            f"    ...  # exercise {number}, explained in chapter {number.split('.')[0]}"
        ]
    return "\n".join(lines)

"""A notebook as a Python file: its imports, functions, classes, and constants, without what it computes and shows."""

from __future__ import annotations

import ast
import json
import re


def from_notebook(text: str) -> tuple[str, dict[str, str]]:
    """The definitions in a notebook, as one text, and the function that it checks for each exercise.

    Raises `ValueError` if it is not a notebook.
    """
    try:
        cells = ["".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("It is not a notebook: its cells cannot be read.") from error
    kept: list[str] = []
    exercises: dict[str, str] = {}
    for cell in cells:
        source = re.sub(r"^\s*[%!?].*", "", cell, flags=re.MULTILINE)  # commands of IPython
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            if re.search(r"^def ", source, re.MULTILINE):
                kept.append(source)  # the check will say which line is wrong
            continue
        lines = source.split("\n")
        for node in tree.body:
            if _defines(node):
                first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
                kept.append("\n".join(lines[first - 1 : node.end_lineno]))
        exercises |= dict(_checks(tree))
    return "\n\n".join(kept) + "\n", exercises


def _defines(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        try:
            ast.literal_eval(node.value)
        except ValueError:
            return False
        return True
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))


def _checks(tree: ast.Module) -> list[tuple[str, str]]:
    """The exercise and the function's name in each `check("4.3", attention_weights)`."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Name("check"), [ast.Constant(str() as number), ast.Name(name), *_]):
                found.append((number, name))
    return found

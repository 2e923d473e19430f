"""The API reference has exactly one entry per public name, and no other entry.

A name is public if it is in the `__all__` of one of the modules below. An object that two modules offer is listed under
the first of them.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from importlib import import_module
from inspect import isclass, isfunction, ismodule
from pathlib import Path
from typing import Any

import pytest
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parents[2]
MODULES = (
    "gpt2_course",
    "gpt2_course.labs",
    "gpt2_course.exercises",
    "gpt2_course.bricks",
    "gpt2_course.tiny_world",
    "gpt2_course.data",
    "gpt2_course.dialogue",
    "gpt2_course.chat",
    "gpt2_course.training",
    "gpt2_course.training.reward",
    "gpt2_course.introspection",
    "gpt2_course.bertviz_views",
    "gpt2_course.generation",
    "gpt2_course.evaluation",
    "gpt2_course.optimizers",
    "gpt2_course.lora",
    "gpt2_course.plots",
    "gpt2_course.drawings",
    "gpt2_course.history",
)
ENTRY = re.compile(r"^\.\. auto(\w+):: (\S+)\n((?:   :.*\n)*)", re.MULTILINE)
ENTRIES = ENTRY.findall((ROOT / "book/api.md").read_text(encoding="utf-8"))


def public_names() -> dict[str, Any]:
    """The public objects by full name."""
    found: dict[str, Any] = {}
    for module in map(import_module, MODULES):
        for name in module.__all__:
            value = getattr(module, name)
            if not ismodule(value) and not any(value is other for other in found.values()):
                found[f"{module.__name__}.{name}"] = value
    return found


def test_every_public_name_has_one_entry_and_nothing_else_has() -> None:
    listed = Counter(name for _, name, _ in ENTRIES)
    public = public_names().keys()
    assert sorted(public - listed.keys()) == [], "Add these names to book/api.md."
    assert sorted(listed.keys() - public) == [], "These names are in book/api.md, but in no __all__."
    assert [name for name, count in listed.items() if count > 1] == [], "Keep one entry of these names in book/api.md."


@pytest.mark.parametrize(("kind", "name", "options"), ENTRIES, ids=[name for _, name, _ in ENTRIES])
def test_an_entry_has_the_right_kind_and_existing_members_with_docstrings(kind: str, name: str, options: str) -> None:
    value = public_names()[name]
    assert kind == ("class" if isclass(value) else "function" if isfunction(value) else "data")
    assert kind == "data" or value.__doc__
    for name in re.findall(r"\w+", "".join(re.findall(r":members:(.*)", options))):
        member = getattr(value, name)
        assert member.__doc__, name
        if isinstance(member, property):  # Sphinx takes words before a colon for the type of a property
            assert ":" not in member.__doc__.split("\n")[0], name


def test_the_functions_and_classes_that_chapters_import_from_these_modules_are_public() -> None:
    public = list(public_names().values())
    internal = set()
    for path in ROOT.glob("chapters/*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for cell in (cell for cell in cells if cell["cell_type"] == "code"):
            code = TransformerManager().transform_cell("".join(cell["source"]))
            for node in ast.walk(ast.parse(code)):
                if not isinstance(node, ast.ImportFrom) or node.module not in MODULES:
                    continue
                for alias in node.names:
                    value = getattr(import_module(node.module), alias.name)
                    if (isclass(value) or isfunction(value)) and value not in public:
                        internal.add(f"{node.module}.{alias.name}")
    assert sorted(internal) == [], "Add these names to the __all__ of their module."

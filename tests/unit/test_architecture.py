"""The package's modules import each other in one direction only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "gpt2_course"
# What may import what, as drawn in CONTRIBUTING.md: each layer may import only from layers below it.
LAYERS = (
    ("cli",),
    ("labs", "drawings"),
    ("training", "plots", "bricks"),
    ("grades", "bertviz_views", "devices"),
    ("evaluation", "introspection", "lora", "chat"),
    ("model",),
    ("generation", "kv_cache", "packing", "quantization", "sources", "data", "optimizers"),
    ("hub", "dialogue"),
    ("checkpoint", "tokenizer"),
    ("tokenizer_files", "tiny_world", "history", "lock"),
    ("bpe", "pieces", "files", "loss"),
)


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(("gpt2_course", *parts)).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(path: Path) -> set[str]:
    """The modules of the package that a module imports, including lazy and type-only imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return (found & MODULES.keys()) - {name_of(path)}


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """A cycle in a graph, or an empty list."""
    done: set[str] = set()

    def visit(node: str, trail: list[str]) -> list[str]:
        if node in trail:
            return [*trail[trail.index(node) :], node]
        if node in done:
            return []
        for other in sorted(graph[node]):
            if found := visit(other, [*trail, node]):
                return found
        done.add(node)
        return []

    return next(filter(None, (visit(node, []) for node in graph)), [])


def test_no_import_cycle_not_even_for_types() -> None:
    graph = {name: imports(path) for name, path in MODULES.items()}
    for name in graph:  # not counted: a package that re-exports its own modules' names
        graph[name] = {other for other in graph[name] if not name.startswith(f"{other}.")}
    assert cycle(graph) == []
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_imports_point_downward() -> None:
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    upward = []
    for module, path in MODULES.items():
        part = module.split(".")[1] if "." in module else ""
        for other in imports(path):
            below = other.split(".")[1] if "." in other else ""
            if part in level and below in level and part != below and level[below] <= level[part]:
                upward.append(f"{module} imports {other}")
    assert upward == []


@pytest.mark.parametrize("name", [name for name in MODULES if name.count(".") == 1])
def test_every_module_has_its_layer(name: str) -> None:
    outside = {"exercises", "wall"}  # imported only by notebooks, and by the process that checks a file
    assert name.split(".")[1] in {part for layer in LAYERS for part in layer} | outside


def test_importing_the_package_loads_neither_the_compiler_nor_matplotlib() -> None:
    code = "import sys, gpt2_course.cli; print([m for m in ('torch._dynamo', 'matplotlib') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"

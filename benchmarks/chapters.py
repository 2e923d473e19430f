"""A chapter's experiments with other seeds: its code without its experiments, and the command line that they share."""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import nbformat

from benchmarks.measure import ROOT

Results = list[dict[str, Any]]


def definitions(chapter: str, experiments: Collection[str], last: str) -> dict[str, Any]:
    """The names that a chapter's code defines, up to its function `last`.

    A statement that mentions one of the `experiments` shows or trains something, so it isn't executed. Raises
    `ValueError` if the chapter has no function `last`.
    """
    path = ROOT / f"chapters/{chapter}.ipynb"
    names: dict[str, Any] = {"__name__": "chapter"}
    for cell in nbformat.read(path, as_version=4).cells:  # type: ignore[no-untyped-call]
        if cell.cell_type != "code" or "setup" in cell.metadata.get("tags", []):
            continue
        for statement in ast.parse(cell.source).body:
            used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
            defines = isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)
            if defines or not used & set(experiments):
                exec(compile(ast.Module([statement], []), str(path), "exec"), names)
            if isinstance(statement, ast.FunctionDef) and statement.name == last:
                return names
    raise ValueError(f"{path} has no function {last}: update this benchmark.")


def command_line(
    module: str,
    description: str | None,
    runs: Sequence[str],
    run: Callable[[int, int], dict[str, Any]],
    report: Callable[[Results], str],
) -> None:
    """Run one of the `runs` with a seed, or write the table of all results in a folder beside the module's file."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--run", type=int, choices=range(len(runs)), help=", ".join(f"{n} {r}" for n, r in enumerate(runs))
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="the folder for a run's result, as JSON")
    parser.add_argument("--report", type=Path, help="write the table of the results in this folder")
    options = parser.parse_args()
    if options.run is not None and options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        result = json.dumps(run(options.run, options.seed), indent=1)
        (options.out / f"{options.run}-{options.seed}.json").write_text(result + "\n", encoding="utf-8")
    elif options.report:
        results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(options.report.glob("*.json"))]
        if not results:
            parser.error(f"{options.report} contains no results: write some there with --run NUMBER --out FOLDER.")
        Path(module).with_suffix(".md").write_text(report(results), encoding="utf-8")
    else:
        parser.error("give --run with --out, or --report")

"""Chapter 13's trainings with other seeds: `python -m benchmarks.answering --report FOLDER` writes answering.md.

The code is the chapter's own: its functions and data are read from the notebook. A run takes a minute or two on one
core: `for n in 0 1 2; do for s in 0 1 2; do python -m benchmarks.answering --run $n --seed $s --out FOLDER; done; done`
"""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from statistics import mean
from typing import Any

import nbformat
import torch

from gpt2_course.tiny_world import judge

CHAPTER = Path(__file__).resolve().parents[1] / "chapters/13_answering.ipynb"
RUNS = ("dialogues only", "with old texts", "with old texts, LoRA of rank 4")
TEXTS = 24  # stories, and songs
# A statement of the chapter that mentions one of these shows or trains something, which happens here instead.
EXPERIMENTS = {"fine_tune", "report", "print", "story", "Playground", "check", "wall", "drawing", "adapted", "answers"}


def chapter() -> dict[str, Any]:
    """The names that the chapter's code defines, without its experiments."""
    names: dict[str, Any] = {"__name__": "chapter"}
    for cell in nbformat.read(CHAPTER, as_version=4).cells:  # type: ignore[no-untyped-call]
        if cell.cell_type != "code" or "setup" in cell.metadata.get("tags", []):
            continue
        for statement in ast.parse(cell.source).body:
            used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
            defines = isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)
            if defines or not used & EXPERIMENTS:
                exec(compile(ast.Module([statement], []), str(CHAPTER), "exec"), names)
            if isinstance(statement, ast.FunctionDef) and statement.name == "with_adapters":
                return names  # what follows shows more of the same
    raise ValueError(f"{CHAPTER} has no function with_adapters: update this benchmark.")


def trained(names: dict[str, Any], number: int, seed: int) -> Any:
    """The model after one of the runs."""
    practice, old = names["practice"], names["old"]
    if number == 0:
        return names["fine_tune"](deepcopy(names["model"]), practice, seed=seed)
    if number == 1:
        return names["fine_tune"](deepcopy(names["model"]), practice, old=old, seed=seed)
    torch.manual_seed(seed)
    return names["fine_tune"](names["with_adapters"](names["model"], 4), practice, rate=5e-3, old=old, seed=seed)


@torch.no_grad()
def measure(names: dict[str, Any], model: Any) -> list[float]:
    """Right answers (practiced, strangers, both again with capitalized names), loss on other texts, surprise free to
    stop and not, and the shares of stories and songs that keep the rules."""
    right, practiced, strangers = names["right"], names["practiced"], names["strangers"]
    form: Callable[[str], str] = lambda question: names["asked"](names["names_kept"](question))  # noqa: E731
    prompts = ["Once upon a time,"] * TEXTS + ["A kitchen song for"] * TEXTS
    texts = model.generate(prompts, max_length=330, seed=0, temperature=0.8)
    kept = [judge(text).accepted for text in texts]
    return [
        right(model, practiced),
        right(model, strangers),
        right(model, practiced, form),
        right(model, strangers, form),
        float(names["text_loss"](model, names["unseen"])),
        names["surprise"](model),
        names["surprise"](model, names["STOPS"]),
        sum(kept[:TEXTS]) / TEXTS,
        sum(kept[TEXTS:]) / TEXTS,
    ]


def run(number: int, seed: int) -> dict[str, Any]:
    """Train one model; measure it, and for seed 0 also the start."""
    torch.set_num_threads(1)
    names = chapter()
    found = {"run": RUNS[number], "seed": seed, "measured": measure(names, trained(names, number, seed))}
    return found if number or seed else {**found, "start": measure(names, names["model"])}


def row(what: str, results: list[list[float]]) -> str:
    """One line of the table: means over the seeds."""
    *shares, loss, free, forbidden, stories, songs = map(mean, zip(*results, strict=True))
    cells = [f"{share:.0%}" for share in shares] + [f"{x:.2f}" for x in (loss, free, forbidden)]
    return f"| {what} | {' | '.join([*cells, f'{stories:.0%}', f'{songs:.0%}'])} |"


def report(folder: Path) -> str:
    """The table of all runs in a folder."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    if not found:
        raise SystemExit(f"{folder} contains no results: write some there with --run NUMBER --out {folder}.")
    lines = [
        f"""# Chapter 13 with other seeds

Written by `python -m benchmarks.answering --report FOLDER`, with the chapter's own code.

- *practiced*, *strangers*: right answers to 60 questions each, in small letters; with a star, with the names
  capitalized
- *other texts*: the loss on 24 unseen texts of all kinds, in nats per token
- *free*, *may not stop*: their mean surprise without line breaks and ends, free to stop and with stopping forbidden
- *stories*, *songs*: the share of {TEXTS} each that keep all the rules, written at temperature 0.8

| trained on | practiced | strangers | practiced* | strangers* | other texts | free | may not stop | stories | songs |
|---|---|---|---|---|---|---|---|---|---|""",
        *(row("nothing: the start", [result["start"]]) for result in found if "start" in result),
    ]
    for what in RUNS:
        results = sorted((r["seed"], r["measured"]) for r in found if r["run"] == what)
        lines += [row(f"{what}, seed {seed}", [measured]) for seed, measured in results]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--run", type=int, choices=range(len(RUNS)), help=", ".join(map("{0[0]} {0[1]}".format, enumerate(RUNS)))
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="the folder for a run's result, as JSON")
    parser.add_argument("--report", type=Path, help="write answering.md from the results in this folder")
    options = parser.parse_args()
    if options.run is not None and options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"{options.run}-{options.seed}.json"
        path.write_text(json.dumps(run(options.run, options.seed)), encoding="utf-8")
    elif options.report:
        text = report(options.report)
        Path(__file__).with_name("answering.md").write_text(text, encoding="utf-8")
        print(text)
    else:
        parser.error("give --run with --out, or --report")


if __name__ == "__main__":
    main()

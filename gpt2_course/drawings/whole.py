"""Drawings of chapter 17: the file that the reader has written."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import gpt2_course.bricks
from gpt2_course.drawings.entries import Drawing, drawn
from gpt2_course.drawings.kit import Panel
from gpt2_course.sources import DEFAULT_MODEL, SHIPPED


def _file() -> tuple[list[str], ast.Module]:
    source = (Path(gpt2_course.bricks.__file__).parent / "my_gpt2.py").read_text(encoding="utf-8")
    return source.splitlines(), ast.parse(source)


def sections() -> list[tuple[str, int]]:
    """The sections of `my_gpt2.py` and their lines of code, without comments, docstrings, and empty lines."""
    lines, tree = _file()
    silent = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            text = node.body[0]
            silent |= set(range(text.lineno, (text.end_lineno or 0) + 1))
    found: list[tuple[str, int]] = [("the beginning", 0)]
    for number, line in enumerate(lines, start=1):
        if line.startswith("# ----"):
            found.append((line.strip("# -"), 0))
        elif line.strip() and not line.strip().startswith("#") and number not in silent:
            found[-1] = (found[-1][0], found[-1][1] + 1)
    return found


@drawn(17, "file")
def file() -> Drawing:
    found = sections()
    short = {
        "from text to IDs and back": ("text ↔ IDs", "token"),
        "the model": ("the model", "attention"),
        "learning": ("learning", "loss"),
        "writing": ("writing", "floor"),
        "reading a model from its folder": ("reading weights", "stream"),
    }
    bricks = [(short[name.split(":")[0]], n) for name, n in found if name.split(":")[0] in short]
    total = sum(n for _, n in bricks)
    plate = sum(n for _, n in found) - total
    panel = Panel(302, f"my_gpt2.py: {total} lines of your code")
    y, scale = 36.0, 200 / total
    for (name, role), n in reversed(bricks):
        height = max(32.0, scale * n)
        for i in range(3):
            panel.box(14 + 46 * i, y - 5, 26, 6, role=role, tint=0.6, line=0, radius=1.5)
        panel.box(0, y, 160, height - 8, name, role=role, tint=0.3, bold=True)
        panel.text(170, y + height / 2, f"{n} lines", anchor="start", bold=True)
        y += height
    panel.box(0, y, 320, 22, role=None, tint=0.15, line=0, radius=2)
    panel.text(160, y + 15, f"the plate: {plate} lines that are given")
    panel.height = y + 26
    told = ", ".join(f"{name} {n} lines" for (name, _), n in bricks)
    return Drawing(
        (panel,),
        f"The file my_gpt2.py as a stack of bricks, in the order of the file from the bottom up: {told}. "
        f"They stand on a plate of {plate} lines that are given.",
    )


def calls() -> dict[str, set[str]]:
    """For each function of `my_gpt2.py`, the functions of the same file that it calls."""
    functions = {node.name: node for node in _file()[1].body if isinstance(node, ast.FunctionDef)}
    return {
        name: {
            inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and inner.id in functions
        } - {name}
        for name, node in functions.items()
    }  # fmt: skip


@drawn(17, "calls")
def calls_drawing() -> Drawing:
    called = calls()
    levels = (
        {"gpt2": 160.0},
        {"embed": 50.0, "block": 160.0},
        {"attention": 66.0, "mlp": 172.0, "layer_norm": 264.0},
        {"split_heads": 50.0, "head": 160.0, "join_heads": 268.0},
        {"attention_weights": 160.0},
        {"mask": 160.0},
    )  # the middle of each function's box, row by row
    roles = {"embed": "token", "layer_norm": "norm", "mlp": "mlp", "block": "stream", "gpt2": "stream"}
    panel = Panel(292, "gpt2(): a function made of your functions")
    centers = {name: middle for names in levels for name, middle in names.items()}
    row = {name: i for i, names in enumerate(levels) for name in names}
    y = {name: 34 + 46.0 * i for name, i in row.items()}
    told = []
    for name in row:
        inside = [other for other in row if other in called[name]]
        if inside:
            told.append(f"{name} calls {', '.join(inside)}")
        for other in inside:
            down = 1 if y[other] > y[name] else 0
            panel.line(
                (centers[name], y[name] + 26), (centers[other], y[other] - (1 if down else -13)), faint=0.55, width=1.3
            )
    for name in row:
        width = 7.1 * len(name) + 14
        panel.box(
            centers[name] - width / 2, y[name], width, 26, name, role=roles.get(name, "attention"), tint=0.25, line=1.2
        )
    return Drawing((panel,), f"Which function of my_gpt2.py calls which: {'; '.join(told)}.")


@drawn(17, "safetensors")
def safetensors() -> Drawing:
    data = (SHIPPED[DEFAULT_MODEL] / "model.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    name = "wpe.weight"
    entry = next(e for key, e in json.loads(data[8 : 8 + length]).items() if key.removeprefix("transformer.") == name)
    first, last = entry["data_offsets"]
    rest = len(data) - 8 - length
    panel = Panel(206, "A safetensors file: three parts")
    for x, width, role, label, size in (
        (0.0, 64.0, "position", "length", "8 bytes"),
        (68.0, 84.0, "attention", "header", f"{length:,} bytes"),
        (156.0, 164.0, "token", "numbers", f"{rest:,} bytes"),
    ):
        panel.box(x, 26, width, 34, label, role=role, tint=0.25, bold=True)
        panel.text(x + width / 2, 76, size, size=11)
    panel.line((32, 84), (32, 98), (90, 98), (90, 84), arrow=True, role="position")
    panel.box(0, 112, 320, 72, role="attention", tint=0.1)
    for i, (key, value) in enumerate(
        (
            ("a tensor's name", name),
            ("dtype", entry["dtype"]),
            ("shape", f"[{', '.join(map(str, entry['shape']))}]"),
            ("data_offsets", f"[{first:,} to {last:,}]"),
        )
    ):
        panel.text(12, 129 + 16 * i, key, anchor="start")
        panel.text(126, 129 + 16 * i, value, anchor="start", bold=True)
    panel.line((128, 84), (128, 110), arrow=True, role="attention")
    panel.line((286, 110), (286, 64), arrow=True, role="token")
    panel.text(160, 200, "Offsets count from the end of the header.")
    return Drawing(
        (panel,),
        f"A safetensors file has three parts: 8 bytes with the length of the header, the header of {length:,} bytes, "
        f"and the numbers, {rest:,} bytes. For each tensor, such as {name}, the header says its dtype, "
        f"{entry['dtype']}, its shape, {entry['shape'][0]} by {entry['shape'][1]}, and where its bytes are, from "
        f"{first:,} to {last:,}, counted from the end of the header.",
    )

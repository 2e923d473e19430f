"""The exercises of chapter 15: GPT-2 from a blank page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gpt2_course.exercises.registry import exercise


@exercise("15.1", "One merge")
def merge(answer: Callable[[list[str], dict[tuple[str, str], int]], Any]) -> str | None:
    """`answer(parts, rank)` does the one merge that was learned earliest, at its first place."""
    rank = {("a", "n"): 0, ("b", "a"): 1, ("an", "a"): 2, ("n", "a"): 3}
    found = answer(list("banana"), dict(rank))
    if not isinstance(found, list):
        return f"Return a list of parts; this is a {type(found).__name__}."
    if found == ["b", "an", "a", "n", "a"]:
        if answer(list("abcab"), {("a", "b"): 5, ("c", "a"): 1}) != ["a", "b", "ca", "b"]:
            return (
                "Right for banana only: in 'abcab', ('c', 'a') has the lower rank, though ('a', 'b') is more frequent."
            )
        if answer(["b", "e"], dict(rank)) != ["b", "e"]:
            return "Where no pair is in `rank`, the parts stay as they are."
        return None if answer(["b"], dict(rank)) == ["b"] else "A single part has no pairs: it stays as it is."
    said = {
        ("ba", "n", "a", "n", "a"): "You did the first pair that can be merged. Take the one with the lowest rank.",
        ("b", "an", "an", "a"): "You did the merge at every place. One at a time is asked for: the first.",
        ("b", "a", "n", "an", "a"): "You did it at its last place. The first one is asked for.",
        ("b", "a", "na", "n", "a"): "You took the pair that was learned last. The lowest rank was learned earliest.",
        ("ban", "a", "n", "a"): "That is two merges. Do one.",
        ("b", "an", "ana"): "That is all merges. Do one.",
        ("b", "anana"): "That is all merges. Do one.",
        tuple("banana"): "Nothing was merged: ('a', 'n') has rank 0.",
    }
    return (
        said.get(tuple(map(str, found)))
        or f"'banana' becomes b·an·a·n·a, but you returned {'·'.join(map(str, found))}."
    )


@exercise("15.2", "The header")
def header(answer: Callable[[bytes], Any]) -> str | None:
    """`answer(data)` are the shapes of the tensors in a safetensors file, by name."""
    head = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "wte": {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]},
            "bias": {"dtype": "F16", "shape": [4], "data_offsets": [24, 32]},
        }
    ).encode()
    head += b" " * (512 - len(head))  # padded, as real files are
    data = len(head).to_bytes(8, "little") + head + bytes(range(200, 232))
    found = answer(data)
    if not isinstance(found, dict):
        return f"Return a dict, name to shape; this is a {type(found).__name__}."
    if found == {"wte": [3, 2], "bias": [4]} or found == {"wte": (3, 2), "bias": (4,)}:
        return None
    if "__metadata__" in found:
        return "`__metadata__` is no tensor: leave it out."
    if found and all(isinstance(value, dict) for value in found.values()):
        return "These are the whole entries. Only the shape of each is asked for."
    if found == {"wte": [0, 24], "bias": [24, 32]}:
        return "These are the places of the numbers in the file. The entry is called 'shape'."
    if found == {"wte": 6, "bias": 4}:
        return "These are the counts of numbers. The shapes are asked for."
    return f"The shapes are wte: [3, 2] and bias: [4], but you returned {found}."


@exercise("15.3", "On its side")
def turned(answer: Callable[[str, list[int]], Any]) -> str | None:
    """`answer(name, shape)` says whether GPT-2's file holds this tensor on its side."""
    cases = {
        ("h.0.attn.c_attn.weight", (192, 576)): True,
        ("h.3.mlp.c_proj.weight", (768, 192)): True,
        ("h.1.attn.c_proj.weight", (192, 192)): True,
        ("h.0.attn.c_attn.bias", (576,)): False,
        ("wte.weight", (3072, 192)): False,
        ("wpe.weight", (336, 192)): False,
        ("h.0.ln_1.weight", (192,)): False,
    }
    for (name, shape), right in cases.items():
        found = answer(name, list(shape))
        if not isinstance(found, bool):
            return f"Return True or False; for {name} you returned {found!r}."
        if found == right:
            continue
        if name.startswith("w"):
            return f"{name} is an embedding, a table with a row for each token or position. It is not turned."
        if len(shape) == 1:
            return f"{name} is a single row of numbers: there is nothing to turn."
        if shape[0] == shape[1]:
            return f"{name} is a square, and its shape does not tell; but it belongs to a Linear layer, and is turned."
        return f"{name} belongs to a Linear layer: its matrix is turned in the file."
    return None

"""The exercises of chapter 15: GPT-2 from a blank page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gpt2_course.exercises.registry import exercise


@exercise("15.1", "One merge")
def merge(answer: Callable[[list[str], dict[tuple[str, str], int]], Any]) -> str | None:
    """`answer(parts, rank)` does one merge: the pair with the lowest rank, at its first occurrence."""
    rank = {("a", "n"): 0, ("b", "a"): 1, ("an", "a"): 2, ("n", "a"): 3}
    found = answer(list("banana"), dict(rank))
    if not isinstance(found, list):
        return f"Return a list of parts; your result has type {type(found).__name__}."
    if found == ["b", "an", "a", "n", "a"]:
        if answer(list("abcab"), {("a", "b"): 5, ("c", "a"): 1}) != ["a", "b", "ca", "b"]:
            return "This works only for banana. In 'abcab', ('c', 'a') has the lowest rank, not ('a', 'b')."
        if answer(["b", "e"], dict(rank)) != ["b", "e"]:
            return "If no pair is in `rank`, return the parts unchanged."
        return None if answer(["b"], dict(rank)) == ["b"] else "A single part has no pairs. Return it unchanged."
    said = {
        ("ba", "n", "a", "n", "a"): "You merged the first possible pair. Merge the one with the lowest rank.",
        ("b", "an", "an", "a"): "You merged every occurrence. Merge only the first.",
        ("b", "a", "n", "an", "a"): "You merged the last occurrence. Merge the first.",
        ("b", "a", "na", "n", "a"): "You merged the pair that was learned last. The lowest rank was learned first.",
        ("ban", "a", "n", "a"): "You did two merges. Do one.",
        ("b", "an", "ana"): "You did every merge. Do one.",
        ("b", "anana"): "You did every merge. Do one.",
        tuple("banana"): "Nothing was merged: ('a', 'n') has rank 0.",
    }
    return (
        said.get(tuple(map(str, found)))
        or f"'banana' becomes b·an·a·n·a, but you returned {'·'.join(map(str, found))}."
    )


@exercise("15.2", "The header")
def header(answer: Callable[[bytes], Any]) -> str | None:
    """`answer(data)` returns the shapes of the tensors in a safetensors file, by name."""
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
        return f"Return a dict from names to shapes; your result has type {type(found).__name__}."
    if found == {"wte": [3, 2], "bias": [4]} or found == {"wte": (3, 2), "bias": (4,)}:
        return None
    if "__metadata__" in found:
        return "`__metadata__` is not a tensor. Leave it out."
    if found and all(isinstance(value, dict) for value in found.values()):
        return "These are whole entries. Return only the shape of each."
    if found == {"wte": [0, 24], "bias": [24, 32]}:
        return "These are the positions of the numbers in the file. Return the values of 'shape'."
    if found == {"wte": 6, "bias": 4}:
        return "These are counts of numbers. Return the shapes."
    return f"The shapes are wte: [3, 2] and bias: [4], but you returned {found}."


@exercise("15.3", "On its side")
def turned(answer: Callable[[str, list[int]], Any]) -> str | None:
    """`answer(name, shape)` returns whether GPT-2's file stores this tensor transposed."""
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
            return f"{name} is an embedding, a table with one row per token or position. It is not transposed."
        if len(shape) == 1:
            return f"{name} has only one dimension, so there is nothing to transpose."
        if shape[0] == shape[1]:
            return (
                f"{name} is square, so its shape does not help. But it belongs to a linear layer, so it is transposed."
            )
        return f"{name} belongs to a linear layer, whose matrix is transposed in the file."
    return None

"""The exercises of chapter 15: GPT-2 from a blank page."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import described


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

    def entries(data: bytes) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return found

    def tensors(data: bytes) -> dict[str, Any]:
        return {name: entry for name, entry in entries(data).items() if name != "__metadata__"}

    usual: dict[str, Callable[[bytes], Any]] = {
        "`__metadata__` is not a tensor. Leave it out.": lambda data: {
            name: entry.get("shape") for name, entry in entries(data).items()
        },
        "These are whole entries. Return only the shape of each.": tensors,
        "These are whole entries. Return only the shape of each, and leave out `__metadata__`.": entries,
        "These are the positions of the numbers in the file. Return the values of 'shape'.": lambda data: {
            name: entry["data_offsets"] for name, entry in tensors(data).items()
        },
        "These are the types of the numbers. Return the values of 'shape'.": lambda data: {
            name: entry["dtype"] for name, entry in tensors(data).items()
        },
        "These are counts of numbers. Return the shapes.": lambda data: {
            name: math.prod(entry["shape"]) for name, entry in tensors(data).items()
        },
        "These are the numbers of dimensions. Return the shapes.": lambda data: {
            name: len(entry["shape"]) for name, entry in tensors(data).items()
        },
        "The shapes are reversed.": lambda data: {name: entry["shape"][::-1] for name, entry in tensors(data).items()},
        "These are only the names. Return a dictionary from names to shapes.": lambda data: list(tensors(data)),
        "These are only the shapes. Return a dictionary from names to shapes.": lambda data: [
            entry["shape"] for entry in tensors(data).values()
        ],
        "Only `__metadata__` is left. Leave it out, and keep all others.": lambda data: {
            "__metadata__": entries(data)["__metadata__"]
        },
        "Nothing is left. Leave out `__metadata__` and keep all others.": lambda data: {},
    }
    inputs = [(_file({"format": "pt"}, 512),), (_file({"format": "pt"}, 0),), (_file(None, 1000),)]
    for given in inputs:
        found = answer(*given)
        if isinstance(found, dict) and "__metadata__" in found and len(found) > 1 and None not in found.values():
            return "`__metadata__` is not a tensor. Leave it out."
    return compare(answer, inputs, lambda data: {name: e["shape"] for name, e in tensors(data).items()}, usual)


def _file(metadata: dict[str, str] | None, size: int) -> bytes:
    """A safetensors file whose header is padded to `size` bytes, as in many real files."""
    about = {
        "wte": {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]},
        "bias": {"dtype": "F16", "shape": [4], "data_offsets": [24, 32]},
    }
    head = json.dumps({"__metadata__": metadata, **about} if metadata else about).encode()
    head = head.ljust(size)
    return len(head).to_bytes(8, "little") + head + bytes(range(200, 232))


@exercise("15.3", "On its side")
def turned(answer: Callable[[str, list[int]], Any]) -> str | None:
    """`answer(name, shape)` returns whether GPT-2's file stores this tensor transposed."""
    cases = {
        ("h.0.attn.c_attn.weight", (192, 576)): True,
        ("h.3.mlp.c_proj.weight", (768, 192)): True,
        ("h.11.mlp.c_fc.weight", (192, 768)): True,
        ("h.1.attn.c_proj.weight", (192, 192)): True,
        ("h.0.attn.c_attn.bias", (576,)): False,
        ("h.2.mlp.c_fc.bias", (768,)): False,
        ("wte.weight", (3072, 192)): False,
        ("wpe.weight", (336, 192)): False,
        ("wte.weight", (192, 192)): False,
        ("h.0.ln_1.weight", (192,)): False,
        ("ln_f.weight", (192,)): False,
    }
    found = {case: answer(case[0], list(case[1])) for case in cases}
    for (name, _), said in found.items():
        if not isinstance(said, bool):
            return f"Return True or False; for {name} you returned a result of type {described(said)}."
    if list(found.values()) == [not right for right in cases.values()]:
        return "Every result is the opposite of what it must be: True means that the file stores it transposed."
    for (name, shape), right in cases.items():
        if found[name, shape] == right:
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

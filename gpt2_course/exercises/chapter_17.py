"""The exercises of chapter 17: GPT-2 from a blank page."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from gpt2_course.bricks import my_gpt2 as bricks
from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import described, numbers

Rank = dict[tuple[str, str], int]


def _merge_by(parts: list[str], rank: Rank, key: Callable[[Rank, tuple[str, str], int], Any], merges: int = 1) -> Any:
    """Merge the pair with the smallest key, so many times."""
    for _ in range(merges):
        places = [(key(rank, pair, i), i) for i, pair in enumerate(pairwise(parts)) if pair in rank]
        if places:
            _, i = min(places)
            parts = [*parts[:i], parts[i] + parts[i + 1], *parts[i + 2 :]]
    return parts


def _every_occurrence(parts: list[str], rank: Rank) -> list[str]:
    known = [pair for pair in pairwise(parts) if pair in rank]
    return bricks.merge(parts, first := min(known, key=rank.__getitem__), "".join(first)) if known else parts


def _once(rank: Rank, pair: tuple[str, str], i: int) -> Any:
    return rank[pair], i


@exercise("17.1", "One merge")
def merge(answer: Callable[[list[str], Rank], Any]) -> str | None:
    """`answer(parts, rank)` does one merge: the pair with the lowest rank, at its first occurrence."""
    rank = {("a", "n"): 0, ("b", "a"): 1, ("an", "a"): 2, ("n", "a"): 3}
    inputs = [
        (list("banana"), rank),
        (list("abcab"), {("a", "b"): 5, ("c", "a"): 1}),
        (list("canna"), rank),
        (["b", "e"], rank),
        (["b"], rank),
        ([], rank),
    ]
    usual: dict[str, Callable[[list[str], Rank], Any]] = {
        "You merged the first possible pair. Merge the one with the lowest rank.": lambda parts, rank: _merge_by(
            parts, rank, lambda rank, pair, i: i
        ),
        "You merged every occurrence. Merge only the first.": _every_occurrence,
        "You merged the last occurrence. Merge the first.": lambda parts, rank: _merge_by(
            parts, rank, lambda rank, pair, i: (rank[pair], -i)
        ),
        "You merged the pair that was learned last. The lowest rank was learned first.": lambda parts, rank: _merge_by(
            parts, rank, lambda rank, pair, i: (-rank[pair], i)
        ),
        "You merged the smallest pair by the alphabet. Merge the one with the lowest rank.": lambda parts, rank: (
            _merge_by(parts, rank, lambda rank, pair, i: (pair, i))
        ),
        "You did two merges. Do one.": lambda parts, rank: _merge_by(parts, rank, _once, merges=2),
        "You did every merge. Do one.": lambda parts, rank: _merge_by(parts, rank, _once, merges=9),
        "Nothing was merged. Look for pairs of neighbors that are in `rank`.": lambda parts, rank: parts,
        "If no pair is in `rank`, there is no smallest one: return the parts unchanged.": lambda parts, rank: min(
            rank[pair] for pair in pairwise(parts) if pair in rank
        ),
        "Not every pair is in `rank`. Look with `in` first, or use rank.get(pair, math.inf).": lambda parts, rank: min(
            rank[pair] for pair in pairwise(parts)
        ),
        "You returned the merged pair. Return the whole list, with the pair as one part.": lambda parts, rank: [
            part for part in _merge_by(parts, rank, _once) if part not in parts
        ],
        "This is a string. Return the list of parts.": lambda parts, rank: "".join(parts),
    }
    return compare(answer, inputs, lambda parts, rank: _merge_by(parts, rank, _once), usual)


@exercise("17.2", "The header")
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


@exercise("17.3", "On its side")
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


def safetensors(tensors: dict[str, Tensor], metadata: bool = True, padded: int = 0) -> bytes:
    """The bytes of a safetensors file, with the tensors last to first, as its header may order them as it likes."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}} if metadata else {}
    numbers = b""
    for name, tensor in tensors.items():
        first, numbers = len(numbers), numbers + tensor.numpy().tobytes()
        kind = {torch.float16: "F16", torch.float32: "F32"}[tensor.dtype]
        entry = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [first, len(numbers)]}
        entries = {name: entry, **entries}
    head = json.dumps(entries).encode().ljust(padded)
    return len(head).to_bytes(8, "little") + head + numbers


def _read(
    data: bytes,
    start: Callable[[int], int] = lambda length: 8 + length,
    shaped: Callable[[Tensor, list[int]], Tensor] = lambda tensor, shape: tensor.view(shape),
    last: Callable[[int, int], int] = lambda first, last: last,
    kinds: dict[str, torch.dtype] | None = None,
) -> dict[str, Tensor]:
    """`read_tensors` in which one step can be replaced by a wrong one."""
    length = int.from_bytes(data[:8], "little")
    kinds = kinds or {"F16": torch.float16, "F32": torch.float32}
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            first, end = entry["data_offsets"]
            part = data[start(length) + first : start(length) + last(first, end)]
            tensors[name] = shaped(
                torch.frombuffer(bytearray(part), dtype=kinds[entry["dtype"]]).float(), entry["shape"]
            )
    return tensors


@exercise("17.4", "Read the tensors")
def read_tensors(answer: Callable[[bytes], Any]) -> str | None:
    """`answer(data)` returns the tensors in a safetensors file by name, in float32."""
    inputs = [
        (safetensors({"wte.weight": numbers(5, 3), "ln_f.bias": numbers(7).half()}, padded=256),),
        (safetensors({"a": numbers(2, 6).half(), "b": numbers(2, 3, 2), "c": numbers(1)}, metadata=False),),
    ]
    both = dict.fromkeys(("F16", "F32"), torch.float32)
    usual: dict[str, Callable[[bytes], Any] | tuple[Callable[[bytes], Any], ...]] = {
        "The offsets count from the end of the header, not from the start of the file. Add 8 and its length.": (
            lambda data: _read(data, start=lambda length: 0)
        ),
        "The header starts after the 8 bytes of its length: the numbers begin at 8 + length.": lambda data: _read(
            data, start=lambda length: length
        ),
        "The numbers begin after the header: at 8 + length, not at 8.": lambda data: _read(
            data, start=lambda length: 8
        ),
        "The shape is missing: .view(entry['shape']).": lambda data: _read(data, shaped=lambda tensor, shape: tensor),
        "The shapes are reversed.": lambda data: _read(data, shaped=lambda tensor, shape: tensor.view(shape[::-1])),
        "The tensors are transposed. Keep them as they are in the file.": lambda data: _read(
            data, shaped=lambda tensor, shape: tensor.view(shape).movedim(0, -1)
        ),
        "Not all tensors have 4 bytes per number. Choose the dtype by the entry: F16 is torch.float16.": (
            lambda data: _read(data, kinds=both),
            lambda data: _read(data, kinds=both, shaped=lambda tensor, shape: tensor),
        ),
        "Not all tensors have 2 bytes per number. Choose the dtype by the entry: F32 is torch.float32.": lambda data: (
            _read(data, kinds=dict.fromkeys(("F16", "F32"), torch.float16))
        ),
        "The dtypes are swapped. F16 is torch.float16, F32 torch.float32.": lambda data: _read(
            data, kinds={"F32": torch.float16, "F16": torch.float32}
        ),
        "The first offset is where a tensor begins, the second where it ends, not how long it is.": lambda data: _read(
            data, last=lambda first, last: first + last
        ),
        "Not every file has `__metadata__`. Use pop('__metadata__', None), or look at each name.": lambda data: (
            json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).pop("__metadata__") and {}
        ),
        "`__metadata__` is not a tensor. Leave it out.": (
            lambda data: json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["data_offsets"],
            lambda data: json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["dtype"],
            lambda data: json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["shape"],
        ),
        "The length of the header has its smallest byte first: int.from_bytes(data[:8], 'little').": lambda data: (
            json.loads(data[8 : 8 + int.from_bytes(data[:8], "big")])
        ),
        "The numbers are not text. Decode only the header, data[8 : 8 + length].": lambda data: data.decode(),
        "The file is more than its header. Read JSON only from data[8 : 8 + length].": lambda data: json.loads(
            data[8:]
        ),
        "These are only the tensors. Return a dictionary from names to tensors.": lambda data: list(
            _read(data).values()
        ),
        "These are the entries of the header. Return the tensors themselves.": lambda data: {
            name: entry
            for name, entry in json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).items()
            if name != "__metadata__"
        },
    }
    if message := compare(answer, inputs, bricks.read_tensors, usual, "a dictionary from names to tensors"):
        return message
    last = getattr(answer, "last", {})
    for name, tensor in last.items():
        if not isinstance(tensor, Tensor) or tensor.dtype != torch.float32:
            return f"The numbers are right, but return tensors in float32: {name} is of type {described(tensor)}."
    return None

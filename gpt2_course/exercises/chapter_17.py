"""The exercises of chapter 17: the file, whole."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gpt2_course.bricks import my_gpt2 as bricks
from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import described, numbers

Change = Callable[[list[float], list[float]], Any]


@exercise("17.1", "The header")
def header(answer: Callable[[bytes], Any]) -> str | None:
    """`answer(data)` returns the shapes of the tensors in a safetensors file, by name."""

    def entries(data: bytes) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return found

    def tensors(data: bytes) -> dict[str, Any]:
        return {name: entry for name, entry in entries(data).items() if name != "__metadata__"}

    def part(first: int, last: Callable[[int], int]) -> Callable[[bytes], Any]:
        """JSON from the wrong part of the file."""
        return lambda data: json.loads(data[first : last(int.from_bytes(data[:8], "little"))])

    usual: dict[str, Callable[[bytes], Any] | tuple[Callable[[bytes], Any], ...]] = {
        "`__metadata__` is not a tensor. Leave it out.": (
            lambda data: {name: entry.get("shape") for name, entry in entries(data).items()},
            lambda data: {name: entry["shape"] for name, entry in entries(data).items()},
        ),
        "Not every file has `__metadata__`. Use pop('__metadata__', None), or look at each name.": lambda data: entries(
            data
        ).pop("__metadata__"),
        "You read past the header. It is data[8 : 8 + length], and the length has its smallest byte first: "
        "int.from_bytes(data[:8], 'little').": (
            lambda data: json.loads(data[8:]),
            lambda data: json.loads(data[8 : 8 + int.from_bytes(data[:8], "big")]),
        ),
        "The header starts after the 8 bytes of its length: read JSON from data[8 : 8 + length].": (
            part(0, lambda length: length),
            part(0, lambda length: 8 + length),
            json.loads,
        ),
        "The header ends at 8 + length, because it starts at 8: read JSON from data[8 : 8 + length].": part(
            8, lambda length: length
        ),
        "All 8 bytes are one number: length = int.from_bytes(data[:8], 'little').": (
            lambda data: json.loads(data[8 : 8 + data[0]]),
            lambda data: json.loads(data[8 : 8 + data[0] + 256 * data[1]]),
            lambda data: json.loads(data[8 : 8 + sum(data[:8])]),
        ),
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
    inputs = [(_file({"format": "pt"}, 65_600),), (_file({"format": "pt"}, 0),), (_file(None, 1000),)]
    message = compare(answer, inputs, lambda data: {name: e["shape"] for name, e in tensors(data).items()}, usual)
    for given in inputs if message else ():
        found = answer(*given)
        if isinstance(found, dict) and "__metadata__" in found and len(found) > 1 and None not in found.values():
            return "`__metadata__` is not a tensor. Leave it out."
    return message


def _file(metadata: dict[str, str] | None, size: int) -> bytes:
    """A safetensors file whose header is padded to `size` bytes, as in many real files."""
    about = {
        "wte": {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]},
        "bias": {"dtype": "F16", "shape": [4], "data_offsets": [24, 32]},
    }
    head = json.dumps({"__metadata__": metadata, **about} if metadata else about).encode()
    head = head.ljust(size)
    return len(head).to_bytes(8, "little") + head + bytes(range(200, 232))


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


@exercise("17.2", "Read the tensors")
def read_tensors(answer: Callable[[bytes], Any]) -> str | None:
    """`answer(data)` returns the tensors in a safetensors file by name, in float32."""
    inputs = [
        (safetensors({"wte.weight": numbers(5, 3), "ln_f.bias": numbers(7).half()}, padded=65_600),),
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
        "The numbers are not text. Decode only the header, data[8 : 8 + length].": lambda data: data.decode(),
        "You read past the header. It is data[8 : 8 + length], and the length has its smallest byte first: "
        "int.from_bytes(data[:8], 'little').": (
            lambda data: json.loads(data[8:]),
            lambda data: json.loads(data[8 : 8 + int.from_bytes(data[:8], "big")]),
        ),
        "All 8 bytes are one number: length = int.from_bytes(data[:8], 'little').": lambda data: json.loads(
            data[8 : 8 + data[0] + 256 * data[1]]
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


@exercise("17.3", "Write the tensors", right=safetensors)
def write_tensors(answer: Callable[[dict[str, Tensor]], Any]) -> str | None:
    """`answer(tensors)` returns the bytes of a safetensors file that contains these float32 tensors."""
    for tensors in (
        {"a": numbers(2, 3)},
        {"wte.weight": numbers(5, 3), "ln_f.bias": numbers(7), "h.0.mlp": numbers(2, 3, 4)},
        {"turned": numbers(3, 4).T},
    ):
        if mistake := _not_a_file(answer(dict(tensors)), tensors):
            return mistake
    return None


def _not_a_file(data: Any, tensors: dict[str, Tensor]) -> str | None:
    """Why some data is not a safetensors file with these tensors; None if it is."""
    if not isinstance(data, bytes):
        return f"Return bytes, not a result of type {described(data)}."
    length = int.from_bytes(data[:8], "little")
    if length > len(data) - 8:
        if data[:1] == b"{":
            return "The length of the header is missing. Write it first, as 8 bytes."
        if int.from_bytes(data[:8], "big") <= len(data) - 8:
            return "Write the length with its smallest byte first: length.to_bytes(8, 'little')."
        if 0 < (start := data.find(b"{")) < 8:
            return f"Write the length as 8 bytes: length.to_bytes(8, 'little'). Yours has {start}."
        return f"The first 8 bytes say that the header has {length:,} bytes, but only {len(data) - 8:,} bytes follow."
    try:
        header = json.loads(data[8 : 8 + length])
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        found = {name: (e["dtype"], list(e["shape"]), *e["data_offsets"]) for name, e in entries.items()}
    except UnicodeDecodeError:
        return "The header ends earlier than your length says. Count the bytes of the header alone, without the 8."
    except ValueError as error:
        return f"The {length} bytes after the first 8 are not JSON ({error}). Is the length that of the encoded header?"
    except (AttributeError, KeyError, TypeError) as error:
        return f"An entry of the header needs 'dtype', 'shape', and 'data_offsets' ({type(error).__name__}: {error})."
    if set(found) != set(tensors):
        return f"The header names {', '.join(sorted(found)) or 'nothing'}; it should name {', '.join(sorted(tensors))}."
    body = data[8 + length :]
    for name, tensor in tensors.items():
        kind, shape, begin, end = found[name]
        if kind != "F32":
            return f"The dtype of {name} is 'F32', but you wrote {kind!r}."
        if shape != list(tensor.shape):
            return f"The shape of {name} is {list(tensor.shape)}, but you wrote {shape}."
        if end - begin == tensor.numel():
            return f"The offsets of {name} count its numbers. Count bytes: each number has 4."
        if begin > 0 and end == 4 * tensor.numel():
            return f"The second offset of {name} is where its bytes end, not how many there are."
        if (begin, end) != (begin, begin + 4 * tensor.numel()):
            return f"{name} takes {4 * tensor.numel()} bytes, but your offsets for it are {[begin, end]}."
        if begin >= 8 + length or (len(tensors) == 1 and begin > 0):
            return "Offsets count from the end of the header, so the first tensor begins at 0."
        if body[begin:end] != tensor.numpy().tobytes():
            return f"The file does not contain the numbers of {name} at its offsets. Are they in the header's order?"
    if len(body) != sum(4 * tensor.numel() for tensor in tensors.values()):
        return f"After the header, your file has {len(body)} bytes. It should have 4 per number, and no others."
    return None


@exercise("17.4", "Luck or effect")
def luck(answer: Callable[[list[float], list[float]], Any]) -> str | None:
    """`answer(before, after)` returns the mean change of the loss and its standard error."""

    def changes(before: list[float], after: list[float]) -> Tensor:
        return torch.tensor(after, dtype=torch.float64) - torch.tensor(before, dtype=torch.float64)

    def both(
        before: list[float], after: list[float], correction: int = 1, power: float = 0.5, sign: int = 1
    ) -> tuple[float, float]:
        change = changes(before, after)
        return sign * change.mean().item(), change.std(correction=correction).item() / len(before) ** power

    def not_paired(before: list[float], after: list[float]) -> tuple[float, float]:
        spreads = [torch.tensor(each, dtype=torch.float64).var().item() / len(each) for each in (before, after)]
        return changes(before, after).mean().item(), math.sqrt(sum(spreads))

    usual: dict[str, Change | tuple[Change, ...]] = {
        "The sign is wrong: a loss that falls is a negative change, after minus before.": lambda before, after: both(
            before, after, sign=-1
        ),
        "This is the changes' standard deviation. Divide it by √n for the standard error.": lambda before, after: both(
            before, after, power=0
        ),
        "Divide the standard deviation by √n, not by n.": lambda before, after: both(before, after, power=1),
        "Divide the standard deviation by √n, not by √(n − 1). stdev divides by n − 1 already.": lambda before, after: (
            changes(before, after).mean().item(),
            changes(before, after).std().item() / math.sqrt(len(before) - 1),
        ),
        "The sign is lost: a loss that falls is a negative change. Leave out abs().": lambda before, after: (
            changes(before, after).mean().abs().item(),
            both(before, after)[1],
        ),
        "The error is that of the losses. Take the standard deviation of the changes.": (
            lambda before, after: (both(before, after)[0], both([0.0] * len(before), after)[1]),
            lambda before, after: (both(before, after)[0], both([0.0] * len(before), before)[1]),
        ),
        "Divide the sum of squares by n − 1, not by n, as statistics.stdev does.": lambda before, after: both(
            before, after, correction=0
        ),
        "You ignored that each seed was used twice. Take the change for each seed first.": not_paired,
        "This is only the mean. Return it and the standard error.": lambda before, after: both(before, after)[0],
        "This is only the standard error. Return the mean change, too.": lambda before, after: both(before, after)[1],
        "You multiplied by √n. Divide by it.": lambda before, after: both(before, after, power=-0.5),
        "You used only the losses after the change. Subtract those before it.": lambda before, after: both(
            [0.0] * len(before), after
        ),
        "You used only the losses before the change. Subtract them from those after it.": lambda before, after: both(
            [0.0] * len(before), before
        ),
        "You added the losses. The change is after minus before.": lambda before, after: both(
            [-loss for loss in before], after
        ),
        "You compared a list with itself. The change is after minus before.": lambda before, after: (0.0, 0.0),
        "These are the changes themselves. Return their mean and its standard error.": (
            lambda before, after: changes(before, after).tolist(),
            lambda before, after: (changes(before, after).tolist(), both(before, after)[1]),
        ),
        "The two are in the wrong order: the mean change first.": lambda before, after: both(before, after)[::-1],
        "This is the sum of the changes. Take their mean.": lambda before, after: (
            changes(before, after).sum().item(),
            both(before, after)[1],
        ),
    }
    inputs = [([0.5, 0.75, 0.625], [0.25, 0.625, 0.5]), ([3.0, 2.0, 4.0, 3.5, 1.0], [3.5, 2.25, 4.0, 4.25, 2.0])]
    return compare(answer, inputs, both, usual, "the mean change and its standard error")

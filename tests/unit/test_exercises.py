"""Checks accept right answers, recognize and name usual mistakes, and do not count a stub as a mistake."""

from __future__ import annotations

import copy
import functools
import json
import math
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from gpt2_course.bricks import my_gpt2
from gpt2_course.exercises import check, progress
from gpt2_course.exercises.registry import EXERCISES

progress_module = sys.modules["gpt2_course.exercises.progress"]  # by this name the package exports the function


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Redirect progress, so tests do not mark exercises as solved for the user."""
    path = tmp_path / "data" / "solved.json"
    monkeypatch.setattr(progress_module, "_file", lambda: path)
    return path


def count(x: Tensor) -> Tensor:
    return torch.arange(1, len(x) + 1)[:, None]


def future(scores: Tensor) -> Tensor:
    return torch.ones_like(scores, dtype=torch.bool).triu(1)


def normed(x: Tensor, epsilon: float = 1e-5) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + epsilon).sqrt()


def gelu(x: Tensor) -> Tensor:
    return torch.nn.functional.gelu(x, approximate="tanh")


def all_parameters(v: int, p: int, c: int, n: int) -> int:
    return (v + p) * c + n * (12 * c * c + 13 * c) + 2 * c


def at(values: Tensor, targets: Tensor) -> Tensor:
    return values.gather(-1, targets[..., None])[..., 0]


def length(tensors: list[Tensor]) -> float:
    return sum(float((t**2).sum()) for t in tensors) ** 0.5


def tenths(sure: Tensor, n: int = 10) -> list[Tensor]:
    """A mask for each bin that is not empty."""
    bins = (sure * n).long()
    return [bins == b for b in range(n) if (bins == b).any()]


def occurs(text: list[int], read: list[list[int]], n: int) -> bool:
    """Whether a run of n tokens of the text occurs in one of `read`."""
    pieces = {tuple(ids[i : i + n]) for ids in read for i in range(len(ids) - n + 1)}
    return any(tuple(text[i : i + n]) in pieces for i in range(len(text) - n + 1))


def line(n1: float, y1: float, n2: float, y2: float, n3: float) -> float:
    """The value at n3 on the straight line through two points, on two logarithmic axes."""
    return float(y2 * (n3 / n2) ** (math.log(y2 / y1) / math.log(n2 / n1)))


def switched_off(found: Tensor, off: Iterable[int], n_heads: int) -> Tensor:
    head_of_column = torch.arange(found.shape[1]) // (found.shape[1] // n_heads)
    return torch.where(torch.isin(head_of_column, torch.tensor(list(off), dtype=torch.long)), 0, found)


def entries(data: bytes) -> dict[str, Any]:
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])  # type: ignore[no-any-return]


def file_of(
    tensors: dict[str, Any],
    order: Literal["little", "big"] = "little",
    more: int = 0,
    kind: str = "F32",
    turned: bool = False,
    size: int = 4,
    begin: int = 0,
    body: Callable[[list[bytes]], Iterable[bytes]] = iter,
    counted: bool = False,
) -> bytes:
    """The bytes of a safetensors file, with one thing wrong."""
    header: dict[str, Any] = {}
    numbers: list[bytes] = []
    for name, tensor in tensors.items():
        header[name] = tensor
        if tensor is not None:
            numbers.append(tensor.numpy().tobytes())
            shape = list(tensor.shape)[:: -1 if turned else 1]
            end = begin + size * tensor.numel()
            second = end - begin if counted else end
            header[name], begin = {"dtype": kind, "shape": shape, "data_offsets": [begin, second]}, end
    text = json.dumps(header).encode()
    return (len(text) + more).to_bytes(8, order) + text + b"".join(body(numbers))


def change(
    before: list[float],
    after: list[float],
    power: float = 0.5,
    deviation: Callable[[list[float]], float] = statistics.stdev,
) -> tuple[float, float]:
    changes = [b - a for a, b in zip(before, after, strict=True)]
    return statistics.mean(changes), deviation(changes) / len(changes) ** power


def one(logits: Tensor, where: list[int]) -> Tensor:
    """Probabilities with only these tokens, adding up to 1."""
    masked = torch.full_like(logits, -math.inf)
    masked[where] = logits[where]
    return masked.softmax(-1)


def nucleus(p: Tensor, p_min: float) -> list[int]:
    values, order = p.sort(descending=True)
    return order[values.cumsum(0) - values < p_min].tolist()


def split(z: Tensor, n_heads: int) -> Tensor:
    return z.view(len(z), n_heads, -1).transpose(0, 1)


def join(y: Tensor) -> Tensor:
    return y.transpose(0, 1).flatten(1)


def scaled(q: Tensor, k: Tensor) -> Tensor:
    return q @ k.T / q.shape[1] ** 0.5


def weights(q: Tensor, k: Tensor, scale: float | None = None) -> Tensor:
    scores = q @ k.T / (scale or q.shape[1] ** 0.5)
    return scores.masked_fill(future(scores), -math.inf).softmax(-1)


def squashed(x: float) -> float:
    return 1 - math.tanh(x) ** 2


def one_step(operation: str, n: list[float], *, plus: Any = None, times: Any = None, tanh: Any = None) -> Any:
    """The slopes of one step, with another function in place of one of them."""
    if operation == "tanh":
        return tanh(n) if tanh else [squashed(n[0])]
    if operation == "+":
        return plus(n) if plus else [1.0, 1.0]
    return times(n) if times else [n[1], n[0]]


def parents_first(result: Any) -> list[Any]:
    found: list[Any] = []
    for parent in result.parents:
        found += [value for value in parents_first(parent) if value not in found]
    return [*found, result]


def all_paths(result: Any) -> list[Any]:
    return [result, *(value for parent in result.parents for value in all_paths(parent))]


def breadth_first(result: Any) -> list[Any]:
    found = [result]
    for value in found:
        found += [parent for parent in dict.fromkeys(value.parents) if parent not in found]
    return found


def passed(values: list[Any], new: Callable[..., float], start: float = 1.0) -> list[float]:
    """A backward pass with another rule for a parent's slope."""
    values[0].grad = start
    for value in values:
        for parent, slope in zip(value.parents, value.slopes, strict=True):
            parent.grad = new(parent, slope, value)
    return [value.grad for value in values]


def added(parent: Any, slope: float, value: Any) -> float:
    return float(parent.grad + slope * value.grad)


def forgetting(values: list[Any]) -> list[float]:
    for value in values:
        value.grad = 0.0
    return passed(values, added)


def came(logits: Tensor, targets: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(targets, logits.shape[-1]).float()


def turned(
    x: Tensor,
    base: float = 10_000,
    first: int = 0,
    direction: int = 1,
    sign: int = 1,
    step: float = 1,
    pairs: str = "neighbors",
) -> Tensor:
    """Rotary positions, pair by pair, with mistakes."""
    t, d = x.shape
    out = torch.zeros_like(x)
    for i in range(d // 2):
        one, other = (i, i + d // 2) if pairs == "halves" else (2 * i, 2 * i + 1)
        to = (i, i + d // 2) if pairs == "side by side" else (one, other)
        angle = direction * torch.arange(first, first + t) * base ** (torch.tensor(-2.0 * i * step) / d)
        out[:, to[0]] = x[:, one] * angle.cos() - sign * x[:, other] * angle.sin()
        out[:, to[1]] = x[:, one] * angle.sin() + x[:, other] * angle.cos()
    return out


def gated(
    x: Tensor, w: Tensor, b: Tensor, function: Callable[[Tensor], Tensor] | None = None, first: bool = True
) -> Tensor:
    """The middle of an MLP with gates: `function` of one half times the other."""
    halves = (x @ w + b).chunk(2, -1)
    gate, up = halves if first else halves[::-1]
    return (function or torch.nn.functional.silu)(gate) * up


# ---- answers: number → (a right answer, {part of a message: a wrong answer that gets this message}) --------------


def mean_surprise(p: list[float]) -> float:
    return sum(-math.log(x) for x in p) / len(p)


def after(pairs: Counter[tuple[str, str]], word: str) -> dict[str, int]:
    return {b: n for (a, b), n in pairs.items() if a == word}


def merged(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    out: list[int] = []
    i = 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out


def decoded(ids: list[int], merges: dict[tuple[int, int], int], swap: bool = False) -> bytes:
    bytes_of = {i: bytes([i]) for i in range(256)}
    for (left, right), new in merges.items():
        bytes_of[new] = bytes_of[right] + bytes_of[left] if swap else bytes_of[left] + bytes_of[right]
    return b"".join(bytes_of[i] for i in ids)


def one_hot(ids: Tensor, table: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(ids, len(table)).float()


def cosine(i: int, table: Tensor) -> Tensor:
    rows = table / table.norm(dim=1, keepdim=True)
    return rows @ rows[i]


def without(i: int, values: Tensor) -> Tensor:
    return values.index_fill(0, torch.tensor([i]), -1e9)


def similarity(i: int, table: Tensor) -> Tensor:
    return without(i, cosine(i, table))


def lost_at_the_end(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    out, i = [], 0
    while i < len(ids) - 1:
        out.append(new if (here := tuple(ids[i : i + 2]) == pair) else ids[i])
        i += 2 if here else 1
    return out


def merged_in_place(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    i = 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            ids[i : i + 2] = [new]
        i += 1
    return ids


def averaged_in_place(x: Tensor) -> Tensor:
    for t in range(len(x)):
        x[t] = x[: t + 1].mean(0)
    return x


def encoded(ids: list[int], merges: dict[tuple[int, int], int]) -> list[int]:
    for pair, new in merges.items():
        ids = merged(ids, pair, new)
    return ids


def encoded_by(text: str, merges: dict[tuple[int, int], int], key: Callable[..., Any], rounds: int = 99) -> list[int]:
    ids = list(text.encode())
    for _ in range(rounds):
        pairs = list(pairwise(ids))
        if not (known := [pair for pair in pairs if pair in merges]):
            break
        pair = min(known, key=lambda pair: key(pair, pairs))
        ids = merged(ids, pair, merges[pair])
    return ids


def merged_at_the_start(text: str, merges: dict[tuple[int, int], int]) -> list[int]:
    ids = list(text.encode())
    for pair in [pair for pair in merges if pair in pairwise(ids)]:
        ids = merged(ids, pair, merges[pair])
    return ids


def never_ends(text: str, merges: dict[tuple[int, int], int]) -> list[int]:
    ids = list(text.encode())
    while len(ids) > 1:
        ids = encoded(ids, merges)
    return ids


def fails_at_the_end(text: str, merges: dict[tuple[int, int], int]) -> list[int]:
    ids = list(text.encode())
    while True:
        pair = min((pair for pair in pairwise(ids) if pair in merges), key=merges.__getitem__)
        ids = merged(ids, pair, merges[pair])


def once(ids: list[int], merges: dict[tuple[int, int], int]) -> list[int]:
    parts = {new: pair for pair, new in merges.items()}
    return [part for i in ids for part in parts.get(i, (i,))]


def mixed(x: Tensor, w: Tensor, b: Tensor | int, n_heads: int, order: tuple[int, ...] = (0, 1, 2)) -> Tensor:
    """What the heads find: (H, T, D)."""
    parts = [split(z, n_heads) for z in (x @ w + b).split(x.shape[1], 1)]
    q, k, v = (parts[i] for i in order)
    return torch.stack([weights(q[h], k[h]) @ v[h] for h in range(n_heads)])


def many_heads(x: Tensor, w: Tensor, b: Tensor | int, w_out: Tensor, b_out: Tensor | int, n_heads: int) -> Tensor:
    return join(mixed(x, w, b, n_heads)) @ w_out + b_out


def interleaved(x: Tensor, w: Tensor, b: Tensor, w_out: Tensor, b_out: Tensor, n_heads: int) -> Tensor:
    q, k, v = (x @ w + b).view(len(x), n_heads, 3, -1).permute(2, 1, 0, 3)
    return join(torch.stack([weights(q[h], k[h]) @ v[h] for h in range(n_heads)])) @ w_out + b_out


def thirds(parts: tuple[Tensor, ...]) -> Tensor:
    q, _, _ = parts
    return q


def norms(x: Tensor, w: dict[str, Tensor], number: int) -> Tensor:
    return normed(x, 1e-5) * w[f"ln_{number}.weight"] + w[f"ln_{number}.bias"]


def attends(x: Tensor, w: dict[str, Tensor], n_heads: int) -> Tensor:
    return many_heads(
        x, w["attn.c_attn.weight"], w["attn.c_attn.bias"], w["attn.c_proj.weight"], w["attn.c_proj.bias"], n_heads
    )


def thinks(x: Tensor, w: dict[str, Tensor]) -> Tensor:
    return gelu(x @ w["mlp.c_fc.weight"] + w["mlp.c_fc.bias"]) @ w["mlp.c_proj.weight"] + w["mlp.c_proj.bias"]


def whole(
    ids: Tensor,
    w: dict[str, Tensor],
    n_heads: int,
    blocks: Callable[[list[Any]], list[Any]] = lambda layers: layers,
    norm: bool = True,
    head: Callable[[Tensor, Tensor], Tensor] = lambda x, table: x @ table.T,
) -> Tensor:
    """GPT-2, or with one step replaced."""
    x = w["wte.weight"][ids] + w["wpe.weight"][: len(ids)]
    for layer in blocks(my_gpt2.layers(w)):
        x = x + attends(norms(x, layer, 1), layer, n_heads)
        x = x + thinks(norms(x, layer, 2), layer)
    x = normed(x, 1e-5) * w["ln_f.weight"] + w["ln_f.bias"] if norm else x
    return head(x, w["wte.weight"])


def mean_loss(documents: list[Tensor], w: dict[str, Tensor], n_heads: int) -> Tensor:
    logits = torch.cat([my_gpt2.gpt2(ids[:-1], w, n_heads) for ids in documents])
    return torch.nn.functional.cross_entropy(logits, torch.cat([ids[1:] for ids in documents]))


def step(
    documents: list[Tensor],
    w: dict[str, Tensor],
    n_heads: int,
    optimizer: Any,
    loss_of: Callable[..., Tensor] = mean_loss,
    zero_late: bool = False,
) -> float:
    loss = loss_of(documents, w, n_heads)
    if not zero_late:
        optimizer.zero_grad()
    loss.backward()
    if zero_late:
        optimizer.zero_grad()
    optimizer.step()
    return loss.item()


class Unlike:
    """An optimizer, some of whose methods do nothing."""

    def __init__(self, optimizer: Any, zero_grad: bool = True, step: bool = True) -> None:
        self.zero_grad = optimizer.zero_grad if zero_grad else lambda: None
        self.step = optimizer.step if step else lambda: None


def kept(logits: Tensor, k: int) -> Tensor:
    return logits.masked_fill(logits < logits.topk(k).values[-1], -math.inf)


def cut(p: Tensor, where: list[int]) -> Tensor:
    """Only these probabilities, adding up to 1."""
    few = torch.zeros_like(p)
    few[where] = p[where]
    return few / few.sum()


def smallest(p: Tensor, p_min: float) -> list[int]:
    values, order = p.sort()
    return order[values.cumsum(0) - values < p_min].tolist()


def first_beyond(q: Tensor, number: float) -> int:
    """The token that a number falls on, or the last one if rounding lets it fall beyond."""
    found = added_up(q, number)
    return len(q) - 1 if found is None else found


def added_up(q: Tensor, number: float) -> int | None:
    total: Any = 0.0
    for i, p in enumerate(q):
        total += p
        if number < total:
            return i
    return None


def writes(ids: list[int], predict: Any, choose: Any, end: int, context: int) -> Iterator[int]:
    ids = [*ids]
    for _ in range(1000):
        ids.append(choose(predict(torch.tensor(ids[-context:]))[-1]))
        if ids[-1] == end:
            break
        yield ids[-1]


def writes_in_place(ids: list[int], predict: Any, choose: Any, end: int, context: int) -> Iterator[int]:
    while (next_id := choose(predict(torch.tensor(ids[-context:]))[-1])) != end:
        ids.append(next_id)
        yield next_id


def tensors_in(data: bytes, start: int | None = None) -> dict[str, Tensor]:
    start = 8 + int.from_bytes(data[:8], "little") if start is None else start
    found = {}
    for name, entry in entries(data).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            kind = {"F16": np.float16, "F32": np.float32}[entry["dtype"]]
            values = np.frombuffer(data[start + first : start + last], dtype=kind).astype(np.float32)
            found[name] = torch.tensor(values).view(entry["shape"])
    return found


ANSWERS: dict[str, tuple[Callable[..., Any], dict[str, Callable[..., Any]]]] = {
    "1.1": (
        lambda words: Counter(pairwise(words)),
        {
            "one step too early": lambda words: Counter(pairwise(words[:-1])),
            "pairs are reversed": lambda words: Counter((b, a) for a, b in pairwise(words)),
            "moved two words at a time": lambda words: Counter(zip(words[::2], words[1::2], strict=False)),
            "only once": lambda words: dict.fromkeys(pairwise(words), 1),
            "must be a pair": lambda words: Counter(words),
            "Only the word right after it counts": lambda words: Counter(
                (words[i], words[j]) for i in range(len(words)) for j in range(i + 1, len(words))
            ),
            "has type list": lambda words: list(pairwise(words)),
            "must be 3, but yours is 6": lambda words: Counter([*pairwise(words), *pairwise(words)]),
        },
    ),
    "1.2": (
        lambda pairs, word: {b: n / sum(after(pairs, word).values()) for b, n in after(pairs, word).items()},
        {
            "These are counts": after,
            "number of all pairs": lambda pairs, word: {
                b: n / sum(pairs.values()) for b, n in after(pairs, word).items()
            },
            "words that come before": lambda pairs, word: {
                a: n / sum(m for (_, c), m in pairs.items() if c == word) for (a, b), n in pairs.items() if b == word
            },
            "percentages": lambda pairs, word: {
                b: round(100 * n / sum(after(pairs, word).values())) for b, n in after(pairs, word).items()
            },
            "Your keys are pairs": lambda pairs, word: {
                (word, b): n / sum(after(pairs, word).values()) for b, n in after(pairs, word).items()
            },
            "You rounded": lambda pairs, word: {
                b: round(n / sum(after(pairs, word).values()), 2) for b, n in after(pairs, word).items()
            },
            "You divided by 4": lambda pairs, word: {b: n / 4 for b, n in after(pairs, word).items()},
            "must be 0.75, but yours is 1": lambda pairs, word: {"cat": 1.0},
        },
    ),
    "1.3": (
        lambda p: math.exp(mean_surprise(p)),
        {
            "One step is missing": mean_surprise,
            "1 divided by the perplexity": lambda p: math.exp(-mean_surprise(p)),
            "added up the surprises": lambda p: math.exp(len(p) * mean_surprise(p)),
            "mean of 1/p": lambda p: sum(1 / x for x in p) / len(p),
            "mean of the probabilities": lambda p: len(p) / sum(p),
            "your power base 2": lambda p: 2 ** mean_surprise(p),
            "Your logarithm has base 2": lambda p: math.exp(mean_surprise(p) / math.log(2)),
            "with base 10": lambda p: math.exp(-sum(map(math.log10, p)) / len(p)),
            "in bits": lambda p: mean_surprise(p) / math.log(2),
            "You rounded": lambda p: round(math.exp(mean_surprise(p)), 2),
            "You divided by 4": lambda p: math.exp(mean_surprise(p) * len(p) / 4),
            "Return one number": lambda p: [mean_surprise(p)],
        },
    ),
    "2.1": (
        lambda ids: max(pairwise(ids), key=Counter(pairwise(ids)).__getitem__),
        {
            "together with its count": lambda ids: Counter(pairwise(ids)).most_common(1)[0],
            "The two IDs are reversed": lambda ids: max(pairwise(ids), key=Counter(pairwise(ids)).__getitem__)[::-1],
            "as the same pair": lambda ids: Counter(tuple(sorted(p)) for p in pairwise(ids)).most_common(1)[0][0],
            "the rarest": lambda ids: Counter(pairwise(ids)).most_common()[-1][0],
            "Return one pair": lambda ids: 3,
            "must be (1, 2), but yours is (2, 4)": lambda ids: (2, 4),
            "This is the first pair": lambda ids: tuple(ids[:2]),
            "two IDs at a time": lambda ids: Counter(zip(ids[::2], ids[1::2], strict=False)).most_common(1)[0][0],
        },
    ),
    "2.2": (
        lambda ids, merges: decoded(ids, merges).decode(errors="replace"),
        {
            "These are bytes": lambda ids, merges: decoded(ids, merges),
            "Join all bytes, then decode once": lambda ids, merges: "".join(
                decoded([i], merges).decode(errors="replace") for i in ids
            ),
            "The parts of a merged ID are reversed": lambda ids, merges: decoded(ids, merges, swap=True).decode(),
            "the ID of a merge, not a character": lambda ids, merges: "".join(map(chr, ids)),
            "the ID of a merge, not a byte": lambda ids, merges: bytes(ids).decode(errors="replace"),
            "until only bytes are left": lambda ids, merges: "".join(map(chr, once(ids, merges))),
            "Half a character": lambda ids, merges: decoded(ids, merges).decode(),
            "a letter of its own": lambda ids, merges: decoded(ids, merges).decode("latin-1"),
            "Return a string": lambda ids, merges: ids,
        },
    ),
    "2.3": (
        lambda text, merges: encoded(list(text.encode()), merges),
        {
            "because it comes first": lambda text, merges: encoded_by(
                text, merges, lambda pair, pairs: pairs.index(pair)
            ),
            "learned last": lambda text, merges: encoded_by(text, merges, lambda pair, pairs: -merges[pair]),
            "most frequent pair": lambda text, merges: encoded_by(text, merges, lambda pair, pairs: -pairs.count(pair)),
            "One round is not enough": lambda text, merges: encoded_by(
                text, merges, lambda pair, pairs: merges[pair], rounds=1
            ),
            "look again after each one": merged_at_the_start,
            "Return when no pair of neighbors": never_ends,
            "min has nothing to choose from": fails_at_the_end,
            "These are letters": lambda text, merges: encoded(list(text), merges),  # type: ignore[arg-type]
            "ord() returns": lambda text, merges: encoded([ord(c) for c in text], merges),
            "Nothing was merged": lambda text, merges: list(text.encode()),
        },
    ),
    "2.4": (
        merged,
        {
            "cannot be used again": lambda ids, pair, new: [
                new if ids[i : i + 2] == list(pair) else ids[i]
                for i in range(len(ids))
                if ids[i : i + 2] == list(pair) or not (i and ids[i - 1 : i + 1] == list(pair))
            ],
            "from right to left": lambda ids, pair, new: merged(ids[::-1], pair[::-1], new)[::-1],
            "The right half of the pair": lambda ids, pair, new: [
                new if tuple(ids[i : i + 2]) == pair else ids[i] for i in range(len(ids))
            ],
            "and the last ID is missing": lambda ids, pair, new: [
                new if tuple(ids[i : i + 2]) == pair else ids[i] for i in range(len(ids) - 1)
            ],
            "the pair itself": lambda ids, pair, new: merged(ids, pair, pair),
            "only the first occurrence": lambda ids, pair, new: (
                [*ids[: (i := list(pairwise(ids)).index(pair))], new, *ids[i + 2 :]] if pair in pairwise(ids) else ids
            ),
            "The last ID is lost": lost_at_the_end,
            "wherever it occurs": lambda ids, pair, new: [new if i in pair else i for i in ids],
            "A list is never equal to a tuple": lambda ids, pair, new: (
                [new if ids[i : i + 2] == pair else ids[i] for i in range(len(ids))]
            ),
            "changes its argument `ids` in place": merged_in_place,
        },
    ),
    "3.1": (
        lambda ids, table: one_hot(ids, table) @ table,
        {
            "One step is missing": lambda ids, table: one_hot(ids, table),
            "transposed": lambda ids, table: (one_hot(ids, table) @ table).T,
            "sum of all vectors": lambda ids, table: one_hot(ids, table).sum(0) @ table,
            "all the 1s into one row": lambda ids, table: one_hot(ids, table).amax(0) @ table,
            "Counting starts at 0": lambda ids, table: torch.eye(len(table))[ids - 1] @ table,
            "whatever the IDs are": lambda ids, table: torch.eye(len(ids), len(table)) @ table,
            "has type list": lambda ids, table: (one_hot(ids, table) @ table).tolist(),
            "must have shape (5, 3)": lambda ids, table: table,
            "num_classes": lambda ids, table: torch.nn.functional.one_hot(ids).float(),
            "These are zeros": lambda ids, table: 0 * one_hot(ids, table) @ table,
            "multiply one-hot vectors by the table instead": lambda ids, table: table[ids],
            "The vector at 1 must be": lambda ids, table: one_hot(ids, table).cumsum(0) @ table,
        },
    ),
    "3.2": (
        lambda i, table: similarity(i, table).argmax().item(),
        {
            "the row itself": lambda i, table: cosine(i, table).argmax(),
            "long vectors have large products": lambda i, table: without(i, table @ table[i]).argmax(),
            "smallest distance": lambda i, table: without(i, -(table - table[i]).norm(dim=1)).argmax(),
            "opposite direction": lambda i, table: cosine(i, table).argmin(),
            "Return the number of a row": lambda i, table: table[1],
            "does not depend on `i`": lambda i, table: 7,
            "moved up by one place": lambda i, table: torch.cat(
                [cosine(i, table)[:i], cosine(i, table)[i + 1 :]]
            ).argmax(),
            "use −∞": lambda i, table: cosine(i, table).index_fill(0, torch.tensor([i]), 0).argmax(),
            "Leave out row i, whichever it is": lambda i, table: cosine(i, table)[1:].argmax() + 1,
        },
    ),
    "3.3": (
        lambda ids, tokens, places: tokens[ids] + places[torch.arange(len(ids))],
        {
            "side by side": lambda ids, tokens, places: torch.cat([tokens[ids], places[: len(ids)]], 1),
            "The positions are missing": lambda ids, tokens, places: tokens[ids],
            "at position 0, not 1": lambda ids, tokens, places: tokens[ids] + places[1 : len(ids) + 1],
            "You multiplied": lambda ids, tokens, places: tokens[ids] * places[: len(ids)],
            "Every token got position 0": lambda ids, tokens, places: tokens[ids] + places[0],
            "The tokens are missing": lambda ids, tokens, places: places[: len(ids)],
            "With a colon": lambda ids, tokens, places: tokens[ids] + places[len(ids)],
            "Take only its first T rows": lambda ids, tokens, places: tokens[ids] + places,
            "There is no batch here": lambda ids, tokens, places: tokens[ids] + places[: ids.shape[1]],
            "must have shape (4, 3)": lambda ids, tokens, places: (tokens[ids] + places[: len(ids)])[None],
        },
    ),
    "4.1": (
        lambda x: torch.stack([x[: t + 1].mean(0) for t in range(len(x))]),
        {
            "no later ones": lambda x: x.mean(0).expand(len(x), -1),
            "These are sums": lambda x: x.cumsum(0),
            "You divided row t by t": lambda x: x.cumsum(0) / (count(x) - 1),
            "Include row t itself": lambda x: torch.cat([x[:1] * 0, (x.cumsum(0) / count(x))[:-1]]),
            "Look back, not ahead": lambda x: x.flip(0).cumsum(0).flip(0) / count(x).flip(0),
            "into x itself": averaged_in_place,
            "Keep the dimension": lambda x: (w := torch.ones(len(x), len(x)).tril()) / w.sum(-1) @ x,
            "Use .mean(0)": lambda x: torch.stack([x[: t + 1].mean() for t in range(len(x))]),
            "For a list of tensors, use torch.stack": lambda x: torch.tensor(
                [x[: t + 1].mean(0) for t in range(len(x))]
            ),
            "must have shape (5, 3)": lambda x: x.mean(1),
            "This is x, unchanged": lambda x: x,
        },
    ),
    "4.2": (
        lambda scores: scores + torch.full_like(scores, -math.inf).triu(1),
        {
            "A score of 0 does not hide": lambda scores: scores.tril(),
            "also hide earlier tokens whose score is 0": lambda scores: torch.where(
                scores.tril() == 0, -math.inf, scores.tril()
            ),
            "is reversed": lambda scores: scores.masked_fill(future(scores).T, -math.inf),
            "also hides the diagonal": lambda scores: scores.masked_fill(~future(scores).T, -math.inf),
            "hid everything else": lambda scores: scores.masked_fill(~future(scores), -math.inf),
            "weights after softmax": lambda scores: scores.masked_fill(future(scores), -math.inf).softmax(-1),
            "large negative number": lambda scores: scores + future(scores) * -1000,
            "You do not hide later tokens whose score is 0": lambda scores: scores.masked_fill(
                torch.triu(scores, 1) != 0, -math.inf
            ),
            "or float('-inf')": lambda scores: scores.masked_fill(future(scores), "-inf"),
            "0 times −∞ is NaN": lambda scores: scores + future(scores) * -math.inf,
            "does not change the scores themselves": lambda scores: scores,
            "changes its argument `scores` in place": lambda scores: scores.masked_fill_(future(scores), -math.inf),
        },
    ),
    "4.3": (
        lambda q, k: weights(q, k),
        {
            "The scale is missing": lambda q, k: weights(q, k, 1),
            "You divided by D": lambda q, k: weights(q, k, q.shape[1]),
            "You divided by √T": lambda q, k: weights(q, k, len(q) ** 0.5),
            "You always divide by 2": lambda q, k: weights(q, k, 2),
            "The mask is missing": lambda q, k: scaled(q, k).softmax(-1),
            "You masked after softmax": lambda q, k: scaled(q, k).softmax(-1).tril(),
            "softmax of columns": lambda q, k: scaled(q, k).masked_fill(future(q @ k.T), -math.inf).softmax(0),
            "is reversed": lambda q, k: scaled(q, k).masked_fill(future(q @ k.T).T, -math.inf).softmax(-1),
            "the sum of the whole table": lambda q, k: (
                (powers := scaled(q, k).masked_fill(future(q @ k.T), -math.inf).exp()) / powers.sum()
            ),
            "column t by the sum of row t": lambda q, k: (
                (powers := scaled(q, k).masked_fill(future(q @ k.T), -math.inf).exp()) / powers.sum(1)
            ),
            "The second step of softmax": lambda q, k: scaled(q, k).masked_fill(future(q @ k.T), -math.inf).exp(),
            "A score of 0 does not hide": lambda q, k: scaled(q, k).tril().softmax(-1),
            "Queries and keys are swapped": lambda q, k: weights(k, q),
            "softmax turns them into weights": lambda q, k: scaled(q, k).masked_fill(future(q @ k.T), -math.inf),
            "so that every query meets every key": lambda q, k: q @ k / q.shape[1] ** 0.5,
            "has type list": lambda q, k: [],
            "The vector at 1": lambda q, k: weights(q, k) ** 2,
        },
    ),
    "4.4": (
        lambda q, k, v: weights(q, k) @ v,
        {
            "use them to mix the values": lambda q, k, v: weights(q, k),
            "The mask is missing": lambda q, k, v: scaled(q, k).softmax(-1) @ v,
            "The scale is missing": lambda q, k, v: weights(q, k, 1) @ v,
            "Queries and keys are swapped": lambda q, k, v: weights(k, q) @ v,
            "Queries and values are swapped": lambda q, k, v: weights(v, k) @ q,
            "You mixed the keys": lambda q, k, v: weights(q, k) @ k,
            "weights are transposed": lambda q, k, v: weights(q, k).T @ v,
            "The values come last": lambda q, k, v: v @ weights(q, k),
            "You multiplied number by number": lambda q, k, v: weights(q, k) * v,
            "You added q": lambda q, k, v: q + weights(q, k) @ v,
            "only zeros": lambda q, k, v: 0 * v,
        },
    ),
    "5.1": (
        lambda x, n: torch.stack(x.chunk(n, 1)),
        {
            "This is (T, H, D)": lambda x, n: x.view(len(x), n, -1),
            "must be (H, T, D): heads first": lambda x, n: split(x, n).permute(2, 1, 0),
            "mixes tokens": lambda x, n: x.view(n, len(x), -1),
            "in the wrong order": lambda x, n: split(x, n).flip(0),
            "Leave x as it is": lambda x, n: x.T.reshape(n, len(x), -1),
            "This is (T, D, H)": lambda x, n: x.view(len(x), n, -1).transpose(1, 2),
            "every H-th number": lambda x, n: x.view(len(x), -1, n).permute(2, 0, 1),
            "must have shape (3, 5, 4)": lambda x, n: x,
            "wrong sign": lambda x, n: -split(x, n),
        },
    ),
    "5.2": (
        lambda y: torch.cat(list(y), 1),
        {
            "This is (T, H, D)": lambda y: y.transpose(0, 1),
            "each row must be one token": lambda y: y.reshape(y.shape[1], -1),
            "shuffled like cards": lambda y: y.permute(1, 2, 0).flatten(1),
            "Put head 0 first": lambda y: join(y.flip(0)),
            "view refuses": lambda y: y.transpose(0, 1).view(y.shape[1], -1),
            "must have shape (5, 12)": lambda y: y,
            "wrong sign": lambda y: -join(y),
        },
    ),
    "5.3": (
        many_heads,
        {
            "a reshape alone would mix tokens": lambda x, w, b, w2, b2, n: mixed(x, w, b, n),
            "The last step is missing": lambda x, w, b, w2, b2, n: join(mixed(x, w, b, n)),
            "The bias b_qkv is missing": lambda x, w, b, w2, b2, n: many_heads(x, w, 0, w2, b2, n),
            "The bias b_out is missing": lambda x, w, b, w2, b2, n: many_heads(x, w, b, w2, 0, n),
            "Both biases are missing": lambda x, w, b, w2, b2, n: many_heads(x, w, 0, w2, 0, n),
            "The matrix w_out is missing": lambda x, w, b, w2, b2, n: join(mixed(x, w, b, n)) + b2,
            "one head of size C": lambda x, w, b, w2, b2, n: many_heads(x, w, b, w2, b2, 1),
            "without swapping the dimensions": lambda x, w, b, w2, b2, n: mixed(x, w, b, n).reshape(x.shape) @ w2 + b2,
            "Queries and keys are swapped": lambda x, w, b, w2, b2, n: join(mixed(x, w, b, n, (1, 0, 2))) @ w2 + b2,
            "and each head into q, k, and v": interleaved,
            "Do not add x": lambda x, w, b, w2, b2, n: x + many_heads(x, w, b, w2, b2, n),
            "parts of 3 columns": lambda x, w, b, w2, b2, n: thirds((x @ w + b).split(3, dim=-1)),
        },
    ),
    "5.4": (
        lambda weights: weights.diagonal(-1, 1, 2).mean(-1),
        {
            "look at themselves": lambda weights: weights.diagonal(0, 1, 2).mean(-1),
            "no token sees the next one": lambda weights: weights.diagonal(1, 1, 2).mean(-1),
            "You divided by T": lambda weights: torch.stack(
                [weights[:, t, t - 1] for t in range(weights.shape[1])]
            ).mean(0),
            "This is the sum": lambda weights: weights.diagonal(-1, 1, 2).sum(-1),
            "only the last token": lambda weights: weights[:, -1, -2],
            "These are all weights": lambda weights: weights.diagonal(-1, 1, 2),
            "left out more than the first token": lambda weights: weights.diagonal(-1, 1, 2)[:, 5:].mean(-1),
            "You averaged over all columns": lambda weights: weights[:, 1:, :-1].mean(-1).mean(-1),
            "the same column in every row": lambda weights: weights[:, 1:, 1].mean(-1),
            "look at the first one": lambda weights: weights[:, :, 0].mean(-1),
            "The result must be": lambda weights: weights.diagonal(-1, 1, 2).mean(-1) ** 2,
        },
    ),
    "6.1": (
        lambda x, gain, bias: normed(x, 1e-5) * gain + bias,
        {
            "Gain and bias are missing": lambda x, gain, bias: normed(x, 1e-5),
            "The bias is missing": lambda x, gain, bias: normed(x, 1e-5) * gain,
            "The gain is missing": lambda x, gain, bias: normed(x, 1e-5) + bias,
            "Without the 1e-5": lambda x, gain, bias: normed(x, 0) * gain + bias,
            "to the standard deviation. Add it to the variance": lambda x, gain, bias: (
                (x - x.mean(-1, keepdim=True)) / (x.std(-1, correction=0, keepdim=True) + 1e-5) * gain + bias
            ),
            "Your standard deviation divides by C − 1": lambda x, gain, bias: (
                (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5) * gain + bias
            ),
            "over the tokens": lambda x, gain, bias: normed(x.T, 1e-5).T * gain + bias,
            "You divided by the variance": lambda x, gain, bias: (
                (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5) * gain + bias
            ),
            "Your variance divides by C − 1. Divide": lambda x, gain, bias: (
                (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-5).sqrt() * gain + bias
            ),
            "did not subtract the mean": lambda x, gain, bias: (
                x / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt() * gain + bias
            ),
            "Divide by the standard deviation, too": lambda x, gain, bias: (x - x.mean(-1, keepdim=True)) * gain + bias,
            "Use keepdim=True": lambda x, gain, bias: (x - x.mean(-1)) * gain,
            "without PyTorch's own": lambda x, gain, bias: torch.nn.functional.layer_norm(x, gain.shape, gain, bias),
        },
    ),
    "6.2": (
        lambda x, a, b, c, d: gelu(x @ a + b) @ c + d,
        {
            "the second matrix, back to (T, C)": lambda x, a, b, c, d: gelu(x @ a + b),
            "The nonlinearity is missing": lambda x, a, b, c, d: (x @ a + b) @ c + d,
            "not after the second": lambda x, a, b, c, d: gelu((x @ a + b) @ c + d),
            "This is ReLU": lambda x, a, b, c, d: (x @ a + b).relu() @ c + d,
            "the exact GELU": lambda x, a, b, c, d: torch.nn.functional.gelu(x @ a + b) @ c + d,
            "The biases are missing": lambda x, a, b, c, d: gelu(x @ a) @ c,
            "The first bias is missing": lambda x, a, b, c, d: gelu(x @ a) @ c + d,
            "before GELU, not after it": lambda x, a, b, c, d: (gelu(x @ a) + b) @ c + d,
            "Do not add x": lambda x, a, b, c, d: x + gelu(x @ a + b) @ c + d,
            "does not depend on `w_up`": lambda x, a, b, c, d: x,
        },
    ),
    "6.3": (
        lambda x, w, n: (y := x + attends(norms(x, w, 1), w, n)) + thinks(norms(y, w, 2), w),
        {
            "The residual stream is missing": lambda x, w, n: thinks(norms(attends(norms(x, w, 1), w, n), w, 2), w),
            "This is post-norm": lambda x, w, n: norms((y := norms(x + attends(x, w, n), w, 1)) + thinks(y, w), w, 2),
            "Attention and MLP read the same x": lambda x, w, n: (
                x + attends(norms(x, w, 1), w, n) + thinks(norms(x, w, 2), w)
            ),
            "the output of attention is lost": lambda x, w, n: (
                x + thinks(norms(x + attends(norms(x, w, 1), w, n), w, 2), w)
            ),
            "The norms are missing": lambda x, w, n: (y := x + attends(x, w, n)) + thinks(y, w),
            "Attention comes first": lambda x, w, n: (
                (y := x + thinks(norms(x, w, 2), w)) + attends(norms(y, w, 1), w, n)
            ),
            "The two norms are swapped": lambda x, w, n: (
                (y := x + attends(norms(x, w, 2), w, n)) + thinks(norms(y, w, 1), w)
            ),
            "Both norms use the weights of ln_1": lambda x, w, n: (
                (y := x + attends(norms(x, w, 1), w, n)) + thinks(norms(y, w, 1), w)
            ),
            "The second line is missing": lambda x, w, n: x + attends(norms(x, w, 1), w, n),
            "The first addition is missing": lambda x, w, n: (
                (y := attends(norms(x, w, 1), w, n)) + thinks(norms(y, w, 2), w)
            ),
        },
    ),
    "6.4": (
        lambda C: 12 * C * C + 13 * C,
        {
            "another 13 C": lambda C: 12 * C * C,
            "The norms are missing": lambda C: 12 * C * C + 9 * C,
            "There are two norms": lambda C: 12 * C * C + 11 * C,
            "The biases of the four": lambda C: 12 * C * C + 4 * C,
            "It has 4 C² weights": lambda C: 8 * C * C + 9 * C,
            "from C to 3 C": lambda C: 10 * C * C + 11 * C,
            "The projection at the end": lambda C: 11 * C * C + 12 * C,
            "only for C = 10": lambda C: 1330,
            "Return a whole number": lambda C: 12.5 * C,
            "does not depend on `C`": lambda C: 7,
        },
    ),
    "7.1": (
        whole,
        {
            "product with the token table": lambda ids, w, n: whole(ids, w, n, head=lambda x, table: x),
            "The positions are missing": lambda ids, w, n: whole(ids, w | {"wpe.weight": 0 * w["wpe.weight"]}, n),
            "The final norm is missing": lambda ids, w, n: whole(ids, w, n, norm=False),
            "keep the result: x = block(x, …)": lambda ids, w, n: whole(ids, w, n, blocks=lambda layers: []),
            "blocks are in the wrong order": lambda ids, w, n: whole(ids, w, n, blocks=lambda layers: layers[::-1]),
            "have the weights of the first": lambda ids, w, n: whole(
                ids, w, n, blocks=lambda layers: [layers[0] for _ in layers]
            ),
            "Only the first block": lambda ids, w, n: whole(ids, w, n, blocks=lambda layers: layers[:1]),
            "Only the last block": lambda ids, w, n: whole(ids, w, n, blocks=lambda layers: layers[-1:]),
            "work with one head": lambda ids, w, n: whole(ids, w, 1),
            "before softmax": lambda ids, w, n: whole(ids, w, n).softmax(-1),
            "Transpose it in the last step": lambda ids, w, n: whole(ids, w, n, head=lambda x, table: x @ table),
        },
    ),
    "7.2": (
        lambda v, p, c, n: all_parameters(v, p, c, n),
        {
            "Count it once": lambda v, p, c, n: all_parameters(2 * v, p, c, n),
            "The final norm is missing": lambda v, p, c, n: all_parameters(v, p, c, n) - 2 * c,
            "The position table": lambda v, p, c, n: all_parameters(v, 0, c, n),
            "The token table is missing": lambda v, p, c, n: all_parameters(0, p, c, n),
            "another 13 C": lambda v, p, c, n: all_parameters(v, p, c, n) - 13 * c * n,
            "you counted only one": lambda v, p, c, n: all_parameters(v, p, c, 1),
            "both a gain and a bias": lambda v, p, c, n: all_parameters(v, p, c, n) - c,
            "only for the smallest GPT-2": lambda v, p, c, n: 124_439_808,
            "Return a whole number": lambda v, p, c, n: 124.4,
            "does not depend on `vocab_size`": lambda v, p, c, n: 7,
        },
    ),
    "7.3": (
        lambda logits, ids: torch.nn.functional.cross_entropy(logits[:-1], ids[1:]),
        {
            "one per token": lambda logits, ids: torch.nn.functional.cross_entropy(
                logits[:-1], ids[1:], reduction="none"
            ),
            "Compare rows 0 to T − 2": lambda logits, ids: torch.nn.functional.cross_entropy(logits, ids),
            "shifted the wrong way": lambda logits, ids: torch.nn.functional.cross_entropy(logits[1:], ids[:-1]),
            "The minus sign is missing": lambda logits, ids: -torch.nn.functional.cross_entropy(logits[:-1], ids[1:]),
            "Pick one number from each row": lambda logits, ids: -logits[:-1].log_softmax(-1)[:, ids[1:]].mean(),
            "This is the sum": lambda logits, ids: torch.nn.functional.cross_entropy(
                logits[:-1], ids[1:], reduction="sum"
            ),
            "You divided by T": lambda logits, ids: (
                torch.nn.functional.cross_entropy(logits[:-1], ids[1:], reduction="sum") / len(ids)
            ),
            "Use log_softmax first": lambda logits, ids: -logits[range(len(ids) - 1), ids[1:]].mean(),
            "This is the mean of the probabilities": lambda logits, ids: logits.softmax(-1)[
                range(len(ids) - 1), ids[1:]
            ].mean(),
            "logarithm of the mean probability": lambda logits, ids: (
                -logits.softmax(-1)[range(len(ids) - 1), ids[1:]].mean().log()
            ),
            "over the tokens (dimension 0)": lambda logits, ids: (
                -logits.log_softmax(0)[range(len(ids) - 1), ids[1:]].mean()
            ),
            "This is in bits": lambda logits, ids: (
                torch.nn.functional.cross_entropy(logits[:-1], ids[1:]) / math.log(2)
            ),
            "Return one number": lambda logits, ids: logits,
            "but yours is 17": lambda logits, ids: 17.0,
        },
    ),
    "8.1": (
        one_step,
        {
            "This is the sum itself": lambda o, n: one_step(o, n, plus=sum),
            "For +, you return the numbers": lambda o, n: one_step(o, n, plus=list),
            "These are the slopes of a · b": lambda o, n: one_step(o, n, plus=lambda n: n[::-1]),
            "For +, both numbers have a slope": lambda o, n: one_step(o, n, plus=lambda n: 1.0),
            "You added the two slopes": lambda o, n: one_step(o, n, plus=lambda n: [2.0, 2.0]),
            "This is the product itself": lambda o, n: one_step(o, n, times=lambda n: [n[0] * n[1]]),
            "For *, the slopes are swapped": lambda o, n: one_step(o, n, times=list),
            "These are the slopes of a + b": lambda o, n: one_step(o, n, times=lambda n: [1.0, 1.0]),
            "For *, you return b twice": lambda o, n: one_step(o, n, times=lambda n: [n[1], n[1]]),
            "This is tanh itself": lambda o, n: one_step(o, n, tanh=lambda n: [math.tanh(n[0])]),
            "Return a list, even for a single number": lambda o, n: one_step(o, n, tanh=lambda n: squashed(n[0])),
            "The square is missing": lambda o, n: one_step(o, n, tanh=lambda n: [1 - math.tanh(n[0])]),
            "The square belongs to the result of tanh": lambda o, n: one_step(
                o, n, tanh=lambda n: [1 - math.tanh(n[0] ** 2)]
            ),
            "The sign is wrong": lambda o, n: one_step(o, n, tanh=lambda n: [-squashed(n[0])]),
            "For tanh, you return 1": lambda o, n: one_step(o, n, tanh=lambda n: [1.0]),
        },
    ),
    "8.2": (
        lambda result: parents_first(result)[::-1],
        {
            "This is the order of the computation": parents_first,
            "more than once: several paths lead to it": all_paths,
            "is not enough: add a Value only after all of its parents": breadth_first,
            "Add a Value to your list after its parents": lambda result: list(dict.fromkeys(all_paths(result))),
            "You stop at the parents of the result": lambda result: [result, *dict.fromkeys(result.parents)],
            "is missing. It has no parents": lambda result: [v for v in breadth_first(result) if v.parents] or [result],
            "The result itself": lambda result: parents_first(result)[-2::-1] or [result],
            "Your list is empty": lambda result: [] if result else [result],
            "A set has no order": lambda result: set(all_paths(result)),
            "This is a single Value": lambda result: result,
            "Your list contains lists": lambda result: [result, [breadth_first(parent) for parent in result.parents]],
            "Your list contains plain numbers": lambda result: [v.number for v in breadth_first(result)],
            "Your list contains strings": lambda result: [v.operation for v in breadth_first(result)],
            "Your list contains copies": lambda result: breadth_first(copy.deepcopy(result)),
            "Return a list of Values; your result has type dict": lambda result: dict.fromkeys(breadth_first(result)),
        },
    ),
    "8.3": (
        lambda values: passed(values, added),
        {
            "You overwrite the slope of a parent. Where": lambda values: passed(values, lambda p, s, v: s * v.grad),
            "and leave out .grad": lambda values: passed(values, lambda p, s, v: s),
            "The start is missing": lambda values: passed(values, added, start=0.0),
            "The slope of the result is 1": lambda values: passed(values, added, start=values[0].number),
            "Multiply each local slope by value.grad": lambda values: passed(values, lambda p, s, v: p.grad + s),
            "You added the slopes along a chain": lambda values: passed(values, lambda p, s, v: p.grad + s + v.grad),
            "The local slope is missing": lambda values: passed(values, lambda p, s, v: p.grad + v.grad),
            "by the number of the Value": lambda values: passed(values, lambda p, s, v: p.grad + s * v.number),
            "by the number of the parent": lambda values: passed(values, lambda p, s, v: p.grad + p.number * v.grad),
            "You subtracted": lambda values: passed(values, lambda p, s, v: p.grad - s * v.grad),
            "You multiplied the slope of the parent": lambda values: passed(
                values, lambda p, s, v: p.grad * s * v.grad
            ),
            "You set every .grad to 0 first": forgetting,
            "You return the numbers": lambda values: passed(values, added) and [value.number for value in values],
            "You return the Values": lambda values: passed(values, added) and values,
            "You return only the last slope": lambda values: passed(values, added)[-1],
            "Your list of slopes is in the reverse order": lambda values: passed(values, added)[::-1],
        },
    ),
    "8.4": (
        lambda x, w, dy: (dy @ w.T, x.T @ dy, dy.sum(0)),
        {
            "dy @ w.T": lambda x, w, dy: (dy @ w, x.T @ dy, dy.sum(0)),
            "which of them has to be on its side?": lambda x, w, dy: (dy @ w.T, x @ dy, dy.sum(0)),
            "dw is on its side": lambda x, w, dy: (dy @ w.T, dy.T @ x, dy.sum(0)),
            "dx is on its side": lambda x, w, dy: (w @ dy.T, x.T @ dy, dy.sum(0)),
            "so T paths meet at each of its numbers": lambda x, w, dy: (dy @ w.T, x.T @ dy, dy),
            "Add over the T rows": lambda x, w, dy: (dy @ w.T, x.T @ dy, dy.sum(-1)),
            "you took the mean over the rows": lambda x, w, dy: (dy @ w.T, x.T @ dy, dy.mean(0)),
            "leave out keepdim": lambda x, w, dy: (dy @ w.T, x.T @ dy, dy.sum(0, keepdim=True)),
            "The slope for b is not 1": lambda x, w, dy: (dy @ w.T, x.T @ dy, torch.ones(dy.shape[1])),
            "You divided dw by the number of rows": lambda x, w, dy: (dy @ w.T, x.T @ dy / len(x), dy.sum(0)),
            "The results are in the wrong order": lambda x, w, dy: (x.T @ dy, dy @ w.T, dy.sum(0)),
            "db is missing": lambda x, w, dy: (dy @ w.T, x.T @ dy),
            "without PyTorch's backward": lambda x, w, dy: (
                ((x := x.clone().requires_grad_()) @ w * dy).sum().backward() or (x.grad, x.T @ dy, dy.sum(0))
            ),
        },
    ),
    "8.5": (
        lambda logits, y: (logits.softmax(-1) - came(logits, y)) / len(y),
        {
            "each counts for only 1 / T": lambda logits, y: logits.softmax(-1) - came(logits, y),
            "The sign is wrong": lambda logits, y: (came(logits, y) - logits.softmax(-1)) / len(y),
            "You divided by V": lambda logits, y: (logits.softmax(-1) - came(logits, y)) / logits.shape[1],
            "These are the probabilities": lambda logits, y: logits.softmax(-1) / len(y),
            "Subtract it only at the target": lambda logits, y: (logits.softmax(-1) - 1) / len(y),
            "but not the 1 at the target": lambda logits, y: logits.softmax(-1) / len(y) - came(logits, y),
            "You divided only the 1 by T": lambda logits, y: logits.softmax(-1) - came(logits, y) / len(y),
            "Logits are not probabilities": lambda logits, y: (logits - came(logits, y)) / len(y),
            "over the tokens": lambda logits, y: (logits.softmax(0) - came(logits, y)) / len(y),
            "These are the slopes for the probabilities": lambda logits, y: (
                -came(logits, y) / logits.softmax(-1) / len(y)
            ),
            "Only the targets got a slope": lambda logits, y: -came(logits, y) / len(y),
            "This is the loss": lambda logits, y: -at(logits.log_softmax(-1), y).mean(),
            "Give it the size of the vocabulary: one_hot(targets, logits.shape[-1])": lambda logits, y: (
                (logits.softmax(-1) - torch.nn.functional.one_hot(y)) / len(y)
            ),
            "without PyTorch's cross_entropy": lambda logits, y: torch.autograd.grad(
                torch.nn.functional.cross_entropy(z := logits.clone().requires_grad_(), y), z
            )[0],
        },
    ),
    "9.1": (
        lambda ids: [ids[:-1], ids[1:]],
        {
            "These are the inputs": lambda ids: ids[:-1],
            "it has no target": lambda ids: (ids, ids.roll(-1)),
            "leave it out of the inputs": lambda ids: (ids, ids[1:]),
            "You shifted by two": lambda ids: (ids[:-2], ids[2:]),
            "Each target is the token after its input: ids[1:]": lambda ids: (ids[:-1], ids[:-1]),
            "Each input is the token before": lambda ids: (ids[1:], ids[1:]),
            "Inputs and targets are swapped": lambda ids: (ids[1:], ids[:-1]),
            "only for documents of five tokens": lambda ids: (ids[:4], ids[1:5]),
            "and no batch": lambda ids: (ids[:, :-1], ids[:, 1:]),
        },
    ),
    "9.2": (
        lambda logits, y: -logits.log_softmax(-1)[range(len(y)), y].mean(),
        {
            "one loss per token": lambda logits, y: -at(logits.log_softmax(-1), y),
            "The sign is wrong": lambda logits, y: at(logits.log_softmax(-1), y).mean(),
            "This is the sum": lambda logits, y: -at(logits.log_softmax(-1), y).sum(),
            "by the size of the vocabulary": lambda logits, y: -at(logits.log_softmax(-1), y).sum() / logits.shape[1],
            "This is the mean probability": lambda logits, y: at(logits.softmax(-1), y).mean(),
            "Take −ln first, then the mean": lambda logits, y: -at(logits.softmax(-1), y).mean().log(),
            "in bits": lambda logits, y: -at(logits.softmax(-1), y).log2().mean(),
            "not probabilities yet": lambda logits, y: -at(logits, y).mean(),
            "softmax over the tokens": lambda logits, y: -at(logits.log_softmax(0), y).mean(),
            "the whole vocabulary": lambda logits, y: -logits.log_softmax(-1).mean(),
            "This is the entropy": lambda logits, y: -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1).mean(),
            "not a float: training needs": lambda logits, y: -at(logits.log_softmax(-1), y).mean().item(),
            "has no gradients": lambda logits, y: -at(logits.detach().log_softmax(-1), y).mean(),
            "without PyTorch's own": torch.nn.functional.cross_entropy,
            "You shifted once more": lambda logits, y: -at(logits.log_softmax(-1)[:-1], y[1:]).mean(),
            "Give it the size of the vocabulary: one_hot(targets, logits.shape[-1])": lambda logits, y: (
                -(logits.log_softmax(-1) * torch.nn.functional.one_hot(y)).sum(-1).mean()
            ),
            "Return one number": lambda logits, y: "1.5",
        },
    ),
    "9.3": (
        lambda w, g, s, lr, m: (w - lr * (m * s + g), m * s + g),
        {
            "Return two tensors": lambda w, g, s, lr, m: w - lr * (m * s + g),
            "in the wrong order": lambda w, g, s, lr, m: (m * s + g, w - lr * (m * s + g)),
            "The old speed is missing": lambda w, g, s, lr, m: (w - lr * g, g),
            "grow forever": lambda w, g, s, lr, m: (w - lr * (s + g), s + g),
            "Multiply only the old speed": lambda w, g, s, lr, m: (w - lr * m * (s + g), m * (s + g)),
            "by 1 − momentum": lambda w, g, s, lr, m: (w, m * s + (1 - m) * g),
            "belongs to the step": lambda w, g, s, lr, m: (w - (m * s + lr * g), m * s + lr * g),
            "and the minus sign belong to the step": lambda w, g, s, lr, m: (w + (m * s - lr * g), m * s - lr * g),
            "This is the old speed": lambda w, g, s, lr, m: (w - lr * (m * s + g), s),
            "subtracted from the speed": lambda w, g, s, lr, m: (w + lr * (m * s - g), m * s - g),
            "The new speed must be": lambda w, g, s, lr, m: (w, m * s + g * g),
            "You went uphill": lambda w, g, s, lr, m: (w + lr * (m * s + g), m * s + g),
            "The learning rate is missing": lambda w, g, s, lr, m: (w - (m * s + g), m * s + g),
            "moved the weight by the slope": lambda w, g, s, lr, m: (w - lr * g, m * s + g),
            "moved the weight by the old speed": lambda w, g, s, lr, m: (w - lr * s, m * s + g),
            "has not changed": lambda w, g, s, lr, m: (w, m * s + g),
            "The new weight must be": lambda w, g, s, lr, m: (w * w - lr * (m * s + g), m * s + g),
        },
    ),
    "9.4": (
        lambda gs, most: [g * min(1.0, most / max(length(gs), 1e-9)) for g in gs],
        {
            "scaled each tensor on its own": lambda gs, most: [g * most / g.norm() for g in gs],
            "You limited every number": lambda gs, most: [g.clamp(-most, most) for g in gs],
            "by the sum of the squares": lambda gs, most: [g * most / length(gs) ** 2 for g in gs],
            "absolute values": lambda gs, most: [g * most / sum(float(h.abs().sum()) for h in gs) for g in gs],
            "the lengths of the tensors": lambda gs, most: [g * most / sum(float(h.norm()) for h in gs) for g in gs],
            "by the largest number": lambda gs, most: [g * most / max(float(h.abs().max()) for h in gs) for g in gs],
            "You changed nothing": lambda gs, most: gs,
            "the wrong sign": lambda gs, most: [-g * most / length(gs) for g in gs],
            "You always shortened to 1": lambda gs, most: [g / max(1.0, length(gs)) for g in gs],
            "You also changed gradients that are shorter": lambda gs, most: [g * most / length(gs) for g in gs],
            "is 26 times what it must be": lambda gs, most: (
                [g * min(1.0, most / length(gs)) for g in gs] if most >= 1 else gs
            ),
            "Did you divide": lambda gs, most: (
                [g * (torch.tensor(most) / length(gs)).clamp(max=1) for g in gs] if length(gs) else [g / 0 for g in gs]
            ),
            "Return a list of tensors, one per": lambda gs, most: gs[0],
            "must have shape (2, 2)": lambda gs, most: [g.flatten() for g in gs],
        },
    ),
    "9.5": (
        step,
        {
            "Gradients add up": lambda d, w, n, o: step(d, w, n, Unlike(o, zero_grad=False)),
            "The weights stay as they are": lambda d, w, n, o: step(d, w, n, Unlike(o, step=False)),
            "after computing them": lambda d, w, n, o: step(d, w, n, o, zero_late=True),
            "There are no gradients": lambda d, w, n, o: (o.zero_grad(), o.step(), mean_loss(d, w, n).item())[2],
            "before there are new gradients": lambda d, w, n, o: (
                o.zero_grad(),
                o.step(),
                (loss := mean_loss(d, w, n)).backward(),
                loss.item(),
            )[3],
            "more than one step": lambda d, w, n, o: sum(step([ids], w, n, o) for ids in d) / len(d),
            "the documents' means": lambda d, w, n, o: step(
                d, w, n, o, lambda d, w, n: torch.stack([mean_loss([ids], w, n) for ids in d]).mean()
            ),
            "added up the documents' losses": lambda d, w, n, o: step(
                d, w, n, o, lambda d, w, n: sum(mean_loss([ids], w, n) for ids in d)
            ),
            "Only the first document": lambda d, w, n, o: step(d[:1], w, n, o),
            "loss.item()": lambda d, w, n, o: torch.tensor(step(d, w, n, o)),
            "The documents do not belong together": lambda d, w, n, o: step([torch.cat(d)], w, n, o),
            "computed after the step": lambda d, w, n, o: (step(d, w, n, o), mean_loss(d, w, n).item())[1],
            "only has to copy": lambda d, w, n, o: step(
                d,
                w,
                n,
                o,
                lambda d, w, n: torch.nn.functional.cross_entropy(
                    torch.cat([my_gpt2.gpt2(ids[:-1], w, n) for ids in d]), torch.cat([ids[:-1] for ids in d])
                ),
            ),
        },
    ),
    "10.1": (
        lambda logits, t: (logits / t).softmax(-1) if t else one(logits, [int(logits.argmax())]),
        {
            "You multiplied": lambda logits, t: (logits * t).softmax(-1),
            "had no effect": lambda logits, t: (logits.softmax(-1) / t) / (logits.softmax(-1) / t).sum(),
            "You divided the probabilities": lambda logits, t: logits.softmax(-1) / t,
            "One step is missing: softmax": lambda logits, t: logits / t,
            "At temperature 0, you divided by 0": lambda logits, t: (logits / torch.tensor(t)).softmax(-1),
            "Nothing can be divided by 0": lambda logits, t: (logits * (1 / t)).softmax(-1),
            "and not its ID": lambda logits, t: (logits / t).softmax(-1) if t else logits.argmax(),
            "each got a half": lambda logits, t: (
                (logits / t).softmax(-1) if t else one(0 * logits, (logits == logits.max()).nonzero()[:, 0].tolist())
            ),
            "exp of the divided logits is too large": lambda logits, t: (
                (logits / t).exp() / (logits / t).exp().sum() if t else one(logits, [int(logits.argmax())])
            ),
            "Return a tensor of shape (6,)": lambda logits, t: logits.max(),
        },
    ),
    "10.2": (
        lambda logits, k: torch.where(logits >= logits.sort().values[-k], logits, -math.inf),
        {
            "These are probabilities": lambda logits, k: kept(logits, k).softmax(-1),
            "A logit of 0 does not": lambda logits, k: torch.where(logits >= logits.sort().values[-k], logits, 0.0),
            "the first k in the list": lambda logits, k: logits.masked_fill(torch.arange(len(logits)) >= k, -math.inf),
            "one too many": lambda logits, k: kept(logits, min(k + 1, len(logits))),
            "one too few": lambda logits, k: logits.masked_fill(logits <= logits.topk(k).values[-1], -math.inf),
            "Nothing was cut": lambda logits, k: logits,
            "only the k largest": lambda logits, k: logits.topk(k).values,
            "you kept exactly two tokens": lambda logits, k: torch.full_like(logits, -math.inf).index_copy(
                0, logits.topk(k).indices, logits.topk(k).values
            ),
            "Compare with the k-th largest": lambda logits, k: logits.masked_fill(logits < logits.max(), -math.inf),
            "You cut the largest": lambda logits, k: logits.masked_fill(logits >= logits.topk(k).values[-1], -math.inf),
        },
    ),
    "10.3": (
        lambda q, p: cut(q, nucleus(q, p)),
        {
            "The token that reaches p is missing": lambda q, p: cut(q, nucleus(q, p)[:-1]),
            "Divide by the sum": lambda q, p: q * (cut(q, nucleus(q, p)) > 0),
            "Stop as soon as": lambda q, p: cut(q, q.sort(descending=True).indices[: len(nucleus(q, p)) + 1].tolist()),
            "the place of its token": lambda q, p: cut(q, nucleus(q, p)).sort(descending=True).values,
            "sorted the smallest first": lambda q, p: cut(q, smallest(q, p)),
            "When the sum is exactly p": lambda q, p: cut(
                q, [i for i in q.argsort(descending=True).tolist() if float(q[q > q[i]].sum()) <= p]
            ),
            "Nothing was cut": lambda q, p: q,
            "You divided by p": lambda q, p: q * (cut(q, nucleus(q, p)) > 0) / p,
            "You took the softmax of probabilities": lambda q, p: cut(q.softmax(-1), nucleus(q.softmax(-1), p)),
            "tokens that tie at the border cannot all stay": lambda q, p: cut(
                q, (q >= q[nucleus(q, p)].min()).nonzero()[:, 0].tolist()
            ),
        },
    ),
    "10.4": (
        lambda q, number: int(torch.searchsorted(q.double().cumsum(0), number * float(q.double().sum()), right=True)),
        {
            "You took the likeliest": lambda q, number: int(q.argmax()),
            "Token 0 ends": lambda q, number: int((q.cumsum(0) < number).sum()),
            "too far": lambda q, number: int((q.cumsum(0) <= number).sum()) + 1,
            "too early. Return": lambda q, number: int((q.cumsum(0) <= number).sum()) - 1,
            "that are larger than the number": lambda q, number: int((q.cumsum(0) > number).sum()),
            "with the probabilities themselves": lambda q, number: int((q <= number).sum()),
            "These are the running sums": lambda q, number: q.cumsum(0),
            "your function runs beyond the last token": lambda q, number: int((q.double().cumsum(0) <= number).sum()),
            "your function returned nothing: together": added_up,
            "your function stopped with IndexError": lambda q, number: (
                (q.double().cumsum(0) > number).nonzero()[0].item()
            ),
            "a hair above 1": lambda q, number: first_beyond(q.double(), number),
            "Add them up in float64": lambda q, number: int((q.cumsum(0) <= number * q.sum()).sum()),
            "Return the ID of a token, a whole number": lambda q, number: "a",
        },
    ),
    "10.5": (
        writes,
        {
            "You also yield `end`": lambda ids, predict, choose, end, context: [
                *writes(ids, predict, choose, end, context),
                end,
            ],
            "for which a model has no positions": lambda ids, predict, choose, end, context: writes(
                ids, predict, choose, end, 1000
            ),
            "gets the first `context` IDs": lambda ids, predict, choose, end, context: writes(
                ids, lambda read: predict(torch.tensor(read.tolist()[:context])), choose, end, 1000
            ),
            "by the logits of the first token": lambda ids, predict, choose, end, context: writes(
                ids, lambda read: predict(read)[:1], choose, end, context
            ),
            "Hand out each one as soon as you have it: yield next_id": lambda *given: list(writes(*given)),
            "You yield the given IDs, too": lambda ids, *rest: [*ids, *writes(ids, *rest)],
            "never appended": lambda ids, predict, choose, end, context: writes(
                ids, lambda read: predict(torch.tensor(ids[-context:])), choose, end, context
            ),
            "changes its argument `ids` in place": writes_in_place,
            "Turn the list into a tensor": lambda ids, predict, choose, end, context: writes(
                ids, lambda read: predict(read.tolist()), choose, end, context
            ),
            "There is no batch here": lambda ids, predict, choose, end, context: writes(
                ids, lambda read: predict(read[None]), choose, end, context
            ),
        },
    ),
    "11.1": (
        lambda q: f"Question: {q}\nAnswer:",
        {
            "There is a space after": lambda q: f"Question: {q}\nAnswer: ",
            "There is a line break after": lambda q: f"Question: {q}\nAnswer:\n",
            "starts a new line": lambda q: f"Question: {q} Answer:",
            "start the answer with": lambda q: f"Question: {q}\n",
            "on the next line, with": lambda q: f"Question: {q}",
            "that start with “Question:”": lambda q: q,
            "not abbreviations": lambda q: f"Q: {q}\nA:",
            "Capital letters": lambda q: f"question: {q}\nanswer:",
            "one line break too many": lambda q: f"Question: {q}\n\nAnswer:",
            "A space is missing": lambda q: f"Question:{q}\nAnswer:",
            "always asks the same question": lambda q: "Question: Where does Tuck the tortoise live?\nAnswer:",
            "the result must be": lambda q: f"Please answer: {q}",
            "has type int": lambda q: 5,
        },
    ),
    "11.2": (
        lambda text, stops: text[: min((i for i in map(text.find, stops) if i >= 0), default=len(text))],
        {
            "the first stop in the list": lambda text, stops: text.split(stops[0])[0],
            "Leave out the stop itself": lambda text, stops: text[
                : min((i + len(s) for s in stops if (i := text.find(s)) >= 0), default=len(text))
            ],
            "what the stops before it had left": lambda text, stops: functools.reduce(
                lambda left, stop: left.split(stop)[0], stops, text
            ),
            "the last stop": lambda text, stops: text[: max(map(text.rfind, stops)) if "." in text else None],
            "loses a letter": lambda text, stops: text[: min((i for i in map(text.find, stops) if i >= 0), default=-1)],
            "not an empty one": lambda text, stops: text[
                : min((i for i in map(text.find, stops) if i >= 0), default=0)
            ],
            "several letters": lambda text, stops: text[
                : min((i for i in (text.find(s[0]) for s in stops) if i >= 0), default=len(text))
            ],
            "at the very start": lambda text, stops: text[
                : min((i for i in map(text.find, stops) if i > 0), default=len(text))
            ],
            "Without stops": lambda text, stops: (
                text[: min((i for i in map(text.find, stops) if i >= 0), default=len(text))] if stops else ""
            ),
            "For '', ['.'], the result must be ''": lambda text, stops: (
                text[: min((i for i in map(text.find, stops) if i >= 0), default=len(text))] if text else "?"
            ),
            "has type list": lambda text, stops: text.split(stops[0]),
            "must be 'Pip ran', but yours is": lambda text, stops: (
                "Pip" if "?" in stops else text[: min((i for i in map(text.find, stops) if i >= 0), default=len(text))]
            ),
        },
    ),
    "11.3": (
        lambda texts: max(range(len(texts)), key=lambda i: sum(texts[i]) / len(texts[i])),
        {
            "You always return 0": lambda texts: 0,
            "short texts have large ones": lambda texts: max(range(len(texts)), key=lambda i: sum(texts[i])),
            "surest single token": lambda texts: max(range(len(texts)), key=lambda i: max(texts[i])),
            "the least certain text": lambda texts: min(range(len(texts)), key=lambda i: sum(texts[i]) / len(texts[i])),
            "must be 1, but yours is 7": lambda texts: 7,
            "You took the longest text": lambda texts: max(range(len(texts)), key=lambda i: len(texts[i])),
            "This is the largest mean": lambda texts: max(sum(t) / len(t) for t in texts),
        },
    ),
    "12.1": (
        lambda weights, rows, columns: sum(weights[:, rows, c] for c in columns).mean(-1),
        {
            "pairs the first row with the first column": lambda weights, rows, columns: weights[:, rows, columns].mean(
                -1
            ),
            "You averaged over the columns.": lambda weights, rows, columns: weights[:, rows][:, :, columns].mean(
                (1, 2)
            ),
            "You added up the rows": lambda weights, rows, columns: weights[:, rows][:, :, columns].sum((1, 2)),
            "are swapped": lambda weights, rows, columns: weights[:, columns][:, :, rows].sum(-1).mean(-1),
            "for each head and row": lambda weights, rows, columns: weights[:, rows][:, :, columns].sum(-1),
            "for each head and column": lambda weights, rows, columns: weights[:, rows][:, :, columns].mean(1),
            "These are the right weights": lambda weights, rows, columns: weights[:, rows][:, :, columns],
            "over the heads, too": lambda weights, rows, columns: weights[:, rows][:, :, columns].sum(-1).mean(),
            "the first column only": lambda weights, rows, columns: weights[:, rows, columns[0]].mean(-1),
            "over all rows": lambda weights, rows, columns: weights[:, :, columns].sum(-1).mean(-1),
            "every row of the weights adds up to 1": lambda weights, rows, columns: weights[:, rows].sum(-1).mean(-1),
        },
    ),
    "12.2": (
        switched_off,
        {
            "Nothing was switched off": lambda found, off, n: found,
            "and kept those in": lambda found, off, n: switched_off(found, set(range(n)) - set(off), n),
            "only the first head": lambda found, off, n: switched_off(found, off[:1], n),
            "only the last head": lambda found, off, n: switched_off(found, off[-1:], n),
            "single columns": lambda found, off, n: switched_off(found, off, found.shape[1]),
            "belong to the heads before": lambda found, off, n: switched_off(found, [h - 1 for h in off], n),
            "belong to the next heads": lambda found, off, n: switched_off(found, [h + 1 for h in off], n),
            "every H-th column": lambda found, off, n: torch.where(
                torch.isin(torch.arange(found.shape[1]) % n, torch.tensor(off)), 0, found
            ),
            "all later heads": lambda found, off, n: switched_off(found, range(min(off, default=n), n), n),
            "all earlier heads": lambda found, off, n: switched_off(found, range(max(off, default=-1) + 1), n),
            "switched off tokens": lambda found, off, n: switched_off(found.T, off, len(found)).T,
            "You removed the columns": lambda found, off, n: torch.cat(
                [part for h, part in enumerate(found.chunk(n, dim=1)) if h not in off], dim=1
            ),
            "changes its argument `found` in place": lambda found, off, n: found.copy_(switched_off(found, off, n)),
            "switched off columns [3]": lambda found, off, n: switched_off(found, [2 * h + 1 for h in off], 2 * n),
        },
    ),
    "12.3": (
        lambda ids, t: next((s + 1 for s in reversed(range(t)) if ids[s] == ids[t]), -1),
        {
            "earlier position of the same token": lambda ids, t: next(
                (s for s in reversed(range(t)) if ids[s] == ids[t]), -1
            ),
            "Use the last one": lambda ids, t: next((s + 1 for s in range(t) if ids[s] == ids[t]), -1),
            "Look one after it": lambda ids, t: next((s - 1 for s in reversed(range(t)) if ids[s] == ids[t]), -1),
            "You found position t itself": lambda ids, t: next(
                s + 1 for s in reversed(range(t + 1)) if ids[s] == ids[t]
            ),
            "These are tokens": lambda ids, t: next((ids[s + 1] for s in reversed(range(t)) if ids[s] == ids[t]), -1),
            "return -1": lambda ids, t: next((s + 1 for s in reversed(range(t)) if ids[s] == ids[t]), 0),
            "has type str": lambda ids, t: "there",
            "2, the result must be 1, but yours is 7": lambda ids, t: 7 if t == 2 else -1,
        },
    ),
    "13.1": (
        lambda messages: [i if g else -100 for ids, g in messages for i in ids][1:],
        {
            "The targets are not shifted": lambda messages: [i if g else -100 for ids, g in messages for i in ids],
            "whether the token itself is graded": lambda messages: [
                target if graded else -100
                for target, graded in zip(
                    [i for ids, _ in messages for i in ids][1:], [g for ids, g in messages for _ in ids], strict=False
                )
            ],
            "shifted each message on its own": lambda messages: [
                i if g else -100 for ids, g in messages for i in ids[1:]
            ],
            "one −100 for a whole message": lambda messages: [i for ids, g in messages for i in (ids if g else [-100])][
                1:
            ],
            "You graded everything": lambda messages: [i for ids, _ in messages for i in ids][1:],
            "the other way around": lambda messages: [-100 if g else i for ids, g in messages for i in ids][1:],
            "0 is the ID of a token": lambda messages: [i if g else 0 for ids, g in messages for i in ids][1:],
            "one list for the whole dialogue": lambda messages: [
                [i if g else -100 for i in ids] for ids, g in messages
            ],
            "All of your targets": lambda messages: [-100] * (sum(len(ids) for ids, _ in messages) - 1),
            "has type str": lambda messages: "?",
            "but yours is []": lambda messages: [],
        },
    ),
    "13.2": (
        lambda w, down, up: torch.addmm(w, down, up),
        {
            "only the detour": lambda w, down, up: down @ up,
            "frozen matrix alone": lambda w, down, up: w,
            "You subtracted the detour": lambda w, down, up: w - down @ up,
            "x goes down first": lambda w, down, up: w + up @ down,
            "The result is transposed": lambda w, down, up: (w + down @ up).T,
            "not scaled": lambda w, down, up: w + down @ up / up.shape[0],
            "number by number": lambda w, down, up: w + down * up,
        },
    ),
    "13.3": (
        lambda message: "\n  ".join(message.split("\n")),
        {
            "the message as it was": lambda message: message,
            "The first line is indented, too": lambda message: "  " + message.replace("\n", "\n  "),
            "The line breaks are gone": lambda message: message.replace("\n", " "),
            "Others can pretend as well": lambda message: message.replace("\nAssistant:", "\n  Assistant:"),
            "You took labels out": lambda message: message.replace("Assistant:", ""),
            "not one": lambda message: message.replace("\n", "\n "),
            "You skipped empty lines": lambda message: "\n".join(
                "  " * (i > 0 and line > "") + line for i, line in enumerate(message.split("\n"))
            ),
            "`splitlines` and `strip` drop it": lambda message: "\n  ".join(message.splitlines()),
            "not a list of lines": lambda message: message.split("\n"),
            "Return a string": lambda message: 3,
        },
    ),
    "14.1": (
        lambda r: torch.nan_to_num((r - r.mean(1, keepdim=True)) / r.var(1, keepdim=True, correction=0).sqrt()),
        {
            "you divide 0 by 0": lambda r: (r - r.mean(1, keepdim=True)) / r.std(1, keepdim=True, correction=0),
            "Now also divide": lambda r: r - r.mean(1)[:, None],
            "These are the rewards": lambda r: r,
            "You divided by N − 1": lambda r: torch.nan_to_num((r - r.mean(1, keepdim=True)) / r.std(1, keepdim=True)),
            "You compared all texts": lambda r: r - r.mean(),
            "You compared the columns": lambda r: r - r.mean(0),
            "which makes every advantage smaller": lambda r: (
                (r - r.mean(1, keepdim=True)) / (r.std(1, keepdim=True, correction=0) + 1)
            ),
            "Return a tensor of shape": lambda r: 0.5,
        },
    ),
    "14.2": (
        lambda x, s: (x.softmax(-1) * (x.softmax(-1) / s.softmax(-1)).log()).sum(-1),
        {
            "The direction is reversed": lambda x, s: (s.softmax(-1) * (s.softmax(-1) / x.softmax(-1)).log()).sum(-1),
            "The sign is wrong": lambda x, s: (x.softmax(-1) * (s.softmax(-1) / x.softmax(-1)).log()).sum(-1),
            "These are the differences": lambda x, s: (x.log_softmax(-1) - s.log_softmax(-1)).sum(-1),
            "You took logits for": lambda x, s: (x.softmax(-1) * (x - s)).sum(-1),
            "You divided by V": lambda x, s: (x.softmax(-1) * (x.log_softmax(-1) - s.log_softmax(-1))).mean(-1),
            "This is the cross-entropy": lambda x, s: -(x.softmax(-1) * s.log_softmax(-1)).sum(-1),
            "has type float": lambda x, s: 1.0,
        },
    ),
    "14.3": (
        lambda b, w, sb, sw, beta: (1 + torch.exp(-beta * (b - w - sb + sw))).log().mean(),
        {
            "The start is missing": lambda b, w, sb, sw, beta: -torch.sigmoid(beta * (b - w)).log().mean(),
            "You forgot beta": lambda b, w, sb, sw, beta: -torch.sigmoid(b - w - sb + sw).log().mean(),
            "beta belongs inside": lambda b, w, sb, sw, beta: -beta * torch.sigmoid(b - w - sb + sw).log().mean(),
            "prefers the worse": lambda b, w, sb, sw, beta: -torch.sigmoid(-beta * (b - w - sb + sw)).log().mean(),
            "The minus sign before the logarithm": lambda b, w, sb, sw, beta: (
                torch.sigmoid(beta * (b - w - sb + sw)).log().mean()
            ),
            "The logarithm is missing": lambda b, w, sb, sw, beta: -torch.sigmoid(beta * (b - w - sb + sw)).mean(),
            "The sigmoid is missing": lambda b, w, sb, sw, beta: -(beta * (b - w - sb + sw)).mean(),
            "Take the mean over them": lambda b, w, sb, sw, beta: -torch.sigmoid(beta * (b - w - sb + sw)).log().sum(),
        },
    ),
    "15.1": (
        lambda ln_ps, endings: max(range(len(endings)), key=lambda i: float(ln_ps[i].sum()) / len(endings[i].encode())),
        {
            "You compared sums": lambda ln_ps, endings: max(range(len(ln_ps)), key=lambda i: float(ln_ps[i].sum())),
            "means per token": lambda ln_ps, endings: max(range(len(ln_ps)), key=lambda i: float(ln_ps[i].mean())),
            "number of characters": lambda ln_ps, endings: max(
                range(len(ln_ps)), key=lambda i: float(ln_ps[i].sum()) / len(endings[i])
            ),
            "the lowest ln p per byte": lambda ln_ps, endings: min(
                range(len(ln_ps)), key=lambda i: float(ln_ps[i].sum()) / len(endings[i].encode())
            ),
            "first token only": lambda ln_ps, endings: max(range(len(ln_ps)), key=lambda i: float(ln_ps[i][0])),
            "first space is a byte": lambda ln_ps, endings: max(
                range(len(ln_ps)), key=lambda i: float(ln_ps[i].sum()) / len(endings[i].strip().encode())
            ),
            "Return the number of an ending": lambda ln_ps, endings: None if not endings else [1.0],
        },
    ),
    "15.2": (
        lambda sure, right: (
            sum(float((sure - right)[(sure * 10).long() == b].sum().abs()) for b in range(10)) / len(sure)
        ),
        {
            "All bins count equally": lambda sure, right: (
                sum(float((sure - right)[b].mean().abs()) for b in tenths(sure)) / len(tenths(sure))
            ),
            "The absolute value is missing": lambda sure, right: (sure - right).mean(),
            "Use bins": lambda sure, right: abs((sure - right).mean()),
            "gap of single": lambda sure, right: (sure - right).abs().mean(),
            "You squared the gaps": lambda sure, right: (
                sum(float((sure - right)[b].mean() ** 2 * b.sum()) for b in tenths(sure)) / len(sure)
            ),
            "sum over the bins": lambda sure, right: sum(float((sure - right)[b].sum().abs()) for b in tenths(sure)),
            "another number of bins": lambda sure, right: (
                sum(float((sure - right)[b].sum().abs()) for b in tenths(sure, 5)) / len(sure)
            ),
            "middle of each bin": lambda sure, right: (
                sum(float((int(sure[b][0] * 10) / 10 + 0.05 - right[b].mean()).abs() * b.sum()) for b in tenths(sure))
                / len(sure)
            ),
            "has no mean": lambda sure, right: math.nan,
            "Return one number": lambda sure, right: sure,
            "result must be 0.30569": lambda sure, right: (sure * right).sum(),
        },
    ),
    "15.3": (
        lambda text, read: max((n for n in range(len(text) + 1) if occurs(text, read, n)), default=0),
        {
            "Count only tokens in a row": lambda text, read: sum(any(t in ids for ids in read) for t in text),
            "only the first of the texts": lambda text, read: max(
                (n for n in range(len(text) + 1) if occurs(text, read[:1], n)), default=0
            ),
            "only the start of each text": lambda text, read: max(
                (n for n in range(len(text) + 1) if any(occurs(text, [ids[:n]], n) for ids in read)), default=0
            ),
            "one too large": lambda text, read: (
                1 + max((n for n in range(len(text) + 1) if occurs(text, read, n)), default=0)
            ),
            "single tokens": lambda text, read: int(occurs(text, read, 1)),
            "Your result is always 0": lambda text, read: 0,
            "If nothing was copied": lambda text, read: max(
                1, max((n for n in range(len(text) + 1) if occurs(text, read, n)), default=0)
            ),
            "the whole text is a copy": lambda text, read: max(
                (n for n in range(len(text)) if occurs(text, read, n)), default=0
            ),
            "You joined the texts": lambda text, read: max(
                n for n in range(len(text) + 1) if occurs(text, [[i for ids in read for i in ids]], n)
            ),
            "must be 2, but yours is 1": lambda text, read: (
                1 if text == [1, 1, 2] else max(n for n in range(len(text) + 1) if occurs(text, read, n))
            ),
            "For an empty text": lambda text, read: (
                max(n for n in range(len(text) + 1) if occurs(text, read, n)) if text else 1
            ),
            "has type list": lambda text, read: text,
            "must be 3, but yours is 7": lambda text, read: 7,
        },
    ),
    "16.1": (
        lambda nats, text: nats / (math.log(2) * len(text.encode())),
        {
            "This is per character": lambda nats, text: nats / math.log(2) / len(text),
            "These are nats per byte": lambda nats, text: nats / len(text.encode()),
            "You multiplied by ln 2": lambda nats, text: nats * math.log(2) / len(text.encode()),
            "the bits of the whole text": lambda nats, text: nats / math.log(2),
            "bytes per bit": lambda nats, text: len(text.encode()) * math.log(2) / nats,
            "You divided by 8": lambda nats, text: nats / math.log(2) / len(text.encode()) / 8,
            "with two digits only": lambda nats, text: nats / 0.69 / len(text.encode()),
            "has type str": lambda nats, text: text,
            "does not depend on `nats`": lambda nats, text: 1.0,
        },
    ),
    "16.2": (
        lambda n1, l1, n2, l2, n3, f: f + line(n1, l1 - f, n2, l2 - f, n3),
        {
            "You left out the floor": lambda n1, l1, n2, l2, n3, f: line(n1, l1, n2, l2, n3),
            "Add the floor back": lambda n1, l1, n2, l2, n3, f: line(n1, l1 - f, n2, l2 - f, n3),
            "straight line of the loss over N": lambda n1, l1, n2, l2, n3, f: l2 + (l2 - l1) / (n2 - n1) * (n3 - n2),
            "Only N is on": lambda n1, l1, n2, l2, n3, f: l2 + (l2 - l1) / math.log(n2 / n1) * math.log(n3 / n2),
            "Your line goes up": lambda n1, l1, n2, l2, n3, f: f + line(n1, l1 - f, n2, l2 - f, n2 * n2 / n3),
            "Take math.exp of it": lambda n1, l1, n2, l2, n3, f: f + math.log(line(n1, l1 - f, n2, l2 - f, n3)),
            "started at the first": lambda n1, l1, n2, l2, n3, f: (
                f + line(n1, l1 - f, n2, l2 - f, n3) * (l1 - f) / (l2 - f)
            ),
            "has type str": lambda *numbers: "less",
            "does not depend on `n1`": lambda *numbers: 1.2,
        },
    ),
    "16.3": (
        lambda n, t, s: 6 * n * t / s / 3600,
        {
            "These are seconds": lambda n, t, s: 6 * n * t / s,
            "These are minutes": lambda n, t, s: 6 * n * t / s / 60,
            "These are days": lambda n, t, s: 6 * n * t / s / 86400,
            "only the forward pass": lambda n, t, s: 2 * n * t / s / 3600,
            "only the backward pass": lambda n, t, s: 4 * n * t / s / 3600,
            "6 operations per token": lambda n, t, s: n * t / s / 3600,
            "You multiplied by 3,600": lambda n, t, s: 6 * n * t / s * 3600,
            "has type str": lambda n, t, s: "long",
            "does not depend on `n_parameters`": lambda n, t, s: 1.0,
        },
    ),
    "17.1": (
        lambda data: {k: v["shape"] for k, v in entries(data).items() if k != "__metadata__"},
        {
            "is not a tensor": lambda data: {k: v["shape"] for k, v in entries(data).items()},
            "Not every file has": lambda data: {
                k: v for k, v in entries(data).items() if entries(data)["__metadata__"]
            },
            "more than its header": lambda data: json.loads(data[8:]),
            "starts after the 8 bytes": lambda data: json.loads(data[: int.from_bytes(data[:8], "little")]),
            "ends at 8 + length": lambda data: json.loads(data[8 : int.from_bytes(data[:8], "little")]),
            "All 8 bytes are one number": lambda data: json.loads(data[8 : 8 + data[0]]),
            "smallest byte first": lambda data: json.loads(data[8 : 8 + int.from_bytes(data[:8], "big")]),
            "whole entries": lambda data: {k: v for k, v in entries(data).items() if k != "__metadata__"},
            "the positions of the numbers": lambda data: {"wte": [0, 24], "bias": [24, 32]},
            "counts of numbers": lambda data: {"wte": 6, "bias": 4},
            "only the shapes": lambda data: [[3, 2], [4]],
            "The shapes are reversed": lambda data: {"wte": [2, 3], "bias": [4]},
        },
    ),
    "17.2": (
        my_gpt2.read_tensors,
        {
            "Add 8 and its length": lambda data: tensors_in(data, start=0),
            "not at 8": lambda data: tensors_in(data, start=8),
            "The shape is missing": lambda data: {name: t.flatten() for name, t in tensors_in(data).items()},
            "The shapes are reversed": lambda data: {
                name: t.reshape(t.shape[::-1]) for name, t in tensors_in(data).items()
            },
            "return tensors in float32": lambda data: {
                name: tensor.to({"F16": torch.float16, "F32": torch.float32}[entries(data)[name]["dtype"]])
                for name, tensor in tensors_in(data).items()
            },
            "only the tensors": lambda data: list(tensors_in(data).values()),
            "The numbers are not text": lambda data: data.decode(),
            "`__metadata__` is not a tensor": lambda data: {
                name: entry["data_offsets"] for name, entry in entries(data).items()
            },
        },
    ),
    "17.3": (
        lambda tensors: file_of(tensors),
        {
            "Return bytes, not": lambda tensors: "a file",
            "The length of the header is missing": lambda tensors: file_of(tensors)[8:],
            "with its smallest byte first": lambda tensors: file_of(tensors, order="big"),
            "but only": lambda tensors: file_of(tensors)[:20],
            "Yours has 4": lambda tensors: file_of(tensors)[:4] + file_of(tensors)[8:],
            "not how many there are": lambda tensors: file_of(tensors, counted=True),
            "Count the bytes of the header alone": lambda tensors: file_of(tensors, more=8),
            "are not JSON": lambda tensors: file_of(tensors, more=-1),
            "An entry of the header needs": lambda tensors: file_of(dict.fromkeys(tensors)),
            "The header names nothing": lambda tensors: file_of({}),
            "The dtype of a is 'F32'": lambda tensors: file_of(tensors, kind="F16"),
            "The shape of a is [2, 3], but you wrote [3, 2]": lambda tensors: file_of(tensors, turned=True),
            "Count bytes: each number has 4": lambda tensors: file_of(tensors, size=1),
            "takes 24 bytes, but your offsets": lambda tensors: file_of(tensors, size=8),
            "so the first tensor begins at 0": lambda tensors: file_of(tensors, begin=8),
            "does not contain the numbers of wte.weight": lambda tensors: file_of(tensors, body=reversed),
            "4 per number, and no others": lambda tensors: file_of(tensors) + b"end",
        },
    ),
    "17.4": (
        lambda before, after: change(before, after),
        {
            "The sign is wrong": lambda before, after: change(after, before),
            "Divide it by √n": lambda before, after: change(before, after, power=0),
            "not by n": lambda before, after: change(before, after, power=1),
            "n − 1, not": lambda before, after: change(before, after, deviation=statistics.pstdev),
            "not by √(n − 1)": lambda before, after: (
                change(before, after)[0],
                change(before, after, power=0)[1] / (len(before) - 1) ** 0.5,
            ),
            "Leave out abs": lambda before, after: (abs(change(before, after)[0]), change(before, after)[1]),
            "The error is that of the losses": lambda before, after: (
                change(before, after)[0],
                statistics.stdev(after) / len(after) ** 0.5,
            ),
            "only the mean": lambda before, after: change(before, after)[0],
            "wrong order": lambda before, after: change(before, after)[::-1],
            "for each seed first": lambda before, after: (
                change(before, after)[0],
                ((statistics.variance(before) + statistics.variance(after)) / len(before)) ** 0.5,
            ),
        },
    ),
    "18.1": (
        lambda x, gain: x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * gain,
        {
            "The gain is missing": lambda x, g: x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt(),
            "This is layer norm": lambda x, g: normed(x) * g,
            "which subtracts the mean": lambda x, g: x / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt() * g,
            "RMSNorm only divides": lambda x, g: (
                (x - x.mean(-1, keepdim=True)) / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * g
            ),
            "not their sum": lambda x, g: x / (x.pow(2).sum(-1, keepdim=True) + 1e-5).sqrt() * g,
            "Divide by its root": lambda x, g: x / (x.pow(2).mean(-1, keepdim=True) + 1e-5) * g,
            "inside the root": lambda x, g: x / x.pow(2).mean(-1, keepdim=True).sqrt() * g,
            "over the tokens": lambda x, g: x / (x.pow(2).mean(0, keepdim=True) + 1e-5).sqrt() * g,
            "all numbers together": lambda x, g: x / (x.pow(2).mean() + 1e-5).sqrt() * g,
            "Use keepdim=True": lambda x, g: x / (x.pow(2).mean(-1) + 1e-5).sqrt() * g,
            "without PyTorch's own": lambda x, g: torch.nn.functional.rms_norm(x, x.shape[-1:], g, 1e-5),
        },
    ),
    "18.2": (
        turned,
        {
            "Nothing is turned": lambda x: x,
            "Positions count from 0": lambda x: turned(x, first=1),
            "the wrong way": lambda x: turned(x, direction=-1),
            "You paired the two halves": lambda x: turned(x, pairs="halves"),
            "out of order": lambda x: turned(x, pairs="side by side"),
            "at the same speed": lambda x: turned(x, step=0),
            "yours is −i/D": lambda x: turned(x, step=0.5),
            "yours is −4i/D": lambda x: turned(x, step=2),
            "The exponent must be negative": lambda x: turned(x, step=-1),
            "powers of 1,000.": lambda x: turned(x, base=1000),
            "A sign is wrong": lambda x: turned(x, sign=-1),
            "it adds": lambda x: x + torch.arange(len(x))[:, None],
        },
    ),
    "18.3": (
        lambda x, w, b, v, c: gated(x, w, b) @ v + c,
        {
            "the gate is the first half": lambda x, w, b, v, c: gated(x, w, b, first=False) @ v + c,
            "The nonlinearity is missing": lambda x, w, b, v, c: gated(x, w, b, lambda gate: gate) @ v + c,
            "This is GEGLU": lambda x, w, b, v, c: gated(x, w, b, gelu) @ v + c,
            "through the sigmoid alone": lambda x, w, b, v, c: gated(x, w, b, torch.sigmoid) @ v + c,
            "This is ReGLU": lambda x, w, b, v, c: gated(x, w, b, torch.relu) @ v + c,
            "instead of adding": lambda x, w, b, v, c: (
                (torch.nn.functional.silu((x @ w + b).chunk(2, -1)[0]) + (x @ w + b).chunk(2, -1)[1]) @ v + c
            ),
            "One step is missing": lambda x, w, b, v, c: gated(x, w, b),
            "The biases are missing": lambda x, w, b, v, c: gated(x, w, 0 * b) @ v,
            "The first bias is missing": lambda x, w, b, v, c: gated(x, w, 0 * b) @ v + c,
            "The second bias is missing": lambda x, w, b, v, c: gated(x, w, b) @ v,
            "Do not add x": lambda x, w, b, v, c: x + gated(x, w, b) @ v + c,
            "as wide as both halves": lambda x, w, b, v, c: torch.nn.functional.silu(x @ w + b) @ v + c,
        },
    ),
    "18.4": (
        lambda n_layers, n_kv_heads, head_size, bytes_per_number: (
            2 * n_layers * n_kv_heads * head_size * bytes_per_number
        ),
        {
            "only one of them": lambda n, h, d, b: n * h * d * b,
            "by the bytes per number": lambda n, h, d, b: 2 * n * h * d,
            "number of layers": lambda n, h, d, b: 2 * h * d * b,
            "number of heads": lambda n, h, d, b: 2 * n * d * b,
            "A key has head_size numbers": lambda n, h, d, b: 2 * n * h * b,
            "Queries are not kept": lambda n, h, d, b: 3 * n * h * d * b,
            "These are bits": lambda n, h, d, b: 16 * n * h * d * b,
            "right for GPT-2 alone": lambda n, h, d, b: 36864,
            "Return a whole number": lambda n, h, d, b: 2.0 * n * h * d * b,
        },
    ),
}
WRONG = [(number, message) for number, (_, wrong) in ANSWERS.items() for message in wrong]


def test_every_exercise_has_a_right_answer_and_three_wrong_ones_in_this_file() -> None:
    missing = [f"ANSWERS: add {number}" for number in EXERCISES if number not in ANSWERS]
    assert not missing, "\n".join(missing)
    assert set(ANSWERS) == set(EXERCISES)
    assert [number for number, (_, wrong) in ANSWERS.items() if len(wrong) < 3] == []


@pytest.mark.parametrize("number", ANSWERS)
def test_a_right_answer_is_correct(number: str) -> None:
    assert check(number, ANSWERS[number][0]).state == "correct"


@pytest.mark.parametrize(("number", "message"), WRONG)
def test_a_usual_mistake_is_named(number: str, message: str) -> None:
    feedback = check(number, ANSWERS[number][1][message])
    assert feedback.state == "not right yet"
    assert message in feedback.message


def test_each_mistake_gets_its_own_message() -> None:
    for number, (_, wrong) in ANSWERS.items():
        said = [check(number, answer).message for answer in wrong.values()]
        assert len(set(said)) == len(said), number


@pytest.mark.parametrize(
    "best",
    [
        lambda counts: sorted(counts, key=counts.get)[-1],
        lambda counts: sorted(counts, key=counts.get, reverse=True)[0],
        lambda counts: max(reversed(counts), key=counts.get),
    ],
)
def test_the_most_frequent_pair_does_not_depend_on_a_rule_for_ties(best: Callable[[Any], Any]) -> None:
    assert check("2.1", lambda ids: best(Counter(pairwise(ids)))).state == "correct"


@pytest.mark.parametrize("value", [-100, -1000.0, -1e4, -9999999, -1e9, -1e30])
def test_no_finite_number_hides_a_token(value: float) -> None:
    feedback = check("4.2", lambda scores: scores.masked_fill(future(scores), value))
    assert feedback.message == "A large negative number is not −∞. Use float('-inf')."


# ---- all exercises ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ANSWERS)
def test_a_stub_is_not_a_mistake(number: str) -> None:
    def todo(*args: object) -> None:
        raise NotImplementedError

    for stub in (None, ..., lambda *args: None, lambda *args: ..., todo):
        assert check(number, stub).state == "not written yet"


@pytest.mark.parametrize("number", ANSWERS)
def test_an_error_in_the_answer_is_shown_with_its_line(number: str) -> None:
    def broken(*args: object) -> float:
        nothing = 0
        return 1 / nothing

    feedback = check(number, broken)
    assert feedback.state == "not right yet"
    assert feedback.message.startswith("broken")
    place = f"in line {broken.__code__.co_firstlineno + 2} of test_exercises.py"
    assert f"{place}, `return 1 / nothing`, with ZeroDivisionError: division by zero. Some" in feedback.message


def test_a_function_that_sometimes_returns_nothing_is_not_a_stub() -> None:
    def forgetful(ids: list[int], t: int) -> int | None:
        return ANSWERS["12.3"][0](ids, t) if ids[t] in ids[:t] else None

    feedback = check("12.3", forgetful)
    assert feedback.state == "not right yet"
    assert "returned nothing" in feedback.message


@pytest.mark.parametrize("number", ["11.3", "12.3", "15.2", "15.3", "16.1", "16.2", "16.3"])
@pytest.mark.parametrize("kind", [torch.tensor, np.array])
def test_numbers_from_torch_and_numpy_are_accepted(number: str, kind: Callable[[object], object]) -> None:
    assert check(number, lambda *args: kind(ANSWERS[number][0](*args))).state == "correct"


def test_an_unknown_number_gets_a_list_of_known_ones() -> None:
    with pytest.raises(ValueError, match=r"There is no exercise '1\.9'. Choose from 1\.1, 1\.2, 1\.3"):
        check("1.9", 1)


def test_feedback_is_text_in_a_terminal_and_a_card_in_a_notebook() -> None:
    feedback = check("1.3", lambda p: "<script>alert(1)</script>")
    assert repr(feedback).startswith("✗ Exercise 1.3 (Perplexity): not right yet. Return one number")
    assert "<strong>✗ Exercise 1.3 · Perplexity: not right yet</strong>" in feedback._repr_html_()
    shown = check("1.2", lambda pairs, word: pairs["<b>", word].missing)._repr_html_()
    assert "<b>" not in shown
    assert "&lt;b&gt;" in shown


# ---- progress -----------------------------------------------------------------------------------------------------


def test_solved_exercises_are_remembered_and_color_bricks() -> None:
    assert "0 of" in repr(progress())
    check("1.1", ANSWERS["1.1"][0])
    check("1.2", ANSWERS["1.2"][0], remember=False)
    assert progress().solved == ("1.1",)
    assert progress().chapters == []
    assert "next: 1.2" in repr(progress())
    for number in ("1.2", "1.3"):
        check(number, ANSWERS[number][0])
    assert progress().chapters == [1]
    assert "In color: 1 Language models" in progress()._repr_html_()


@pytest.mark.parametrize("content", ["", "{", "17", '["1.1", 3]', '{"a": 1}'])
def test_a_broken_file_is_replaced_when_an_exercise_is_solved(file: Path, content: str) -> None:
    file.parent.mkdir()
    file.write_text(content)
    check("1.2", ANSWERS["1.2"][0])
    assert "1.2" in progress().solved


def test_a_progress_file_carries_solved_exercises_to_the_book_and_back(file: Path, tmp_path: Path) -> None:
    check("1.2", ANSWERS["1.2"][0])
    saved = progress().save(tmp_path / "solved.json")
    assert saved.read_text(encoding="utf-8") == '["1.2"]\n'
    file.unlink()
    assert progress().solved == ()
    saved.write_text('["2.1", "1.2"]')
    assert progress(saved).solved == progress().solved == ("1.2", "2.1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"solved\.json is not a progress file: it should contain a list such as"),
        ('{"solved": []}', r"solved\.json is not a progress file"),
        ('["1.1", "<b>9.99</b>"]', r"names an exercise '<b>9\.99</b>', which does not exist"),
    ],
)
def test_a_file_that_is_not_a_progress_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "solved.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        progress(tmp_path / "solved.json")
    with pytest.raises(FileNotFoundError, match=r"missing\.json"):
        progress(tmp_path / "missing.json")
    assert progress().solved == ()


@pytest.mark.linux
def test_a_read_only_disk_does_not_stop_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "_file", lambda: Path("/proc/nowhere/solved.json"))
    assert check("1.1", ANSWERS["1.1"][0]).state == "correct"

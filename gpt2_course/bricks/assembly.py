"""A whole GPT-2 from the bricks that a learner has laid, and the course's where one is missing."""

from __future__ import annotations

import linecache
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor

from gpt2_course.bricks.source import BRICKS, COURSE, FILE, mend, parts, read
from gpt2_course.kv_cache import KVCache
from gpt2_course.model import GPT2
from gpt2_course.sources import DEFAULT_MODEL, find_model


class Bricks(ModuleType):
    """`my_gpt2` as a module: the learner's bricks, and the course's in place of those that are not written.

    They all call one another, no matter who wrote them.

    Args:
        text: the learner's file. It is run; what it raises is raised.
        path: the path of this file.
        borrow: bricks to borrow even though they are written.

    Raises:
        ValueError: the file is not valid Python, even without the bricks that are not.
    """

    def __init__(self, text: str, path: Path, borrow: tuple[str, ...] = ()) -> None:
        super().__init__("my_gpt2", "Your GPT-2.")
        self.found = found = parts(text)
        """The parts of the learner's file, by name."""
        self.problems = {name: part.problem for name, part in found.items() if part.problem}
        """Why functions are not valid Python, by name."""
        self._own: dict[str, Any] = {"__name__": "my_gpt2", "__file__": str(path)}
        self._course = dict(self._own)
        linecache.cache[str(path)] = (len(text), None, text.splitlines(keepends=True), str(path))  # for error messages
        exec(compile(mend(text)[0], str(path), "exec"), self._own)
        exec(compile(read(COURSE), str(COURSE), "exec"), self._course)
        self._lent = {name: self._course[name] for name in BRICKS}
        self.laid = [name for name in BRICKS if name in found and found[name].is_written and name not in borrow]
        for name in BRICKS:
            self._link(name, self._own[name] if name in self.laid else self._lent[name])
        vars(self).update({name: value for name, value in self._course.items() if not name.startswith("__")})

    def own(self, name: str) -> Any:
        """What the learner's file calls by this name; None if nothing."""
        return self._own.get(name)

    def borrow(self, name: str) -> None:
        """Use the course's brick from now on."""
        self.laid.remove(name)
        self._link(name, self._lent[name])

    def exchange(self, name: str, function: Any) -> None:
        """Use another function in place of a brick from now on. Raises `ValueError` if there is no such brick."""
        if name not in BRICKS:
            raise ValueError(f"There is no brick called {name!r}: choose among {', '.join(BRICKS)}.")
        self._link(name, function)

    def _link(self, name: str, function: Any) -> None:
        self._own[name] = self._course[name] = function
        setattr(self, name, function)

    @property
    def borrowed(self) -> list[str]:
        """The bricks that are the course's."""
        return [name for name in BRICKS if name not in self.laid]

    def model(self, name_or_folder: str | Path = DEFAULT_MODEL) -> BrickModel:
        """A trained model that computes with these bricks, for everything that takes a `GPT2`."""
        folder = find_model(name_or_folder)
        model = cast("BrickModel", BrickModel.from_pretrained(folder))
        model.use(self, folder)
        return model

    def __repr__(self) -> str:
        text = f"So far {len(self.laid)} of {len(BRICKS)} bricks are yours"
        if self.borrowed:
            text += f"; borrowed from the course: {', '.join(self.borrowed)}"
        return textwrap.fill(f"{text}.", 76)


def mine(folder: str | Path = ".") -> Bricks:
    """Your `my_gpt2.py` as a module, complete: bricks that you have not laid are borrowed from the course.

    Without a file, all are borrowed. Show the result to see which. Raises `ValueError` if the file cannot be run.
    """
    path = Path(folder) / FILE
    text = read(path) if path.exists() else ""
    try:
        return Bricks(text, path.resolve())
    except Exception as error:
        raise ValueError(f"{FILE} stops before its end: {type(error).__name__}: {error}") from error


class Rows:
    """The tokens that a `BrickModel` has seen, row by row; bricks have no key-value cache."""

    def __init__(self, n_rows: int, capacity: int, padding: Tensor | None) -> None:
        self.rows: list[list[int]] = [[] for _ in range(n_rows)]
        self.capacity = capacity
        self.pads = padding.tolist() if padding is not None else [0] * n_rows
        self.length = 0

    @property
    def is_full(self) -> bool:
        return self.length == self.capacity

    def append(self, tokens: Tensor) -> None:
        """Add tokens (B, T); the pads at the left of the first ones are left out."""
        for row, pads, new in zip(self.rows, self.pads, tokens.tolist(), strict=True):
            row += new if row else new[pads:]
        self.length += tokens.shape[1]

    def remove(self, row: int) -> None:
        """Remove a row; the last one takes its place."""
        last = self.rows.pop(), self.pads.pop()
        if row < len(self.rows):
            self.rows[row], self.pads[row] = last


class BrickModel(GPT2):
    """A `GPT2` whose logits and loss come from bricks, one sequence at a time and without a cache.

    What is not a brick, such as the activations that `gpt2_course.introspection` shows, is computed by the package from
    the same weights.
    """

    def use(self, bricks: Bricks, folder: Path) -> None:
        """Compute with these bricks and with the weights in a model's folder."""
        self.bricks = bricks
        self.brick_weights, self.n_heads, _ = bricks.load(folder)

    def _logits(self, tokens: Tensor) -> Tensor:
        """Logits (T, V) for tokens (T,)."""
        logits: Tensor = self.bricks.gpt2(tokens, self.brick_weights, self.n_heads)
        return logits

    def forward(self, tokens: Tensor, targets: Tensor | None = None, cache: Any = None) -> Tensor:
        """Logits (B, T, V) for tokens (B, T); with `targets` (B, T), the mean loss instead."""
        logits = torch.stack([self._logits(row) for row in tokens])
        if targets is None:
            return logits
        loss: Tensor = self.bricks.cross_entropy(logits.flatten(0, 1), targets.flatten())
        return loss

    def new_cache(self, batch_size: int = 1, capacity: int | None = None, padding: Tensor | None = None) -> KVCache:
        return cast("KVCache", Rows(batch_size, min(capacity or self.n_positions, self.n_positions), padding))

    def next_token_logits(self, tokens: Tensor, cache: Any) -> Tensor:
        cache.append(tokens)
        return torch.stack([self._logits(torch.tensor(row))[-1, : self.n_tokens] for row in cache.rows])

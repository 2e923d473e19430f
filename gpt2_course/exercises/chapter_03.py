"""The exercises of chapter 3: embeddings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gpt2_course.bricks import my_gpt2 as bricks
from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import numbers

INDEXING = ("__getitem__", "index_select", "unbind", "tolist", "numpy")
LOOKUP = "Here, the lookup is only what the result must equal: multiply one-hot vectors by the table instead."


@exercise(
    "3.1",
    "Looking up is multiplying",
    forbidden=dict.fromkeys(
        (
            "embedding",
            *(
                f"table.{name}"
                for name in ("__getitem__", "index_select", "gather", "take", "unbind", "tolist", "numpy")
            ),
        ),
        LOOKUP,
    ),
)
def embed_by_multiplying(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(ids, table)` computes `table[ids]` as a product with one-hot vectors."""
    usual: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "These are the one-hot vectors (T, V). One step is missing: multiply them by the table.": lambda ids, table: (
            F.one_hot(ids, len(table))
        ),
        "This is the right table, transposed. Put the one-hot vectors first: (T, V) @ (V, C) → (T, C).": (
            lambda ids, table: table[ids].T
        ),
        "This is the sum of all vectors. Give each token its own one-hot vector: a matrix with T rows.": (
            lambda ids, table: table[ids].sum(0)
        ),
        "You put all the 1s into one row. Each token needs a row of its own: a matrix with T rows.": (
            lambda ids, table: table[sorted(set(ids.tolist()))].sum(0)
        ),
        "The one-hot vectors are shorter than the table. Set num_classes=len(table) in one_hot.": (
            lambda ids, table: F.one_hot(ids)
        ),
        "You are one row too early. Counting starts at 0, so ID 2 puts the 1 at index 2.": (
            lambda ids, table: table[ids - 1]
        ),
        "You are one row too late. Counting starts at 0, so ID 2 puts the 1 at index 2.": (
            lambda ids, table: table[(ids + 1) % len(table)]
        ),
        "These are the first rows of the table, whatever the IDs are. Put each 1 into the column of its ID.": (
            lambda ids, table: table[: len(ids)]
        ),
        "Each of your rows has a 1 for every ID. Row t gets only one, in the column ids[t].": (
            lambda ids, table: table[sorted(set(ids.tolist()))].sum(0).expand(len(ids), -1)
        ),
        "These are zeros: your one-hot vectors have no 1. Set the number at [t, ids[t]] to 1.": (
            lambda ids, table: 0 * table[ids]
        ),
        "You put the ID itself into its column. Put a 1 there.": (lambda ids, table: ids[:, None] * table[ids]),
        "Your first token has no 1. Go through all tokens from 0 on.": lambda ids, table: torch.cat(
            [0 * table[:1], table[ids[1:]]]
        ),
    }
    inputs = [(torch.tensor([2, 0, 5, 2, 4]), numbers(7, 3)), (torch.tensor([1, 2]), numbers(4, 5))]
    return compare(answer, inputs, lambda ids, table: table[ids], usual)


@exercise("3.2", "The nearest neighbor")
def nearest(answer: Callable[[int, Tensor], Any]) -> str | None:
    """`answer(i, table)` returns the row number with the largest cosine similarity to row i."""

    def cosines(i: int, table: Tensor, own: float = -math.inf) -> Tensor:
        rows = table / table.norm(dim=1, keepdim=True)
        return (rows @ rows[i]).index_fill(0, torch.tensor([i]), own)

    def best(of: Callable[[Tensor, Tensor], Tensor]) -> Callable[[int, Tensor], Any]:
        return lambda i, table: of(table, table[i]).index_fill(0, torch.tensor([i]), -math.inf).argmax()

    def others(i: int, table: Tensor) -> Tensor:
        """The similarities without that of row i."""
        return torch.cat([cosines(i, table)[:i], cosines(i, table)[i + 1 :]])

    zero = "The similarity can be negative, so 0 is not small enough to begin with, or to rule row i out: use −∞."
    usual: dict[str, Callable[[int, Tensor], Any] | tuple[Callable[[int, Tensor], Any], ...]] = {
        "This is the row itself, which is always the most similar. Leave it out.": lambda i, table: i,
        "You left row i out, so the rows after it moved up by one place. Keep it, and set its similarity to "
        "−∞ instead.": lambda i, table: others(i, table).argmax(),
        "You took the largest product, but long vectors have large products. Divide by the lengths.": best(
            lambda table, row: table @ row
        ),
        "You took the row at the smallest distance. Find the most similar direction, whatever the length.": best(
            lambda table, row: -(table - row).norm(dim=1)
        ),
        "This row points in the opposite direction. Take the largest similarity.": lambda i, table: cosines(
            i, table, 1
        ).argmin(),
        "This row points in the opposite direction. Take the similarity without an absolute value.": lambda i, table: (
            cosines(i, table, 0).abs().argmax()
        ),
        zero: (
            lambda i, table: cosines(i, table, 0).argmax(),
            lambda i, table: cosines(i, table).argmax() if others(i, table).max() > 0 else 0,
            lambda i, table: cosines(i, table).argmax() if others(i, table).max() > 0 else -1,
        ),
        "You left out row 0. Leave out row i, whichever it is.": (
            lambda i, table: cosines(i, table, 1)[1:].argmax() + 1,
            lambda i, table: cosines(i, table, 1).index_fill(0, torch.tensor([0]), -math.inf).argmax(),
        ),
        "Your result does not depend on i. Compare all rows with row i.": lambda i, table: cosines(0, table).argmax(),
        "This is the longest row. Compare directions.": best(lambda table, row: table.norm(dim=1)),
        "You divided by the lengths twice. Divide the products by the length of each row once.": best(
            lambda table, row: table @ row / table.norm(dim=1) ** 2
        ),
    }
    #                    the row    direction  long        nearby      opposite
    table = torch.tensor([[1.0, 1.0], [3.0, 2.8], [9.0, 0.5], [0.9, 0.6], [-1.0, -1.0]])
    apart = torch.tensor([[-3.0, 1.0, 0.0], [1.0, 0.0, -0.2], [-1.0, -2.0, 0.1]])  # every similarity is negative
    more = numbers(6, 4)
    inputs = [(0, table), (3, table), (4, table), (1, apart), (2, apart), *((i, more) for i in range(6))]
    return compare(answer, inputs, lambda i, table: cosines(i, table).argmax(), usual, "the number of a row")


@exercise("3.3", "The input of GPT-2")
def embed(answer: Callable[[Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(ids, token_table, position_table)` adds token and position embeddings."""
    inputs = [
        (torch.tensor([2, 0, 5, 1]), numbers(6, 3), 10 * numbers(8, 3, seed=4)),
        (torch.tensor([4, 4, 0, 8, 2]), numbers(9, 2, seed=5), 10 * numbers(7, 2, seed=6)),
        (torch.tensor([1, 0, 2]), numbers(3, 4, seed=7), numbers(5, 4, seed=8)),
    ]
    usual: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
        "You put the two embeddings side by side. GPT-2 adds them, so each token keeps C numbers.": (
            lambda ids, tokens, positions: torch.cat([tokens[ids], positions[: len(ids)]], -1)
        ),
        "The positions are missing. Add the first T rows of the position table.": lambda ids, tokens, _: tokens[ids],
        "The tokens are missing. Add the row of each ID in the token table.": lambda ids, _, positions: positions[
            : len(ids)
        ],
        "The first token is at position 0, not 1.": lambda ids, tokens, positions: (
            tokens[ids] + positions[1 : len(ids) + 1]
        ),
        "You looked up the positions by ID. Positions count from the start of the text: 0, 1, 2, …": (
            lambda ids, tokens, positions: tokens[ids] + positions[ids]
        ),
        "You multiplied the two embeddings. GPT-2 adds them.": lambda ids, tokens, positions: (
            tokens[ids] * positions[: len(ids)]
        ),
        "Every token got position 0. Positions count from the start of the text: 0, 1, 2, …": (
            lambda ids, tokens, positions: tokens[ids] + positions[0]
        ),
        "Every token got the position of the last one. Positions count from the start of the text: 0, 1, 2, …": (
            lambda ids, tokens, positions: tokens[ids] + positions[len(ids) - 1]
        ),
        "You took a single row of the position table. With a colon, [: len(ids)], it is the first T rows.": (
            lambda ids, tokens, positions: tokens[ids] + positions[len(ids)]
        ),
        "You took the last rows of the position table. Take the first T: positions count from 0.": (
            lambda ids, tokens, positions: tokens[ids] + positions[-len(ids) :]
        ),
        "The positions run backward. The first token has position 0.": lambda ids, tokens, positions: (
            tokens[ids] + positions[: len(ids)].flip(0)
        ),
        "You took the first T rows of the token table, whatever the IDs are. Index it with ids.": (
            lambda ids, tokens, positions: tokens[: len(ids)] + positions[: len(ids)]
        ),
        "The position table has more rows than the text has tokens. Take only its first T rows: [: len(ids)].": (
            lambda ids, tokens, positions: tokens[ids] + positions
        ),
        "There is no batch here: ids has the shape (T,), so T is len(ids).": lambda ids, tokens, positions: (
            tokens[ids] + positions[: ids.shape[1]]
        ),
    }
    return compare(answer, inputs, bricks.embed, usual)

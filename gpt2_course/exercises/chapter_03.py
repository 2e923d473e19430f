"""The exercises of chapter 3: embeddings."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gpt2_course.bricks import my_gpt2 as bricks
from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import first_difference, not_a_tensor, numbers, same


@exercise("3.1", "Looking up is multiplying")
def embed_by_multiplying(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(ids, table)` computes `table[ids]` as a product with one-hot vectors."""
    ids, table = torch.tensor([2, 0, 5, 2, 4]), numbers(7, 3)
    found = answer(ids.clone(), table.clone())
    if isinstance(found, Tensor):
        if found.shape == (5, 7) and found.sum() == 5:
            return "These are the one-hot vectors (T, V). One step is missing: multiply them by the table."
        if same(found, table[ids].T):
            return "This is the right table, transposed. Put the one-hot vectors first: (T, V) @ (V, C) → (T, C)."
        if same(found, table[ids].sum(0)):
            return "This is the sum of all vectors. Give each token its own one-hot vector: a matrix with T rows."
        if found.shape == (5, 6):
            return "The one-hot vectors have 6 numbers, but the table has 7 rows. Set num_classes in one_hot."
    if wrong := not_a_tensor(found, (5, 3)):
        return wrong
    if same(found, table[ids]):
        return None
    if same(found, table[ids - 1]):
        return "You are one row too early. Counting starts at 0, so ID 2 puts the 1 at index 2."
    if same(found, table[:5]):
        return "These are the first rows of the table, whatever the IDs are. Put each 1 into the column of its ID."
    return first_difference(found, table[ids])


@exercise("3.2", "The nearest neighbor")
def nearest(answer: Callable[[int, Tensor], Any]) -> str | None:
    """`answer(i, table)` returns the row number with the largest cosine similarity to row i."""
    #                    the row    direction  long        nearby      opposite
    table = torch.tensor([[1.0, 1.0], [3.0, 2.8], [9.0, 0.5], [0.9, 0.6], [-1.0, -1.0]])
    found = answer(0, table.clone())
    try:
        found = operator.index(found)  # also accepts NumPy integers and tensors with one integer
    except (TypeError, ValueError):
        return f"Return the number of a row; your result has type {type(found).__name__}."
    if found == 1:
        if answer(3, table.clone()) != 1:
            return "This works for row 0, but the most similar to row 3 is row 1. Leave out row i, not always row 0."
        return None
    said = {
        0: "This is the row itself, which is always the most similar. Leave it out.",
        2: "You took the largest product, but long vectors have large products. Divide by the lengths.",
        3: "You took the row at the smallest distance. Find the most similar direction, whatever the length.",
        4: "This row points in the opposite direction. Take the largest similarity, without an absolute value.",
    }
    return said.get(found, f"There is no row {found}. Rows are numbered from 0 to {len(table) - 1}.")


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

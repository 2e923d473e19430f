"""The exercises of chapter 3: embeddings."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import first_difference, not_a_tensor, numbers, same


@exercise("3.1", "Looking up is multiplying")
def embed_by_multiplying(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(ids, table)` is `table[ids]`, by a product with one-hot vectors."""
    ids, table = torch.tensor([2, 0, 5, 2, 4]), numbers(7, 3)
    found = answer(ids.clone(), table.clone())
    if isinstance(found, Tensor):
        if found.shape == (5, 7) and found.sum() == 5:
            return "These are the one-hot vectors, of shape (T, V). One step is missing: multiply them by the table."
        if same(found, table[ids].T):
            return "This is the right table on its side. One-hot (T, V) comes first: (T, V) @ (V, C) → (T, C)."
        if same(found, table[ids].sum(0)):
            return "These are all vectors added up. Each token has a one-hot vector of its own: a matrix of T rows."
        if found.shape == (5, 6):
            return "The one-hot vectors have 6 numbers, but the table has 7 rows: tell one_hot how many (num_classes)."
    if wrong := not_a_tensor(found, (5, 3)):
        return wrong
    if same(found, table[ids]):
        return None
    if same(found, table[ids - 1]):
        return "Each row is the one before the right one: counting begins at 0, so id 2 puts the 1 at index 2."
    if same(found, table[:5]):
        return "These are the first rows of the table, whatever the ids: put the 1 into the column of the id."
    return first_difference(found, table[ids])


@exercise("3.2", "The nearest neighbour")
def nearest(answer: Callable[[int, Tensor], Any]) -> str | None:
    """`answer(i, table)` is the row of the table that is most similar to row i, by cosine."""
    #                    the row    same way   long, to the side  near its end   against it
    table = torch.tensor([[1.0, 1.0], [3.0, 2.8], [9.0, 0.5], [0.9, 0.6], [-1.0, -1.0]])
    found = answer(0, table.clone())
    try:
        found = operator.index(found)  # also those of numpy, and tensors with one number
    except (TypeError, ValueError):
        return f"Return the number of a row; this is a {type(found).__name__}."
    if found == 1:
        if answer(3, table.clone()) != 1:
            return "Right for row 0, but for row 3 the most similar one is row 1: leave out row i, not always row 0."
        return None
    said = {
        0: "This is the row itself, which is always the most similar: leave it out.",
        2: "You took the largest product, and long vectors have large products. Divide by the lengths.",
        3: "You took the row at the smallest distance. Asked is the most similar direction, whatever the length.",
        4: "This is the row that points the other way: take the largest similarity (and no absolute value).",
    }
    return said.get(found, f"There is no row {found}: rows are numbered from 0 to {len(table) - 1}.")


@exercise("3.3", "The input of GPT-2")
def gpt2_input(answer: Callable[[Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(ids, token_table, position_table)` is the sum of token and position embeddings."""
    ids = torch.tensor([[2, 0, 5, 1], [4, 4, 3, 2]])
    tokens, places = numbers(6, 3), 10 * numbers(8, 3)
    right = tokens[ids] + places[:4]
    found = answer(ids.clone(), tokens.clone(), places.clone())
    if isinstance(found, Tensor) and found.shape == (2, 4, 6):
        return "Token and place stand side by side. GPT-2 adds them: the result keeps C numbers for each token."
    if wrong := not_a_tensor(found, (2, 4, 3)):
        return wrong
    if same(found, right):
        return None
    if same(found, tokens[ids]):
        return "The places are missing: add the first T rows of the position table."
    if same(found, tokens[ids] + places[1:5]):
        return "The first token stands at place 0, not at 1."
    if same(found, tokens[ids] + places[ids]):
        return "You looked up the places by the ids. The place of a token is where it stands: 0, 1, 2, …"
    if same(found, tokens[ids] * places[:4]):
        return "You multiplied token and place. GPT-2 adds them."
    if same(found, tokens[ids] + places[:2, None]):
        return "Each text got one place, by its number in the batch. Places count along the second dimension, T."
    return first_difference(found, right)

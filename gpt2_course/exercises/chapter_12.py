"""The exercises of chapter 12: looking inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import Difference, numbers, same


@exercise("12.1", "How hard does it look?")
def weight_on(answer: Callable[[Tensor, list[int], list[int]], Any]) -> str | None:
    """`answer(weights, rows, columns)` returns how much the rows look at the columns, for each head (H,)."""

    def chosen(weights: Tensor, rows: list[int], columns: list[int]) -> Tensor:
        return weights[:, rows][:, :, columns]  # (H, rows, columns)

    usual: dict[
        str,
        Callable[[Tensor, list[int], list[int]], Any] | tuple[Callable[[Tensor, list[int], list[int]], Any], ...],
    ] = {
        "weights[:, rows, columns] pairs the first row with the first column, the second with the second, and so on. "
        "Take the rows first, then the columns: weights[:, rows][:, :, columns].": (
            lambda weights, rows, columns: weights[:, rows, columns].mean(-1),
            lambda weights, rows, columns: weights[:, rows, columns].sum(-1),
        ),
        "You averaged over the columns. What a row spends on all of them together is their sum, so add them up.": (
            lambda weights, rows, columns: chosen(weights, rows, columns).mean(-1).mean(-1)
        ),
        "You added up the rows. Average over them, so that the result is a share.": (
            lambda weights, rows, columns: chosen(weights, rows, columns).sum(-1).sum(-1)
        ),
        "You averaged over the columns and added up the rows. It is the other way around.": (
            lambda weights, rows, columns: chosen(weights, rows, columns).mean(-1).sum(-1)
        ),
        "Rows and columns are swapped. Row t of the weights says what token t looks at.": (
            lambda weights, rows, columns: chosen(weights, columns, rows).sum(-1).mean(-1),
            lambda weights, rows, columns: chosen(weights, columns, rows).mean(-1).sum(-1),
        ),
        "This is one number for each head and row. Average over the rows.": (
            lambda weights, rows, columns: chosen(weights, rows, columns).sum(-1)
        ),
        "This is one number for each head and column. Add up the columns.": (
            lambda weights, rows, columns: chosen(weights, rows, columns).mean(1)
        ),
        "These are the right weights. Now add up the columns and average over the rows.": chosen,
        "You averaged over the heads, too. Return one number for each head.": (
            lambda weights, rows, columns: chosen(weights, rows, columns).sum(-1).mean()
        ),
        "You averaged over the heads instead of the rows.": (
            lambda weights, rows, columns: chosen(weights, rows, columns).sum(-1).mean(0)
        ),
        "You used the first row only. Average over all rows.": (
            lambda weights, rows, columns: chosen(weights, rows[:1], columns).sum(-1).mean(-1)
        ),
        "You used the last row only. Average over all rows.": (
            lambda weights, rows, columns: chosen(weights, rows[-1:], columns).sum(-1).mean(-1)
        ),
        "You used the first column only. Add up all columns.": (
            lambda weights, rows, columns: chosen(weights, rows, columns[:1]).sum(-1).mean(-1)
        ),
        "You used the last column only. Add up all columns.": (
            lambda weights, rows, columns: chosen(weights, rows, columns[-1:]).sum(-1).mean(-1)
        ),
        "You took the largest of the columns. Add them up.": (
            lambda weights, rows, columns: chosen(weights, rows, columns).amax(-1).mean(-1)
        ),
        "You averaged over all rows. Use only those in `rows`.": (
            lambda weights, rows, columns: weights[:, :, columns].sum(-1).mean(-1)
        ),
        "You added up all columns, and every row of the weights adds up to 1. Use only those in `columns`.": (
            lambda weights, rows, columns: weights[:, rows].sum(-1).mean(-1)
        ),
    }
    inputs = [
        (
            numbers(h, t, t, seed=h).tril().masked_fill(torch.ones(t, t).triu(1) > 0, -torch.inf).softmax(-1),
            rows,
            columns,
        )
        for h, t, rows, columns in (
            (3, 8, [4, 6, 7], [1, 3]),
            (2, 7, [3, 6], [0, 2, 1]),
            (4, 6, [5, 3], [2, 1]),
            (2, 5, [4], [3]),
        )
    ]
    return compare(
        answer, inputs, lambda weights, rows, columns: chosen(weights, rows, columns).sum(-1).mean(-1), usual
    )


@exercise("12.2", "Switch heads off")
def switch_off(answer: Callable[[Tensor, list[int], int], Any]) -> str | None:
    """`answer(found, off, n_heads)` returns `found` (T, C) with zeros in the columns of the heads in `off`."""

    def zeros(found: Tensor, spans: list[tuple[int, int | None, int]]) -> Tensor:
        result = found.clone()
        for start, end, step in spans:
            result[:, start:end:step] = 0
        return result

    def width(found: Tensor, n_heads: int) -> int:
        return found.shape[1] // n_heads

    def without(found: Tensor, off: list[int], n_heads: int) -> Tensor:
        D = width(found, n_heads)
        return zeros(found, [(head * D, (head + 1) * D, 1) for head in off])

    usual: dict[str, Callable[[Tensor, list[int], int], Any] | tuple[Callable[[Tensor, list[int], int], Any], ...]] = {
        "Nothing was switched off. These are the numbers you were given.": lambda found, off, n: found,
        "You switched off the heads that should stay on, and kept those in `off`.": lambda found, off, n: without(
            found, [head for head in range(n) if head not in off], n
        ),
        "You switched off only the first head in `off`. Go through all of them.": lambda found, off, n: without(
            found, off[:1], n
        ),
        "You switched off only the last head in `off`. Change the same copy for each of them.": (
            lambda found, off, n: without(found, off[-1:], n)
        ),
        "You switched off single columns. A head has C / H columns, starting at head · C / H.": (
            lambda found, off, n: zeros(found, [(head, head + 1, 1) for head in off])
        ),
        "You switched off only the first column of each head. It has C / H columns.": lambda found, off, n: zeros(
            found, [(head * width(found, n), head * width(found, n) + 1, 1) for head in off]
        ),
        "You switched off C / H columns, but they start at column `head`. Start at head · C / H.": (
            lambda found, off, n: zeros(found, [(head, head + width(found, n), 1) for head in off])
        ),
        "You switched off H columns for each head. A head has C / H, starting at head · C / H.": (
            lambda found, off, n: zeros(found, [(head * n, (head + 1) * n, 1) for head in off])
        ),
        "These columns belong to the heads before. Head 0 is the first, so head 1 starts at C / H.": (
            lambda found, off, n: without(found, [head - 1 for head in off if head], n)
        ),
        "These columns belong to the next heads. Head 0 is the first and starts at column 0.": (
            lambda found, off, n: without(found, [head + 1 for head in off], n)
        ),
        "You switched off every H-th column. The columns of a head are side by side.": lambda found, off, n: zeros(
            found, [(head, None, n) for head in off]
        ),
        "You switched off all later heads, too. A head ends after C / H columns.": lambda found, off, n: zeros(
            found, [(head * width(found, n), None, 1) for head in off]
        ),
        "You switched off all earlier heads, too. A head starts at head · C / H.": lambda found, off, n: zeros(
            found, [(0, (head + 1) * width(found, n), 1) for head in off]
        ),
        "You switched off all heads. Only those in `off` become 0.": lambda found, off, n: 0 * found,
        "You switched off tokens (rows). A head is a group of columns, the same for all tokens.": (
            lambda found, off, n: found * torch.tensor([[t not in off] for t in range(len(found))]),
            lambda found, off, n: (
                zeros(found.T, [(head * width(found, n), (head + 1) * width(found, n), 1) for head in off]).T
            ),
        ),
        "You removed the columns. Keep them, with zeros, because the projection expects all C.": (
            lambda found, off, n: torch.cat(
                [part for head, part in enumerate(found.chunk(n, dim=1)) if head not in off], dim=1
            )
        ),
        "The result has the shape (H, T, D). Join the heads again, to (T, C).": (
            lambda found, off, n: without(found, off, n).view(len(found), n, -1).transpose(0, 1)
        ),
        "The result has the shape (T, H, D). Join the heads again, to (T, C).": (
            lambda found, off, n: without(found, off, n).view(len(found), n, -1)
        ),
    }
    inputs = [
        (numbers(t, c) + 5, off, n)
        for t, c, off, n in ((5, 6, [1], 3), (4, 8, [0, 2], 4), (4, 6, [2, 0], 3), (3, 12, [1, 2], 6), (4, 8, [], 2))
    ]
    message = compare(answer, inputs, without, usual)
    if isinstance(message, Difference):
        given, off, n = inputs[0]
        got = answer(given.clone(), list(off), n)
        zero = [i for i in range(given.shape[1]) if not got[:, i].any()]
        if zero and same(got, zeros(given, [(i, i + 1, 1) for i in zero])):
            return f"In (5, 6) with 3 heads, you switched off columns {zero}. Head 1 has columns [2, 3]."
    return message


@exercise("12.3", "Where should it look?")
def should_look(answer: Callable[[list[int], int], Any]) -> str | None:
    """`answer(ids, t)` returns the position an induction head should look at from position t, or -1 for none."""

    def earlier(ids: list[int], t: int) -> list[int]:
        return [s for s in range(t) if ids[s] == ids[t]]

    def after(ids: list[int], t: int, shift: int = 1, none: int = -1, which: int = -1) -> int:
        return earlier(ids, t)[which] + shift if earlier(ids, t) else none

    usual: dict[str, Callable[[list[int], int], int] | tuple[Callable[[list[int], int], int], ...]] = {
        "This is the earlier position of the same token. An induction head looks one position after it.": (
            lambda ids, t: after(ids, t, 0)
        ),
        "The token occurs several times before t, and you used the first. Use the last one.": (
            lambda ids, t: after(ids, t, which=0)
        ),
        "You looked one position before the earlier one. Look one after it.": lambda ids, t: after(ids, t, -1),
        "You looked two positions after the earlier one. Look one after it.": lambda ids, t: after(ids, t, 2),
        "You found position t itself. Search only before it.": (
            lambda ids, t: t + 1,
            lambda ids, t: ids.index(ids[t]) + 1,
        ),
        "This is 1 plus the token's first position. If that is t itself, return -1; if there are several before "
        "t, use the last.": lambda ids, t: ids.index(ids[t]) + 1 if ids.index(ids[t]) < t else 0,
        "These are tokens. Return positions.": lambda ids, t: ids[after(ids, t)] if earlier(ids, t) else -1,
        "If the token does not occur before t, return -1.": (
            lambda ids, t: after(ids, t, none=0),
            lambda ids, t: after(ids, t, none=1),
            lambda ids, t: after(ids, t, none=-2),
            lambda ids, t: after(ids, t, none=t),
        ),
        "You did not look at position 0. Search back to it.": lambda ids, t: (
            max((s for s in earlier(ids, t) if s), default=-2) + 1
        ),
        "You did not look at position t − 1. Start the search there.": lambda ids, t: (
            max((s for s in earlier(ids, t) if s < t - 1), default=-2) + 1
        ),
        "You searched from the end of the list. Search only before t.": lambda ids, t: (
            max((s for s in range(len(ids)) if ids[s] == ids[t] and s != t), default=-2) + 1
        ),
        "You looked at tokens that differ from the one at t. Look for the same token.": lambda ids, t: (
            max((s for s in range(t) if ids[s] != ids[t]), default=-2) + 1
        ),
        "You compared with the last token of the list. Compare with the one at t.": lambda ids, t: (
            max((s for s in range(t) if ids[s] == ids[-1]), default=-2) + 1
        ),
        "You looked for the number t. Look for the token at t, ids[t].": lambda ids, t: (
            max((s for s in range(t) if ids[s] == t), default=-2) + 1
        ),
        "Your result is always -1. Search for the token ids[t] before position t.": lambda ids, t: -1,
        "Your result is always t. Return the position after the earlier one, s + 1.": lambda ids, t: t,
    }
    ids, more = [5, 8, 5, 9, 7, 5, 6, 7, 7], [2, 2, 4, 1, 4, 4, 2, 3]
    inputs = [*((ids, t) for t in (2, 0, 3, 5, 7, 8)), *((more, t) for t in (0, 1, 4, 5, 6, 7))]
    return compare(answer, inputs, after, usual, "a position, or -1")

"""The exercises of chapter 12: looking inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import Difference, numbers, same


@exercise("12.1", "The lens")
def read_early(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(stream, gain, bias, table)` reads ln p of each next token (T, V) from an unfinished residual stream."""

    def norm(x: Tensor, gain: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], gain, bias)

    def centered(x: Tensor) -> Tensor:
        return x - x.mean(-1, keepdim=True)

    def logits(x: Tensor, gain: Tensor, bias: Tensor, table: Tensor) -> Tensor:
        return norm(x, gain, bias) @ table.T

    usual: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
        "These are logits. Turn them into ln p with log_softmax over the vocabulary.": logits,
        "These are probabilities. Take their logarithms: use log_softmax instead of softmax.": (
            lambda *given: logits(*given).softmax(-1)
        ),
        "You took the softmax over the tokens of the text. Take it over the vocabulary, the last dimension.": (
            lambda *given: logits(*given).log_softmax(0)
        ),
        "This is the normalized stream, (T, C). The last step is missing: the product with the token table, "
        "transposed.": lambda x, gain, bias, table: norm(x, gain, bias),
        "You took log_softmax of the normalized stream. First multiply it by the token table, transposed.": (
            lambda x, gain, bias, table: norm(x, gain, bias).log_softmax(-1)
        ),
        "The final norm is missing. The table was trained to read a normalized stream.": (
            lambda x, gain, bias, table: (x @ table.T).log_softmax(-1)
        ),
        "The final norm is missing: gain and bias alone do not normalize the stream.": (
            lambda x, gain, bias, table: ((x * gain + bias) @ table.T).log_softmax(-1)
        ),
        "The gain and bias of the norm are missing.": lambda x, gain, bias, table: (norm(x) @ table.T).log_softmax(-1),
        "The bias of the norm is missing.": lambda x, gain, bias, table: (norm(x, gain) @ table.T).log_softmax(-1),
        "The gain of the norm is missing.": lambda x, gain, bias, table: ((norm(x) + bias) @ table.T).log_softmax(-1),
        "Gain and bias are swapped. Multiply by the gain, then add the bias.": lambda x, gain, bias, table: logits(
            x, bias, gain, table
        ).log_softmax(-1),
        "You used the gain as the bias, too.": lambda x, gain, bias, table: logits(x, gain, gain, table).log_softmax(
            -1
        ),
        "You used the bias as the gain, too.": lambda x, gain, bias, table: logits(x, bias, bias, table).log_softmax(
            -1
        ),
        "You added the bias before you multiplied by the gain. Multiply first.": lambda x, gain, bias, table: (
            ((norm(x) + bias) * gain) @ table.T
        ).log_softmax(-1),
        "You normalized over the tokens. Normalize each token on its own, over its C numbers.": (
            lambda x, gain, bias, table: ((norm(x.T).T * gain + bias) @ table.T).log_softmax(-1)
        ),
        "You did not subtract the mean in the norm.": lambda x, gain, bias, table: (
            (x / x.std(-1, keepdim=True, correction=0) * gain + bias) @ table.T
        ).log_softmax(-1),
        "Your norm only subtracts the mean. Divide by the standard deviation, too.": lambda x, gain, bias, table: (
            (centered(x) * gain + bias) @ table.T
        ).log_softmax(-1),
        "Your norm divides by the variance. Divide by its square root, the standard deviation.": (
            lambda x, gain, bias, table: (
                (centered(x) / x.var(-1, keepdim=True, correction=0) * gain + bias) @ table.T
            ).log_softmax(-1)
        ),
        "Your standard deviation divides by C − 1. Divide by C (correction=0).": lambda x, gain, bias, table: (
            (centered(x) / x.std(-1, keepdim=True) * gain + bias) @ table.T
        ).log_softmax(-1),
        "You normalized the logits. Normalize the stream before the product with the table.": (
            lambda x, gain, bias, table: norm(x @ table.T).log_softmax(-1)
        ),
        "These are surprises, −ln p. Return ln p.": lambda *given: -logits(*given).log_softmax(-1),
        "These are logarithms with base 2. Use the natural logarithm, as log_softmax does.": (
            lambda *given: logits(*given).softmax(-1).log2()
        ),
        "You took the logarithm of the logits. Take the softmax first, or both at once with log_softmax.": (
            lambda *given: logits(*given).log()
        ),
        "You took log_softmax of probabilities. Take it of the logits.": (
            lambda *given: logits(*given).softmax(-1).log_softmax(-1)
        ),
    }
    inputs = [
        (3 * numbers(t, c, seed=1) + 1, 1 + numbers(c, seed=2) / 2, numbers(c) / 3, numbers(v, c, seed=4))
        for t, c, v in ((4, 6, 9), (3, 5, 7))
    ]
    return compare(
        answer, inputs, lambda stream, gain, bias, table: logits(stream, gain, bias, table).log_softmax(-1), usual
    )


@exercise("12.2", "Transplant a head")
def transplanted(answer: Callable[[Tensor, Tensor, int, int], Any]) -> str | None:
    """`answer(here, there, head, n_heads)` returns `here` (T, C) with one head's columns from `there`."""

    def mixed(here: Tensor, there: Tensor, start: int, end: int | None, step: int = 1) -> Tensor:
        result = here.clone()
        result[:, start:end:step] = there[:, start:end:step]
        return result

    def width(here: Tensor, n: int) -> int:
        return here.shape[1] // n

    def right(here: Tensor, there: Tensor, head: int, n_heads: int) -> Tensor:
        return mixed(here, there, head * width(here, n_heads), (head + 1) * width(here, n_heads))

    usual: dict[str, Callable[[Tensor, Tensor, int, int], Tensor]] = {
        "Nothing was transplanted. These are the numbers of the first text.": lambda here, there, h, n: here,
        "These are the numbers of the second text, with all of its heads. Transplant only one.": (
            lambda here, there, h, n: there
        ),
        "The texts are swapped. This is the second text with one head from the first.": lambda here, there, h, n: right(
            there, here, h, n
        ),
        "You replaced one column. A head has C / H columns, starting at head · C / H.": lambda here, there, h, n: mixed(
            here, there, h, h + 1
        ),
        "You replaced only the first column of the head. It has C / H columns.": lambda here, there, h, n: mixed(
            here, there, h * width(here, n), h * width(here, n) + 1
        ),
        "You replaced C / H columns, but they start at column `head`. Start at head · C / H.": (
            lambda here, there, h, n: mixed(here, there, h, h + width(here, n))
        ),
        "You replaced H columns. A head has C / H, starting at head · C / H.": lambda here, there, h, n: mixed(
            here, there, h * n, (h + 1) * n
        ),
        "These columns belong to the head before. Head 0 is the first, so head 1 starts at C / H.": (
            lambda here, there, h, n: right(here, there, h - 1, n) if h else here
        ),
        "These columns belong to the next head. Head 0 is the first and starts at column 0.": (
            lambda here, there, h, n: right(here, there, h + 1, n)
        ),
        "You replaced every H-th column. The columns of a head are side by side.": lambda here, there, h, n: mixed(
            here, there, h, None, n
        ),
        "You replaced this head and all later ones. A head ends after C / H columns.": lambda here, there, h, n: mixed(
            here, there, h * width(here, n), None
        ),
        "You replaced this head and all earlier ones. A head starts at head · C / H.": lambda here, there, h, n: mixed(
            here, there, 0, (h + 1) * width(here, n)
        ),
        "You replaced this head and the next one. A head ends after C / H columns.": lambda here, there, h, n: mixed(
            here, there, h * width(here, n), (h + 2) * width(here, n)
        ),
        "You replaced only the heads before this one. End at (head + 1) · C / H.": lambda here, there, h, n: mixed(
            here, there, 0, h * width(here, n)
        ),
        "You always replaced head 0. Start at head · C / H.": lambda here, there, h, n: right(here, there, 0, n),
        "You always replaced head 1. Start at head · C / H.": lambda here, there, h, n: right(here, there, 1, n),
        "You replaced a token (a row). A head is a group of columns, the same for all tokens.": (
            lambda here, there, h, n: mixed(here.T, there.T, h, h + 1).T
        ),
        "You replaced rows. A head is a group of columns, the same for all tokens: result[:, start:end].": (
            lambda here, there, h, n: mixed(here.T, there.T, h * width(here, n), (h + 1) * width(here, n)).T
        ),
        "These are only the columns of the head. Return all columns, the others from `here`.": (
            lambda here, there, h, n: there[:, h * width(here, n) : (h + 1) * width(here, n)]
        ),
        "You set the head to 0. Give it the numbers from `there`.": lambda here, there, h, n: right(
            here, 0 * there, h, n
        ),
        "You added the head from `there`. Replace the one in `here`.": lambda here, there, h, n: right(
            here, here + there, h, n
        ),
    }
    inputs = [
        (numbers(t, c), numbers(t, c, seed=4) + 3, h, n)
        for t, c, h, n in ((4, 6, 1, 3), (4, 6, 2, 3), (4, 6, 0, 3), (5, 8, 1, 4), (3, 8, 1, 2))
    ]
    message = compare(answer, inputs, right, usual)
    if isinstance(message, Difference):
        here, there, head, n = inputs[0]
        found = answer(here.clone(), there.clone(), head, n)
        taken = [i for i in range(here.shape[1]) if same(found[:, i], there[:, i])]
        if taken and same(found, torch.where(torch.tensor([i in taken for i in range(6)]), there, here)):
            return f"In (4, 6) with 3 heads, you took columns {taken} from `there`. Head 1 has columns [2, 3]."
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
        "This is the first position with this token plus 1. If it is t itself, return -1; if there are several before "
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

"""The exercises of chapter 11: looking inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import first_difference, not_a_tensor, numbers, same

T, C, V, H = 4, 6, 9, 3


@exercise("11.1", "The lens")
def read_early(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(stream, gain, bias, table)` reads ln p of each next token (T, V) from an unfinished residual stream."""
    stream, table = 3 * numbers(T, C) + 1, numbers(V, C)
    gain, bias = 1 + numbers(C) / 2, numbers(C) / 3
    right = (F.layer_norm(stream, (C,), gain, bias) @ table.T).log_softmax(-1)
    found = answer(stream.clone(), gain.clone(), bias.clone(), table.clone())
    if isinstance(found, Tensor) and found.shape == (T, C):
        return "This is (T, C). The last step is missing: the product with the token table, transposed."
    if wrong := not_a_tensor(found, (T, V)):
        return wrong
    if same(found, right):
        return None
    logits = F.layer_norm(stream, (C,), gain, bias) @ table.T
    usual = {
        "These are logits. Turn them into ln p with log_softmax over the vocabulary.": logits,
        "These are probabilities. Take their logarithms: use log_softmax instead of softmax.": logits.softmax(-1),
        "You took the softmax over the tokens of the text. Take it over the vocabulary, the last dimension.": (
            logits.log_softmax(0)
        ),
        "The final norm is missing. The table was trained to read a normalized stream.": (stream @ table.T).log_softmax(
            -1
        ),
        "The gain and bias of the norm are missing.": (F.layer_norm(stream, (C,)) @ table.T).log_softmax(-1),
        "The bias of the norm is missing.": (F.layer_norm(stream, (C,), gain) @ table.T).log_softmax(-1),
        "The gain of the norm is missing.": ((F.layer_norm(stream, (C,)) + bias) @ table.T).log_softmax(-1),
        "You normalized over the tokens. Normalize each token on its own, over its C numbers.": (
            (((stream - stream.mean(0)) / (stream.var(0, correction=0) + 1e-5).sqrt()) * gain + bias) @ table.T
        ).log_softmax(-1),
    }
    for message, numbers_of in usual.items():
        if same(found, numbers_of):
            return message
    return first_difference(found, right)


@exercise("11.2", "Transplant a head")
def transplanted(answer: Callable[[Tensor, Tensor, int, int], Any]) -> str | None:
    """`answer(here, there, head, n_heads)` returns `here` (T, C) with one head's columns from `there`."""
    head, D = 1, C // H
    here, there = numbers(T, C), numbers(T, C).flip(0) + 3
    given = here.clone()
    found = answer(given, there.clone(), head, H)

    def mixed(columns: slice | list[int], into: Tensor = here, of: Tensor = there) -> Tensor:
        result = into.clone()
        result[:, columns] = of[:, columns]
        return result

    if wrong := not_a_tensor(found, (T, C)):
        return wrong
    if same(found, mixed(slice(D, 2 * D))):
        if not same(given, here):
            return "The result is right, but you also changed `here` itself. Work on a copy: here.clone()."
        again = answer(here.clone(), there.clone(), 2, H)
        if isinstance(again, Tensor) and again.shape == (T, C) and same(again, mixed(slice(2 * D, 3 * D))):
            return None
        return "This works for head 1, but not for head 2."
    usual = {
        "Nothing was transplanted. These are the numbers of the first text.": here,
        "These are the numbers of the second text, with all of its heads. Transplant only one.": there,
        "The texts are swapped. This is the second text with one head from the first.": mixed(
            slice(D, 2 * D), there, here
        ),
        "You replaced one column. A head has C / H columns, starting at head · C / H.": mixed([head]),
        "These columns belong to another head. Head 0 is the first, so head 1 starts at C / H.": mixed(slice(0, D)),
        "You replaced every H-th column. The columns of a head are side by side.": mixed(list(range(head, C, H))),
        "You replaced this head and all later ones. A head ends after C / H columns.": mixed(slice(D, C)),
        "You replaced this head and all earlier ones. A head starts at head · C / H.": mixed(slice(0, 2 * D)),
    }
    for message, numbers_of in usual.items():
        if same(found, numbers_of):
            return message
    rows = here.clone()
    rows[head] = there[head]
    if same(found, rows):
        return "You replaced a token (a row). A head is a group of columns, the same for all tokens."
    return first_difference(found, mixed(slice(D, 2 * D)))


@exercise("11.3", "Where should it look?")
def should_look(answer: Callable[[list[int], int], Any]) -> str | None:
    """`answer(ids, t)` returns the position an induction head should look at from position t, or -1 for none."""
    ids = [5, 8, 5, 9, 7, 5, 6, 7, 7]
    right = {2: 1, 0: -1, 3: -1, 5: 3, 7: 5, 8: 8}
    found = {t: answer(list(ids), t) for t in right}
    if found == right:
        return None
    for t, at in found.items():
        if isinstance(at, bool) or not isinstance(at, int):
            return f"Return a position, or -1. For t = {t}, your result has type {type(at).__name__}."

    def earlier(t: int) -> list[int]:
        return [s for s in range(t) if ids[s] == ids[t]]

    usual: dict[str, Callable[[int], int]] = {
        "This is the earlier position of the same token. An induction head looks one position after it.": lambda t: (
            earlier(t)[-1] if earlier(t) else -1
        ),
        "The token occurs several times before t, and you used the first. Use the last one.": lambda t: (
            earlier(t)[0] + 1 if earlier(t) else -1
        ),
        "You looked one position before the earlier one. Look one after it.": lambda t: (
            earlier(t)[-1] - 1 if earlier(t) else -1
        ),
        "You found position t itself. Search only before it.": lambda t: t + 1,
        "These are tokens. Return positions.": lambda t: ids[earlier(t)[-1] + 1] if earlier(t) else -1,
        "If the token does not occur before t, return -1.": lambda t: earlier(t)[-1] + 1 if earlier(t) else 0,
    }
    for message, rule in usual.items():
        if found == {t: rule(t) for t in right}:
            return message
    t = next(t for t in right if found[t] != right[t])
    return f"In {ids}, position {t} should look at {right[t]}, not at {found[t]}."

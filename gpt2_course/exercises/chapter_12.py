"""The exercises of chapter 12: teaching it to answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import first_difference, not_a_tensor, numbers, same


@exercise("12.1", "What is graded")
def targets_of(answer: Callable[[list[int], list[int]], Any]) -> str | None:
    """`answer(question, answer)` returns the targets of a conversation, with −100 for tokens of the question."""
    question, reply = [11, 12, 13, 14], [21, 22, 23]
    right = [-100, -100, -100, 21, 22, 23]
    found = answer(list(question), list(reply))
    if isinstance(found, Tensor):
        found = found.tolist()
    if not isinstance(found, list):
        return f"Return a list of numbers; your result has type {type(found).__name__}."
    if found == right:
        other = answer([5, 6], [7])
        other = other.tolist() if isinstance(other, Tensor) else other
        return (
            None
            if other == [-100, 7]
            else f"For a question of 2 tokens and an answer of 1, the targets are [-100, 7], not {other}."
        )
    usual = {
        "There is one −100 too many. The last token of the question has a target: the first token of the answer.": [
            -100
        ]
        * 4
        + reply,
        "The first token of the answer is missing. It is the target of the last token of the question.": [-100] * 4
        + reply[1:],
        "You also graded the question. Replace the targets that belong to it with −100.": [*question[1:], *reply],
        "These are the tokens themselves. The target of each token is the next token.": question + reply,
        "The targets are not shifted. The target of each token is the next token.": [-100] * 3 + [14, *reply],
        "0 is the ID of a token. Use −100 for targets to ignore.": [0] * 3 + reply,
        "These are only the targets in the answer. Return one target for every token except the last.": reply,
    }
    for message, targets in usual.items():
        if found == targets:
            return message
    return f"For question {question} and answer {reply}, the targets are {right}, but you returned {found}."


@exercise("12.2", "The detour")
def with_detour(answer: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(x, weight, bias, down, up)` returns the output of a linear layer with a low-rank adapter."""
    T, n_in, n_out, r = 3, 6, 5, 2
    x, weight, bias = numbers(T, n_in), numbers(n_out, n_in), numbers(n_out)
    down, up = numbers(r, n_in) + 0.5, numbers(n_out, r) - 0.5
    right = x @ weight.T + bias + x @ down.T @ up.T
    found = answer(x.clone(), weight.clone(), bias.clone(), down.clone(), up.clone())
    if wrong := not_a_tensor(found, (T, n_out)):
        return wrong
    if same(found, right):
        return None
    usual = {
        "This is the layer without the detour.": x @ weight.T + bias,
        "This is only the detour. Add it to the output of the layer.": x @ down.T @ up.T,
        "The bias is missing.": x @ weight.T + x @ down.T @ up.T,
        "You subtracted the detour. Add it.": x @ weight.T + bias - x @ down.T @ up.T,
        "You added the bias twice. The detour has none.": right + bias,
        "You multiplied by the detour. Add it to the output of the layer.": (x @ weight.T + bias) * (x @ down.T @ up.T),
    }
    for message, values in usual.items():
        if same(found, values):
            return message
    return first_difference(found, right)


@exercise("12.3", "What does it cost?")
def lora_parameters(answer: Callable[[int, int, int], Any]) -> str | None:
    """`answer(n_embd, n_layer, rank)` returns the number of parameters in adapters for all matrices of the blocks."""
    cases = [(10, 1, 1), (768, 12, 4), (192, 4, 8)]
    found = [answer(*case) for case in cases]
    for f in found:
        if isinstance(f, bool) or not isinstance(f, int):
            return f"Return a whole number. You returned {f!r}."
    if found == [16 * c * n * r for c, n, r in cases]:
        return None
    usual: dict[str, Callable[[int, int, int], int]] = {
        "This is one block. There are n_layer blocks.": lambda c, n, r: 16 * c * r,
        "The rank is missing. It is the number of rows in `down` and of columns in `up`.": lambda c, n, r: 16 * c * n,
        "These are the matrices themselves, which are not trained.": lambda c, n, r: 12 * c * c * n,
        "You counted every matrix as square. The shapes are (3C, C), (C, C), (4C, C), and (C, 4C).": (
            lambda c, n, r: 8 * c * n * r
        ),
        "You counted only `down`. Each detour also has an `up`.": lambda c, n, r: 7 * c * n * r,
        "You counted only `up`. Each detour also has a `down`.": lambda c, n, r: 9 * c * n * r,
        "You counted only attention. The MLP has two more matrices.": lambda c, n, r: 6 * c * n * r,
        "You counted only the MLP. Attention has two more matrices.": lambda c, n, r: 10 * c * n * r,
        "Queries, keys, and values share one matrix, (3C, C), and so one `down`.": (lambda c, n, r: 18 * c * n * r),
    }
    for message, count in usual.items():
        if found == [count(*case) for case in cases]:
            return message
    return f"For n_embd = 10, n_layer = 1, and rank = 1, the number is 160, not {found[0]:,}."

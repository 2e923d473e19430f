"""The exercises of chapter 12: teaching it to answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import first_difference, not_a_tensor, numbers, same


@exercise("12.1", "What is graded")
def targets_of(answer: Callable[[list[int], list[int]], Any]) -> str | None:
    """`answer(question, answer)` are the targets of a conversation, −100 where the question comes next."""
    question, reply = [11, 12, 13, 14], [21, 22, 23]
    right = [-100, -100, -100, 21, 22, 23]
    found = answer(list(question), list(reply))
    if isinstance(found, Tensor):
        found = found.tolist()
    if not isinstance(found, list):
        return f"Return a list of numbers; this is a {type(found).__name__}."
    if found == right:
        other = answer([5, 6], [7])
        other = other.tolist() if isinstance(other, Tensor) else other
        return (
            None
            if other == [-100, 7]
            else f"For a question of 2 tokens and an answer of 1 it is [-100, 7], not {other}."
        )
    usual = {
        "One −100 too many: the last token of the question is graded, for the answer begins after it.": [-100] * 4
        + reply,
        "The first token of the answer is not graded here. It follows the last token of the question.": [-100] * 4
        + reply[1:],
        "The question is graded, too. Its tokens are targets as well; make these −100.": [*question[1:], *reply],
        "These are the tokens themselves. The target of a token is the one that comes next.": question + reply,
        "The targets are not shifted: the target of a token is the one that comes next.": [-100] * 3 + [14, *reply],
        "0 is a token like any other. What is not graded is −100.": [0] * 3 + reply,
        "These are the targets of the answer only. There is one for each token but the last.": reply,
    }
    for message, targets in usual.items():
        if found == targets:
            return message
    return f"For the question {question} and the answer {reply} it is {right}, but you returned {found}."


@exercise("12.2", "The detour")
def with_detour(answer: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(x, weight, bias, down, up)` is what a linear layer with a low-rank adapter gives."""
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
        "This is the layer without its detour.": x @ weight.T + bias,
        "This is the detour alone. It is added to what the layer gives.": x @ down.T @ up.T,
        "The bias is missing.": x @ weight.T + x @ down.T @ up.T,
        "The detour is subtracted. It is added.": x @ weight.T + bias - x @ down.T @ up.T,
        "The bias is added twice: the detour has none.": right + bias,
        "The two are multiplied. The detour is added to what the layer gives.": (x @ weight.T + bias)
        * (x @ down.T @ up.T),
    }
    for message, values in usual.items():
        if same(found, values):
            return message
    return first_difference(found, right)


@exercise("12.3", "What does it cost?")
def lora_parameters(answer: Callable[[int, int, int], Any]) -> str | None:
    """`answer(n_embd, n_layer, rank)` is how many numbers the adapters of all matrices of a GPT-2's blocks have."""
    cases = [(10, 1, 1), (768, 12, 4), (192, 4, 8)]
    found = [answer(*case) for case in cases]
    for f in found:
        if isinstance(f, bool) or not isinstance(f, int):
            return f"Return a whole number; this is {f!r}."
    if found == [16 * c * n * r for c, n, r in cases]:
        return None
    usual: dict[str, Callable[[int, int, int], int]] = {
        "This counts one block. There are n_layer of them.": lambda c, n, r: 16 * c * r,
        "The rank is missing: each detour has that many rows down and as many columns up.": lambda c, n, r: 16 * c * n,
        "These are the matrices themselves, which do not learn.": lambda c, n, r: 12 * c * c * n,
        "Every matrix was taken for a square. Three of the four are not: (3C, C), (C, C), (4C, C), (C, 4C).": (
            lambda c, n, r: 8 * c * n * r
        ),
        "Only the ways down are counted. Each detour also has a way up.": lambda c, n, r: 7 * c * n * r,
        "Only the ways up are counted. Each detour also has a way down.": lambda c, n, r: 9 * c * n * r,
        "This counts attention only. The MLP has two matrices more.": lambda c, n, r: 6 * c * n * r,
        "This counts the MLP only. Attention has two matrices more.": lambda c, n, r: 10 * c * n * r,
        "Queries, keys and values are one matrix here, (3C, C): one way down for the three of them.": (
            lambda c, n, r: 18 * c * n * r
        ),
    }
    for message, count in usual.items():
        if found == [count(*case) for case in cases]:
            return message
    return f"For n_embd = 10, n_layer = 1 and rank = 1 it is 160, not {found[0]:,}."

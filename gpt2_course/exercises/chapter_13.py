"""The exercises of chapter 13: teaching it to answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import numbers


@exercise("13.1", "What is graded")
def targets_of(answer: Callable[[list[int], list[int]], Any]) -> str | None:
    """`answer(question, answer)` returns the targets of a conversation, with −100 for tokens of the question."""
    usual: dict[str, Callable[[list[int], list[int]], list[int]] | tuple[Callable[..., list[int]], ...]] = {
        "There is one −100 too many. The last token of the question has a target: the first token of the answer.": (
            lambda question, reply: [-100] * len(question) + reply
        ),
        "There is one −100 too few. All tokens of the question but the last are ignored.": lambda question, reply: (
            [-100] * (len(question) - 2) + reply
        ),
        "The first token of the answer is missing. It is the target of the last token of the question.": (
            lambda question, reply: [-100] * len(question) + reply[1:]
        ),
        "The last token of the answer is missing. It is the target of the token before it.": (
            lambda question, reply: [-100] * (len(question) - 1) + reply[:-1]
        ),
        "You also graded the question. Replace the targets that belong to it with −100.": (
            lambda question, reply: [*question[1:], *reply]
        ),
        "These are the tokens themselves. The target of each token is the next token.": (
            lambda question, reply: question + reply
        ),
        "The targets are not shifted. The target of each token is the next token.": lambda question, reply: [
            *[-100] * (len(question) - 1),
            question[-1],
            *reply,
        ],
        "0 is the ID of a token. Use −100 for targets to ignore.": lambda question, reply: (
            [0] * (len(question) - 1) + reply
        ),
        "Targets to ignore are −100, with a minus.": lambda question, reply: [100] * (len(question) - 1) + reply,
        "Use exactly −100 for targets to ignore.": (
            lambda question, reply: [-1] * (len(question) - 1) + reply,
            lambda question, reply: [-99] * (len(question) - 1) + reply,
            lambda question, reply: [-101] * (len(question) - 1) + reply,
        ),
        "These are only the targets in the answer. Return one target for every token except the last.": (
            lambda question, reply: reply
        ),
        "These are only the targets in the question. Those in the answer are its tokens.": (
            lambda question, reply: [-100] * (len(question) - 1)
        ),
        "The answer comes last: first the −100s, then its tokens.": lambda question, reply: (
            reply + [-100] * (len(question) - 1)
        ),
        "The answer is graded, not the question. Use −100 in the question, the tokens of the answer after it.": (
            lambda question, reply: question[1:] + [-100] * len(reply),
            lambda question, reply: [-100] * (len(question) - 1) + question,
        ),
        "You counted the −100s by the answer. Count them by the question.": lambda question, reply: (
            [-100] * (len(reply) - 1) + reply
        ),
        "The first −100s fit questions of one length only. Use len(question).": lambda question, reply: (
            [-100] * 3 + reply
        ),
    }
    inputs = [([11, 12, 13, 14], [21, 22, 23]), ([5, 6], [7]), ([8, 9, 3], [4, 2, 6, 1, 5])]
    kind = "a list of numbers"
    return compare(answer, inputs, lambda question, reply: [-100] * (len(question) - 1) + reply, usual, kind)


@exercise("13.2", "The detour")
def with_detour(answer: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(x, weight, bias, down, up)` returns the output of a linear layer with a low-rank adapter."""

    def layer(x: Tensor, weight: Tensor, bias: Tensor, down: Tensor, up: Tensor) -> Tensor:
        return x @ weight.T + bias

    def detour(x: Tensor, weight: Tensor, bias: Tensor, down: Tensor, up: Tensor) -> Tensor:
        return x @ down.T @ up.T

    def right(x: Tensor, weight: Tensor, bias: Tensor, down: Tensor, up: Tensor) -> Tensor:
        return layer(x, weight, bias, down, up) + detour(x, weight, bias, down, up)

    usual: dict[str, Callable[..., Tensor]] = {
        "This is the layer without the detour. Add x @ down.T @ up.T.": layer,
        "This is only the detour. Add it to the output of the layer.": detour,
        "This is only the detour with the bias. Add the output of the layer, x @ weight.T.": lambda *given: (
            detour(*given) + given[2]
        ),
        "The bias is missing.": lambda *given: layer(*given) - given[2] + detour(*given),
        "You subtracted the detour. Add it.": lambda *given: layer(*given) - detour(*given),
        "You subtracted the bias. Add it.": lambda *given: layer(*given) - 2 * given[2] + detour(*given),
        "You subtracted the layer from the detour. Add the two.": lambda *given: detour(*given) - layer(*given),
        "You added the bias twice. The detour has none.": lambda *given: layer(*given) + given[2] + detour(*given),
        "You added the detour twice.": lambda *given: layer(*given) + 2 * detour(*given),
        "You multiplied by the detour. Add it to the output of the layer.": lambda *given: (
            layer(*given) * detour(*given)
        ),
        "You multiplied by the bias. Add it.": lambda x, w, b, down, up: x @ w.T * b + x @ down.T @ up.T,
        "The detour starts from the output of the layer. It must start from x.": lambda x, w, b, down, up: (
            (x @ w.T + b) + (x @ w.T + b) @ down.T @ up.T
        ),
        "There is a nonlinearity in the detour. It is only two matrices.": lambda x, w, b, down, up: (
            x @ w.T + b + (x @ down.T).relu() @ up.T
        ),
        "These are the weights of layer and detour together. Multiply x by them, and add the bias.": (
            lambda x, w, b, down, up: w + up @ down
        ),
    }
    inputs = [
        (
            numbers(t, n_in, seed=1),
            numbers(n_out, n_in, seed=2),
            numbers(n_out),
            numbers(r, n_in, seed=4) + 0.5,
            numbers(n_out, r, seed=5) - 0.5,
        )
        for t, n_in, n_out, r in ((3, 6, 5, 2), (4, 3, 7, 1), (2, 4, 4, 4))
    ]
    return compare(answer, inputs, right, usual)


@exercise("13.3", "What does it cost?")
def lora_parameters(answer: Callable[[int, int, int], Any]) -> str | None:
    """`answer(n_embd, n_layer, rank)` returns the number of parameters in adapters for all matrices of the blocks."""
    usual: dict[str, Callable[[int, int, int], int] | tuple[Callable[[int, int, int], int], ...]] = {
        "This is one block. There are n_layer blocks.": lambda c, n, r: 16 * c * r,
        "The rank is missing. It is the number of rows in `down` and of columns in `up`.": lambda c, n, r: 16 * c * n,
        "The width is missing: every row of `down` and every column of `up` is a multiple of n_embd long.": (
            lambda c, n, r: 16 * n * r
        ),
        "These are the matrices themselves, which are not trained.": lambda c, n, r: 12 * c * c * n,
        "You multiplied the two sides of each matrix. A detour has (n_out + n_in) · rank parameters.": (
            lambda c, n, r: 12 * c * c * n * r,
            lambda c, n, r: 12 * c * n * r,
        ),
        "You counted every matrix as square. The shapes are (3C, C), (C, C), (4C, C), and (C, 4C).": (
            lambda c, n, r: 8 * c * n * r
        ),
        "You counted only `down`. Each detour also has an `up`.": lambda c, n, r: 7 * c * n * r,
        "You counted only `up`. Each detour also has a `down`.": lambda c, n, r: 9 * c * n * r,
        "You counted only attention. The MLP has two more matrices.": lambda c, n, r: 6 * c * n * r,
        "You counted only the MLP. Attention has two more matrices.": lambda c, n, r: 10 * c * n * r,
        "The projection after attention is missing, (C, C).": lambda c, n, r: 14 * c * n * r,
        "One matrix of the MLP is missing. There are (4C, C) and (C, 4C).": lambda c, n, r: 11 * c * n * r,
        "The matrix for queries, keys, and values is missing, (3C, C).": lambda c, n, r: 12 * c * n * r,
        "You counted the matrix for queries, keys, and values as (C, C). It is (3C, C).": lambda c, n, r: (
            14 * c * n * r
        ),
        "Queries, keys, and values share one matrix, (3C, C), and so one `down`.": lambda c, n, r: 18 * c * n * r,
        "You added. Multiply n_layer, rank, and the sum of the sides.": (
            lambda c, n, r: 16 * c * (n + r),
            lambda c, n, r: (16 + n * r) * c,
            lambda c, n, r: 16 * n * r + c,
        ),
        "You also counted biases. The detours have none.": lambda c, n, r: (16 * c * r + 9 * c) * n,
        "The number of parameters in a detour is rank · (n_out + n_in). Its sides add up to 16 C in a block.": tuple(
            lambda c, n, r, sides=sides: sides * c * n * r  # type: ignore[misc]
            for sides in (*range(1, 6), 13, 15, 17, *range(19, 33))
        ),
    }
    inputs = [(10, 3, 2), (768, 12, 4), (192, 4, 8)]
    return compare(answer, inputs, lambda n_embd, n_layer, rank: 16 * n_embd * n_layer * rank, usual, "a whole number")

"""What `check` says of any exercise: stubs, wrong kinds of answers, errors, changed arguments, forbidden calls."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from test_exercises import ANSWERS
from torch import Tensor

from gpt2_course.bricks import my_gpt2
from gpt2_course.exercises import chapter_08, check, working
from gpt2_course.exercises.compare import agree, compare
from gpt2_course.exercises.registry import EXERCISES
from gpt2_course.exercises.tensors import Difference, described, first_difference, plain
from gpt2_course.exercises.watch import bounded


def said(number: str, answer: object, state: str = "not right yet") -> str:
    feedback = check(number, answer, remember=False)
    assert feedback.state == state, feedback
    return feedback.message


# ---- not written, or not returned ---------------------------------------------------------------------------------


def test_a_function_that_prints_its_result_is_told_to_return_it() -> None:
    def printing(words: list[str]) -> None:
        print(Counter(pairwise(words)))

    def forgetting(words: list[str]) -> None:
        Counter(pairwise(words))

    assert said("1.1", forgetting) == "forgetting returned nothing: end your function with return and the result."
    assert "(print only shows it)" in said("1.1", printing)


def test_a_body_without_code_is_not_written_yet() -> None:
    def doc(words: list[str]) -> None:
        """Counts neighbors."""

    def dots(words: list[str]) -> None:
        """Counts neighbors."""
        ...

    def nothing(words: list[str]) -> None:
        return None

    def planned(words: list[str]) -> None:
        raise NotImplementedError("later")

    for stub in (doc, dots, nothing, planned):
        said("1.1", stub, "not written yet")


def test_pytorchs_own_not_implemented_error_is_not_a_stub() -> None:
    def whole(logits: Tensor, targets: Tensor) -> Tensor:
        return logits.long().log_softmax(-1)

    assert ", `return logits.long().log_softmax(-1)`," in said("9.2", whole)


# ---- wrong kinds of answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", EXERCISES)
def test_a_result_in_place_of_the_function_gets_one_sentence(number: str) -> None:
    for value in (Counter("ab"), 3, "text", torch.ones(2), [1]):
        message = said(number, value)
        assert message.startswith(f'Pass the function itself, without calling it: check("{number}", your_function).')
        assert message.endswith(f"You passed a result of type {described(value)}.")


@pytest.mark.parametrize("number", EXERCISES)
def test_a_wrong_number_of_parameters_gets_the_right_ones(number: str) -> None:
    parameters = EXERCISES[number].parameters
    assert parameters, f"the docstring of {number} must contain `answer(parameter, …)`"

    def without() -> int:
        return 1

    message = said(number, without)
    assert message.startswith(f"Your function must take {len(parameters)} parameter")
    assert f"({', '.join(parameters)})" in message


# ---- results that differ only in form -----------------------------------------------------------------------------


def converted(value: Any, tensor: Callable[[Tensor], Any], number: Callable[[float], Any]) -> Any:
    if isinstance(value, Tensor):
        return tensor(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, (list, tuple)):
        return type(value)(converted(part, tensor, number) for part in value)
    return value


# 8.2's loss must keep its gradient, which NumPy has not; 8.5 must return a number, not a tensor.
NO_OTHER_FORM = {("9.2", "numpy"), ("9.5", "numpy"), ("9.5", "requires_grad")}


@pytest.mark.parametrize("number", EXERCISES)
@pytest.mark.parametrize(
    ("form", "tensor", "scalar"),
    [
        ("float64", Tensor.double, np.float64),
        ("numpy", lambda t: t.numpy(), torch.tensor),
        (
            "requires_grad",
            lambda t: t.float().requires_grad_(),
            lambda x: torch.tensor(x, dtype=torch.float64, requires_grad=True),
        ),
    ],
    ids=["float64", "numpy", "requires_grad"],
)
def test_right_results_in_another_form_are_correct(
    number: str, form: str, tensor: Callable[[Tensor], Any], scalar: Callable[[float], Any]
) -> None:
    right = ANSWERS[number][0]
    state = "not right yet" if (number, form) in NO_OTHER_FORM else "correct"
    said(number, lambda *args: converted(right(*args), tensor, scalar), state)


def test_results_become_plain() -> None:
    assert plain(np.float64(0.5)) == 0.5
    assert type(plain(np.int32(2))) is int
    assert plain(torch.tensor(3)) == 3
    assert plain([np.zeros((2, 1))])[0].dtype == torch.float32
    assert plain(torch.eye(2).to_sparse()).tolist() == [[1, 0], [0, 1]]
    assert plain(torch.ones(2, dtype=torch.bool)).dtype == torch.bool
    assert plain({"a": torch.ones(1, requires_grad=True)})["a"].requires_grad is False


# ---- errors -------------------------------------------------------------------------------------------------------


def test_an_error_is_shown_with_its_line_the_shapes_and_the_cause() -> None:
    def attention(q: Tensor, k: Tensor) -> Tensor:
        scores = q @ k
        return scores.softmax(-1)

    message = said("4.3", attention)
    number = attention.__code__.co_firstlineno + 1
    place = f"attention stopped in line {number} of test_exercises_core.py, `scores = q @ k`,"
    assert message.startswith(f"{place} with RuntimeError: mat1 and mat2")
    assert "(q has shape (5, 4), k has shape (5, 4)). " in message
    assert message.endswith("Transpose the keys, so that every query meets every key: q @ k.T.")


def test_the_line_is_the_learners_own_even_if_another_function_fails() -> None:
    def helper(ids: list[int]) -> int:
        return ids[99]

    def asking(ids: list[int], t: int) -> int:
        return helper(ids)

    assert ", `return helper(ids)`, with IndexError" in said("12.3", asking)


def test_in_a_cell_the_line_is_that_of_the_function() -> None:
    names: dict[str, Any] = {}
    exec(compile("\n\ndef asking(ids, t):\n    return ids[99]", "/tmp/ipykernel_1/2.py", "exec"), names)
    assert "stopped in line 2 with IndexError" in said("12.3", names["asking"])


def test_arguments_are_shown_as_they_were_before_the_call() -> None:
    def asking(ids: list[int], t: int) -> int:
        ids.clear()
        return ids[t]

    assert "asking([]" not in said("12.3", asking)


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        (lambda x: x.view(4, 4), "must multiply to the count"),
        (lambda x: x.T.view(15), "use reshape instead of view"),
        (lambda x: x + x.T, "is keepdim=True or a transpose missing?"),
        (lambda x: x[9], "the last index is the length minus 1"),
        (lambda x: x.sum(7), "dimensions 0 to n − 1"),
        (lambda x: x[x], "use .long()"),
        (lambda x: x[0, 0, 0], "more indices than the tensor has dimensions"),
        (lambda x: x @ torch.ones(3, 3).long(), "with .float()"),
        (lambda x: torch.arange(6).mean(), "with .float()"),
        (lambda x: 1 if x else 2, "use .any(), .all(), or torch.where"),
        (lambda x: x.item(), "Only a tensor with one number"),
        (lambda x: undefined, "run the cell"),  # type: ignore[name-defined]  # noqa: F821
        (lambda x: {}["a"], "no such key"),
        (lambda x: math.log(0), "a number above 0"),
        (lambda x: x(1), "use square brackets"),
        (lambda x: softmax(x), "scores.softmax(-1)"),  # type: ignore[name-defined]  # noqa: F821
        (lambda x: x.view(5, 3 / 1), "use // to divide"),
        (lambda x: range(3 / 1), "use // to divide"),  # type: ignore[call-overload]
        (lambda x: torch.sqrt(3), "math.sqrt, or ** 0.5"),
        (lambda x: x.masked_fill(torch.ones(5, 3), 0), "dtype=torch.bool, or compare with == 1"),
        (lambda x: [x].shape, "torch.stack"),  # type: ignore[attr-defined]
        (lambda x: list(my_gpt2.layers), "call it, as in layers(weights)"),
        (lambda x: x.sum().backward(), "Keep the loss a tensor with gradients"),
        (lambda x: x.sum().item().backward(), "Keep the loss a tensor with gradients"),
        (lambda x: int(b"\x05\x00"), "int.from_bytes(data[:8], 'little')"),
        (lambda x: sys.exit(), "Return a value instead"),
    ],
)
def test_errors_come_with_their_usual_cause(broken: Callable[[Tensor], Any], cause: str) -> None:
    assert cause in said("4.1", broken)


@pytest.mark.parametrize(
    ("number", "broken", "cause"),
    [
        ("2.4", lambda ids, pair, new: [ids[i + 1] for i, _ in enumerate(ids)], "The last ID has no neighbor"),
        ("2.2", lambda ids, merges: [merges[i] for i in ids if i > 255], "turn it around: {new_id: pair}."),
        (
            "2.2",
            lambda ids, merges: bytes(
                part for i in ids for part in {new: pair for pair, new in merges.items()}.get(i, [i])
            ).decode(),
            "Keep splitting",
        ),
        (
            "5.3",
            lambda x, w, b, w2, b2, n: (q := my_gpt2.split_heads(x, n)) @ q.permute(2, 1, 0),
            "for each of them",
        ),
        ("6.3", lambda x, w, n: w["ln_1"], "The keys of w are ln_1.weight, ln_1.bias, attn.c_attn.weight,"),
        ("9.2", lambda logits, targets: logits.softmax(-1)[targets].log().mean(), "p[targets] picks rows"),
        ("10.5", lambda ids, predict, choose, end, context: [ids[9]], "([1, 2, 3], predict, choose, 7, 4) stopped"),
        ("9.5", lambda documents, weights, n_heads, optimizer: 1 / 0, ", 2, optimizer) stopped"),
    ],
)
def test_errors_in_an_exercise_come_with_its_own_cause(number: str, broken: Callable[..., Any], cause: str) -> None:
    assert cause in said(number, broken)


# ---- arguments changed in place, forbidden calls ------------------------------------------------------------------


def test_an_endless_loop_is_stopped_and_shown_with_its_line() -> None:
    def waits(p: list[float]) -> float:
        i = 0
        while i < len(p):
            p[i] = max(p)
        return p[0]

    before = sys.gettrace()
    feedback = check("1.3", waits)
    assert feedback.state == "not right yet"
    assert "with TimeoutError: still running after 100,000 lines. Does your loop ever end?" in feedback.message
    assert sys.gettrace() is before


def test_an_endless_loop_in_a_function_that_the_answer_calls_is_stopped() -> None:
    def helper(n: int) -> int:
        while n > 0:
            n = abs(n)
        return n

    assert "still running" in check("1.3", lambda p: helper(len(p))).message


def test_a_debugger_keeps_its_trace_and_a_long_function_its_time() -> None:
    seen = []

    def patient(p: list[float]) -> float:
        for _ in range(60_000):
            total = sum(p)
        return total

    def debugger(frame: Any, event: str, value: Any) -> Any:
        seen.append(event)
        return debugger

    sys.settrace(debugger)
    try:
        with bounded(patient):
            patient([1.0])
            assert sys.gettrace() is debugger
    finally:
        sys.settrace(None)
    assert len(seen) > 100_000


def test_a_function_that_changes_its_argument_is_told_so() -> None:
    def in_place(x: Tensor) -> Tensor:
        for t in range(len(x)):
            x[t] = x[: t + 1].mean(0)
        return x

    def emptying(text: list[int], read: list[list[int]]) -> Any:
        right = ANSWERS["15.3"][0](text, read)
        text.clear()
        return right

    assert said("4.1", in_place).startswith("You wrote each average into x itself")
    assert said("15.3", emptying).startswith("The result is right, but your function changes its argument `text`")


def test_an_optimizer_may_change_its_arguments() -> None:
    def step(weight: Tensor, slope: Tensor, speed: Tensor, rate: float, momentum: float) -> tuple[Tensor, Tensor]:
        speed.mul_(momentum).add_(slope)
        return weight.sub_(rate * speed), speed

    said("9.3", step, "correct")


@pytest.mark.parametrize(
    "lookup",
    [
        lambda ids, table: table[ids],
        lambda ids, table: torch.stack([table[i] for i in ids]),
        lambda ids, table: torch.nn.functional.embedding(ids, table),
        lambda ids, table: torch.nn.Embedding.from_pretrained(table)(ids),
        lambda ids, table: table.index_select(0, ids),
        lambda ids, table: table.T[:, ids].T,
        lambda ids, table: torch.tensor([table.tolist()[i] for i in ids]),
        lambda ids, table: torch.stack([row for i in ids for j, row in enumerate(table) if i == j]),
    ],
)
def test_looking_up_is_not_multiplying(lookup: Callable[[Tensor, Tensor], Tensor]) -> None:
    assert "multiply one-hot vectors by the table instead" in said("3.1", lookup)


def test_one_hot_vectors_may_be_looked_up() -> None:
    said("3.1", lambda ids, table: torch.eye(len(table))[ids] @ table, "correct")


# ---- differences --------------------------------------------------------------------------------------------------


def test_simple_relations_between_results_are_named() -> None:
    right = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    for found, part in (
        (-right, "wrong sign"),
        (right.T, "transposed"),
        (right.flip(0), "reversed along dimension 0"),
        (2.5 * right, "2.5 times"),
        (right + 1, "too large by 1"),
        (0 * right, "only zeros"),
        (right / 0 * 0, "NaN"),
    ):
        message = first_difference(found, right)
        assert part in message
        assert not isinstance(message, Difference)
    message = first_difference(right + torch.eye(2), right)
    assert message == "The vector at 0 must be [1.00, 2.00], but it is [2.00, 2.00]."
    assert isinstance(message, Difference)
    assert "1.000000, 2.000000], but it is [1.000200" in first_difference(right + 2e-4 * torch.eye(2), right)


def test_compare_recognizes_a_mistake_only_if_all_results_agree_with_it() -> None:
    def right(a: int, b: int) -> float:
        return a / b

    usual = {"Divide the first by the second.": (lambda a, b: b / a, lambda a, b: a * b)}
    inputs = [(1, 1), (2, 7), (3, 4)]
    assert compare(right, inputs, right, usual) is None
    assert compare(lambda a, b: b / a, inputs, right, usual) == "Divide the first by the second."
    assert compare(lambda a, b: a * b, inputs, right, usual) == "Divide the first by the second."
    assert compare(lambda a, b: a, inputs, right, usual) == "Your result does not depend on `b`, but it must."
    assert "You rounded" in (compare(lambda a, b: round(a / b, 3), inputs, right, usual) or "")
    assert compare(lambda a, b: "x", inputs, right, usual) == "Return one number; your result has type str."
    message = compare(lambda a, b: a / b + (b == 4), inputs, right, usual)
    assert (
        message
        == "This works for one input, but not for another. For 3, 4, the result must be 0.75, but yours is 1.75."
    )
    assert isinstance(message, Difference)


def test_lists_and_tuples_agree_but_numbers_and_bools_do_not() -> None:
    assert agree([1, 2], (1, 2))
    assert agree(torch.tensor([1, 2]), [1, 2])
    assert agree(1, 1.0)
    assert not agree(True, 1)
    assert not agree(1, True)
    assert not agree(1.5, 1)
    assert not agree({"a": 1}, {"a": 1, "b": 1})
    assert not agree(torch.tensor([1.5]), torch.tensor([1]))


def test_feedback_tells_a_named_mistake_from_a_mere_difference() -> None:
    assert check("1.3", lambda p: 17.5 * sum(p), remember=False).named is False
    assert check("1.3", lambda p: 1 / 0, remember=False).named is True
    assert check("1.3", ANSWERS["1.3"][1]["in bits"], remember=False).named is True


# ---- functions that a chapter goes on with ------------------------------------------------------------------------


def test_a_chapter_goes_on_with_the_learners_function_once_it_is_correct(capsys: pytest.CaptureFixture[str]) -> None:
    def linear_backward(x: Tensor, w: Tensor, dy: Tensor) -> Any: ...

    right = ANSWERS["8.4"][0]
    assert working("8.4", right) is right
    assert capsys.readouterr().out == ""
    for answer in (linear_backward, lambda x, w, dy: (dy @ w.T, dy.T @ x, dy.sum(0))):
        assert working("8.4", answer) is chapter_08.linear_backward
        assert capsys.readouterr().out == "Borrowed from the course until 8.4 is correct: linear_backward\n"


def test_the_courses_gradients_are_those_of_autograd() -> None:
    x, w, b = (torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((4, 3), (3, 5), (5,)))
    dy, targets = torch.randn(4, 5, dtype=torch.float64), torch.tensor([2, 0, 4, 2])
    y = x @ w + b
    for ours, theirs in zip(
        chapter_08.linear_backward(x, w, dy), torch.autograd.grad(y, (x, w, b), dy, retain_graph=True), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
    (theirs,) = torch.autograd.grad(torch.nn.functional.cross_entropy(y, targets), y)
    torch.testing.assert_close(chapter_08.cross_entropy_backward(y, targets), theirs)


def test_the_courses_way_back_gives_the_slopes_of_autograd() -> None:
    apply = {"+": torch.add, "*": torch.mul, "tanh": torch.tanh}
    for i in range(len(chapter_08.computations())):
        result = chapter_08.computations()[i]  # fresh: they share their first Values, and slopes add up
        tensors: dict[Any, Tensor] = {}
        values = chapter_08.order(result)
        for value in reversed(values):
            made = [tensors[parent] for parent in value.parents]
            tensors[value] = (
                apply[value.operation](*made)
                if made
                else torch.tensor(value.number, dtype=torch.float64).requires_grad_()
            )
            tensors[value].retain_grad()
        tensors[result].backward()
        assert chapter_08.backward_pass(values) == pytest.approx([float(tensors[value].grad) for value in values])

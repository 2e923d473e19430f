"""The exercises of chapter 8: gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gpt2_course.exercises.compare import Function, compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import described, numbers

# ---- 8.1 ----------------------------------------------------------------------------------------------------------


def local_slopes(operation: str, numbers: list[float]) -> list[float]:
    """The slopes of one step's result, one for each of the numbers that it starts from."""
    if operation == "tanh":
        return [1 - math.tanh(numbers[0]) ** 2]
    a, b = numbers
    return [1.0, 1.0] if operation == "+" else [b, a]


@exercise("8.1", "Slopes of one step", right=local_slopes)
def slopes_of_one_step(answer: Callable[[str, list[float]], Any]) -> str | None:
    """`answer(operation, numbers)` returns a list with the slope of "+", "*", or "tanh" for each of the numbers."""
    inputs: dict[str, list[list[float]]] = {
        "+": [[2.0, 5.0], [-3.0, 0.5], [4.0, 4.0]],
        "*": [[2.0, 5.0], [-3.0, 0.5], [0.0, 7.0]],
        "tanh": [[0.5], [-1.2], [0.0]],
    }
    list_of_one = "Return a list, even for a single number: [slope]."
    usual: dict[str, dict[str, Callable[[list[float]], Any] | tuple[Callable[[list[float]], Any], ...]]] = {
        "+": {
            "This is the sum itself. Return its slopes: how much does a + b grow if a grows by 1? And if b does?": (
                lambda n: n[0] + n[1],
                lambda n: [n[0] + n[1]],
                lambda n: [n[0] + n[1]] * 2,
            ),
            "For +, you return the numbers. Nudge a by 0.1: by how much does a + b change?": lambda n: n,
            "These are the slopes of a · b. For a + b, the other number does not matter: nudge a by 0.1, and the sum "
            "changes by 0.1.": lambda n: n[::-1],
            "For +, both numbers have a slope, so return a list of two.": (lambda n: [1.0], lambda n: 1.0),
            "For +, both slopes are missing: a sum follows each of its numbers, one to one.": lambda n: [0.0, 0.0],
            "For +, one of the slopes is missing: a sum follows both of its numbers.": (
                lambda n: [1.0, 0.0],
                lambda n: [0.0, 1.0],
            ),
            "You added the two slopes. Return one for each number: nudge only a, then only b.": (
                lambda n: 2.0,
                lambda n: [2.0],
                lambda n: [2.0, 2.0],
            ),
            "For +, one of your slopes is 2. The other number does not matter: a nudge of 0.1 stays 0.1.": (
                lambda n: [2.0, 1.0],
                lambda n: [1.0, 2.0],
            ),
            "This is the slope of tanh. For +, which has two numbers, return two slopes.": (
                lambda n: [1 - math.tanh(n[0]) ** 2],
            ),
            "For +, the slopes must not be halved: nudge a by 0.1, and the sum changes by 0.1.": lambda n: [0.5, 0.5],
            "The second slope of + has the wrong sign. If b grows, a + b grows, too.": lambda n: [1.0, -1.0],
        },
        "*": {
            "This is the product itself. Return its slopes: how much does a · b grow if only a grows by 1?": (
                lambda n: n[0] * n[1],
                lambda n: [n[0] * n[1]],
                lambda n: [n[0] * n[1]] * 2,
            ),
            "For *, the slopes are swapped. Nudge a by 0.1: a · b changes by 0.1 · b, so the slope for a is b.": (
                lambda n: n
            ),
            "These are the slopes of a + b. In a product, the other number decides: nudge a by 0.1, and a · b changes "
            "by 0.1 · b.": lambda n: [1.0, 1.0],
            "For *, you return b twice. The slope for b is a.": lambda n: [n[1], n[1]],
            "For *, you return a twice. The slope for a is b.": lambda n: [n[0], n[0]],
            "You added the two slopes. Return one for each number: nudge only a, then only b.": (
                lambda n: n[0] + n[1],
                lambda n: [n[0] + n[1]],
                lambda n: [n[0] + n[1]] * 2,
            ),
            "For *, both numbers have a slope, so return a list of two.": (
                lambda n: [n[1]],
                lambda n: n[1],
                lambda n: [n[0]],
                lambda n: n[0],
            ),
            "Only the slope of x · x is 2x. Here are two numbers, and the slope for each is the other one.": lambda n: [
                2 * n[0],
                2 * n[1],
            ],
        },
        "tanh": {
            "This is tanh itself. Return its slope: 1 − tanh².": (
                lambda n: [math.tanh(n[0])],
                lambda n: math.tanh(n[0]),
            ),
            list_of_one: lambda n: 1 - math.tanh(n[0]) ** 2,
            "The square is missing: the slope of tanh is 1 − tanh².": (
                lambda n: [1 - math.tanh(n[0])],
                lambda n: 1 - math.tanh(n[0]),
            ),
            "The square belongs to the result of tanh, not to the number that goes in: 1 − tanh(x) ** 2.": (
                lambda n: [1 - math.tanh(n[0] ** 2)],
                lambda n: [1 - n[0] ** 2],
                lambda n: 1 - n[0] ** 2,
            ),
            "tanh is to be squared: 1 − tanh(x) ** 2, with 2 as the exponent.": (
                lambda n: [1 - math.tanh(n[0]) ** 3],
                lambda n: [1 - 2 ** math.tanh(n[0])],
            ),
            "One of the numbers is off: the slope of tanh is 1 − tanh(x) ** 2.": (
                lambda n: [2 - math.tanh(n[0]) ** 2],
                lambda n: [1 - math.tanh(n[0]) ** 4],
            ),
            "You doubled tanh instead of squaring it: ** 2 squares.": (
                lambda n: [1 - 2 * math.tanh(n[0])],
                lambda n: [1 - math.tanh(n[0]) * 2],
            ),
            "The sign is wrong: 1 − tanh², which is never negative, because tanh always climbs.": lambda n: [
                math.tanh(n[0]) ** 2 - 1
            ],
            "Subtract the square instead of adding it: 1 − tanh². tanh is steepest at 0, with slope 1.": lambda n: [
                1 + math.tanh(n[0]) ** 2
            ],
            "The 1 is missing: the slope of tanh is 1 − tanh².": (
                lambda n: [math.tanh(n[0]) ** 2],
                lambda n: [-(math.tanh(n[0]) ** 2)],
            ),
            "For tanh, you return 1, which is its slope only at 0. Farther out it gets flatter: 1 − tanh².": (
                lambda n: [1.0],
                lambda n: [1.0, 1.0],
            ),
            "tanh starts from a single number, so return a list with a single slope.": (
                lambda n: [1 - math.tanh(n[0]) ** 2] * 2,
                lambda n: [1 - math.tanh(n[0]) ** 2, 0.0],
            ),
        },
    }

    def taking(function: Callable[[list[float]], Any]) -> Function:
        return lambda operation, numbers: function(numbers)

    for operation, mistakes in usual.items():
        functions = {
            message: tuple(map(taking, wrong if isinstance(wrong, tuple) else (wrong,)))
            for message, wrong in mistakes.items()
        }
        given = [(operation, values) for values in inputs[operation]]
        if message := compare(answer, given, local_slopes, functions, "a list of slopes", "list of slopes"):
            return message
    return None


# ---- 8.2 and 8.3 --------------------------------------------------------------------------------------------------


@dataclass(eq=False, repr=False)
class Value:
    """A number in a computation, with the attributes of the chapter's `Value`."""

    name: str
    number: float
    parents: tuple[Value, ...] = ()
    slopes: Sequence[float] = ()
    operation: str = ""
    grad: float = 0.0

    def __repr__(self) -> str:
        return self.name

    def __deepcopy__(self, known: dict[int, Any]) -> Value:
        if id(self) not in known:
            parents = tuple(parent.__deepcopy__(known) for parent in self.parents)
            known[id(self)] = Value(self.name, self.number, parents, list(self.slopes), self.operation, self.grad)
        copy: Value = known[id(self)]
        return copy


def computed(operation: str, *parents: Value) -> Value:
    """The result of one step."""
    values = [parent.number for parent in parents]
    if operation == "tanh":
        name, number = f"tanh({parents[0]})", math.tanh(values[0])
    else:
        name = f"({parents[0]} {operation} {parents[1]})"
        number = values[0] + values[1] if operation == "+" else values[0] * values[1]
    return Value(name, number, parents, local_slopes(operation, values), operation)


def computations() -> list[Value]:
    """Results of computations, from simple to hard: without a step, a chain, and paths that part and meet."""
    x, w, b = Value("x", 0.5), Value("w", -2.0), Value("b", 3.0)
    chain = computed("tanh", computed("+", computed("*", x, w), b))
    residual = computed("+", computed("tanh", computed("*", x, w)), x)
    shared = computed("+", x, b)
    later = computed("*", shared, w)
    return [
        Value("x", 0.5),
        chain,
        residual,
        computed("+", shared, later),  # `shared` is a parent of the result, but another one uses it, too
        computed("*", later, shared),
        computed("*", computed("+", residual, b), computed("*", residual, residual)),
    ]


def order(result: Value) -> list[Value]:
    """The result and all Values that it was computed from, each once and before those that it was computed from."""
    seen: set[Value] = set()
    found: list[Value] = []

    def visit(value: Value) -> None:
        if value not in seen:
            seen.add(value)
            for parent in value.parents:
                visit(parent)
            found.append(value)  # after its parents

    visit(result)
    return found[::-1]


@exercise("8.2", "The way back", in_place=True, right=order)
def way_back(answer: Callable[[Value], Any]) -> str | None:
    """`answer(result)` returns a list of all Values that lead to the result, each before its parents."""
    for result in computations():
        found = answer(result)
        if message := _wrong_list(found) or _wrong_values(found, result) or _wrong_order(list(found), result):
            return message
    return None


def _wrong_list(found: Any) -> str | None:
    if isinstance(found, (set, frozenset)):
        return "A set has no order. Return a list."
    if type(found) is Value:
        return "This is a single Value. Return a list of all of them."
    if type(found) not in (list, tuple):
        return f"Return a list of Values; your result has type {described(found)}."
    if not found:
        return "Your list is empty. It must contain at least the result itself."
    for item in found:
        if type(item) in (list, tuple):
            return "Your list contains lists. Add their Values one by one, or let all calls share one list."
        if type(item) in (float, int):
            return "Your list contains plain numbers. Add the Values themselves, which know their parents."
        if type(item) is str:
            return "Your list contains strings. Add the Values themselves, which know their parents."
        if type(item) is not Value:
            return f"Your list contains something that is not a Value: {described(item)}."
    return None


def _wrong_values(found: Sequence[Value], result: Value) -> str | None:
    needed = order(result)
    if any(value not in needed for value in found):
        return "Your list contains copies of the Values. Add the Values themselves: their .grad is to be filled in."
    missing = [value for value in needed if value not in found]
    if missing and result.parents and set(found) == {result, *result.parents}:
        return f"You stop at the parents of the result. Follow their parents, too: {missing[0]} is missing."
    if result in missing:
        return f"The result itself, {result}, is missing. It comes first."
    if missing and not any(value.parents for value in missing):
        return (
            f"{missing[0]} is missing. It has no parents, because nothing was computed before it, but it needs its "
            "slope most of all: such Values are the parameters."
        )
    if missing:
        return f"{missing[0]} is missing. Follow all parents of every Value."
    twice = next((value for value in found if sum(value is other for other in found) > 1), None)
    if twice is not None:
        return f"{twice} is in your list more than once: several paths lead to it. Remember what you have visited."
    return None


def _wrong_order(found: list[Value], result: Value) -> str | None:
    place = {value: i for i, value in enumerate(found)}
    early = [(user, parent) for user in found for parent in user.parents if place[parent] < place[user]]
    if not early:
        return None
    pairs = sum(len(user.parents) for user in found)
    if len(early) == pairs or found[-1] is result:
        return (
            "This is the order of the computation, with the parents first. The way back starts at the result: reverse "
            "the list."
        )
    user, parent = early[0]
    message = f"{parent} comes before {user}, which uses it, so its slope would be handed on before it is complete."
    depth_first = [list(dict.fromkeys(_paths(result, way))) for way in (1, -1)]
    if found in depth_first:
        message += " Add a Value to your list after its parents, not before them, and reverse the list at the end."
    elif set(found[1 : 1 + len(set(result.parents))]) == set(result.parents):
        message += (
            " Going from the result to its parents, to their parents, and so on is not enough: add a Value only after "
            "all of its parents, and reverse the list at the end."
        )
    return message


def _paths(result: Value, way: int) -> list[Value]:
    """Every Value on every path from the result, parents after their users on it, from the first or the last parent."""
    return [result, *(value for parent in result.parents[::way] for value in _paths(parent, way))]


def backward_pass(values: list[Value]) -> list[float]:
    """Add to each Value's `grad` the slope of the first one, going from it to the last; return all of them."""
    values[0].grad = 1.0
    for value in values:
        for parent, slope in zip(value.parents, value.slopes, strict=True):
            parent.grad += slope * value.grad
    return [value.grad for value in values]


@exercise("8.3", "Hand back the slopes", in_place=True, right=backward_pass)
def hand_back(answer: Callable[[list[Value]], Any]) -> str | None:
    """`answer(values)` adds to the .grad of all Values, the result first, and returns a list of all .grad."""
    inputs = [(order(result),) for result in computations()]
    found = answer(order(computations()[1]))
    if type(found) in (list, tuple) and any(type(item) is Value for item in found):
        return "You return the Values. Return their slopes: [value.grad for value in values]."
    again = order(computations()[2])
    for value in again:
        if not value.parents:
            value.grad = 10.0  # from a computation before
    inputs.append((again,))

    def passing(
        start: Callable[[Value], float] = lambda value: 1.0,
        new: Callable[[Value, Value, float], float] = lambda parent, value, slope: parent.grad + slope * value.grad,
        way: Callable[[list[Value]], list[Value]] = lambda values: values,
        cut: Callable[[Value], int | None] = lambda value: None,
        clear: Callable[[Value], bool] = lambda value: False,
        result: Callable[[Value], Any] = lambda value: value.grad,
    ) -> Function:
        """A backward pass with another start, rule, order, number of parents, or result."""

        def mistaken(values: list[Value]) -> list[Any]:
            for value in values:
                if clear(value):
                    value.grad = 0.0
            values[0].grad = start(values[0])
            for value in way(values):
                for parent, slope in list(zip(value.parents, value.slopes, strict=True))[: cut(value)]:
                    parent.grad = new(parent, value, slope)
            return [result(value) for value in values]

        return mistaken

    def late(values: list[Value]) -> list[float]:
        found = passing(start=lambda value: value.grad)(values)
        values[0].grad = 1.0
        return [1.0, *found[1:]]

    def from_the_last(values: list[Value]) -> list[float]:
        values[-1].grad = 1.0
        return passing(start=lambda value: value.grad)(values)

    usual: dict[str, Function | tuple[Function, ...]] = {
        "You overwrite the slope of a parent. Where paths meet, slopes add: parent.grad += …": (
            passing(new=lambda parent, value, slope: slope * value.grad),
        ),
        "You overwrite the slope of a parent, and leave out .grad. Where paths meet, slopes add; along a chain, they "
        "multiply: parent.grad += slope * value.grad.": passing(new=lambda parent, value, slope: slope),
        "The start is missing, so there is nothing to hand back. A nudge of the result changes the result by just as "
        "much: values[0].grad = 1.0.": passing(start=lambda value: value.grad),
        "Set values[0].grad to 1.0 before the loop, not after it: all other slopes come from it.": late,
        "You set the slope of every Value to 1. Only the result starts with 1; the others get theirs from the Values "
        "that use them.": (lambda values: [1.0] * len(values),),
        "The slope of the result is 1: a nudge of the result changes the result by just as much.": (
            passing(start=lambda value: value.number),
            passing(start=lambda value: 2.0),
            passing(start=lambda value: -1.0),
        ),
        "Along a chain, slopes multiply. Multiply each local slope by value.grad: parent.grad += slope * value.grad.": (
            passing(new=lambda parent, value, slope: parent.grad + slope)
        ),
        "You added the slopes along a chain. There they multiply: parent.grad += slope * value.grad.": passing(
            new=lambda parent, value, slope: parent.grad + slope + value.grad
        ),
        "The local slope is missing: parent.grad += slope * value.grad.": passing(
            new=lambda parent, value, slope: parent.grad + value.grad
        ),
        "You multiplied by the number of the Value. Multiply by its slope, value.grad.": passing(
            new=lambda parent, value, slope: parent.grad + slope * value.number
        ),
        "You multiplied by the number of the parent. Multiply by the local slope.": passing(
            new=lambda parent, value, slope: parent.grad + parent.number * value.grad
        ),
        "You multiplied the slope of the parent. Where paths meet, slopes add: parent.grad += slope * value.grad.": (
            passing(new=lambda parent, value, slope: parent.grad * slope * value.grad),
            passing(new=lambda parent, value, slope: (parent.grad or 1.0) * slope * value.grad),
        ),
        "You subtracted. Where paths meet, slopes add: parent.grad += slope * value.grad.": passing(
            new=lambda parent, value, slope: parent.grad - slope * value.grad
        ),
        "You divided. Along a chain, slopes multiply: slope * value.grad.": (
            passing(new=lambda parent, value, slope: parent.grad + value.grad / slope),
            passing(new=lambda parent, value, slope: parent.grad + slope / value.grad),
        ),
        "You set the slope of the last Value to 1. The result comes first: values[0].grad = 1.0.": from_the_last,
        "You go the wrong way. The list already starts with the result: do not reverse it.": passing(
            way=lambda values: values[::-1]
        ),
        "Only the parents of the result got a slope. Go through all Values.": passing(way=lambda values: values[:1]),
        "Only the first parent of each Value got a slope. Is there a return or a break inside the loop?": passing(
            cut=lambda value: 1
        ),
        "You set every .grad to 0 first, so what an earlier pass has added is lost. Add to what is there: setting it "
        "to 0 is up to the training loop.": passing(clear=lambda value: True),
        "You return the numbers. Return the slopes: [value.grad for value in values].": passing(
            result=lambda value: value.number
        ),
        "Your list of slopes is in the reverse order. Keep the order of values.": (
            lambda values: backward_pass(values)[::-1]
        ),
        "You return only the last slope. Return all: [value.grad for value in values].": (
            lambda values: backward_pass(values)[-1]
        ),
        "You return only the slope of the result. Return all: [value.grad for value in values].": (
            lambda values: 1.0,
            lambda values: [1.0],
        ),
    }
    return compare(answer, inputs, backward_pass, usual, "a list of slopes", "list of slopes")


# ---- 8.4 and 8.5 --------------------------------------------------------------------------------------------------


def linear_backward(x: Tensor, w: Tensor, dy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The slopes for x (T, C), w (C, D), and b (D,) of y = x @ w + b, from those for y, dy (T, D)."""
    return dy @ w.T, x.T @ dy, dy.sum(0)


@exercise(
    "8.4",
    "Back through a matrix",
    forbidden={"backward": "Compute the slopes yourself, with @, .T, and .sum, and without PyTorch's backward."},
    right=linear_backward,
)
def matrix_backward(answer: Callable[[Tensor, Tensor, Tensor], Any]) -> str | None:
    """`answer(x, w, dy)` returns dx (T, C), dw (C, D), and db (D,) of y = x @ w + b."""
    inputs = [
        (numbers(4, 3), numbers(3, 5, seed=4), numbers(4, 5, seed=5)),
        (numbers(2, 6, seed=6), numbers(6, 3, seed=7), numbers(2, 3, seed=8)),
    ]

    def but(
        dx: Function = lambda x, w, dy: dy @ w.T,
        dw: Function = lambda x, w, dy: x.T @ dy,
        db: Function = lambda x, w, dy: dy.sum(0),
    ) -> Function:
        return lambda x, w, dy: (dx(x, w, dy), dw(x, w, dy), db(x, w, dy))

    usual: dict[str, Function | tuple[Function, ...]] = {
        "dx has the shape of x, (T, C). To get there from dy (T, D), multiply by w on its side: dy @ w.T.": but(
            dx=lambda x, w, dy: dy @ w
        ),
        "dw has the shape of w, (C, D). It is made of x (T, C) and dy (T, D): which of them has to be on its side?": (
            but(dw=lambda x, w, dy: x @ dy),
            but(dw=lambda x, w, dy: x @ dy.T),
        ),
        "dw is on its side: it must have the shape of w, (C, D). (nn.Linear stores its matrix as (D, C), so for "
        "PyTorch this would be right.)": (but(dw=lambda x, w, dy: dy.T @ x), but(dw=lambda x, w, dy: (x.T @ dy).T)),
        "dx is on its side: it must have the shape of x, (T, C).": (
            but(dx=lambda x, w, dy: w @ dy.T),
            but(dx=lambda x, w, dy: (dy @ w.T).T),
        ),
        "This is y, not dx. dx is made of dy and w.": but(dx=lambda x, w, dy: x @ w),
        "b is added in every row, so T paths meet at each of its numbers, and their slopes add: dy.sum(0).": (
            but(db=lambda x, w, dy: dy),
            but(db=lambda x, w, dy: dy[0]),
            but(db=lambda x, w, dy: dy[-1]),
        ),
        "b has one number for each of the D columns. Add over the T rows, the first dimension: dy.sum(0).": (
            but(db=lambda x, w, dy: dy.sum(1)),
            but(db=lambda x, w, dy: dy.sum(-1)),
        ),
        "This is the sum of all of dy. b has D numbers, so add over the rows only: dy.sum(0).": but(
            db=lambda x, w, dy: dy.sum()
        ),
        "db must have shape (D,), but has one dimension more: leave out keepdim.": but(
            db=lambda x, w, dy: dy.sum(0, keepdim=True)
        ),
        "For db, you took the mean over the rows. Where paths meet, slopes add: dy.sum(0).": but(
            db=lambda x, w, dy: dy.mean(0)
        ),
        "A nudge of b does reach y: it moves every row of it. db is not 0.": but(db=lambda x, w, dy: 0 * dy[0]),
        "The slope for b is not 1: a nudge of b changes y by as much, and from there it is multiplied by dy.": but(
            db=lambda x, w, dy: 0 * dy[0] + 1
        ),
        "You divided dw by the number of rows. Where paths meet, slopes add.": but(
            dw=lambda x, w, dy: x.T @ dy / len(x)
        ),
        "The results are in the wrong order. Return dx, dw, db.": (
            lambda x, w, dy: (x.T @ dy, dy @ w.T, dy.sum(0)),
            lambda x, w, dy: (dy.sum(0), x.T @ dy, dy @ w.T),
            lambda x, w, dy: (dy.sum(0), dy @ w.T, x.T @ dy),
        ),
        "db is missing. Return dx, dw, db.": lambda x, w, dy: (dy @ w.T, x.T @ dy),
        "This is dx. Return dw and db, too: return dx, dw, db.": lambda x, w, dy: dy @ w.T,
        "This is dw. Return dx and db, too: return dx, dw, db.": lambda x, w, dy: x.T @ dy,
        "This is db. Return dx and dw, too: return dx, dw, db.": lambda x, w, dy: dy.sum(0),
        "These are x, w, and dy themselves. Combine them.": lambda x, w, dy: (x, w, dy),
        "dx is w, the slope of y for x. Multiply it by dy, the slope of the loss for y: dy @ w.T.": but(
            dx=lambda x, w, dy: w
        ),
        "dw is x, the slope of y for w. Multiply it by dy, the slope of the loss for y: x.T @ dy.": (
            but(dw=lambda x, w, dy: x),
            but(dw=lambda x, w, dy: x.T),
        ),
        "dx is still dy. Each number of x reaches D numbers of y, each by a number of w: dy @ w.T.": but(
            dx=lambda x, w, dy: dy
        ),
        "dw is still dy. Each number of w reaches T numbers of y, each by a number of x: x.T @ dy.": but(
            dw=lambda x, w, dy: dy
        ),
    }
    return compare(answer, inputs, linear_backward, usual, "three tensors: dx, dw, db")


def cross_entropy_backward(logits: Tensor, targets: Tensor) -> Tensor:
    """The slopes of the mean cross-entropy for the logits (T, V)."""
    came = F.one_hot(targets, logits.shape[-1])
    return (logits.softmax(-1) - came) / len(targets)


@exercise(
    "8.5",
    "Back from the loss",
    forbidden={
        "backward": "Compute the slopes yourself, from the probabilities, and without PyTorch's backward.",
        "cross_entropy": "Compute the slopes yourself, from the probabilities, and without PyTorch's cross_entropy.",
    },
    right=cross_entropy_backward,
)
def loss_backward(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(logits, targets)` returns the slopes (T, V) of the mean cross-entropy, for logits (T, V)."""
    inputs = [
        (numbers(3, 5), torch.tensor([1, 0, 4])),
        (3 * numbers(4, 6, seed=4), torch.tensor([2, 2, 4, 0])),  # the last token is nobody's target
        (numbers(1, 4, seed=5), torch.tensor([3])),
    ]

    def came(logits: Tensor, targets: Tensor) -> Tensor:
        return F.one_hot(targets, logits.shape[-1]).float()

    usual: dict[str, Function | tuple[Function, ...]] = {
        "The loss is the mean over T tokens, so each counts for only 1 / T: divide by T.": lambda logits, y: (
            logits.softmax(-1) - came(logits, y)
        ),
        "Left to itself, one_hot makes only as many columns as the largest target needs. Give it the size of the "
        "vocabulary: one_hot(targets, logits.shape[-1]).": (
            lambda logits, y: (logits.softmax(-1) - F.one_hot(y)) / len(y),
            lambda logits, y: (F.one_hot(y) - logits.softmax(-1)) / len(y),
        ),
        "The sign is wrong. Raising the logit of the target lowers the loss, so its slope is negative: p − 1.": (
            lambda logits, y: (came(logits, y) - logits.softmax(-1)) / len(y),
            lambda logits, y: came(logits, y) - logits.softmax(-1),
        ),
        "You divided by V, the size of the vocabulary. The loss is the mean over T tokens: divide by T.": (
            lambda logits, y: (logits.softmax(-1) - came(logits, y)) / logits.shape[-1]
        ),
        "You divided by the count of all logits. The loss is the mean over T tokens: divide by T.": lambda logits, y: (
            (logits.softmax(-1) - came(logits, y)) / logits.numel()
        ),
        "You multiplied by T. The loss is the mean over T tokens: divide by T.": lambda logits, y: (
            (logits.softmax(-1) - came(logits, y)) * len(y)
        ),
        "These are the probabilities. At the target of each row, subtract 1.": (
            lambda logits, y: logits.softmax(-1) / len(y),
            lambda logits, y: logits.softmax(-1),
        ),
        "You subtracted 1 from all logits' probabilities. Subtract it only at the target of each row.": (
            lambda logits, y: (logits.softmax(-1) - 1) / len(y),
            lambda logits, y: logits.softmax(-1) - 1,
        ),
        "You subtracted 1 in whole rows. Subtract it only at the target of each row: p[torch.arange(T), targets].": (
            lambda logits, y: (logits.softmax(-1).index_add(0, y, -torch.ones(len(y), logits.shape[-1]))) / len(y)
        ),
        "You subtracted 1 in whole columns. Subtract it only at the target of each row: p[torch.arange(T), targets].": (
            lambda logits, y: (logits.softmax(-1) - came(logits, y).amax(0)) / len(y),
            lambda logits, y: logits.softmax(-1) - came(logits, y).amax(0),
        ),
        "You divided the probabilities by T, but not the 1 at the target. Divide the whole difference.": (
            lambda logits, y: logits.softmax(-1) / len(y) - came(logits, y)
        ),
        "You divided only the 1 by T. Divide the whole difference: (p − 1) / T at the target, p / T elsewhere.": (
            lambda logits, y: logits.softmax(-1) - came(logits, y) / len(y)
        ),
        "Logits are not probabilities yet. Take the softmax first.": (
            lambda logits, y: (logits - came(logits, y)) / len(y),
            lambda logits, y: logits - came(logits, y),
        ),
        "You took the softmax over the tokens. Take it over the vocabulary, the last dimension: softmax(-1).": (
            lambda logits, y: (logits.softmax(0) - came(logits, y)) / len(y),
            lambda logits, y: logits.softmax(0) - came(logits, y),
        ),
        "You took the softmax of probabilities. Take it once.": lambda logits, y: (
            (logits.softmax(-1).softmax(-1) - came(logits, y)) / len(y)
        ),
        "This is ln p, from log_softmax. The slopes are made of p: softmax(-1).": lambda logits, y: (
            (logits.log_softmax(-1) - came(logits, y)) / len(y)
        ),
        "These are the slopes for the probabilities, −1 / p. Go on to the logits: p − 1 at the target, p elsewhere.": (
            lambda logits, y: -came(logits, y) / logits.softmax(-1) / len(y),
            lambda logits, y: -came(logits, y) / logits.softmax(-1),
        ),
        "Only the targets got a slope. The other logits have one too, p: raising them takes from the target.": (
            lambda logits, y: came(logits, y) * (logits.softmax(-1) - 1) / len(y),
            lambda logits, y: -came(logits, y) / len(y),
        ),
        "The targets got no slope. Theirs is p − 1.": lambda logits, y: (
            (1 - came(logits, y)) * logits.softmax(-1) / len(y)
        ),
        "You added 1 at the target. Subtract it: p − 1.": lambda logits, y: (
            (logits.softmax(-1) + came(logits, y)) / len(y)
        ),
        "These are the targets as one-hot vectors. Subtract them from the probabilities.": lambda logits, y: (
            came(logits, y) / len(y)
        ),
        "This is the loss. Return its slopes, one for each logit, (T, V).": lambda logits, y: (
            -(logits.log_softmax(-1) * came(logits, y)).sum(-1).mean()
        ),
    }
    return compare(answer, inputs, cross_entropy_backward, usual)

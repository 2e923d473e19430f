"""The exercises of chapter 8: the training loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import named, not_a_tensor, numbers, same

LOGITS = numbers(2, 3, 5)  # (B, T, V)
TARGETS = torch.tensor([[1, 0, 4], [2, 2, 3]])  # (B, T)


@exercise("8.1", "Questions and answers")
def shift(answer: Callable[[Tensor], Any]) -> str | None:
    """`answer(rows)` makes rows of tokens (B, T + 1) into questions and answers, both (B, T)."""
    rows = torch.tensor([[5, 9, 6, 8, 7], [3, 1, 4, 1, 6]])
    found = answer(rows.clone())
    if not (isinstance(found, tuple) and len(found) == 2):
        return f"Return two tensors, questions and answers: return x, y. This is a {type(found).__name__}."
    x, y = found
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        if x.shape == (1, 5) or y.shape == (1, 5):
            return "You cut off a row of the batch. The tokens lie along the last dimension: rows[:, …]."
        if x.shape == y.shape == (2, 5):
            return (
                "Five questions need five answers, but the last token has none: there is nothing after it. Both must "
                "be one token shorter than the rows."
            )
        if x.shape != y.shape:
            return (
                f"Each question needs one answer, but there are {tuple(x.shape)} questions, {tuple(y.shape)} answers."
            )
    for part in found:
        if wrong := not_a_tensor(part, (2, 4)):
            return wrong
    if torch.equal(x, rows[:, :-1]) and torch.equal(y, rows[:, 1:]):
        more = torch.arange(21).view(3, 7)
        again = answer(more.clone())
        if same(again[0], more[:, :-1]) and same(again[1], more[:, 1:]):
            return None
        return "It works for rows of five tokens, but not for seven: count from the end, rows[:, :-1]."
    if torch.equal(x, y):
        return "Questions and answers are the same: each token would be its own answer. Shift the answers by one."
    if torch.equal(x, rows[:, 1:]) and torch.equal(y, rows[:, :-1]):
        return "The wrong way round: this asks for the token before. Each answer is the token after its question."
    return f"The first row, 5 9 6 8 7, asks 5 9 6 8 and answers 9 6 8 7; yours asks {x[0].tolist()}, {y[0].tolist()}."


@exercise("8.2", "Cross-entropy")
def cross_entropy(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(logits, targets)` is the mean surprise at the targets, as a tensor with a single number."""
    found = answer(LOGITS.clone(), TARGETS.clone())
    if isinstance(found, Tensor) and found.shape == (2, 3):
        return "This is the loss of every token by itself. One number is asked for: their mean."
    if isinstance(found, float):
        found = torch.tensor(found)
    if wrong := not_a_tensor(found, ()):
        return wrong
    right = F.cross_entropy(LOGITS.flatten(0, 1), TARGETS.flatten())
    if same(found, right):
        return None

    def of_targets(values: Tensor) -> Tensor:
        return values.gather(-1, TARGETS[..., None])[..., 0]

    p = of_targets(LOGITS.softmax(-1))
    usual = {
        "The sign is wrong: ln p is negative, and a loss counts upwards. Put a minus in front.": -right,
        "This is the sum. The loss is the mean over all tokens: it must not grow with the batch.": -p.log().sum(),
        "This is the mean probability. Take −ln of each probability first, and the mean after that.": p.mean(),
        "You took the mean of the probabilities and then the logarithm. First −ln, then the mean.": -p.mean().log(),
        "This is the loss in bits: use the natural logarithm, .log().": -p.log2().mean(),
        "The logits are no probabilities yet: softmax first.": -of_targets(LOGITS).mean(),
        "Softmax went over the wrong dimension: the scores of one place add up to 1 along the last one, dim=-1.": (
            -of_targets(LOGITS.softmax(1)).log().mean()
        ),
        "You took the whole batch's softmax along its first dimension. It must be the last one, dim=-1.": (
            -of_targets(LOGITS.softmax(0)).log().mean()
        ),
        "You took the mean over all tokens of the vocabulary. Only the probability of the target counts.": (
            -LOGITS.log_softmax(-1).mean()
        ),
        "This is the entropy: how unsure the model is. The surprise at the target is asked for.": (
            -(LOGITS.softmax(-1) * LOGITS.log_softmax(-1)).sum(-1).mean()
        ),
    }
    return named(found, usual) or f"For these logits the loss is {right:.4f}, not {found:.4f}."


@exercise("8.3", "A step with momentum")
def momentum_step(answer: Callable[[Tensor, Tensor, Tensor, float, float], Any]) -> str | None:
    """`answer(weight, slope, speed, learning_rate, momentum)` is the new weight and the new speed."""
    weight, slope, speed = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 4.0]), torch.tensor([-1.0, 2.0])
    rate, keep = 0.1, 0.8
    found = answer(weight.clone(), slope.clone(), speed.clone(), rate, keep)
    if not (isinstance(found, tuple) and len(found) == 2):
        return f"Return two tensors: return weight, speed. This is a {type(found).__name__}."
    for part in found:
        if wrong := not_a_tensor(part, (2,)):
            return wrong
    new_speed = keep * speed + slope
    new_weight = weight - rate * new_speed
    if same(found[0], new_weight) and same(found[1], new_speed):
        return None
    if same(found[0], new_speed) and same(found[1], new_weight):
        return "The two are in the wrong order: first the weight, then the speed."
    wrong_speeds = {
        "The speed has forgotten its past: new speed = momentum · old speed + slope.": slope,
        "The old speed stays whole, and would grow for ever: multiply it by momentum.": speed + slope,
        "You multiplied the slope by momentum, too. Only the old speed is.": keep * (speed + slope),
        "You weighted the slope by 1 − momentum. Some do; here, as in torch.optim.SGD, it comes in whole.": keep * speed
        + (1 - keep) * slope,
        "The learning rate belongs to the step, not to the speed: multiply by it when you change the weight.": (
            keep * speed + rate * slope
        ),
        "The speed is still the old one: return the new one.": speed,
        "The slope was subtracted from the speed. Add it, and subtract the speed from the weight.": keep * speed
        - slope,
    }
    if not same(found[1], new_speed):
        said = named(found[1], wrong_speeds)
        return said or f"The new speed must be {new_speed.tolist()}, but it is {found[1].tolist()}."
    wrong_weights = {
        "That went uphill: subtract, do not add.": weight + rate * new_speed,
        "The learning rate is missing: the step is learning rate · speed.": weight - new_speed,
        "You went a step of the slope. Go a step of the new speed.": weight - rate * slope,
        "You went a step of the old speed. Work out the new one first, then go.": weight - rate * speed,
        "The weight has not changed.": weight,
    }
    said = named(found[0], wrong_weights)
    return said or f"The new weight must be {new_weight.tolist()}, but it is {found[0].tolist()}."


@exercise("8.4", "Clipping")
def clip(answer: Callable[[list[Tensor], float], Any]) -> str | None:
    """`answer(gradients, most)` are the gradients, shortened together to the length `most` if they are longer."""
    # lengths 5, 4 and 11.3; together 13
    gradients = [torch.tensor([[3.0, 0.0], [0.0, -4.0]]), torch.tensor([4.0, 0.0]), torch.tensor([8.0, 8.0])]
    found = answer([g.clone() for g in gradients], 1.0)
    if wrong := _not_as_many(found, gradients):
        return wrong

    def flat(parts: list[Tensor]) -> Tensor:
        return torch.cat([part.flatten() for part in parts])

    got = flat(found)
    every = flat(gradients)
    usual = {
        "Each tensor was shortened by itself. That changes the direction: find the length of all of them together.": (
            flat([g / g.norm() for g in gradients])
        ),
        "You cut every number to at most 1. That changes the direction: multiply all of them by the same factor.": (
            every.clamp(-1, 1)
        ),
        "The length is the root of the sum of the squares. You divided by the sum of the squares.": every / 169,
        "The length is the root of the sum of the squares. You added the numbers without their signs.": every / 27,
        "The length is the root of the sum of the squares. You added the lengths of the tensors.": (
            every / sum(g.norm() for g in gradients)
        ),
        "You divided by the largest number. Divide by the length: the root of the sum of the squares.": every / 8,
        "Nothing was shortened: together they are 13 long, and at most 1 is asked for.": every,
    }
    if not same(got, every / 13):
        return (
            named(got, usual) or f"They must be 1 long together, in the old direction; yours are {got.norm():.3f} long."
        )
    for most, factor, said in (
        (6.5, 0.5, "With most=6.5 they must be halved: they are 13 long. Multiply by most / length."),
        (20.0, 1.0, "Gradients that are short enough (13, at most 20) must stay as they are; yours were changed."),
        (
            0.5,
            0.5 / 13,
            "With most=0.5 they must be 0.5 long: they are longer than that. Compare the length with most.",
        ),
    ):
        found = answer([g.clone() for g in gradients], most)
        if _not_as_many(found, gradients) or not same(flat(found), every * factor):
            return said
    nothing = answer([torch.zeros(2)], 1.0)
    if _not_as_many(nothing, [torch.zeros(2)]) or not same(flat(nothing), torch.zeros(2)):
        return "Gradients that are all 0 must stay 0: was something divided by the length, which is 0?"
    return None


def _not_as_many(found: object, gradients: list[Tensor]) -> str | None:
    """What is said if these are not as many tensors, of the same shapes."""
    if not isinstance(found, (list, tuple)) or len(found) != len(gradients):
        return f"Return a list of {len(gradients)} tensors, as many as came in; this is a {type(found).__name__}."
    for part, gradient in zip(found, gradients, strict=True):
        if wrong := not_a_tensor(part, tuple(gradient.shape)):
            return wrong
    return None

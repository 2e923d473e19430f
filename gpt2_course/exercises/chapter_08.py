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
    """`answer(rows)` splits rows of tokens (B, T + 1) into questions and answers, both (B, T)."""
    rows = torch.tensor([[5, 9, 6, 8, 7], [3, 1, 4, 1, 6]])
    found = answer(rows.clone())
    if not (isinstance(found, tuple) and len(found) == 2):
        return f"Return two tensors, questions and answers: return x, y. Your result has type {type(found).__name__}."
    x, y = found
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        if x.shape == (1, 5) or y.shape == (1, 5):
            return "You cut off a row of the batch. Tokens run along the last dimension: rows[:, …]."
        if x.shape == y.shape == (2, 5):
            return (
                "Nothing follows the last token, so it has no answer. Questions and answers must both be one token "
                "shorter than the rows."
            )
        if x.shape != y.shape:
            return f"Each question needs one answer, but your shapes are {tuple(x.shape)} and {tuple(y.shape)}."
    for part in found:
        if wrong := not_a_tensor(part, (2, 4)):
            return wrong
    if torch.equal(x, rows[:, :-1]) and torch.equal(y, rows[:, 1:]):
        more = torch.arange(21).view(3, 7)
        again = answer(more.clone())
        if same(again[0], more[:, :-1]) and same(again[1], more[:, 1:]):
            return None
        return "This works for rows of five tokens, but not for seven. Count from the end: rows[:, :-1]."
    if torch.equal(x, y):
        return "Questions and answers are identical, so each token is its own answer. Shift the answers by one."
    if torch.equal(x, rows[:, 1:]) and torch.equal(y, rows[:, :-1]):
        return "Questions and answers are swapped. Each answer is the token after its question."
    return f"The row 5 9 6 8 7 must give 5 9 6 8 and 9 6 8 7, but it gives {x[0].tolist()} and {y[0].tolist()}."


@exercise("8.2", "Cross-entropy")
def cross_entropy(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(logits, targets)` returns the mean surprise at the targets, a tensor with a single number."""
    found = answer(LOGITS.clone(), TARGETS.clone())
    if isinstance(found, Tensor) and found.shape == (2, 3):
        return "This is one loss per token. Return their mean, a single number."
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
        "The sign is wrong: ln p is negative, and the loss is −ln p.": -right,
        "This is the sum. Take the mean over all tokens, so the loss does not grow with the batch.": -p.log().sum(),
        "This is the mean probability. Take −ln of each probability first, then the mean.": p.mean(),
        "You took the mean of the probabilities, then the logarithm. Take −ln first, then the mean.": -p.mean().log(),
        "This is the loss in bits. Use the natural logarithm, .log().": -p.log2().mean(),
        "Logits are not probabilities yet. Take the softmax first.": -of_targets(LOGITS).mean(),
        "You took the softmax over the tokens. Take it over the vocabulary, the last dimension: dim=-1.": (
            -of_targets(LOGITS.softmax(1)).log().mean()
        ),
        "You took the softmax over the batch. Take it over the vocabulary, the last dimension: dim=-1.": (
            -of_targets(LOGITS.softmax(0)).log().mean()
        ),
        "You took the mean over the whole vocabulary. Only the probability of the target counts.": (
            -LOGITS.log_softmax(-1).mean()
        ),
        "This is the entropy, how unsure the model is. Return the surprise at the target.": (
            -(LOGITS.softmax(-1) * LOGITS.log_softmax(-1)).sum(-1).mean()
        ),
    }
    return named(found, usual) or f"For these logits, the loss is {right:.4f}, not {found:.4f}."


@exercise("8.3", "A step with momentum")
def momentum_step(answer: Callable[[Tensor, Tensor, Tensor, float, float], Any]) -> str | None:
    """`answer(weight, slope, speed, learning_rate, momentum)` returns the new weight and the new speed."""
    weight, slope, speed = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 4.0]), torch.tensor([-1.0, 2.0])
    rate, keep = 0.1, 0.8
    found = answer(weight.clone(), slope.clone(), speed.clone(), rate, keep)
    if not (isinstance(found, tuple) and len(found) == 2):
        return f"Return two tensors: return weight, speed. Your result has type {type(found).__name__}."
    for part in found:
        if wrong := not_a_tensor(part, (2,)):
            return wrong
    new_speed = keep * speed + slope
    new_weight = weight - rate * new_speed
    if same(found[0], new_weight) and same(found[1], new_speed):
        return None
    if same(found[0], new_speed) and same(found[1], new_weight):
        return "The results are in the wrong order. Return the weight first, then the speed."
    wrong_speeds = {
        "The old speed is missing: new speed = momentum · old speed + slope.": slope,
        "The speed would grow forever. Multiply the old speed by momentum.": speed + slope,
        "You multiplied the slope by momentum, too. Multiply only the old speed.": keep * (speed + slope),
        "You multiplied the slope by 1 − momentum. Here, as in torch.optim.SGD, add the whole slope.": keep * speed
        + (1 - keep) * slope,
        "The learning rate belongs to the step, not to the speed. Multiply by it when you change the weight.": (
            keep * speed + rate * slope
        ),
        "This is the old speed. Return the new one.": speed,
        "The slope was subtracted from the speed. Add it, and subtract the speed from the weight.": keep * speed
        - slope,
    }
    if not same(found[1], new_speed):
        said = named(found[1], wrong_speeds)
        return said or f"The new speed must be {new_speed.tolist()}, but it is {found[1].tolist()}."
    wrong_weights = {
        "You went uphill. Subtract the step instead of adding it.": weight + rate * new_speed,
        "The learning rate is missing: step = learning rate · speed.": weight - new_speed,
        "You moved the weight by the slope. Move it by the new speed.": weight - rate * slope,
        "You moved the weight by the old speed. Compute the new speed first, then move.": weight - rate * speed,
        "The weight has not changed.": weight,
    }
    said = named(found[0], wrong_weights)
    return said or f"The new weight must be {new_weight.tolist()}, but it is {found[0].tolist()}."


@exercise("8.4", "Clipping")
def clip(answer: Callable[[list[Tensor], float], Any]) -> str | None:
    """`answer(gradients, most)` scales all gradients together to the length `most`, if they are longer."""
    # lengths 5, 4, and 11.3; together 13
    gradients = [torch.tensor([[3.0, 0.0], [0.0, -4.0]]), torch.tensor([4.0, 0.0]), torch.tensor([8.0, 8.0])]
    found = answer([g.clone() for g in gradients], 1.0)
    if wrong := _not_as_many(found, gradients):
        return wrong

    def flat(parts: list[Tensor]) -> Tensor:
        return torch.cat([part.flatten() for part in parts])

    got = flat(found)
    every = flat(gradients)
    usual = {
        "You scaled each tensor on its own, which changes the direction. Use the length of all tensors together.": (
            flat([g / g.norm() for g in gradients])
        ),
        "You limited every number to 1, which changes the direction. Multiply all numbers by the same factor.": (
            every.clamp(-1, 1)
        ),
        "You divided by the sum of the squares. The length is its square root.": every / 169,
        "You divided by the sum of the absolute values. The length is the square root of the sum of the squares.": every
        / 27,
        "You added the lengths of the tensors. The length is the square root of the sum of all squares.": (
            every / sum(g.norm() for g in gradients)
        ),
        "You divided by the largest number. Divide by the length, the square root of the sum of the squares.": every
        / 8,
        "You changed nothing. Together, the gradients are 13 long, but the limit is 1.": every,
    }
    if not same(got, every / 13):
        return (
            named(got, usual)
            or f"Together, they must be 1 long, in the same direction. Yours are {got.norm():.3f} long."
        )
    for most, factor, message in (
        (6.5, 0.5, "With most=6.5, halve the gradients, because they are 13 long. Multiply by most / length."),
        (20.0, 1.0, "With most=20, you changed gradients that are only 13 long. Leave them as they are."),
        (
            0.5,
            0.5 / 13,
            "With most=0.5, the gradients must become 0.5 long. Compare the length with most.",
        ),
    ):
        found = answer([g.clone() for g in gradients], most)
        if _not_as_many(found, gradients) or not same(flat(found), every * factor):
            return message
    nothing = answer([torch.zeros(2)], 1.0)
    if _not_as_many(nothing, [torch.zeros(2)]) or not same(flat(nothing), torch.zeros(2)):
        return "Gradients that are all 0 must stay 0. Did you divide by the length, which is 0?"
    return None


def _not_as_many(found: object, gradients: list[Tensor]) -> str | None:
    """The message if `found` does not have one tensor per gradient, of the same shape."""
    if not isinstance(found, (list, tuple)) or len(found) != len(gradients):
        return (
            f"Return a list of {len(gradients)} tensors, one per gradient; your result has type {type(found).__name__}."
        )
    for part, gradient in zip(found, gradients, strict=True):
        if wrong := not_a_tensor(part, tuple(gradient.shape)):
            return wrong
    return None

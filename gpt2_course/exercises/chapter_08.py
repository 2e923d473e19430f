"""The exercises of chapter 8: the training loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import described, named, not_a_tensor, numbers, same

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


@exercise("8.3", "A step with momentum", in_place=True)
def momentum_step(answer: Callable[[Tensor, Tensor, Tensor, float, float], Any]) -> str | None:
    """`answer(weight, slope, speed, learning_rate, momentum)` returns the new weight and the new speed."""
    inputs = [(*numbers(3, 4), 0.1, 0.9), (*numbers(3, 2, 3, seed=4), 0.3, 0.5)]
    for given in inputs:
        found = answer(*copy.deepcopy(given))
        if not (isinstance(found, (tuple, list)) and len(found) == 2):
            return f"Return two tensors: return weight, speed. Your result has type {described(found)}."

    def new_speed(weight: Tensor, slope: Tensor, speed: Tensor, learning_rate: float, momentum: float) -> Tensor:
        return momentum * speed + slope

    def new_weight(weight: Tensor, slope: Tensor, speed: Tensor, learning_rate: float, momentum: float) -> Tensor:
        return weight - learning_rate * (momentum * speed + slope)

    wrong_speeds: dict[str, Callable[[Tensor, Tensor, Tensor, float, float], Tensor]] = {
        "The results are in the wrong order. Return the weight first, then the speed.": new_weight,
        "The old speed is missing: new speed = momentum · old speed + slope.": lambda w, g, s, rate, keep: g,
        "The slope is missing: new speed = momentum · old speed + slope.": lambda w, g, s, rate, keep: keep * s,
        "The speed would grow forever. Multiply the old speed by momentum.": lambda w, g, s, rate, keep: s + g,
        "You multiplied the slope by momentum, too. Multiply only the old speed.": (
            lambda w, g, s, rate, keep: keep * (s + g)
        ),
        "You multiplied the slope by momentum. Multiply the old speed by it.": lambda w, g, s, rate, keep: s + keep * g,
        "You multiplied the slope by 1 − momentum. Here, as in torch.optim.SGD, add the whole slope.": (
            lambda w, g, s, rate, keep: keep * s + (1 - keep) * g
        ),
        "The learning rate belongs to the step, not to the speed. Multiply by it when you change the weight.": (
            lambda w, g, s, rate, keep: keep * s + rate * g
        ),
        "You multiplied the old speed by the learning rate. Multiply it by momentum.": (
            lambda w, g, s, rate, keep: rate * s + g
        ),
        "This is the old speed. Return the new one.": lambda w, g, s, rate, keep: s,
        "The slope was subtracted from the speed. Add it, and subtract the speed from the weight.": (
            lambda w, g, s, rate, keep: keep * s - g
        ),
        "You divided the old speed by momentum. Multiply it.": lambda w, g, s, rate, keep: s / keep + g,
        "You added momentum to the old speed. Multiply by it.": lambda w, g, s, rate, keep: keep + s + g,
        "You used the weight in place of the speed.": lambda w, g, s, rate, keep: keep * w + g,
        "You used the weight in place of the slope.": lambda w, g, s, rate, keep: keep * s + w,
        "You used the slope in place of the speed.": lambda w, g, s, rate, keep: keep * g + g,
        "You used the speed in place of the slope.": lambda w, g, s, rate, keep: keep * s + s,
    }
    wrong_weights: dict[str, Callable[[Tensor, Tensor, Tensor, float, float], Tensor]] = {
        "You went uphill. Subtract the step instead of adding it.": lambda w, g, s, rate, keep: (
            w + rate * (keep * s + g)
        ),
        "The learning rate is missing: step = learning rate · speed.": lambda w, g, s, rate, keep: w - (keep * s + g),
        "You moved the weight by the slope. Move it by the new speed.": lambda w, g, s, rate, keep: w - rate * g,
        "You moved the weight by the old speed. Compute the new speed first, then move.": (
            lambda w, g, s, rate, keep: w - rate * s
        ),
        "The weight has not changed.": lambda w, g, s, rate, keep: w,
        "You divided the speed by the learning rate. Multiply by it.": lambda w, g, s, rate, keep: (
            w - (keep * s + g) / rate
        ),
        "You divided by the learning rate. Multiply by it.": lambda w, g, s, rate, keep: w - rate / (keep * s + g),
        "You multiplied by momentum in place of the learning rate.": lambda w, g, s, rate, keep: (
            w - keep * (keep * s + g)
        ),
        "This is the step. Subtract it from the weight.": lambda w, g, s, rate, keep: rate * (keep * s + g),
        "You subtracted the weight from the step. Subtract the step from the weight.": lambda w, g, s, rate, keep: (
            rate * (keep * s + g) - w
        ),
        "You subtracted the learning rate. Subtract learning rate · speed.": lambda w, g, s, rate, keep: w - rate,
        "You moved the slope. Move the weight.": lambda w, g, s, rate, keep: g - rate * (keep * s + g),
        "You moved the speed. Move the weight.": lambda w, g, s, rate, keep: (keep * s + g) * (1 - rate),
        "You multiplied the weight by the learning rate. Multiply the speed by it.": lambda w, g, s, rate, keep: (
            w - rate * w
        ),
    }
    return compare(lambda *given: answer(*given)[1], inputs, new_speed, wrong_speeds, what="new speed") or compare(
        lambda *given: answer(*given)[0], inputs, new_weight, wrong_weights, what="new weight"
    )


@exercise("8.4", "Clipping", in_place=True)
def clip(answer: Callable[[list[Tensor], float], Any]) -> str | None:
    """`answer(gradients, most)` scales all gradients together to the length `most`, if they are longer."""

    def length(gradients: list[Tensor]) -> float:
        return math.sqrt(sum(float((g**2).sum()) for g in gradients))

    def by(divisor: Callable[[list[Tensor]], float]) -> tuple[Callable[[list[Tensor], float], Any], ...]:
        """Mistaken functions that divide by this, at most by 1, or by this and `most`."""
        return (
            lambda gs, most: [g * min(1.0, most / divisor(gs)) for g in gs],
            lambda gs, most: [g * most / divisor(gs) for g in gs],
        )

    usual: dict[str, Callable[[list[Tensor], float], Any] | tuple[Callable[[list[Tensor], float], Any], ...]] = {
        "You scaled each tensor on its own, which changes the direction. Use the length of all tensors together.": (
            lambda gs, most: [g * most / g.norm() for g in gs],
            lambda gs, most: [g * (most / g.norm()).clamp(max=1) for g in gs],
        ),
        "You limited every number, which changes the direction. Multiply all numbers by the same factor.": (
            lambda gs, most: [g.clamp(-most, most) for g in gs],
            lambda gs, most: [g.clamp(max=most) for g in gs],
        ),
        "You divided by the sum of the squares. The length is its square root.": by(lambda gs: length(gs) ** 2),
        "You divided by the sum of the absolute values. The length is the square root of the sum of the squares.": by(
            lambda gs: sum(float(g.abs().sum()) for g in gs)
        ),
        "You added the lengths of the tensors. The length is the square root of the sum of all squares.": by(
            lambda gs: sum(float(g.norm()) for g in gs)
        ),
        "You divided by the largest number. Divide by the length, the square root of the sum of the squares.": by(
            lambda gs: max(float(g.abs().max()) for g in gs)
        ),
        "You divided by the root of the sum of the numbers. Square them first.": by(
            lambda gs: math.sqrt(sum(float(g.sum()) for g in gs))
        ),
        "You changed nothing. Gradients that are longer than `most` must become as long as `most`.": (
            lambda gs, most: gs
        ),
        "You also changed gradients that are shorter than `most`. Leave them as they are.": lambda gs, most: [
            g * most / max(length(gs), 1e-12) for g in gs
        ],
        "You made short gradients longer and left long ones as they are. Take the smaller factor, with min.": (
            lambda gs, most: [g * max(1.0, most / length(gs)) for g in gs] if length(gs) else gs
        ),
        "You always shortened to 1. Shorten to `most`.": lambda gs, most: [g * min(1.0, 1 / length(gs)) for g in gs],
        "You compared the length with 1. Compare it with `most`.": lambda gs, most: (
            [g * most / length(gs) for g in gs] if length(gs) > 1 else gs
        ),
        "You divided length by most. Multiply by most / length.": lambda gs, most: [
            g * min(1.0, length(gs) / most) for g in gs
        ],
        "You multiplied most by the length. Divide by the length.": lambda gs, most: [
            g * min(1.0, most * length(gs)) for g in gs
        ],
        "Gradients that are all 0 must stay 0. Did you divide by the length, which is 0?": (
            lambda gs, most: [g * min(1.0, most / length(gs)) if length(gs) else g * math.nan for g in gs]
        ),
    }
    # lengths 5, 4, and 11.3; together 13
    gradients = [torch.tensor([[3.0, 0.0], [0.0, -4.0]]), torch.tensor([4.0, 0.0]), torch.tensor([8.0, 8.0])]
    inputs = [(gradients, 1.0), (gradients, 6.5), (gradients, 20.0), (gradients, 0.5), ([numbers(2, 3) / 9], 1.0)]
    if wrong := compare(answer, inputs, _clipped, usual, "a list of tensors, one per gradient"):
        return wrong
    return compare(answer, [*inputs, ([torch.zeros(2)], 1.0)], _clipped, usual)


def _clipped(gradients: list[Tensor], most: float) -> list[Tensor]:
    length = math.sqrt(sum(float((g**2).sum()) for g in gradients))
    return [g * min(1.0, most / length) if length else g for g in gradients]

"""The exercises of chapter 9: the training loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gpt2_course.bricks import my_gpt2 as bricks
from gpt2_course.exercises.chapter_07 import gpt2_weights
from gpt2_course.exercises.compare import agree, compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import Difference, described, numbers, plain
from gpt2_course.exercises.watch import Stopped


@exercise("9.1", "Inputs and targets")
def shift(answer: Callable[[Tensor], Any]) -> str | None:
    """`answer(ids)` splits a document (T + 1,) into inputs and targets, both (T,)."""
    inputs = [(torch.tensor(ids),) for ids in ([5, 9, 6, 8, 7], [3, 1, 4, 1, 6, 2, 0], [4, 2], [8, 8, 3])]
    usual: dict[str, Callable[[Tensor], Any]] = {
        "Inputs and targets are identical, so the model would only have to copy. Each target is the token after its "
        "input: ids[1:].": lambda ids: (ids[:-1], ids[:-1]),
        "Inputs and targets are identical, so the model would only have to copy. Each input is the token before its "
        "target: ids[:-1].": lambda ids: (ids[1:], ids[1:]),
        "Inputs and targets are identical, so the model would only have to copy. Shift the targets by one.": (
            lambda ids: (ids, ids)
        ),
        "Inputs and targets are swapped. Each target is the token after its input.": lambda ids: (ids[1:], ids[:-1]),
        "Nothing follows the last token, so it has no target. Both must be one token shorter than the document.": (
            lambda ids: (ids, ids.roll(-1))
        ),
        "Each input needs one target. The last token has none, so leave it out of the inputs: ids[:-1].": lambda ids: (
            ids,
            ids[1:],
        ),
        "Each target needs one input. The first token has none, so leave it out of the targets: ids[1:].": lambda ids: (
            ids[:-1],
            ids,
        ),
        "You shifted by two. Each target is the very next token: ids[:-1] and ids[1:].": lambda ids: (
            ids[:-2],
            ids[2:],
        ),
        "Only the last token is a target. Every input has one, the token after it: ids[1:].": lambda ids: (
            ids[:-1],
            ids[-1],
        ),
        "The target is only the last token. Every input has one, the token after it: ids[1:].": lambda ids: (
            ids[:-1],
            ids[-1:],
        ),
        "This is right only for documents of five tokens. Count from the end: ids[:-1].": lambda ids: (
            ids[:4],
            ids[1:5],
        ),
        "These are the inputs. Return the targets, too: return inputs, targets.": lambda ids: ids[:-1],
        "These are the targets. Return the inputs, too: return inputs, targets.": lambda ids: ids[1:],
        "There is one document, of shape (T + 1,), and no batch: ids[:-1].": lambda ids: (ids[:, :-1], ids[:, 1:]),
    }
    return compare(answer, inputs, bricks.shift, usual, "two tensors, inputs and targets")


@exercise(
    "9.2",
    "Cross-entropy",
    forbidden=dict.fromkeys(
        ("cross_entropy", "nll_loss"), "Compute the loss yourself, from log_softmax, and without PyTorch's own."
    ),
)
def cross_entropy(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(logits, targets)` returns the mean surprise at the targets, a tensor with a single number."""
    inputs = [
        (logits.requires_grad_(), torch.tensor(targets))
        for logits, targets in (
            (numbers(3, 5), [1, 0, 4]),
            (3 * numbers(6, 4, seed=4), [2, 2, 1, 0, 1, 1]),  # the last token is nobody's target
            (numbers(1, 7, seed=5), [6]),
        )
    ]

    def of_targets(values: Tensor, targets: Tensor) -> Tensor:
        return values.gather(-1, targets[:, None])[:, 0]

    def p(logits: Tensor, targets: Tensor) -> Tensor:
        """The probability of each target: (T,)."""
        return of_targets(logits.softmax(-1), targets)

    usual: dict[str, Callable[[Tensor, Tensor], Any] | tuple[Callable[[Tensor, Tensor], Any], ...]] = {
        "This is one loss per token. Return their mean, a single number.": lambda logits, y: -p(logits, y).log(),
        "The sign is wrong: ln p is negative, and the loss is −ln p.": lambda logits, y: p(logits, y).log().mean(),
        "This is the sum. Take the mean over all tokens, so the loss does not grow with the document.": (
            lambda logits, y: -p(logits, y).log().sum()
        ),
        "You divided by the size of the vocabulary. Take the mean over the T tokens.": lambda logits, y: (
            -p(logits, y).log().sum() / logits.shape[-1]
        ),
        "You divided by T twice: the mean already divides.": lambda logits, y: -p(logits, y).log().mean() / len(y),
        "This is the mean probability. Take −ln of each probability first, then the mean.": lambda logits, y: p(
            logits, y
        ).mean(),
        "You took the mean of the probabilities, then the logarithm. Take −ln first, then the mean.": (
            lambda logits, y: -p(logits, y).mean().log()
        ),
        "This is 1 − p. The surprise is −ln p.": lambda logits, y: (1 - p(logits, y)).mean(),
        "This is the loss in bits. Use the natural logarithm, .log().": lambda logits, y: -p(logits, y).log2().mean(),
        "You used log10. Use the natural logarithm, .log().": lambda logits, y: -p(logits, y).log10().mean(),
        "This is the perplexity. Leave out the last step, exp.": lambda logits, y: (-p(logits, y).log().mean()).exp(),
        "Logits are not probabilities yet. Take the softmax first.": lambda logits, y: -of_targets(logits, y).mean(),
        "Logits are not probabilities yet. Take the softmax before the logarithm.": lambda logits, y: (
            -of_targets(logits.log(), y).mean()
        ),
        "You took the softmax twice. log_softmax starts from the logits.": lambda logits, y: (
            -of_targets(logits.softmax(-1).log_softmax(-1), y).mean()
        ),
        "You took the softmax over the tokens. Take it over the vocabulary, the last dimension: dim=-1.": (
            lambda logits, y: -of_targets(logits.log_softmax(0), y).mean()
        ),
        "You took the mean over the whole vocabulary. Only the probability of the target counts.": lambda logits, y: (
            -logits.log_softmax(-1).mean()
        ),
        "You picked whole rows. Pick one number from each row: that of its target.": lambda logits, y: (
            -logits.log_softmax(-1)[:, y].mean()
        ),
        "p[targets] picks rows. Pick one number from each row: that of its target.": lambda logits, y: (
            -logits.log_softmax(-1)[y].mean()
        ),
        "This is the entropy, how unsure the model is. Return the surprise at the target.": lambda logits, y: (
            -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1).mean()
        ),
        "This is the surprise at the likeliest token. Return the surprise at the target.": lambda logits, y: (
            -logits.log_softmax(-1).max(-1).values.mean()
        ),
        "This is the surprise at the last target. Take the mean over all of them.": lambda logits, y: (
            -p(logits, y).log()[-1]
        ),
        "This is the surprise at the first target. Take the mean over all of them.": lambda logits, y: (
            -p(logits, y).log()[0]
        ),
        "gather needs as many dimensions as the logits: targets[:, None], of shape (T, 1).": lambda logits, y: (
            logits.log_softmax(-1).gather(-1, y)
        ),
        "gather needs whole numbers in a column: targets[:, None], of shape (T, 1).": lambda logits, y: (
            -logits.log_softmax(-1).gather(-1, y[None]).mean()
        ),
        "You shifted once more. The targets are shifted already: row t goes with target t.": (
            lambda logits, y: -of_targets(logits.log_softmax(-1)[:-1], y[1:]).mean()
        ),
        "Left to itself, one_hot makes only as many columns as the largest target needs. Give it the size of the "
        "vocabulary: one_hot(targets, logits.shape[-1]).": (
            lambda logits, y: -(one_hot(y) * logits.log_softmax(-1)).sum(-1).mean(),
            lambda logits, y: -(logits.log_softmax(-1) * one_hot(y)).sum(-1).mean(),
            lambda logits, y: -logits.log_softmax(-1)[one_hot(y).bool()].mean(),
        ),
    }
    if message := compare(answer, inputs, bricks.cross_entropy, usual):
        return message
    last = getattr(answer, "last", None)
    if not isinstance(last, Tensor):
        return f"The number is right, but return a tensor, not a {type(last).__name__}: training needs its gradients."
    if not last.requires_grad:
        return "The number is right, but has no gradients. Leave out .detach(), no_grad, and torch.tensor(…)."
    return None


@exercise("9.3", "A step with momentum", in_place=True)
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
        "The learning rate and the minus sign belong to the step, not to the speed: new speed = momentum · old speed + "
        "slope.": lambda w, g, s, rate, keep: keep * s - rate * g,
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


@exercise("9.4", "Clipping", in_place=True)
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


DOCUMENTS = [torch.tensor(ids) for ids in ([2, 0, 5], [4, 4, 3, 1, 0, 6], [1, 5, 2, 6])]
Step = Callable[[list[Tensor], dict[str, Tensor], int, torch.optim.Optimizer], Any]


class _Watched(torch.optim.SGD):
    """An optimizer that writes down when it is called, and when new gradients arrive."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__(weights.values(), lr=0.1)
        self.calls: list[str] = []
        weights["ln_f.bias"].register_hook(lambda _: self.calls.append("backward"))  # type: ignore[no-untyped-call]

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.calls.append("zero_grad")
        super().zero_grad(set_to_none)

    def step(self, closure: Any = None) -> Any:
        self.calls.append("step")
        return super().step(closure)


def _two_steps(step: Step) -> tuple[list[str], list[Any], dict[str, Tensor]]:
    """What two steps called, what they returned, and the weights after them."""
    weights = {name: w.requires_grad_() for name, w in gpt2_weights(7, 6, 4, 2).items()}
    optimizer = _Watched(weights)
    losses = [plain(step([ids.clone() for ids in DOCUMENTS], weights, 2, optimizer)) for _ in range(2)]
    return optimizer.calls, losses, plain(weights)


def _step_on(loss_of: Callable[[list[Tensor], dict[str, Tensor], int], Tensor]) -> Step:
    """A training step with another loss."""

    def step(documents: list[Tensor], weights: dict[str, Tensor], n_heads: int, optimizer: Any) -> float:
        loss = loss_of(documents, weights, n_heads)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return step


def _losses(documents: list[Tensor], weights: dict[str, Tensor], n_heads: int) -> Tensor:
    """The mean loss of each document."""
    return torch.stack([bricks.cross_entropy(bricks.gpt2(ids[:-1], weights, n_heads), ids[1:]) for ids in documents])


def _loss(documents: list[Tensor], weights: dict[str, Tensor], n_heads: int) -> Tensor:
    lengths = torch.tensor([len(ids) - 1 for ids in documents])
    return (_losses(documents, weights, n_heads) * lengths).sum() / lengths.sum()


def _joined(texts: Callable[[list[Tensor]], tuple[Tensor, Tensor]]) -> Step:
    """A training step that reads all documents as one."""

    def loss(documents: list[Tensor], weights: dict[str, Tensor], n_heads: int) -> Tensor:
        inputs, targets = texts(documents)
        return bricks.cross_entropy(bricks.gpt2(inputs, weights, n_heads), targets)

    return _step_on(loss)


JOINED = (
    _joined(lambda documents: bricks.shift(torch.cat(documents))),
    _joined(lambda documents: (torch.cat([d[:-1] for d in documents]), torch.cat([d[1:] for d in documents]))),
)


def _stops_as_if_joined(error: BaseException | None) -> bool:
    """Whether a training step stopped with the error of one that reads all documents as one."""
    for step in JOINED:
        try:
            _two_steps(step)
        except Exception as other:
            if type(other) is type(error) and str(other) == str(error):
                return True
    return False


def _returns_loss_after(documents: list[Tensor], weights: dict[str, Tensor], n_heads: int, optimizer: Any) -> float:
    bricks.training_step(documents, weights, n_heads, optimizer)
    return _loss(documents, weights, n_heads).item()


def _forgotten(calls: list[str]) -> str | None:
    """The message about calls that are missing or in the wrong order in two steps; None if they are fine."""
    if "backward" not in calls:
        return "There are no gradients: call loss.backward() on the loss, a tensor, before the optimizer's step."
    if "step" not in calls:
        return "The weights stay as they are: call optimizer.step() after loss.backward()."
    if calls.count("step") > 2:
        return "You take more than one step. Compute the mean loss over all documents first, then take a single step."
    if "zero_grad" not in calls:
        return "Gradients add up from step to step. Call optimizer.zero_grad() before loss.backward(), in every step."
    first = calls[: calls.index("step")]
    if "backward" not in first:
        return "The optimizer takes its step before there are new gradients. Call loss.backward() first."
    if "zero_grad" in first[first.index("backward") :]:
        return "You set the gradients to zero after computing them. Call optimizer.zero_grad() before loss.backward()."
    return None


@exercise("9.5", "A training step", in_place=True)
def training_step(answer: Step) -> str | None:
    """`answer(documents, weights, n_heads, optimizer)` takes one step and returns the loss before it, a number."""
    try:
        calls, losses, weights = _two_steps(answer)
    except Stopped as stopped:
        if _stops_as_if_joined(stopped.__cause__):
            raise Stopped(
                stopped.what,
                "The documents do not belong together: shift each one, and let gpt2 read it alone. Join only the "
                "logits and the targets.",
            ) from stopped.__cause__
        raise
    _, right_losses, right_weights = _two_steps(bricks.training_step)
    if agree([losses, weights], [right_losses, right_weights]):
        if isinstance(getattr(answer, "last", None), Tensor):
            return "Return a number, loss.item(): the tensor would keep the whole computation in memory."
        return None
    usual: dict[str, Step] = {
        "This is the mean of the documents' means, so tokens of short documents count more. Take the mean over all "
        "tokens together.": _step_on(lambda *given: _losses(*given).mean()),
        "You added up the documents' losses. Take the mean over all of their tokens.": _step_on(
            lambda *given: _losses(*given).sum()
        ),
        "Only the first document counts. Take the mean over the tokens of all documents.": _step_on(
            lambda *given: _losses(*given)[0]
        ),
        "Only the last document counts. Take the mean over the tokens of all documents.": _step_on(
            lambda *given: _losses(*given)[-1]
        ),
        "The targets are the inputs themselves, so the model only has to copy. Use shift.": _step_on(
            lambda documents, weights, n: bricks.cross_entropy(
                torch.cat([bricks.gpt2(ids[:-1], weights, n) for ids in documents]),
                torch.cat([ids[:-1] for ids in documents]),
            )
        ),
        "The loss is computed after the step. Return the one from before.": _returns_loss_after,
        "You went uphill: the loss grows. Call backward() on the loss itself, not on −loss.": _step_on(
            lambda *given: -_loss(*given)
        ),
    }
    if message := _forgotten(calls):
        return message
    for message, mistaken in usual.items():
        if agree([losses, weights], list(_two_steps(mistaken)[1:])):
            return message
    if not all(isinstance(loss, float) for loss in losses):
        return f"Return the loss, a number: loss.item(). Your result has type {type(losses[0]).__name__}."
    if not agree(losses[0], right_losses[0]):
        return Difference(f"The loss before the first step must be {right_losses[0]:.4f}, but it is {losses[0]:.4f}.")
    return Difference(
        "The loss is right, but after two steps the weights are not. Only optimizer.step() may change them."
    )

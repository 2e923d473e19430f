"""The exercises of chapter 8: the training loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gpt2_course.bricks import my_gpt2 as bricks
from gpt2_course.exercises.chapter_07 import gpt2_weights
from gpt2_course.exercises.compare import agree, compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import Difference, named, not_a_tensor, numbers, plain, same


@exercise("8.1", "Questions and answers")
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
    "8.2",
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
            (3 * numbers(6, 4, seed=4), [2, 2, 3, 0, 1, 1]),
            (numbers(1, 7, seed=5), [6]),
        )
    ]

    def of_targets(values: Tensor, targets: Tensor) -> Tensor:
        return values.gather(-1, targets[:, None])[:, 0]

    def p(logits: Tensor, targets: Tensor) -> Tensor:
        """The probability of each target: (T,)."""
        return of_targets(logits.softmax(-1), targets)

    usual: dict[str, Callable[[Tensor, Tensor], Any]] = {
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
    }
    if message := compare(answer, inputs, bricks.cross_entropy, usual):
        return message
    last = getattr(answer, "last", None)
    if not isinstance(last, Tensor):
        return f"The number is right, but return a tensor, not a {type(last).__name__}: training needs its gradients."
    if not last.requires_grad:
        return "The number is right, but has no gradients. Leave out .detach(), no_grad, and torch.tensor(…)."
    return None


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


DOCUMENTS = [torch.tensor(ids) for ids in ([2, 0, 5], [4, 4, 3, 1, 0, 6], [1, 5, 2, 6])]
Step = Callable[[list[Tensor], dict[str, Tensor], int, torch.optim.Optimizer], Any]


class _Watched(torch.optim.SGD):
    """An optimizer that writes down when it is called, and when new gradients arrive."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__(weights.values(), lr=0.1)
        self.calls: list[str] = []
        weights["ln_f.bias"].register_hook(lambda _: self.calls.append("backward"))

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
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _losses(documents: list[Tensor], weights: dict[str, Tensor], n_heads: int) -> Tensor:
    """The mean loss of each document."""
    return torch.stack([bricks.cross_entropy(bricks.gpt2(ids[:-1], weights, n_heads), ids[1:]) for ids in documents])


def _loss(documents: list[Tensor], weights: dict[str, Tensor], n_heads: int) -> Tensor:
    lengths = torch.tensor([len(ids) - 1 for ids in documents])
    return (_losses(documents, weights, n_heads) * lengths).sum() / lengths.sum()


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


@exercise("8.5", "A training step", in_place=True)
def training_step(answer: Step) -> str | None:
    """`answer(documents, weights, n_heads, optimizer)` takes one step and returns the loss before it, a number."""
    calls, losses, weights = _two_steps(answer)
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

"""The exercises of chapter 14: learning from a judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gpt2_course.exercises.compare import compare
from gpt2_course.exercises.registry import exercise
from gpt2_course.exercises.tensors import numbers


@exercise("14.1", "Advantages in the same units")
def scaled_advantages(answer: Callable[[Tensor], Any]) -> str | None:
    """`answer(rewards)` returns each reward's distance from its group's mean in standard deviations; rewards (G, N)."""

    def centered(rewards: Tensor, dim: int = 1) -> Tensor:
        return rewards - rewards.mean(dim, keepdim=True)

    def deviation(rewards: Tensor, dim: int = 1, correction: int = 0) -> Tensor:
        return rewards.std(dim, keepdim=True, correction=correction)

    def safe(rewards: Tensor, divisor: Tensor) -> Tensor:
        return centered(rewards) / torch.where(divisor > 0, divisor, 1.0)

    def right(rewards: Tensor) -> Tensor:
        equal = rewards.amax(1, keepdim=True) == rewards.amin(1, keepdim=True)  # rounding may give a deviation of 1e-8
        return torch.where(equal, 0.0, centered(rewards) / deviation(rewards))

    usual: dict[str, Callable[[Tensor], Tensor] | tuple[Callable[[Tensor], Tensor], ...]] = {
        "In a group whose rewards are all equal, you divide 0 by 0, which gives NaN. Such a group has nothing to "
        "teach: return 0 for it.": (
            lambda r: centered(r) / deviation(r),
            lambda r: centered(r) / deviation(r, correction=1),
        ),
        "These are the advantages of the chapter. Now also divide by the standard deviation of each group.": centered,
        "These are the rewards. Subtract the mean of each group, then divide by its standard deviation.": lambda r: r,
        "Subtract the mean of each group before you divide.": (
            lambda r: r / torch.where(deviation(r) > 0, deviation(r), 1.0),
            lambda r: r / deviation(r),
        ),
        "You divided by N − 1 in the standard deviation. Divide by N: `correction=0`.": lambda r: safe(
            r, deviation(r, correction=1)
        ),
        "You divided by the variance. The standard deviation is its square root.": (
            lambda r: safe(r, deviation(r) ** 2),
            lambda r: centered(r) / deviation(r) ** 2,
        ),
        "You multiplied by the standard deviation. Divide by it.": lambda r: centered(r) * deviation(r),
        "You compared all texts with each other. Compare only the texts of one group, one row: `dim=1`.": (
            lambda r: (r - r.mean()) / r.std(correction=0),
            lambda r: (r - r.mean()) / r.std(),
            lambda r: r - r.mean(),
        ),
        "You compared the columns. A group is one row: `dim=1`.": (
            lambda r: centered(r, 0) / deviation(r, 0),
            lambda r: centered(r, 0) / deviation(r, 0, 1),
            lambda r: centered(r, 0),
        ),
        "The advantage of the better texts is negative. Subtract the mean from the rewards, not vice versa.": (
            lambda r: -right(r),
            lambda r: -centered(r) / deviation(r),
            lambda r: -centered(r),
        ),
        "The means have shape (G,) and line up with the columns. Keep the dimension: `keepdim=True`.": (
            lambda r: r - r.mean(1),
            lambda r: (r - r.mean(1)) / r.std(1, correction=0),
            lambda r: (r - r.mean(1)) / r.std(1),
        ),
        "The standard deviations have shape (G,) and line up with the columns. Keep the dimension: `keepdim=True`.": (
            lambda r: centered(r) / r.std(1, correction=0),
            lambda r: centered(r) / r.std(1),
        ),
        "You subtracted the largest reward of each group. Subtract the mean.": (
            lambda r: r - r.amax(1, keepdim=True),
            lambda r: (r - r.amax(1, keepdim=True)) / deviation(r),
        ),
        "You subtracted the smallest reward of each group. Subtract the mean.": (
            lambda r: r - r.amin(1, keepdim=True),
            lambda r: (r - r.amin(1, keepdim=True)) / deviation(r),
        ),
        "You divided by the standard deviation of the columns. A group is one row: `dim=1`.": (
            lambda r: safe(r, deviation(r, 0)),
            lambda r: centered(r) / deviation(r, 0),
        ),
        "You subtracted the mean of the columns. A group is one row: `dim=1`.": lambda r: (
            centered(r, 0) / torch.where(deviation(r) > 0, deviation(r), 1.0)
        ),
        "You added the mean. Subtract it.": lambda r: (
            (r + r.mean(1, keepdim=True)) / torch.where(deviation(r) > 0, deviation(r), 1.0)
        ),
        "You divided the wrong way around. Divide the advantages by the standard deviation.": (
            lambda r: torch.where(deviation(r) > 0, deviation(r), 1.0) / centered(r),
            lambda r: deviation(r) / centered(r),
        ),
        "Only groups of equal rewards are special. Divide all others by their standard deviation.": tuple(
            lambda r, least=least: centered(r) / torch.where(deviation(r) > least, deviation(r), 1.0)  # type: ignore[misc]
            for least in (0.5, 1.0, 2.0)
        ),
        "This is the softmax of the rewards. Subtract the mean and divide by the standard deviation.": (
            lambda r: r.softmax(1)
        ),
        "You added a number to the standard deviation, which makes every advantage smaller. Return exactly 0 where the "
        "rewards are all equal, and divide by the standard deviation elsewhere.": (
            lambda r: centered(r) / (deviation(r) + 1e-4),
            lambda r: centered(r) / (deviation(r) + 1e-3),
            lambda r: centered(r) / (deviation(r) + 1e-2),
            lambda r: centered(r) / (deviation(r) + 1),
        ),
    }
    inputs = [
        (torch.tensor([[1.0, 0, 0, 1, 1], [0, 0, 1, 0, 0], [1, 1, 1, 1, 1]]),),
        (torch.tensor([[2.0, -1, 4], [3, 3, 3], [0.5, 0, 8]]),),
        (torch.zeros(2, 4),),
        (torch.tensor([[10.0, 30], [2, 1], [0, 7], [4, 4]]),),
    ]
    return compare(answer, inputs, right, usual)


@exercise("14.2", "How far has it moved?")
def divergence(answer: Callable[[Tensor, Tensor], Any]) -> str | None:
    """`answer(logits, start_logits)` returns the KL divergence from the start at each position; (T, V) twice → (T,)."""

    def right(logits: Tensor, start_logits: Tensor) -> Tensor:
        p, q = logits.log_softmax(-1), start_logits.log_softmax(-1)
        return (p.exp() * (p - q)).sum(-1)

    def log_softmax(logits: Tensor) -> Tensor:
        return logits.log_softmax(-1)

    usual: dict[str, Callable[[Tensor, Tensor], Tensor] | tuple[Callable[[Tensor, Tensor], Tensor], ...]] = {
        "The direction is reversed. The tokens are weighted by the probabilities of the learner, not of the start.": (
            lambda x, s: right(s, x)
        ),
        "The sign is wrong: a KL divergence is never negative. It is p · (ln p − ln p_start), added up.": (
            lambda x, s: -right(x, s),
            lambda x, s: -right(s, x),
        ),
        "These are the differences of ln p. Weight each with the learner's probability before you add them up.": (
            lambda x, s: (log_softmax(x) - log_softmax(s)).sum(-1),
            lambda x, s: (log_softmax(x) - log_softmax(s)).mean(-1),
        ),
        "Each difference is weighted with the start's probability. Weight it with the learner's.": lambda x, s: (
            log_softmax(s).exp() * (log_softmax(x) - log_softmax(s))
        ).sum(-1),
        "You took logits for logarithms of probabilities. Use log_softmax.": (
            lambda x, s: (x.softmax(-1) * (x - s)).sum(-1),
            lambda x, s: (x.exp() * (x - s)).sum(-1),
        ),
        "You compared probabilities. Compare their logarithms.": lambda x, s: (
            x.softmax(-1) * (x.softmax(-1) - s.softmax(-1))
        ).sum(-1),
        "You divided by V. A KL divergence is a sum over the vocabulary.": (
            lambda x, s: (log_softmax(x).exp() * (log_softmax(x) - log_softmax(s))).mean(-1)
        ),
        "This is one number for all positions. Return one per position.": (
            lambda x, s: right(x, s).mean(),
            lambda x, s: right(x, s).sum(),
        ),
        "These are the terms of the sum, one for each token of the vocabulary. Add them up along the last dimension.": (
            lambda x, s: log_softmax(x).exp() * (log_softmax(x) - log_softmax(s))
        ),
        "You took the softmax along the positions. Take it along the vocabulary, the last dimension.": (
            lambda x, s: (x.softmax(0) * (x.log_softmax(0) - s.log_softmax(0))).sum(-1)
        ),
        "You added up the positions. Add up along the vocabulary, the last dimension.": (
            lambda x, s: (log_softmax(x).exp() * (log_softmax(x) - log_softmax(s))).sum(0)
        ),
        "This is the cross-entropy, −p · ln p_start added up. Subtract the entropy of the model.": lambda x, s: (
            -(x.softmax(-1) * log_softmax(s)).sum(-1)
        ),
        "This is the entropy of the model. Compare it with the start.": lambda x, s: (
            -(x.softmax(-1) * log_softmax(x)).sum(-1)
        ),
        "These are logits of the learner. Turn them into ln p with log_softmax before you compare.": lambda x, s: (
            x.exp() * (x - log_softmax(s))
        ).sum(-1),
        "These are logits of the start. Turn them into ln p with log_softmax before you compare.": lambda x, s: (
            log_softmax(x).exp() * (log_softmax(x) - s)
        ).sum(-1),
        "You took the softmax of the learner along the positions. Take it along the vocabulary, the last dimension.": (
            lambda x, s: (x.softmax(0) * (x.log_softmax(0) - log_softmax(s))).sum(-1)
        ),
        "You took the softmax of the start along the positions. Take it along the vocabulary, the last dimension.": (
            lambda x, s: (x.softmax(-1) * (log_softmax(x) - s.log_softmax(0))).sum(-1)
        ),
        "The differences are weighted with ln p. Weight them with p itself.": lambda x, s: (
            log_softmax(x) * (log_softmax(x) - log_softmax(s))
        ).sum(-1),
        "The start is missing. Subtract its ln p from the learner's.": lambda x, s: (
            x.softmax(-1) * log_softmax(x)
        ).sum(-1),
        "The learner's ln p is missing. Subtract the start's from it.": lambda x, s: (
            x.softmax(-1) * log_softmax(s)
        ).sum(-1),
        "You added the two logarithms. Subtract that of the start.": lambda x, s: (
            x.softmax(-1) * (log_softmax(x) + log_softmax(s))
        ).sum(-1),
        "You added the probabilities to the differences. Multiply by them.": lambda x, s: (
            x.softmax(-1) + log_softmax(x) - log_softmax(s)
        ).sum(-1),
        "You divided by the differences. Multiply by them.": lambda x, s: (
            x.softmax(-1) / (log_softmax(x) - log_softmax(s))
        ).sum(-1),
        "This is in bits. Use the natural logarithm.": lambda x, s: right(x, s) / torch.tensor(2.0).log(),
    }
    inputs = [(2 * numbers(t, v, seed=t), 2 * numbers(t, v, seed=t + 50) + 1) for t, v in ((3, 5), (2, 7), (4, 4))]
    return compare(answer, inputs, right, usual)


@exercise("14.3", "Prefer the better one")
def preference_loss(answer: Callable[[Tensor, Tensor, Tensor, Tensor, float], Any]) -> str | None:
    """`answer(better, worse, start_better, start_worse, beta)` returns the loss of DPO; four tensors (N,) of ln p."""
    Loss = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]

    def margin(b: Tensor, w: Tensor, sb: Tensor, sw: Tensor) -> Tensor:
        return (b - sb) - (w - sw)

    def right(better: Tensor, worse: Tensor, start_better: Tensor, start_worse: Tensor, beta: float) -> Tensor:
        return -F.logsigmoid(beta * margin(better, worse, start_better, start_worse)).mean()

    usual: dict[str, Loss | tuple[Loss, ...]] = {
        "The start is missing. What counts is how much likelier an answer has become: subtract the start's ln p.": (
            lambda b, w, sb, sw, beta: -F.logsigmoid(beta * (b - w)).mean()
        ),
        "You forgot beta. Multiply the margin by it.": lambda b, w, sb, sw, beta: (
            -F.logsigmoid(margin(b, w, sb, sw)).mean()
        ),
        "You divided by beta. Multiply the margin by it.": lambda b, w, sb, sw, beta: (
            -F.logsigmoid(margin(b, w, sb, sw) / beta).mean()
        ),
        "beta belongs inside the sigmoid, where it multiplies the margin.": lambda b, w, sb, sw, beta: (
            -beta * F.logsigmoid(margin(b, w, sb, sw)).mean()
        ),
        "The sign of the margin is wrong: this loss prefers the worse answer.": (
            lambda b, w, sb, sw, beta: -F.logsigmoid(-beta * margin(b, w, sb, sw)).mean()
        ),
        "The minus sign before the logarithm is missing. A loss must be smaller when the model is better.": (
            lambda b, w, sb, sw, beta: F.logsigmoid(beta * margin(b, w, sb, sw)).mean()
        ),
        "The logarithm is missing: the loss is −ln sigmoid(…).": (
            lambda b, w, sb, sw, beta: -torch.sigmoid(beta * margin(b, w, sb, sw)).mean(),
            lambda b, w, sb, sw, beta: torch.sigmoid(beta * margin(b, w, sb, sw)).mean(),
            lambda b, w, sb, sw, beta: 1 - torch.sigmoid(beta * margin(b, w, sb, sw)).mean(),
        ),
        "The sigmoid is missing: the loss is −ln sigmoid(…).": (
            lambda b, w, sb, sw, beta: -beta * margin(b, w, sb, sw).mean(),
            lambda b, w, sb, sw, beta: beta * margin(b, w, sb, sw).mean(),
        ),
        "You took the sigmoid of the mean. Compute one loss per pair, then take the mean.": (
            lambda b, w, sb, sw, beta: -F.logsigmoid(beta * margin(b, w, sb, sw).mean())
        ),
        "You took the logarithm of the mean. Take the logarithm of each pair first, then the mean.": (
            lambda b, w, sb, sw, beta: -torch.sigmoid(beta * margin(b, w, sb, sw)).mean().log()
        ),
        "You added up the pairs. Take the mean over them.": lambda b, w, sb, sw, beta: (
            -F.logsigmoid(beta * margin(b, w, sb, sw)).sum()
        ),
        "This is one number for each pair. Take the mean over them.": lambda b, w, sb, sw, beta: (
            -F.logsigmoid(beta * margin(b, w, sb, sw))
        ),
        "You added beta. Multiply the margin by it.": lambda b, w, sb, sw, beta: (
            -F.logsigmoid(beta + margin(b, w, sb, sw)).mean()
        ),
        "You divided beta by the margin. Multiply the two.": lambda b, w, sb, sw, beta: (
            -F.logsigmoid(beta / margin(b, w, sb, sw)).mean()
        ),
        "The better answer's gain has the wrong sign. It is better − start_better.": lambda b, w, sb, sw, beta: (
            -F.logsigmoid(beta * ((sb - b) - (w - sw))).mean()
        ),
        "You added the gains of the two answers. Subtract that of the worse one.": lambda b, w, sb, sw, beta: (
            -F.logsigmoid(beta * ((b - sb) + (w - sw))).mean()
        ),
        "The worse answer's start has the wrong sign. Its gain is worse − start_worse.": lambda b, w, sb, sw, beta: (
            -F.logsigmoid(beta * ((b - sb) - (w + sw))).mean()
        ),
        "The better answer's start has the wrong sign. Its gain is better − start_better.": (
            lambda b, w, sb, sw, beta: -F.logsigmoid(beta * ((b + sb) - (w - sw))).mean()
        ),
        "You swapped the two starts.": lambda b, w, sb, sw, beta: -F.logsigmoid(beta * ((b - sw) - (w - sb))).mean(),
        "The arguments are logarithms. Subtract them; dividing is for probabilities.": lambda b, w, sb, sw, beta: (
            -F.logsigmoid(beta * (b / sb - w / sw)).mean()
        ),
        "Only the better answers count here. Subtract the gain of the worse ones.": lambda b, w, sb, sw, beta: (
            -F.logsigmoid(beta * (b - sb)).mean()
        ),
    }
    inputs = [
        (*(-5 - 2 * numbers(n, seed=seed + i).abs() for i in range(4)), beta)
        for n, seed, beta in ((3, 1, 0.1), (5, 20, 0.5), (4, 40, 2.0))
    ]
    return compare(answer, inputs, right, usual, "one number", "loss")

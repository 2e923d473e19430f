"""Threads of a training step: how many, on a CPU shared with other programs, and what each of them computes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor

STEPS = 10  # steps whose mean time is compared
SLOW = 1.5  # times the best mean: steps this slow are worth measuring again
AGAIN = 100  # steps after which a choice is checked again
WORTH = 30.0  # remaining seconds of a run below which measuring does not pay off
FASTER = 0.8  # fewer threads must take less than this fraction of the time


class SideBySide:
    """Computes the gradients of a batch part by part, each part in a thread of its own.

    By default, PyTorch divides every single operation among its threads, which then wait for each other hundreds of
    times per step. Divided by rows, they wait once. On two cores, a step of the laptop preset took 0.85 to 0.96 times
    as long, and 0.80 times as long while another program kept one core busy.
    """

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self._pool = ThreadPoolExecutor()

    def backward(self, loss: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        """Add the gradients of `loss(rows)`, a sum over rows (B, …), to the parameters; return the loss."""
        n_threads = torch.get_num_threads()
        parts = rows.tensor_split(min(n_threads, len(rows)))

        def of_part(part: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
            torch.set_num_threads(max(1, n_threads // len(parts)))
            share = loss(part)
            return share.detach(), torch.autograd.grad(share, self.parameters)

        try:
            done = list(self._pool.map(of_part, parts))
        finally:
            torch.set_num_threads(n_threads)
        for parameter, *gradients in zip(self.parameters, *(gradients for _, gradients in done), strict=True):
            total = sum(gradients[1:], gradients[0])  # always in the same order, so always the same bits
            parameter.grad = total if parameter.grad is None else parameter.grad + total
        return torch.stack([share for share, _ in done]).sum()


class ThreadChoice:
    """Decides when to time different numbers of threads, and which to use; it does not read the clock itself.

    If another program keeps one core busy, all threads wait for the one on that core, so fewer can be faster. All are
    used unless fewer are clearly faster, so that an idle machine computes the same bits in every run.
    """

    def __init__(self, most: int) -> None:
        self.options = sorted({most, most - 1, most // 2, 1} - {0}, reverse=True)
        self._recent: deque[float] = deque(maxlen=STEPS)  # seconds of each of the last steps
        self._best = math.inf  # the lowest mean since the last choice
        self._since = 0  # steps since the last choice
        self._wait = STEPS  # steps from the last choice to its check
        self._agreed = 0  # how many times in a row all threads were chosen

    def due(self, seconds: float, steps_left: int) -> bool:
        """Whether to measure now, after a step that took `seconds`.

        Measure at the start, when steps have become slow, and now and then while fewer threads are in use.
        """
        self._recent.append(seconds)
        self._since += 1
        mean = sum(self._recent) / len(self._recent)
        if len(self.options) == 1 or len(self._recent) < STEPS or steps_left * mean < WORTH:
            return False
        self._best = min(self._best, mean)
        if mean > SLOW * self._best:
            self._agreed = 0
            return True
        return self._agreed < 2 and self._since >= self._wait

    def choose(self, seconds: Mapping[int, float]) -> int:
        """The number of threads to continue with, given the seconds that each of `options` took for the same work."""
        most = self.options[0]
        fastest = min(self.options, key=lambda n: seconds[n])
        chosen = fastest if seconds[fastest] < FASTER * seconds[most] else most
        self._agreed = self._agreed + 1 if chosen == most else 0
        self._recent.clear()
        self._best, self._since, self._wait = math.inf, 0, AGAIN
        return chosen


@contextmanager
def restoring_threads() -> Iterator[None]:
    """Restore PyTorch's number of threads after the block."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)

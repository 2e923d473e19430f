"""What changes from step to step: the learning rate, the sequence length, and when to report."""

from __future__ import annotations

import math

from gpt2_course.training.config import TrainConfig

SHORTEST = 64  # tokens per sequence at the start, if sequences grow


def learning_rate_factor(step: int, config: TrainConfig) -> float:
    """The fraction of the peak learning rate to use: linear up to 1, then half a cosine (Loshchilov & Hutter, 2017)."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.final_lr_fraction + (1 - config.final_lr_fraction) * (1 + math.cos(math.pi * progress)) / 2


def sequence_length(step: int, config: TrainConfig) -> int:
    """The tokens per sequence, which grow linearly up to `context` (Li, Zhang & He, 2022).

    To learn that a name comes back, a model must find the one earlier position that matters. It learns this much
    sooner among 60 positions than among 300, and once it knows what to look for, it finds it at any distance.
    """
    shortest = min(SHORTEST, config.context)
    progress = min(1.0, step / config.growing_steps) if config.growing_steps else 1.0
    return shortest + int((config.context - shortest) * progress)


def is_report_step(step: int, config: TrainConfig) -> bool:
    """Whether to report: every `report_every` steps, and before the first of these also at 1, 2, 5, 10, 20, 50 …"""
    every = config.report_every
    return step % every == 0 or (step < every and str(step).rstrip("0") in ("1", "2", "5"))

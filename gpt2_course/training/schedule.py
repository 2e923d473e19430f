"""What changes from step to step: the learning rate, and when to report."""

from __future__ import annotations

import math

from gpt2_course.training.config import TrainConfig


def learning_rate_factor(step: int, config: TrainConfig) -> float:
    """The fraction of the peak learning rate to use: linear up to 1, then half a cosine (Loshchilov & Hutter, 2017)."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.final_lr_fraction + (1 - config.final_lr_fraction) * (1 + math.cos(math.pi * progress)) / 2


def is_report_step(step: int, config: TrainConfig) -> bool:
    """Whether to report: every `report_every` steps, and before the first of these also at 1, 2, 5, 10, 20, 50 …"""
    every = config.report_every
    return step % every == 0 or (step < every and str(step).rstrip("0") in ("1", "2", "5"))

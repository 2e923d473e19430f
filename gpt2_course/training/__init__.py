"""Training a GPT-2: settings, schedule, loop, run folder, and distributed processes."""

from gpt2_course.training.config import TrainConfig
from gpt2_course.training.trainer import Trainer

__all__ = ["TrainConfig", "Trainer"]

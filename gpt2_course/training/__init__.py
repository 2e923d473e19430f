"""Training a GPT-2: its settings, the schedule, the loop, the folder of a run, several processes."""

from gpt2_course.training.config import TrainConfig
from gpt2_course.training.trainer import Trainer

__all__ = ["TrainConfig", "Trainer"]

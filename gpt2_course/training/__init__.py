"""Training a GPT-2, on a text or by a reward: settings, schedule, loop, run folder, and distributed processes."""

from gpt2_course.training.config import TrainConfig
from gpt2_course.training.reward import RewardTrainer
from gpt2_course.training.trainer import Trainer

__all__ = ["RewardTrainer", "TrainConfig", "Trainer"]

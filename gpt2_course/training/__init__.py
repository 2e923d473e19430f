"""Training a GPT-2, from scratch, from a model, or by a reward: settings, loop, run folder, distributed processes."""

from gpt2_course.training.config import TrainConfig
from gpt2_course.training.finetune import FineTuner
from gpt2_course.training.reward import RewardTrainer
from gpt2_course.training.trainer import Trainer

__all__ = ["FineTuner", "RewardTrainer", "TrainConfig", "Trainer"]

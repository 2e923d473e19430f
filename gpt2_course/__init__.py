"""Build Your Own GPT-2: the package behind the course.

>>> from gpt2_course import GPT2
>>> model = GPT2()                       # GPT-2 124M, untrained: it babbles
>>> generated_text = model.generate("Once upon a time", max_length=100)
"""

from gpt2_course.model import GPT2, GPT2Config
from gpt2_course.tokenizer import Tokenizer
from gpt2_course.train_config import TrainConfig
from gpt2_course.training import Trainer

__all__ = ["GPT2", "GPT2Config", "Tokenizer", "TrainConfig", "Trainer"]
__version__ = "0.1.0"

"""Build Your Own GPT-2: the package behind the course.

>>> from gpt2_course import GPT2
>>> model = GPT2()                       # GPT-2 124M, untrained: it babbles
>>> generated_text = model.generate("Once upon a time", max_length=100)
"""

import os

# Let waiting threads spin only briefly before they sleep. By default they spin for several milliseconds, which makes
# training several times slower while another program is running. Sleeping at once, as in train.py, speeds up training
# even more but makes generation 50% slower. OpenMP reads this setting once, when PyTorch is loaded.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from gpt2_course.model import GPT2, GPT2Config
from gpt2_course.tokenizer import Tokenizer
from gpt2_course.training import TrainConfig, Trainer

__all__ = ["GPT2", "GPT2Config", "Tokenizer", "TrainConfig", "Trainer"]
__version__ = "2.0.0"

"""Train a GPT-2 on this computer with `python train.py`; `--help` lists all settings."""

import os
import sys

# Let waiting threads sleep instead of spin, which makes training fastest. PyTorch reads this when it is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from gpt2_course.cli import main

sys.exit(main(["train", *sys.argv[1:]]))

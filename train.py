"""The front door: `python train.py` trains a GPT-2 on this computer; with `--help` it says what else it can do."""

import os
import sys

# Threads that wait for each other sleep at once, which makes training fastest. It must be set before PyTorch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from gpt2_course.cli import main

sys.exit(main(["train", *sys.argv[1:]]))

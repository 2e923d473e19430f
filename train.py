"""The front door: `python train.py` trains a GPT-2 on this computer; with `--help` it says what else it can do."""

import sys

from gpt2_course.cli import main

sys.exit(main(["train", *sys.argv[1:]]))

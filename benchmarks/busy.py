"""`python -m benchmarks.busy [STEPS]`: how long training takes beside programs that keep cores busy.

Runs the start of `python train.py` on a quiet machine, beside one busy neighbor, and beside two, and prints the seconds
of training and their ratio to the quiet run. Nothing else should run meanwhile. With 300 steps it takes about five
minutes on two cores.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import ROOT
from gpt2_course.history import read_history

STEPS = 300


@contextmanager
def neighbors(count: int) -> Iterator[None]:
    """Other programs, each of which keeps a core busy."""
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def seconds_of_training(steps: int) -> float:
    """What the history of a run says; reading the text before and writing samples after it are not counted."""
    chosen = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # training shall choose the number of threads itself
    environment = {name: value for name, value in os.environ.items() if name not in chosen}
    with TemporaryDirectory() as folder:
        options = ["--data", "tiny-world:3000", "--steps", str(steps), "--growing-steps", str(steps // 3)]
        subprocess.run(
            [sys.executable, ROOT / "train.py", *options, "--out", folder, "--grade-samples", "0"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return float(read_history(Path(folder))[-1]["seconds"])


def main(steps: int) -> None:
    print(f"{steps} steps on {os.cpu_count()} cores\n\n| busy neighbors | seconds | ratio |\n|---|---|---|")
    quiet = 0.0
    for count in range(3):
        with neighbors(count):
            seconds = seconds_of_training(steps)
        quiet = quiet or seconds
        print(f"| {count} | {seconds:.0f} | {seconds / quiet:.2f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else STEPS)

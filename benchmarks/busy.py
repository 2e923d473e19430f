"""How long training takes while other programs keep cores busy: `python -m benchmarks.busy [STEPS]`.

Runs the first steps of `python train.py` alone, alongside one busy program, and alongside two. Prints the seconds of
training and their ratio to the first run's. Run nothing else in the meantime. 300 steps take about five minutes on
two cores.
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
def busy_programs(count: int) -> Iterator[None]:
    """Run programs that each keep one core busy."""
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def seconds_of_training(steps: int) -> float:
    """The seconds in the run's history, which exclude reading the text and the samples at the end."""
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # unset, so training chooses the number of threads itself
    environment = {name: value for name, value in os.environ.items() if name not in threads}
    with TemporaryDirectory() as folder:
        options = ["--data", "tiny-world:3000", "--steps", str(steps)]
        subprocess.run(
            [sys.executable, ROOT / "train.py", *options, "--out", folder, "--grade-samples", "0"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return float(read_history(Path(folder))[-1]["seconds"])


def main(steps: int) -> None:
    print(f"{steps} steps on {os.cpu_count()} cores\n\n| busy programs | seconds | ratio |\n|---|---|---|")
    alone = 0.0
    for count in range(3):
        with busy_programs(count):
            seconds = seconds_of_training(steps)
        alone = alone or seconds
        print(f"| {count} | {seconds:.0f} | {seconds / alone:.2f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else STEPS)

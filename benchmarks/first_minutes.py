"""Time a newcomer's first minutes: `python -m benchmarks.first_minutes` prints the table of first_minutes.md.

Clones the last commit into an empty folder and follows the README there, with nothing installed and without pip's
cache. `--test` also runs `make test`. Needs Linux, whose /proc counts the bytes that come over the network.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
HEADER = "| step | seconds | downloaded |\n|---|---|---|"


def received() -> int:
    """Bytes that have come over the network since this computer started."""
    lines = Path("/proc/net/dev").read_text(encoding="utf-8").splitlines()[2:]
    counters = dict(line.split(":") for line in lines)
    return sum(int(numbers.split()[0]) for name, numbers in counters.items() if name.strip() != "lo")


def step(name: str, command: list[str], folder: Path) -> None:
    """Run a command and print its row of the table; the command's own output goes to stderr."""
    print(f"$ {' '.join(command)}", file=sys.stderr)
    environment = {**os.environ, "PIP_NO_CACHE_DIR": "1"}
    began, before = perf_counter(), received()
    subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=True)
    print(f"| {name} | {perf_counter() - began:,.0f} | {(received() - before) / 1e6:,.1f} MB |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test", action="store_true", help="also run `make test`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as empty:
        course = Path(empty) / "course"
        print(f"{date.today()}: {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n")
        print(HEADER)
        step("`git clone`", ["git", "clone", "--quiet", ROOT.as_uri(), str(course)], Path(empty))
        pages = sorted(course.glob("book/*.md"))
        (course / "my_diary.txt").write_text("".join(page.read_text(encoding="utf-8") for page in pages), "utf-8")
        step("first `make book`: install", ["make", "python", "ARGS=-V"], course)
        step("first `make book`: build", ["make", "site"], course)
        step("`make train`", ["make", "train"], course)
        step(
            "`make train`, 500 steps on your own text",
            ["make", "train", "ARGS=--data my_diary.txt --steps 500"],
            course,
        )
        if options.test:
            if (shared := ROOT.parent / "shared").exists():
                shutil.copytree(shared / "data", Path(empty) / "shared" / "data")
            step("`make test`", ["make", "test"], course)
        size = sum(file.lstat().st_size for file in (course / ".venv").rglob("*"))
        print(f"\n`.venv` takes {size / 1e9:.1f} GB of disk space.")


if __name__ == "__main__":
    main()

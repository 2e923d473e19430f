"""Try the installed package, outside of its repository: `python tasks.py package` runs this in an empty environment.

Fails if the command line, the shipped model, or a lab lacks a file or a dependency.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import gpt2_course
from gpt2_course import GPT2
from gpt2_course.labs import NextTokenLab

COMMAND = Path(sys.executable).with_name("gpt2-course")  # .exe on Windows
PROMPT = "Once upon a time"


def say(*command: str, folder: str) -> str:
    """What a command prints."""
    done = subprocess.run(
        [COMMAND, *command], cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False
    )
    if done.returncode:
        sys.exit(f"gpt2-course {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        if PROMPT not in say("generate", PROMPT, folder=folder):
            sys.exit("gpt2-course generate did not continue its prompt.")
        say("start", folder=folder)
        if not (Path(folder) / "my_gpt2.py").is_file():
            sys.exit("gpt2-course start did not write my_gpt2.py.")
    lab = NextTokenLab(GPT2.from_pretrained())
    html = lab._repr_html_()
    if 'data-lab="next_token_lab"' not in html or 'class="lab"' not in html:
        sys.exit(f"The lab has no drawing: {html[:200]}")
    print(f"gpt2-course {gpt2_course.__version__} in {Path(gpt2_course.__file__).parent} writes, starts, and draws.")


if __name__ == "__main__":
    main()

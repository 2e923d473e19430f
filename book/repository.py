"""Gives the course another home: `make repository URL=https://github.com/you/your-copy`, everywhere at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def address() -> str:
    """The address in use: the one in _config.yml."""
    found = re.search(r"^  url: (https://\S+)$", (ROOT / "_config.yml").read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        sys.exit("_config.yml names no repository: its part `repository` must have a line `  url: https://…`.")
    return found[1]


def main() -> None:
    new = sys.argv[1].removesuffix("/").removesuffix(".git") if len(sys.argv) == 2 else ""
    if not re.fullmatch(r"https://[\w.-]+/[\w.-]+/[\w.-]+", new):
        sys.exit(f"An address like https://github.com/you/your-copy is needed, not {new!r}: make repository URL=…")
    old = address()
    files = subprocess.run(["git", "grep", "-lF", old], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    for name in files.split():
        path = ROOT / name
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()

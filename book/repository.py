"""Move the course to another address: `make repository URL=https://github.com/you/your-copy`.

Replaces two addresses in all files: the repository's, and that of the published book, which notebooks link to.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from book.extensions.fork import published

ROOT = Path(__file__).resolve().parents[1]


def address() -> str:
    """The repository's current address, from _config.yml."""
    return _configured("url", "repository")


def book_address() -> str:
    """The published book's current address, with a slash at the end: `baseurl` in _config.yml."""
    return _configured("baseurl", "html")


def _configured(key: str, part: str) -> str:
    found = re.search(rf"^  {key}: (https://\S+)$", (ROOT / "_config.yml").read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        sys.exit(f"_config.yml has no address for `{key}`: add a line `  {key}: https://…` under `{part}`.")
    return found[1]


def main() -> None:
    if len(sys.argv) > 3:
        sys.exit(f"Give at most two addresses, the repository's and the book's, not {len(sys.argv) - 1}.")
    new, *book = [argument.removesuffix("/").removesuffix(".git") for argument in sys.argv[1:]] or [""]
    if not re.fullmatch(r"https://[\w.-]+/[\w.-]+/[\w.-]+", new):
        sys.exit(f"URL must be an address like https://github.com/you/your-copy, but is {new!r}.")
    if book and not re.fullmatch(r"https://[\w.-]+(/[\w.-]+)*", book[0]):
        sys.exit(f"BOOK must be an address like https://you.github.io/your-copy, but is {book[0]!r}.")
    moves = {address(): new, book_address(): f"{book[0]}/" if book else published(new)}
    files = subprocess.run(
        ["git", "grep", "-lF", *(f"-e{old}" for old in moves)], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    for name in files.split():
        content = (ROOT / name).read_bytes()
        for old, moved in moves.items():
            content = content.replace(old.encode(), moved.encode())
        (ROOT / name).write_bytes(content)
        print(name)


if __name__ == "__main__":
    main()

"""Gives the course another home: `make repository URL=https://github.com/you/your-copy`, everywhere at once.

Two addresses change: the repository's, and that of the published book, to which the links in notebooks lead.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def address() -> str:
    """The repository's address in use: the one in _config.yml."""
    return _configured("url", "repository")


def book_address() -> str:
    """Where the book is published, with a slash at the end: the `baseurl` in _config.yml."""
    return _configured("baseurl", "html")


def _configured(key: str, part: str) -> str:
    found = re.search(rf"^  {key}: (https://\S+)$", (ROOT / "_config.yml").read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        sys.exit(f"_config.yml lacks an address: its part `{part}` must have a line `  {key}: https://…`.")
    return found[1]


def published(repository: str) -> str:
    """Where the pages of a repository are: https://github.com/you/it → https://you.github.io/it/."""
    host, owner, name = repository.removeprefix("https://").split("/")
    if host != "github.com":
        sys.exit(f"Where {host} publishes pages is not known: add BOOK=https://… to say where the book will be.")
    return f"https://{owner.lower()}.github.io/{name}/"


def main() -> None:
    new, *book = [argument.removesuffix("/").removesuffix(".git") for argument in sys.argv[1:3]] or [""]
    if not re.fullmatch(r"https://[\w.-]+/[\w.-]+/[\w.-]+", new):
        sys.exit(f"An address like https://github.com/you/your-copy is needed, not {new!r}: make repository URL=…")
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

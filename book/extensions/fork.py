"""A Sphinx extension for forks: GitHub Actions builds the book with the fork's own addresses.

A fork's files still contain the original's addresses until `make repository` is run. What Actions publishes doesn't:
launch buttons, clone lines, set-up cells, and links lead to the fork. Colab and Binder open notebooks from the
repository, not from the site, so .github/workflows/publish.yml pushes a branch in which the addresses are the fork's,
and the launch buttons of a fork open that branch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config


BRANCH = "published"  # of a fork, with its own addresses in all files


def published(repository: str) -> str:
    """The address where GitHub publishes a repository's pages: https://github.com/you/it → https://you.github.io/it/."""
    host, owner, name = repository.removeprefix("https://").split("/")
    if host != "github.com":
        sys.exit(f"The book's address is not known for repositories on {host}: give it with BOOK=https://….")
    return f"https://{owner.lower()}.github.io/{name}/"


def moves(environment: Mapping[str, str], repository: str, book: str) -> dict[str, str]:
    """The addresses of the repository and the book, and those to publish instead: none unless Actions builds a fork."""
    name = environment.get("GITHUB_REPOSITORY")
    if not name or environment.get("GITHUB_ACTIONS") != "true":
        return {}
    fork = f"{environment.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}"
    if fork == repository:  # `make repository` has been run, perhaps with a BOOK of its own
        return {}
    return {repository: fork, book: published(fork)}


def moved(text: str, addresses: Mapping[str, str]) -> str:
    """A text with each address replaced by its new one."""
    for old, new in addresses.items():
        text = text.replace(old, new)
    return text


def setup(app: Sphinx) -> dict[str, bool]:
    addresses: dict[str, str] = {}

    def move_settings(_app: Sphinx, config: Config) -> None:
        options = config.html_theme_options
        addresses.update(moves(os.environ, options["repository_url"], config.html_baseurl))
        config.html_baseurl = moved(config.html_baseurl, addresses)
        options["repository_url"] = moved(options["repository_url"], addresses)
        if addresses:
            options["repository_branch"] = BRANCH

    def move_text(_app: Sphinx, _page: str, content: list[str]) -> None:
        content[0] = moved(content[0], addresses)

    def move_downloads(app: Sphinx, _exception: Exception | None) -> None:
        for path in Path(app.outdir, "_sources").rglob("*") if addresses else ():
            if path.suffix in (".ipynb", ".md"):
                path.write_text(moved(path.read_text(encoding="utf-8"), addresses), encoding="utf-8")

    app.connect("config-inited", move_settings)
    app.connect("source-read", move_text)
    app.connect("build-finished", move_downloads)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

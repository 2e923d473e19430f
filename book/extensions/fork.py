"""A Sphinx extension for forks: GitHub Actions builds the book with the fork's own addresses.

A fork's files still contain the original's addresses until `make repository` is run. What Actions publishes doesn't:
launch buttons, clone lines, set-up cells, and links lead to the fork.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

from book.repository import address, book_address, published


def moves(environment: Mapping[str, str]) -> dict[str, str]:
    """Each address in the files and the one to publish instead: none unless Actions builds another repository."""
    name = environment.get("GITHUB_REPOSITORY")
    if not name or environment.get("GITHUB_ACTIONS") != "true":
        return {}
    repository = f"{environment.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}"
    if repository == address():  # `make repository` has been run, perhaps with a BOOK of its own
        return {}
    return {address(): repository, book_address(): published(repository)}


def moved(text: str, addresses: Mapping[str, str]) -> str:
    """A text with each address replaced by its new one."""
    for old, new in addresses.items():
        text = text.replace(old, new)
    return text


def setup(app: Sphinx) -> dict[str, bool]:
    addresses = moves(os.environ)

    def move_settings(_app: Sphinx, config: Config) -> None:
        config.html_baseurl = moved(config.html_baseurl, addresses)
        options = config.html_theme_options
        options["repository_url"] = moved(options["repository_url"], addresses)

    def move_text(_app: Sphinx, _page: str, content: list[str]) -> None:
        content[0] = moved(content[0], addresses)

    def move_downloads(app: Sphinx, _exception: Exception | None) -> None:
        for path in Path(app.outdir, "_sources").rglob("*"):
            if path.suffix in (".ipynb", ".md"):
                path.write_text(moved(path.read_text(encoding="utf-8"), addresses), encoding="utf-8")

    if addresses:
        app.connect("config-inited", move_settings)
        app.connect("source-read", move_text)
        app.connect("build-finished", move_downloads)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""A Sphinx extension that leaves out thebe's scripts.

Thebe runs cells on a server, which our labs do not need. Jupyter Book loads its scripts twice on every page, and the
second time logs an error in the console.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx


def without_thebe(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: object) -> None:
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes.get('body', '')}".lower()
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", without_thebe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

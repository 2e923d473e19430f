"""A Sphinx extension that writes Tiny World's tables into the site, for the labs that write and judge documents."""

from __future__ import annotations

import json
from pathlib import Path

from sphinx.application import Sphinx

from gpt2_course.tiny_world.tables import tables


def write_tables(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        text = json.dumps(tables(), ensure_ascii=False, separators=(",", ":"))
        (Path(app.outdir) / "_static" / "tiny_world.json").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", write_tables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

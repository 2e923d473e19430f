"""Turns links to the published book into links inside the book that is being built.

Notebooks name pages by their published address, because a relative link leads nowhere in Colab. Here each becomes a
cross-reference like any other: it works offline and at any address, and a dead one is a warning, so the build fails.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx


def inside(app: Sphinx, doctree: nodes.document) -> None:
    for link in list(doctree.findall(nodes.reference)):
        address = link.get("refuri", "")
        if not address.startswith(app.config.html_baseurl):
            continue
        page, _, anchor = address.removeprefix(app.config.html_baseurl).partition("#")
        reference = pending_xref(
            refdomain="doc",
            reftype="myst",
            refdoc=app.env.docname,
            reftarget=page.removesuffix(".html"),
            reftargetid=anchor or None,
            refexplicit=True,
        )
        reference.source, reference.line = link.source, link.line
        reference += nodes.inline("", "", *link.children)
        link.replace_self(reference)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", inside)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

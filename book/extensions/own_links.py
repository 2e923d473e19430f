"""A Sphinx extension that turns links to the published book into cross-references within it.

Notebooks link to published pages, because relative links do not work in Colab. As cross-references, the links work
offline and at any address, and a dead one produces a warning, which fails the build.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx


def refer_within_book(app: Sphinx, doctree: nodes.document) -> None:
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
    app.connect("doctree-read", refer_within_book)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

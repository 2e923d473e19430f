"""A Sphinx extension that writes formulas as MathML, which browsers draw without a script.

latex2mathml translates TeX when the book is built, so no page loads MathJax.
"""

from __future__ import annotations

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

THIN = '<mspace width="0.167em" />'
NAMED = "<mi>(?:ln|log|exp|max|min|sin|cos|tanh)</mi>"
CORRECTIONS = [  # of what latex2mathml gets wrong in the book's formulas
    # TeX sets a thin space between a function's name and its argument
    (rf"((?<!<msub>){NAMED}|<msub>{NAMED}<m[in]>\w+</m[in]></msub>)(?=<(?:m[in]|msub|mrow)>)", rf"\1{THIN}"),
    # and between a factor and the function's name after it
    (r"(</m[in]>)(?=<mi>(?:ln|log|sin|cos|tanh)</mi>)", rf"\1{THIN}"),
    # a minus sign after an operator belongs to the number after it
    (r"(<mo>[^<]*</mo>)<mo>(?=&#x02212;)", r'\1<mo form="prefix">'),
    # a comma in braces, as in 1{,}000, has no space after it
    (r"<mrow>(<mo)(>&#x0002C;</mo>)</mrow>", r'\1 lspace="0" rspace="0"\2'),
    # infinity is a value, not an operator with space around it
    (r"<mo>(&#x0221E;)</mo>", r"<mi>\1</mi>"),
    # \\! removes the space that TeX, but not MathML, sets before \\left
    (r'<mspace width="negativethinmathspace" />', ""),
]


def mathml(tex: str, display: str) -> str:
    """A formula in TeX as a MathML element; `display` is "inline" or "block"."""
    formula = convert(tex.strip(), display=display)
    for wrong, right in CORRECTIONS:
        formula = re.sub(wrong, right, formula)
    return formula


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

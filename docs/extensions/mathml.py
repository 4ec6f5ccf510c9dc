"""Formulas as MathML, written when the pages are built: a browser sets them without a script and without a network.

The translation is docutils' own.  What it does not know is a
warning that names the formula and its place, and ``make docs`` ends at one.
"""

from __future__ import annotations

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.logging import getLogger
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

LOGGER = getLogger(__name__)


def translated(node: nodes.math | nodes.math_block, as_block: bool = False) -> str:
    """The element ``math`` of a formula."""
    try:
        return tex2mathml(node.astext().replace(r"\dots", r"\ldots"), as_block=as_block)
    except MathError as error:
        LOGGER.warning("%s, in the formula %s", error, node.astext(), location=node)
        return ""


def inline(writer: HTML5Translator, node: nodes.math) -> None:
    """A formula in a line of text."""
    writer.body.append(translated(node))
    raise nodes.SkipNode


def displayed(writer: HTML5Translator, node: nodes.math_block) -> None:
    """A formula of its own, in a box that scrolls where the screen is narrow; with its number if it has one."""
    writer.body.append(writer.starttag(node, "div", CLASS="formula"))
    if node["number"]:
        writer.body.append(f'<span class="eqno">({get_node_equation_number(writer, node)})</span>')
    writer.body.append(translated(node, as_block=True) + "</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(displayed, None))
    return {"parallel_read_safe": True}

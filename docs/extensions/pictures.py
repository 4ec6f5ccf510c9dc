"""Pictures that cells print: each gets a text in its place, and ``{thumbnails}`` shows those of a page on top."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator


class thumbnails(nodes.container):
    """Filled when all pictures of the page are known."""


class Thumbnails(SphinxDirective):
    """Takes no argument and no content."""

    def run(self) -> list[nodes.Node]:
        return [thumbnails(classes=["thumbnails"])]


def section_of(picture: nodes.image) -> nodes.section:
    """The innermost section around it."""
    around = picture.parent
    while not isinstance(around, nodes.section):
        around = around.parent
    return around


def small(picture: nodes.image, section: nodes.section) -> nodes.paragraph:
    """The picture and the title of its section, a link to it."""
    title = section.next_node(nodes.title).astext()
    copy = picture.deepcopy()
    copy["alt"] = ""  # the title beside it says the same
    link = nodes.reference("", "", copy, nodes.inline(title, title), refid=section["ids"][0], internal=True)
    return nodes.paragraph("", "", link)


def finish(app: Sphinx, document: nodes.document, name: str) -> None:
    """Texts for pictures that have none, and the thumbnails."""
    first: dict[nodes.section, nodes.image] = {}
    for picture in list(document.findall(nodes.image)):
        section = section_of(picture)
        picture.setdefault("alt", f"Figure printed by the code above: {section.next_node(nodes.title).astext()}")
        first.setdefault(section, picture)
    for place in list(document.findall(thumbnails)):
        place += [small(picture, section) for section, picture in first.items()]


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_node(thumbnails, html=(HTML5Translator.visit_container, HTML5Translator.depart_container))
    app.add_directive("thumbnails", Thumbnails)
    app.connect("doctree-resolved", finish)
    return {"parallel_read_safe": True}

"""The ``life-picture`` directive: the states of a thread's life, drawn from the core's table.

HTML gets a drawing; every other builder gets the table's own Mermaid text.
"""

from __future__ import annotations

from docutils import nodes
from life_picture import draw
from sphinx.addnodes import only
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from task_thread.core.lifecycle import diagram


class LifePicture(SphinxDirective):
    """Takes no argument and no content."""

    def run(self) -> list[nodes.Node]:
        """The drawing for HTML, the text for the rest."""
        text = diagram()
        html = only(expr="html")
        html += nodes.raw("", draw(), format="html")
        rest = only(expr="not html")
        rest += nodes.literal_block(text, text)
        return [html, rest]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Called by Sphinx."""
    app.add_directive("life-picture", LifePicture)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

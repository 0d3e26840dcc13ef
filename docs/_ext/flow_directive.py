"""The ``flow-picture`` directive: the states of a flow.

HTML gets a drawing; every other builder gets the picture in letters that stands in the rules.
"""

from __future__ import annotations

import inspect

from docutils import nodes
from flow_picture import draw
from sphinx.addnodes import only
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from task_thread.flows import history


class FlowPicture(SphinxDirective):
    """Takes no argument and no content."""

    def run(self) -> list[nodes.Node]:
        """The drawing for HTML, the letters for the rest."""
        letters = inspect.cleandoc((history.__doc__ or "").partition("::")[2])
        html = only(expr="html")
        html += nodes.raw("", draw(), format="html")
        rest = only(expr="not html")
        rest += nodes.literal_block(letters, letters)
        return [html, rest]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Called by Sphinx."""
    app.add_directive("flow-picture", FlowPicture)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

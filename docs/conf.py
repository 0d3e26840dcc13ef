"""How the documentation is built: Sphinx with MyST, and no page needs the network."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE / "how-to" / "files"), str(HERE.parent)]

project = "task_thread"
author = "task_thread contributors"
copyright = "task_thread contributors, MIT license"  # noqa: A001  Sphinx's name for it
version = release = version_of("task-thread")

extensions = [
    "flow_directive",
    "life_directive",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "_ext"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_class_signature = "mixed"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

# A page's blocks run in one namespace; nothing there prints to the page's output by itself.
doctest_global_setup = """
import asyncio, logging
logging.getLogger().addHandler(logging.NullHandler())  # no tracebacks between the checks' lines
from task_thread import *
from task_thread import errors, signals
"""
trim_doctest_flags = True

html_theme = "furo"
html_title = "task_thread"
html_copy_source = False
html_show_sourcelink = False

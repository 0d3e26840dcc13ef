"""Files that come into a folder are summed up, indexed, confirmed by somebody, and archived.

Each file has a flow of its own, which may take days, and which no restart loses. Start it with
``python -m examples.ingest HOME`` or ``task-thread run examples.ingest:Ingest HOME``; ``python -m
examples.ingest --help`` tells what to try. It needs watchdog: ``pip install 'task-thread[demo]'``.
"""

from .ingest import Ingest

__all__ = ["Ingest"]

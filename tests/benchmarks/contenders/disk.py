"""Where the database files of a measurement lie: on a disk, or what is measured is memory."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LASTING = Path("/var/tmp")  # by the standard it outlives a reboot, /tmp need not


@contextmanager
def database() -> Iterator[Path]:
    """A path for a database file, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=LASTING if LASTING.is_dir() else None) as folder:
        yield Path(folder, "bench.db")

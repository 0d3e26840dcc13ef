"""``python -m examples.ingest HOME``: the ingest as a daemon, in the foreground."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from task_thread.monitor.daemon import serve
from task_thread.monitor.places import socket_path

from . import Ingest

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTION = """\
Watch HOME/incoming. Each file that is put there has a flow of its own:

  checksum   it is read, and summed up
  index      a row in HOME/index.db, a SQLite file
  confirm    it waits until somebody has looked at it: for days, and over restarts
  archive    it is moved to HOME/archive; or, if it was rejected, to HOME/rejected

Where each flow is stands in HOME/flows.db. Kill it whenever you like, with kill -9 too: when it
starts again each file goes on where it was, and none is archived or indexed twice.
"""

EPILOG = """\
try it:
  python -m examples.ingest /tmp/ingest --dashboard 8080

and in another terminal:
  cp README.md /tmp/ingest/incoming/
  task-thread flows ls ingest                          which flows there are, and where they are
  task-thread flows show ingest ID                     one of them, with its history
  task-thread flows resume ingest ID confirmed=true    go on, to the archive
  task-thread flows resume ingest ID rejected=blurred  the other way
  sqlite3 /tmp/ingest/index.db 'SELECT name, state, place FROM files'

The page at http://127.0.0.1:8080/ shows the same, and can resume as well. A program that writes
into the folder does so under a name that ends in .part, and renames the file when it is complete.

The same without this help: task-thread run examples.ingest:Ingest HOME --name ingest
"""


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: they are 0 to 65535")
    return number


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    result = argparse.ArgumentParser(
        prog="python -m examples.ingest",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("home", type=Path, metavar="HOME", help="the folder for everything; made if missing")
    add(
        "--sweep",
        type=_seconds,
        default=300.0,
        metavar="S",
        help="look through the whole folder so often, in seconds, for files that no event has told "
        "of (default: 300)",
    )
    add(
        "--dashboard",
        type=_port,
        metavar="PORT",
        help="serve the page there, on 127.0.0.1; 0: any free port (default: no page)",
    )
    add(
        "--name",
        default="ingest",
        help="what task-thread's commands call it (default: ingest)",
    )
    add("--log-level", default="info", metavar="LEVEL", help="(default: info)")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it until it is stopped.

    :returns: the exit status.
    """
    given = parser().parse_args(arguments)
    return serve(
        Ingest,
        str(given.home),
        str(given.sweep),
        name=given.name,
        log_level=given.log_level,
        control=socket_path(given.name),
        dashboard=None if given.dashboard is None else ("127.0.0.1", given.dashboard),
        actions=True,
    )


if __name__ == "__main__":
    sys.exit(main())

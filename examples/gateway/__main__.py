"""``python -m examples.gateway``: run the gateway under load, and see that nothing is lost."""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from task_thread import run

from .display import Display
from .gateway import PARTS, Gateway, Options
from .store import count_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

CRASH_SECONDS = 5.0
"""When a part is crashed in a run that has no end, and so no half."""

DESCRIPTION = """\
A telemetry gateway as one tree of threads. TCP clients send length-prefixed JSON frames; they
are checked, written to SQLite in batches, and streamed to viewers over a WebSocket. This
machine's own metrics come in the same way as everybody else's.

To have something to do it brings its own load: clients that send frames, viewers that watch, and
one client that sends bad frames on purpose: each costs its own connection and nothing else.

Half-way through, one part of the gateway itself is crashed on purpose, in the middle of its work.
Its supervisor starts a fresh instance, which goes on with what the crashed one had left.
"""

EPILOG = """\
try it:
  python -m examples.gateway                                 10 seconds, 20,000 frames a second
  python -m examples.gateway --rate 0                        as many frames as it takes
  python -m examples.gateway --seconds 0 --http-port 8080    until Ctrl-C, the page at a known port
  python -m examples.gateway --crash database                crash another part
  python -m examples.gateway --crash processor --crashes 9   too often: the gateway gives up
  python -m examples.gateway --seconds 0 --clients 0         this machine's own metrics alone
  python -m examples.gateway --database readings.db          keep what was written

A reading of your own, while it runs with --port 9000:
  python -c "import json, socket, struct, time
  p = json.dumps({'sensor': 'mine', 'time': time.time(), 'value': 1.5}).encode()
  socket.create_connection(('127.0.0.1', 9000)).sendall(struct.pack('>I', len(p)) + p)"

The exit status is 0 only if every frame that came in is in the database, counted there by a
SELECT, every thread ended in order, and the part that was crashed came back. Ctrl-C ends it
early, and in the same order.
"""


def _at_least_zero(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 on")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return number


def _port(text: str) -> int:
    number = _count(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: they end at 65535")
    return number


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    result = argparse.ArgumentParser(
        prog="python -m examples.gateway",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add(
        "--seconds",
        type=_at_least_zero,
        default=10.0,
        metavar="S",
        help="run so long; 0: until Ctrl-C (default: 10)",
    )
    add(
        "--clients",
        type=_count,
        default=4,
        metavar="N",
        help="load clients; 0: no load, no viewers, no bad client (default: 4)",
    )
    add(
        "--rate",
        type=_at_least_zero,
        default=5000.0,
        metavar="R",
        help="frames a second from each load client; 0: as many as it takes (default: 5000)",
    )
    add(
        "--viewers",
        type=_count,
        default=2,
        metavar="N",
        help="WebSocket viewers that the load has (default: 2)",
    )
    add(
        "--port",
        type=_port,
        default=0,
        metavar="P",
        help="TCP port for frames on 127.0.0.1; 0: any free one (default: 0)",
    )
    add(
        "--http-port",
        type=_port,
        default=0,
        metavar="P",
        help="port for the page on 127.0.0.1; 0: any free one (default: 0)",
    )
    add(
        "--dashboard-port",
        type=_port,
        default=0,
        metavar="P",
        help="port for the dashboard on 127.0.0.1; 0: any free one (default: 0)",
    )
    add(
        "--crash",
        choices=[*PARTS, "none"],
        metavar="PART",
        help=f"crash this part on purpose, half-way, or after {CRASH_SECONDS:g} s where there is no"
        f" half: {', '.join(PARTS)}, none (default: processor; with --seconds 0: none)",
    )
    add(
        "--crashes",
        type=_count,
        default=1,
        metavar="N",
        help="how often, each time as soon as the part is back (default: 1)",
    )
    add(
        "--database",
        type=Path,
        metavar="PATH",
        help="SQLite file to add to; it is kept (default: a temporary file)",
    )
    add("--keep", action="store_true", help="keep the temporary file")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the gateway.

    :returns: the exit status.
    """
    grammar = parser()
    given = grammar.parse_args(arguments)
    if given.crash is None:
        given.crash = "processor" if given.seconds else "none"
    if given.crash == "load" and not given.clients:
        grammar.error("there is no load to crash: --clients is 0")
    if given.database is not None:
        return run_gateway(given, given.database)
    folder = tempfile.mkdtemp(prefix="gateway-")
    try:
        return run_gateway(given, Path(folder, "readings.db"))
    finally:
        if not given.keep:
            shutil.rmtree(folder)


def run_gateway(given: argparse.Namespace, database: Path) -> int:
    """Run it with the parsed arguments and print how it went.

    :returns: the exit status: 0 all is well, 1 something went wrong, 2 no such database, 70 a
        thread did not end in time.
    """
    options = Options(
        database=database,
        seconds=given.seconds,
        port=given.port,
        http_port=given.http_port,
        clients=given.clients,
        viewers=given.viewers,
        rate=given.rate,
        dashboard_port=given.dashboard_port,
        crash=None if given.crash == "none" else given.crash,
        crash_after=given.seconds / 2 if given.seconds else CRASH_SECONDS,
        crashes=given.crashes,
    )
    try:
        rows_before = count_rows(database)
    except sqlite3.Error as error:
        print(f"{database}: {error}", file=sys.stderr)
        return 2
    with Display() as display:

        def show_addresses(gateway: Gateway) -> None:
            display.say("frames     {}:{}".format(*gateway.address))
            display.say("page       http://{}:{}/".format(*gateway.page))
            display.say(f"dashboard  {gateway.dashboard_url}")
            display.say(f"database   {database}")

        gateway = Gateway(
            options,
            on_start=show_addresses,
            on_progress=display.progress,
            on_event=display.event,
            progress_seconds=display.seconds,
        )
        status = run(gateway)
    summary = gateway.summary(rows_before)
    print("\n".join(summary.lines()), flush=True)
    return status or int(not summary.good)


if __name__ == "__main__":
    sys.exit(main())

"""``task-thread stop``: order an end, and wait until it has come."""

from __future__ import annotations

import contextlib
import math
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Annotated, Any

import typer

from task_thread.cli.daemons import ThatDaemon, asking, can_unicode, console, fail, seconds_from
from task_thread.cli.text import clean, duration, one_line
from task_thread.cli.threads import rows
from task_thread.errors import ControlError, Unreachable
from task_thread.monitor.client import ControlClient
from task_thread.monitor.places import SUFFIX
from task_thread.monitor.protocol import as_object

__all__ = ["stop"]

_GRACE = 5.0  # seconds beyond the stop's own deadline: for the process to write its last lines
_ENDED = frozenset({"stopped", "crashed", "abandoned"})
_PROBE = 0.1  # seconds between two looks at a thread that is to end


def stop(
    daemon: ThatDaemon,
    thread: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Only this thread, and all below it: its path, as ps shows it, or its id.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            callback=seconds_from(0),
            metavar="SECONDS",
            help="What the stop may take; then what hangs is cut off. Default: as its class says.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Stop a daemon in order, and wait until its process has ended; or stop one thread of it.

    A supervised thread that is stopped so stays down: its supervisor does not bring it back.

    Ends with 0 when it has ended, and with 1 when it has not within its time.

    **Examples**

        $ task-thread stop gateway

        $ task-thread stop gateway --timeout 60

        $ task-thread stop gateway --thread Gateway-1/Server-1
    """
    with asking(daemon) as client:
        name = clean(client.path.name.removesuffix(SUFFIX))
        pid = client.process()
        if pid is None:
            pid = _pid_of(client)
        with _process(pid) as process:
            begun = monotonic()
            with _progress(f"stopping {name if thread is None else one_line(thread)}"):
                path, limit = _order(client.call("stop", thread=thread, timeout=timeout))
                if thread is None:
                    ended = _wait_process(client, process, limit + _GRACE)
                else:
                    ended = _wait_thread(client, path, begun, limit + _GRACE)
        took = monotonic() - begun
        what = f"{name} (pid {pid})" if thread is None else f"{path} of {name}"
        if not ended:
            fail(_not_ended(client, what, pid, limit + _GRACE, whole=thread is None))
    typer.echo(f"{what} has ended, after {took:.1f} s")


def _not_ended(client: ControlClient, what: str, pid: int, waited: float, *, whole: bool) -> str:
    if whole and not _answers(client):
        return f"{what} answers no more, but process {pid} still runs after {duration(waited)}"
    return f"{what} was told to stop, and has not ended within {duration(waited)}"


def _pid_of(client: ControlClient) -> int:
    hello = as_object(client.call("hello"))
    pid = None if hello is None else hello.get("pid")
    if not isinstance(pid, int) or isinstance(pid, bool) or pid <= 0:
        raise ControlError("the daemon does not tell its process")
    return pid


def _order(order: Any) -> tuple[str, float]:
    """What is stopping, and its deadline in seconds."""
    try:
        limit = float(order["timeout"])
        path = one_line(order["stopping"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ControlError("the daemon's answer is of another form") from None
    return path, limit if 0 <= limit < math.inf else 0.0


# ---- waiting ------------------------------------------------------------------------------


@contextmanager
def _process(pid: int) -> Iterator[int | None]:
    """A descriptor that becomes readable when the process ends; None where there is no such thing.

    Opened before the stop is ordered: a process id may soon belong to another one.
    """
    descriptor: int | None = None
    with contextlib.suppress(AttributeError, OSError):  # not Linux, or gone by now
        descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _wait_process(client: ControlClient, process: int | None, timeout: float) -> bool:
    """Wait for the daemon's end: of its process, or else of its connection."""
    if process is not None:
        return bool(select.select([process], [], [], timeout)[0])
    limit = monotonic() + timeout
    while client.wait_closed(max(0.0, limit - monotonic())):
        if not _answers(client):
            return True
    return False


def _answers(client: ControlClient) -> bool:
    """Whether the daemon is there; it may close a connection only because that is idle."""
    try:
        client.call("hello")
    except Unreachable:
        return False
    except ControlError:
        pass
    return True


def _wait_thread(client: ControlClient, path: str, begun: float, timeout: float) -> bool:
    """Wait until the instance at `path` that ran when the stop was ordered is no more, or is down.

    Its whole branch may be restarted meanwhile, and another instance be there.

    :param begun: when the stop was ordered, in seconds of time.monotonic().
    """
    limit = monotonic() + timeout
    while True:
        # The protocol has no way to be told: a look ten times a second is cheap, and none of the
        # tree's loops runs for it.
        try:
            found = [row for row in rows(client.call("snapshot")) if row.path == path]
        except Unreachable:  # its end was the daemon's
            return True
        now = monotonic()
        if all(row.state in _ENDED or row.uptime < now - begun for row in found):
            return True
        if now >= limit:
            return False
        client.wait_closed(_PROBE)


@contextmanager
def _progress(text: str) -> Iterator[None]:
    """While inside, a terminal shows that something goes on; anything else shows nothing."""
    on = console(stderr=True)
    if not on.is_terminal:
        yield
        return
    with on.status(text, spinner="dots" if can_unicode(on) else "line"):
        yield

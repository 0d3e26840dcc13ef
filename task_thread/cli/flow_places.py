"""Where flows are looked at and changed: in a daemon that runs, or in the file of a store.

A file that a daemon has is looked at through that daemon; where it can't be asked, the file can
still be read.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from typer import BadParameter

from task_thread.cli.daemons import fail, say
from task_thread.cli.flow_sides import Flows, LiveFlows, ReadFlows, RestingFlows, SeenFlows
from task_thread.errors import (
    ControlError,
    FlowError,
    RegistryError,
    StoreError,
    StoreInUse,
    Unreachable,
)
from task_thread.monitor.client import ControlClient
from task_thread.monitor.finding import find, running

__all__ = ["changed_flows", "seen_flows", "store_file"]

_TIMEOUT: Final = 15.0  # seconds; a change is answered when it is on disk


@contextmanager
def seen_flows(where: str | None, app: str | None) -> Iterator[SeenFlows]:
    """The flows that are meant, to be looked at. What goes wrong in the block is said in one line,
    and ends with 1.

    :param where: a daemon or a store; None: the only daemon that runs.
    :param app: which app of a daemon.
    :raises BadParameter: `where` or `app` makes no sense.
    """
    with _said():
        path = store_file(where)
        with _of_daemon(where, app) if path is None else _read(path, app) as flows:
            yield flows


@contextmanager
def changed_flows(where: str, app: str | None) -> Iterator[Flows]:
    """The same, to be changed."""
    with _said():
        path = store_file(where)
        with _of_daemon(where, app) if path is None else _taken(path, app) as flows:
            yield flows


@contextmanager
def _said() -> Iterator[None]:
    """While inside, what goes wrong is said in one line.

    :raises Exit: with 1, after that.
    """
    try:
        yield
    except BadParameter:
        raise
    except (ControlError, StoreError, FlowError, RegistryError, ValueError) as error:
        fail(str(error))


def store_file(where: str | None) -> str | None:
    """The file of a store that `where` names; None: it is a daemon that is meant. What is both is
    the daemon: a file has a path too.

    :raises BadParameter: it begins like the address of a store, and is none.
    """
    if where is None:
        return None
    if "://" in where:
        from task_thread.app.store import store_for

        try:
            return unquote(store_for(where).address.removeprefix("sqlite:///"))
        except ValueError as error:
            raise BadParameter(str(error)) from None
    if not os.path.isfile(where):
        return None
    if "/" not in where:
        with contextlib.suppress(ControlError):
            find(where)
            return None
    return os.path.abspath(where)


@contextmanager
def _of_daemon(where: str | None, app: str | None) -> Iterator[LiveFlows]:
    try:
        socket = find(where)
    except Unreachable as error:
        if where is None:
            raise
        raise Unreachable(f"{error}; nor is there a store of that name") from None
    with ControlClient(socket, timeout=_TIMEOUT) as client:
        yield LiveFlows(client, app, None)


@contextmanager
def _taken(path: str, app: str | None) -> Iterator[Flows]:
    """The flows in a file, taken for as long as the block runs; or those of the daemon that has
    taken it.

    :raises StoreInUse: somebody has it who can't be asked.
    """
    from task_thread.flows.atrest import StoreAtRest

    with contextlib.ExitStack() as stack:
        try:
            store = stack.enter_context(StoreAtRest(path))
        except StoreInUse as error:
            live = stack.enter_context(_asked_for(path, app))
            if live is None:
                raise StoreInUse(f"{error}. {_WHAT_TO_DO}") from None
            yield live
            return
        _refuse_app(app)
        yield RestingFlows(store)


_WHAT_TO_DO: Final = (
    "It answers at no control socket that could be found: change its flows in the program, or run "
    "it by task-thread run; ls and show read the file meanwhile"
)


@contextmanager
def _read(path: str, app: str | None) -> Iterator[SeenFlows]:
    """The flows of the daemon that has the file; or those in it, read and not taken: an app may
    start meanwhile."""
    from task_thread.flows.reading import StoreReader

    with contextlib.ExitStack() as stack:
        live = stack.enter_context(_asked_for(path, app))
        if live is not None:
            yield live
            return
        _refuse_app(app)
        store = stack.enter_context(StoreReader(path))
        yield ReadFlows(store)
        for problem in store.problems[:_PROBLEMS]:
            say(problem)
        if len(store.problems) > _PROBLEMS:
            say(f"and {len(store.problems) - _PROBLEMS} records more that can't be read")


_PROBLEMS: Final = 5  # records that can't be read and are told


def _refuse_app(app: str | None) -> None:
    if app is not None:
        raise BadParameter("a store has the flows of one app: leave --app out")


@contextmanager
def _asked_for(path: str, app: str | None) -> Iterator[LiveFlows | None]:
    """The daemon that has the file, if it can be asked for its flows."""
    socket = _daemon_with(path)
    if socket is None:
        yield None
        return
    with ControlClient(socket, timeout=_TIMEOUT) as client:
        try:
            client.call("flows.list", store=path, limit=0)
        except ControlError:  # another program by now, or it is just starting or ending
            yield None
            return
        yield LiveFlows(client, app, path)


def _daemon_with(path: str) -> Path | None:
    """The socket of the process that has locked the file; None where there is none to be found."""
    try:
        with open(f"{os.path.realpath(path)}.lock", encoding="ascii", errors="replace") as file:
            text = file.read(20).strip()
        found = running() if text.isdigit() else []
    except (OSError, ControlError):
        return None
    return next((each.path for each in found if str(each.hello.get("pid")) == text), None)

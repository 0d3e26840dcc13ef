"""Which daemons there are, and where the one listens that somebody calls by its name.

The rules:

- A daemon is found by its socket, in the user's folder for them; or anywhere, by a path.
- A socket may have outlived its process. Where it matters who is there, it is asked: only what
  answers runs. Many are asked several at once, each for a short time only.
- The folder must be the user's own: daemons in somebody else's are not looked for.

Everything here is a plain function, from any thread; nothing is remembered.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

from task_thread.errors import ControlError, Unreachable
from task_thread.monitor import protocol
from task_thread.monitor.client import ControlClient
from task_thread.monitor.places import SUFFIX, private_folder, socket_path, where_sockets_live

__all__ = ["Running", "find", "look", "running", "sockets"]

_HELLO_TIMEOUT: Final = 2.0  # seconds; a daemon's own loop answers, whatever its tree is doing
_AT_ONCE: Final = 8  # how many daemons are asked at the same time


class Running(NamedTuple):
    """A daemon that answers.

    :ivar path: its socket.
    :ivar hello: what it says of itself: name, pid, version, started, python, root.
    """

    path: Path
    hello: dict[str, Any]


def sockets() -> list[Path]:
    """The sockets in the user's folder for them, by name. Those of dead processes are among them.

    :raises ControlError: somebody else's folder is in its place.
    """
    folder = where_sockets_live()
    try:
        with private_folder(folder):
            return sorted(path for path in folder.iterdir() if _is_socket(path))
    except OSError:
        return []


def running(timeout: float = _HELLO_TIMEOUT) -> list[Running]:
    """The daemons that answer, by name: those whose sockets are in the user's folder for them.

    :param timeout: seconds that each has for it; they are asked several at once.
    :raises ControlError: somebody else's folder is in its place.
    """
    return [found for found in look(timeout) if isinstance(found, Running)]


def look(timeout: float = _HELLO_TIMEOUT) -> list[Running | Path]:
    """The same, and the paths of those that don't answer though somebody listens there.

    :raises ControlError: somebody else's folder is in its place.
    """
    paths = sockets()
    if not paths:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(paths)), "hello") as pool:
        found = pool.map(_hello, paths, itertools.repeat(timeout))
        return [each for each in found if each is not None]


def _hello(path: Path, timeout: float) -> Running | Path | None:
    with ControlClient(path, timeout=timeout) as client:
        try:
            hello = protocol.as_object(client.call("hello"))
        except Unreachable:
            return None
        except ControlError:
            return path
    return path if hello is None else Running(path, hello)


def find(name_or_path: str | None = None, timeout: float = _HELLO_TIMEOUT) -> Path:
    """The socket of the daemon that is called so, or has its socket there.

    :param name_or_path: what has a "/" in it is a path; None means the only daemon that runs.
    :raises ControlError: there is no such daemon, or (None) not exactly one.
    """
    if name_or_path is None:
        return _only(timeout)
    if "/" in name_or_path:
        path = Path(name_or_path)
        if _is_socket(path):
            return path
        raise Unreachable(
            f"{name_or_path}: {'no socket' if os.path.lexists(path) else 'no such socket'}"
        )
    path = socket_path(name_or_path)
    with contextlib.suppress(FileNotFoundError), private_folder(path.parent):
        if _is_socket(path):
            return path
    others = ", ".join(each.path.name.removesuffix(SUFFIX) for each in running(timeout))
    there = f"there is {others}" if others else f"none runs in {path.parent}"
    raise Unreachable(f"no daemon {name_or_path!a}: {there}")


def _only(timeout: float) -> Path:
    found = running(timeout)
    if not found:
        raise Unreachable(f"no daemon runs in {where_sockets_live()}: give a socket's path")
    if len(found) > 1:
        names = ", ".join(each.path.name.removesuffix(SUFFIX) for each in found)
        raise ControlError(f"several daemons run, say which: {names}")
    return found[0].path


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except (OSError, ValueError):  # ValueError: a NUL in it
        return False

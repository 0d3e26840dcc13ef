"""Where control sockets live, and how one is put there and taken away again.

The rules:

- The folder of a control socket belongs to the user who runs the daemon, and to nobody else (mode
  0700). It is made where it is missing; one that others may enter is refused, not repaired.
- A socket has mode 0600 before anybody can reach it, and listens before it has its name. So who
  finds a socket that refuses connections has found one that a dead process has left behind.
- Two daemons that start at once look, remove and bind one after the other: under a lock (flock) on
  the folder, which the system takes back whatever becomes of them.
- A daemon removes the file that it has made, and no other one.

None of it needs a loop; a lock is held for some system calls only. From any thread.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import socket
import stat
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from task_thread.errors import ControlError

__all__ = [
    "SUFFIX",
    "SocketFile",
    "check_name",
    "peer_pid",
    "private_folder",
    "socket_path",
    "where_sockets_live",
]

SUFFIX: Final = ".sock"
"""What the file of a daemon's socket ends with, behind its name."""

_PATH_LIMIT: Final = 107 if sys.platform == "linux" else 103  # bytes of a Unix socket's address
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:+-]*")
_NAME_LIMIT: Final = 64
_FOLDER_MODE: Final = 0o700
_SOCKET_MODE: Final = 0o600
_BACKLOG: Final = 128


def where_sockets_live() -> Path:
    """The folder of this user's control sockets. It is not made here, and need not exist.

    ``$TASK_THREAD_RUN_DIR``; else ``$XDG_RUNTIME_DIR/task-thread``; else ``task-thread-UID`` in the
    folder for temporary files. A variable that is empty counts as not set.
    """
    chosen = os.environ.get("TASK_THREAD_RUN_DIR", "")
    if chosen != "":
        return Path(chosen).absolute()
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime):  # a relative one is to be ignored, says its specification
        return Path(runtime, "task-thread")
    return Path(tempfile.gettempdir(), f"task-thread-{os.geteuid()}").absolute()


def check_name(name: str) -> str:
    """`name`, if a daemon may be called so.

    :raises ControlError: it may not: letters, digits and ``_ . @ : + -``, at most 64 of them, the
        first one a letter, a digit or "_"; no ``..``.
    """
    if len(name) > _NAME_LIMIT or ".." in name or not _NAME.fullmatch(name):
        raise ControlError(
            f"{_quoted(name)} is no name for a daemon: up to {_NAME_LIMIT} letters, digits and "
            "_ . @ : + -, begun with a letter, a digit or _, and without '..'"
        )
    return name


def socket_path(name: str) -> Path:
    """The path of the socket of the daemon called `name`.

    :raises ControlError: no daemon may be called so.
    """
    return where_sockets_live() / f"{check_name(name)}{SUFFIX}"


@contextmanager
def private_folder(folder: Path, *, make: bool = False) -> Iterator[int]:
    """The descriptor of a folder that is the user's alone, for as long as the block runs.

    :param make: make it where it is missing, and what is above it.
    :raises FileNotFoundError: it is missing, and is not to be made.
    :raises ControlError: it is somebody else's, or others may enter it, or it is no folder.
    """
    if make:
        _make_folder(folder)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise ControlError(f"{folder} is no folder (and must not be a link to one)") from None
        raise ControlError(f"can't use the folder {folder}: {error.strerror}") from None
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid():
            raise ControlError(
                f"the folder {folder} belongs to user {found.st_uid}, not to you "
                f"({os.geteuid()}): choose another one with $TASK_THREAD_RUN_DIR"
            )
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077:
            raise ControlError(
                f"the folder {folder} is open to others (mode {mode:04o}): a control socket needs "
                f"a folder of mode 0700 (chmod 700 {folder})"
            )
        yield descriptor
    finally:
        os.close(descriptor)


def _make_folder(folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=_FOLDER_MODE)
    except OSError as error:
        raise ControlError(f"can't make the folder {folder}: {error.strerror}") from None


class SocketFile:
    """The file of one daemon's socket: binds it, and removes what it has bound.

    Made and used by one thread at a time.

    :param path: where; made absolute.
    :raises ControlError: a Unix socket can't have a path so long.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._made: tuple[int, int] | None = None  # device and inode of the file that is ours
        length = len(os.fsencode(self.path))
        if length > _PATH_LIMIT:
            raise ControlError(
                f"the path of the control socket is {length} bytes long, and the system takes "
                f"{_PATH_LIMIT}: {self.path}"
            )

    def listen(self) -> socket.socket:
        """A socket that listens there, not blocking. What a dead process has left is replaced.

        :raises ControlError: somebody answers there, or the folder or the path can't be used.
        """
        try:
            with private_folder(self.path.parent, make=True) as folder:
                # On a descriptor of its own kind: closing that gives the lock back.
                fcntl.flock(folder, fcntl.LOCK_EX)
                self._remove_stale()
                return self._bind()
        except OSError as error:
            raise ControlError(f"can't listen at {self.path}: {error.strerror}") from None

    def remove(self) -> None:
        """Remove the file, if it is still the one that was made here. Once; never raises."""
        made, self._made = self._made, None
        if made is None:
            return
        with contextlib.suppress(OSError, ControlError), private_folder(self.path.parent) as folder:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if _identity(self.path) == made:
                self.path.unlink()

    def _bind(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # A socket's file gets the mode of its descriptor, less the umask. That is the one way
            # without a moment in which others could connect: umask() itself is the whole
            # process's, and chmod() comes late. Where a system can't (macOS), the folder's mode
            # keeps them out until the chmod().
            with contextlib.suppress(OSError):
                os.fchmod(sock.fileno(), _SOCKET_MODE)
            sock.bind(os.fspath(self.path))
            self._made = _identity(self.path)
            os.chmod(self.path, _SOCKET_MODE)
            sock.listen(_BACKLOG)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            if self._made is not None:
                self.path.unlink(missing_ok=True)
                self._made = None
            raise
        return sock

    def _remove_stale(self) -> None:
        try:
            kind = os.lstat(self.path).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(kind):
            raise ControlError(f"{self.path} exists and is no socket: remove it, or choose another")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            # Not blocking: one that is stopped, and whose queue is full, lives too.
            probe.setblocking(False)
            answer = probe.connect_ex(os.fspath(self.path))
            if answer == errno.ECONNREFUSED:
                self.path.unlink()
                return
            pid = peer_pid(probe) if answer == 0 else None
        who = "a daemon" if pid is None else f"process {pid}"
        raise ControlError(f"{self.path} is in use: {who} listens there; choose another --name")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def peer_pid(sock: socket.socket) -> int | None:
    """The process at the other end of a connected Unix socket: as this process would call it, and
    as it was when that one began to listen. None where the system does not tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    try:
        pid, _, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, option, 12))
    except OSError:
        return None
    return pid if pid > 0 else None


def _quoted(name: str) -> str:
    return ascii(name if len(name) <= _NAME_LIMIT else f"{name[:_NAME_LIMIT]}...")

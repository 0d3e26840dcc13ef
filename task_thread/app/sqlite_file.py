"""The file of a store: made for its user alone, and held by one process.

Who holds the file holds a lock (flock) on ``FILE.lock`` beside it, which the system takes back
whatever becomes of the process. The lock file stays: one that is removed could be locked by two,
each having his own. SQLite's own locks stay free for readers: ``sqlite3 FILE`` works meanwhile.

Not on the database file itself: closing any descriptor of it would drop the locks that SQLite
holds on it for the whole process.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat

from task_thread.errors import StoreFailed, StoreInUse

__all__ = ["StoreFile"]

_MODE = 0o600


class StoreFile:
    """The right to use one file. It is taken by making it, and lasts until ``release()``.

    Ownership: one thread at a time.

    :param path: the file; links are followed. It is made where it is missing, with mode 0600; one
        that is there keeps its mode.
    :raises StoreInUse: somebody has it, as far as can be told with his process id.
    :raises StoreFailed: the folder is missing, or the like.

    :ivar path: where the file really is.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            raise StoreFailed(f"can't open {self.path}: there is no folder {folder}; make it")
        try:
            self._descriptor = os.open(
                f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE
            )
        except OSError as error:
            raise StoreFailed(f"can't lock {self.path}: {error}") from error
        try:
            self._take()
            self._make()
        except OSError as error:
            os.close(self._descriptor)
            raise StoreFailed(f"can't open {self.path}: {error}") from error
        except BaseException:
            os.close(self._descriptor)
            raise

    def release(self) -> None:
        """Let others have it. Once."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)  # nobody shall be told a holder who is gone
        os.close(self._descriptor)

    def _take(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreInUse(self._who()) from None
        with contextlib.suppress(OSError):  # a full disk: then nobody is named
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)

    def _who(self) -> str:
        """Who has it, for the error."""
        text = os.pread(self._descriptor, 20, 0).strip()
        if not text.isdigit():
            return f"{self.path} is in use by another process; a store has one at a time"
        if int(text) == os.getpid():
            return f"{self.path} is in use by another store of this process (pid {os.getpid()})"
        return f"{self.path} is in use by process {int(text)}; a store has one at a time"

    def _make(self) -> None:
        """Make the file where it is missing. An empty file is an empty database.

        :raises StoreFailed: there is something else.
        """
        with contextlib.suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(self.path, flags, _MODE))
        if not stat.S_ISREG(os.stat(self.path).st_mode):
            raise StoreFailed(f"can't open {self.path}: it is no regular file")

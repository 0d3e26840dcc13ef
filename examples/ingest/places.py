"""Where everything is: one folder, so that a file is moved within one file system, at once."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["Changed", "Places", "mark_of", "move"]


class Places:
    """The folders and files of one ingest.

    :param home: the folder that has them all.
    """

    def __init__(self, home: str | Path) -> None:
        self.home = Path(home).absolute()
        self.incoming = self.home / "incoming"
        self.archive = self.home / "archive"
        self.rejected = self.home / "rejected"
        self.index = self.home / "index.db"
        self.flows = self.home / "flows.db"

    def make(self) -> None:
        """Make the folders that are missing."""
        for folder in (self.incoming, self.archive, self.rejected):
            folder.mkdir(parents=True, exist_ok=True)


class Changed(Exception):  # noqa: N818  it says what happened
    """A file is not the one any more that its flow was begun for."""


def mark_of(status: os.stat_result) -> str:
    """What tells this content of a file from another one under the same name, without reading it.
    It stays as it is when the file is moved."""
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"


def move(source: Path, target: Path, mark: str) -> None:
    """Move a file, for good. Once more it does nothing, so a step that does it may run twice.

    Nobody else ever makes a file of the target's name, so one that is there was moved by this very
    flow, before the process was killed; what has come under the source's name since is not its own.

    :raises Changed: the source is another file by now.
    :raises FileNotFoundError: there is neither of them.
    """
    if not target.exists():
        if mark_of(source.lstat()) != mark:
            raise Changed(f"{source.name} was written to, after it was found")
        os.replace(source, target)
    # The step is on disk soon; what it has done is to be there first.
    for folder in (target.parent, source.parent):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)

"""Telling of files as they come: by the kernel's events, so that an idle folder costs nothing.

watchdog's observer for Linux sleeps until inotify wakes it, runs without the interpreter lock too,
and says when a file was closed that somebody has written, or was moved in: the moments in which it
is complete. (watchfiles looks 20 times a second whether there is something, and tells of changes
alone.) On other systems there is no such event, and the sweep of the app finds the files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from watchdog.events import (
    FileClosedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)

if sys.platform == "linux":
    from watchdog.observers.inotify import InotifyObserver

__all__ = ["Watching", "watch"]


class Watching(Protocol):
    """Goes on until it is stopped, in OS threads of its own."""

    def stop(self) -> None:
        """Tell of nothing any more. Returns at once."""
        ...

    def join(self) -> None:
        """Wait until they have ended: at once, after a stop."""
        ...


class _Handler(FileSystemEventHandler):
    def __init__(self, found: Callable[[Path], None]) -> None:
        self._found = found

    def on_closed(self, event: FileClosedEvent) -> None:
        self._found(Path(os.fsdecode(event.src_path)))

    def on_moved(self, event: FileMovedEvent) -> None:  # type: ignore[override]
        if event.dest_path:  # else it was moved out
            self._found(Path(os.fsdecode(event.dest_path)))


def watch(folder: Path, found: Callable[[Path], None]) -> Watching | None:
    """Call `found`, in an OS thread of its own, with each file that is complete in `folder` from
    now on.

    :returns: None where the system has no such events.
    :raises OSError: the folder can't be watched: too many are, or it is not there.
    """
    if sys.platform != "linux":
        return None
    observer = InotifyObserver(generate_full_events=True)
    kinds: list[type[FileSystemEvent]] = [FileClosedEvent, FileMovedEvent]
    observer.schedule(_Handler(found), str(folder), event_filter=kinds)
    observer.start()
    return observer

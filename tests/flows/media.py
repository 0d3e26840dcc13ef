"""Task classes that the tests name by import strings: "tests.flows.media.Download"."""

from __future__ import annotations

import os
from typing import Any

from task_thread.flows.flowtask import FlowTask
from task_thread.flows.words import Spawn, Wait, spawn, wait

HERE = __name__


class Download(FlowTask):
    """Give what it was called with."""

    def perform(self, *args: Any, **kwargs: Any) -> Any:
        return {"args": list(args), "kwargs": kwargs}


class Transcode(FlowTask):
    """Give the results so far."""

    def perform(self, *args: Any, **kwargs: Any) -> Any:
        return dict(self.results)


class Notify(FlowTask):
    """Give who it is."""

    def perform(self, *args: Any, **kwargs: Any) -> Any:
        return [self.run_id, self.routine, self.key]


class Archive(FlowTask):
    """The same, on the loop."""

    async def perform(self, *args: Any, **kwargs: Any) -> Any:
        return [self.run_id, self.routine, self.key]


class Elsewhere(FlowTask):
    """Give the process that it runs in."""

    executor = "process"

    def perform(self, *args: Any, **kwargs: Any) -> int:
        return os.getpid()


class Confirm(FlowTask):
    """Wait until it is confirmed."""

    def perform(self, *args: Any, **kwargs: Any) -> Wait:
        return wait("for a confirmation")

    def check(self, *args: Any, **kwargs: Any) -> Any:
        return kwargs.get("confirmed", False)


class Offload(FlowTask):
    """Wait, and wait for another reason until there is an ``offload``."""

    def perform(self, *args: Any, **kwargs: Any) -> Wait:
        return wait(reason="wait for confirmation")

    def check(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("offload") is None:
            return wait(reason="Not Ready")
        return True


class Apart(FlowTask):
    """Have Download do it in a flow of its own."""

    def perform(self, *args: Any, **kwargs: Any) -> Spawn:
        return spawn(f"{HERE}.Download", args=(7,), reason="background download")


class Broken(FlowTask):
    """Fail."""

    def perform(self, *args: Any, **kwargs: Any) -> Any:
        raise OSError("the disk is gone")


class Unstorable(FlowTask):
    """Give what JSON has no word for."""

    def perform(self, *args: Any, **kwargs: Any) -> Any:
        return {object()}


class Outer:
    """A place for a class within a class."""

    class Inner(FlowTask):
        def perform(self, *args: Any, **kwargs: Any) -> str:
            return "inner"


class Doing:
    """No FlowTask, but it has what one needs."""

    def perform(self, *args: Any, **kwargs: Any) -> str:
        return "done"


class Mixed(Doing, FlowTask):
    """Whose ``perform`` is another class's."""


class Unfinished(FlowTask):
    """Without a ``perform``."""


class Impatient(FlowTask):
    """With an option that makes no sense."""

    max_time = -1.0

    def perform(self, *args: Any, **kwargs: Any) -> None: ...


def make_local() -> type[FlowTask]:
    """A class that no import string leads to."""

    class Local(FlowTask):
        def perform(self, *args: Any, **kwargs: Any) -> None: ...

    return Local


class Renamed(FlowTask):
    def perform(self, *args: Any, **kwargs: Any) -> str:
        return "the first"


FirstRenamed = Renamed


class Renamed(FlowTask):  # type: ignore[no-redef]
    """Whose name was another class's before."""

    def perform(self, *args: Any, **kwargs: Any) -> str:
        return "the second"


an_instance = Download()
"""No class."""

"""Functions that schedules find again by their names."""

from __future__ import annotations

from typing import Any

from tests.app.tasks.hands import Notes

NOTES = Notes()


async def note(*args: Any, **kwargs: Any) -> None:
    """Note what it was called with."""
    NOTES.add([*args, kwargs] if kwargs else [*args])


async def note_other(*args: Any) -> None:
    """Another one."""
    NOTES.add(["other", *args])


async def with_run(run: Any, word: str) -> None:
    """Gets its Run."""
    NOTES.add([run.task.id, word])


class Things:
    """Functions of a class and of an object."""

    @classmethod
    async def of_class(cls) -> None:
        """Found by its name."""
        NOTES.add([cls.__name__])

    async def of_object(self) -> None:
        """Not found by its name: of which object?"""


an_object = Things()
a_lambda = lambda: None  # noqa: E731


GATES: list[Any] = []


async def hold() -> None:
    """Stay at the gate of the moment."""
    await GATES[-1].hold_async()

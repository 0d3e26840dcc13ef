"""Errors are noted without keeping alive what they know, and shown as Python shows them."""

from __future__ import annotations

import gc
import traceback
import weakref

import pytest

from task_thread import ThreadStatistics, VirtualThread, on_error, reCreate
from task_thread.core.noted import Noted
from tests.support.journal import Journal


class Big:
    """Something that an error's frames know."""


def plain() -> None:
    raise ValueError("plain")


def with_cause() -> None:
    try:
        plain()
    except ValueError as error:
        raise KeyError("outer") from error


def with_context() -> None:
    try:
        plain()
    except ValueError:
        raise LookupError("meanwhile")  # noqa: B904  (that is what is tested)


def with_suppressed() -> None:
    try:
        plain()
    except ValueError:
        raise LookupError("alone") from None


def with_note() -> None:
    error = OSError(5, "disk")
    error.add_note("in the cellar")
    raise error


def grouped() -> None:
    raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])


def wrong_syntax() -> None:
    compile("1 +", "nowhere.py", "exec")


def without_text() -> None:
    raise RuntimeError


def words(text: str) -> list[str]:
    """Its lines, without those that only point at a place in the one above."""
    return [line for line in text.splitlines() if line.strip().strip("~^")]


@pytest.mark.parametrize(
    "raiser",
    [plain, with_cause, with_context, with_suppressed, with_note, without_text, wrong_syntax],
)
def test_says_what_a_traceback_says(raiser: object) -> None:
    try:
        raiser()  # type: ignore[operator]
    except Exception as error:
        noted = Noted(error, "here").failure()
        shown = "".join(traceback.format_exception(error))
    assert words(noted.traceback) == words(shown)
    assert noted.where == "here"


def test_says_each_of_a_group() -> None:
    try:
        grouped()
    except Exception as error:
        text = Noted(error, "here").failure().traceback
    assert "ValueError: one" in text
    assert "KeyError: 'two'" in text


def test_keeps_nothing_alive() -> None:
    def fail() -> weakref.ref[Big]:
        big = Big()
        reference = weakref.ref(big)
        try:
            raise ValueError(len(str(big)))
        except ValueError as error:
            noted.append(Noted(error, "here"))
        return reference

    noted: list[Noted] = []
    reference = fail()
    gc.collect()
    assert reference() is None
    assert "ValueError" in noted[0].failure().traceback


class Hostile(Exception):
    """Can't be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def test_an_error_that_cannot_be_shown() -> None:
    try:
        raise Hostile
    except Hostile as error:
        failure = Noted(error, "here").failure()
    assert failure.summary == "Hostile: (no text)"
    assert "Hostile" in failure.traceback


def test_a_chain_in_a_circle_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert "first" in Noted(first, "here").failure().traceback


class Failing(VirtualThread):
    """Has a task that fails, which it survives."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        super().__init__()

    async def enter__(self) -> None:
        self.tasks.work = await reCreate(None, self.work)
        self.tasks.watch = await reCreate(None, self.watch)

    @on_error("log")
    async def work(self) -> None:
        raise ValueError("of the task")

    async def watch(self) -> None:
        self.journal("watched")


async def test_a_task_that_failed_is_the_last_error(journal: Journal) -> None:
    async with Failing(journal) as thread:
        await journal.seen("watched")
        statistics: ThreadStatistics = thread.statistics()
    assert statistics.last_error is not None
    assert statistics.last_error.summary == "ValueError: of the task"
    assert statistics.last_error.where == "task work"
    assert statistics.last_error.at.tzinfo is not None
    assert "raise ValueError" in statistics.last_error.traceback

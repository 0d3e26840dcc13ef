"""A process under load that is killed: ``python -m tests.app.durable.victim STORE LIFE``.

What it says on its output, a line each, as it becomes true: ``A id`` the run is on disk, ``X id``
an attempt of it has begun, ``E id`` it has ended and its end is on disk, ``Z`` nothing is left. Of
reminders, each a schedule for one moment: ``R id`` it is on disk, ``Y id`` its run has begun.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from datetime import UTC, datetime, timedelta

from task_thread.app import Date, Interval, Run, RunEnded, TaskApp
from tests.app.durable.things import ROUND

logging.basicConfig(level=logging.CRITICAL)
store, life = sys.argv[1], int(sys.argv[2])


def say(word: str, number: int | str = "") -> None:
    """One write, so that a kill can't cut it in two."""
    os.write(1, f"{word} {number}\n".encode())


app = TaskApp("victim", threads=3, store=f"sqlite:///{store}", retention=3600)


@app.task
async def quick(number: str) -> None:
    """Ends within the turn in which it begins."""
    say("X", number)


@app.task
async def pausing(number: str) -> None:
    """Is under way for a while."""
    say("X", number)
    await asyncio.sleep(0.003)


@app.task
def in_thread(number: str) -> None:
    """In a thread."""
    say("X", number)


@app.task(retry=3, backoff=0.001, echo=True)
async def failing(run: Run[None], number: str) -> None:
    """Needs two attempts."""
    say("X", number)
    if run.attempt < 2:
        raise OSError("not yet")


@app.task(trigger=Interval(seconds=0.01), coalesce=True)
async def tick() -> None:
    """Comes by itself."""
    say("T")


@app.task
async def remind(number: str) -> None:
    """Is scheduled for one moment."""
    say("Y", number)


def told(event: RunEnded) -> None:
    """A run has ended, of this life or of an earlier one."""
    run = app._app.dispatcher.runs[event.run.id]
    if run.args and run.due is None:
        say("E", run.args[0])


app.subscribe(RunEnded, callback=told)


async def load() -> None:
    """Make calls for as long as it is let."""
    tasks = (quick, pausing, in_thread, failing)
    number = 0
    while life < ROUND:
        names = []
        for _ in range(20):
            number += 1
            names.append(f"{life}/{number}")
            task = tasks[number % 4]
            delay = 0.01 if number % 7 == 0 else None
            task.add_task(names[-1], delay=delay)
        soon = datetime.now(UTC) + timedelta(seconds=0.02)
        reminder = app.schedule(remind, Date(soon), args=[f"{life}/r{number}"])
        await app.flush()
        for name in names:
            say("A", name)
        say("R", reminder.args[0])


def left() -> int:
    """How many runs there are to do, those of earlier lives included."""
    return sum(not run.ended for run in list(app._app.dispatcher.runs.values()) if run.args)


async def rest() -> None:
    """The last life: let all runs end that are there."""
    while any(not task.declared for task in app.tasks_by_id):  # each goes with its run
        await app.flush()
    for run in list(app._app.dispatcher.runs.values()):
        if run.args:
            await asyncio.wait([asyncio.ensure_future(run.result())])
    await app.flush()
    say("Z", left())


with app:
    say("B")
    asyncio.run(load() if life < ROUND else rest())

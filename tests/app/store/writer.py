"""A program that writes to a store until it is killed. Run as ``writer.py FILE``.

For each line on stdin, a number, it forks (it has no threads then) a child that writes with that
number as its seed; the child tells on stdout of all that it has been told is on disk. Before that,
the line "pid NUMBER". What is written: groups of three records with checksums, which are there
together or not at all.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import sys

from task_thread.app.journal import Journal
from task_thread.app.sqlite import SqliteStore
from task_thread.app.store import Change
from task_thread.errors import StoreError

PARTS = 3


def sealed(text: str, dice: random.Random) -> bytes:
    """Some bytes that tell whether they are as they were."""
    body = text.encode() + b" " + dice.randbytes(dice.randrange(1500))
    return hashlib.sha256(body).digest() + body


def is_sealed(value: bytes) -> bool:
    return hashlib.sha256(value[32:]).digest() == value[:32]


def group(name: str, dice: random.Random) -> list[Change]:
    return [Change("run", f"{name}/{part}", sealed(name, dice)) for part in range(PARTS)]


def tell(name: str) -> None:
    os.write(1, f"{name}\n".encode())


async def write(store: SqliteStore, seed: int) -> None:
    """Half of it straight, from several tasks, half of it through a journal; some is deleted."""
    dice = random.Random(seed)

    async def straight(number: int) -> None:
        for count in range(100_000):
            name = f"{seed}-{number}-{count}"
            changes = group(name, dice)
            if count > 5:  # what is acknowledged as deleted stays away
                changes += [Change("run", f"{seed}-{number}-{count - 5}/{part}", None)
                            for part in range(PARTS)]  # fmt: skip
            await store.write(changes)
            tell(name)

    async def through_a_journal() -> None:
        journal = Journal(store, asyncio.get_running_loop(), lambda error: tell(f"! {error}"))
        for count in range(100_000):
            name = f"{seed}-j-{count}"

            def stored(error: StoreError | None, name: str = name) -> None:
                tell(name if error is None else f"! {error}")

            for change in group(name, dice):
                journal.put(change, stored if change.key.endswith(f"/{PARTS - 1}") else None)
            await asyncio.sleep(0)
            if journal.pending > 60:
                await journal.flush()

    await asyncio.gather(straight(1), straight(2), through_a_journal())


async def main(path: str, seed: int) -> None:
    store = SqliteStore(path)
    await store.open()
    await write(store, seed)


if __name__ == "__main__":
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            asyncio.run(main(sys.argv[1], int(line)))
        tell(f"pid {pid}")
        os.waitpid(pid, 0)
        tell("dead")

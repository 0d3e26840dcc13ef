"""Ways to send to a supervised child: from a bare OS thread, from another loop, from another
TaskThread, from the parent. Each keeps its row, and goes on whatever happens to the child."""

from __future__ import annotations

import asyncio
import random

from task_thread import Handle, TaskThread, reCreate
from task_thread.errors import InboxFull, ThreadEnded
from task_thread.latch import Latch
from tests.proof.chaos.ledger import Load, Question, Row
from tests.support.threads import post_at_last

Child = Handle[TaskThread]


def idle(rng: random.Random) -> None:
    """Some instructions without any effect, mostly few."""
    for _ in range(rng.choice((0, 0, 10, 300, 3000))):
        pass


def post_all(child: Child, row: Row, count: int, rng: random.Random) -> None:
    """In a bare OS thread: post so many, each again and again until there is room, or it ended."""
    for number in range(count):
        try:
            post_at_last(child, Load(row.sender, number))
        except ThreadEnded:
            return
        row.accepted.append(number)
        idle(rng)


async def insert_all(child: Child, row: Row, count: int, rng: random.Random) -> None:
    """On any loop: insert so many."""
    for number in range(count):
        try:
            await child.insertSignal(Load(row.sender, number))
        except ThreadEnded:
            return
        row.accepted.append(number)
        if rng.random() < 0.1:
            await asyncio.sleep(0)


async def mix_all(child: Child, row: Row, count: int, rng: random.Random) -> None:
    """On any loop: insert, post or ask, as is drawn. What is not accepted leaves a gap in the row;
    an ask is awaited before the next send, so the row has one order."""
    for number in range(count):
        way = rng.random()
        try:
            if way < 0.3:
                row.unsure.append(number)
                assert await child.ask(Question(row.sender, number), timeout=60.0) == number
                row.unsure.remove(number)
            elif way < 0.6:
                child.post(Load(row.sender, number))
            else:
                await child.insertSignal(Load(row.sender, number))
        except (InboxFull, ThreadEnded):
            continue
        row.accepted.append(number)


class SendingThread(TaskThread):
    """Another TaskThread, whose turns collect what they send.

    :ivar sent: set when all is sent.
    """

    def __init__(self, child: Child, row: Row, count: int, rng: random.Random) -> None:
        self.plan = child, row, count, rng
        self.sent: Latch[None] = Latch()
        super().__init__()

    async def enter__(self) -> None:
        self.tasks.sending = await reCreate(None, self.send)

    async def send(self) -> None:
        """Task: send, once."""
        try:
            await insert_all(*self.plan)
        finally:
            self.sent.set(None)

"""/healthz and /readyz: what makes them say no, and that they say yes again."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator

import pytest

from task_thread import Backoff, TaskThread
from task_thread.monitor import Dashboard
from task_thread.monitor.health import Health
from task_thread.monitor.watch import Blocked
from task_thread.signals import Signal
from tests.dashboard.http import get
from tests.dashboard.trees import Counter, Shop
from tests.support.journal import PATIENCE, Journal
from tests.support.threads import message, payload


class Blocker(Counter):
    """A handler of it blocks its loop until it is let go."""

    lag_limit = 0.1
    blocked = threading.Event()
    released = threading.Event()

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if payload(signal) == "block":
            self.blocked.set()
            self.released.wait(PATIENCE)
        return await super().signalHandler__(signal)


@pytest.fixture
def blockers() -> Iterator[Shop]:
    Blocker.blocked, Blocker.released = threading.Event(), threading.Event()
    with Shop("one", "two", kind=Blocker) as tree:
        yield tree
        Blocker.released.set()


def test_a_loop_that_is_held_up(blockers: Shop) -> None:
    blockers.counters[1].post(message("block"))
    assert Blocker.blocked.wait(PATIENCE)
    reply = get(blockers.address)
    assert reply.status == 503
    (stuck,) = json.loads(reply.body)["stuck"]
    assert stuck["path"] == "shop/two"
    assert 0.05 < stuck["since"] < PATIENCE
    assert get(blockers.address, "/readyz").status == 200  # it is up, if slow
    Blocker.released.set()
    blockers.journal.wait(("two", "block"))
    # What was said holds for a second, and not longer.
    blockers.dashboard._health._valid_until = 0.0
    assert get(blockers.address).status == 200


async def test_an_answer_holds_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    async def check() -> list[Blocked]:
        asked.append(now)
        return [Blocked("a", 1.0, "")]

    loop = asyncio.get_running_loop()
    now = begun = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    health = Health(check)
    for later in (0.0, 0.5, 0.99, 1.01, 1.9, 2.02):
        now = begun + later
        assert [each.path for each in await health.stuck()] == ["a"]
    assert asked == [begun, begun + 1.01, begun + 2.02]


def test_a_child_that_is_down_on_purpose(shop: Shop) -> None:
    asyncio.run(shop.counters[0].stop())
    reply = get(shop.address, "/readyz")
    assert reply.status == 503
    assert json.loads(reply.body) == {"ok": False, "down": ["shop/till"]}
    assert get(shop.address).status == 200
    asyncio.run(shop.counters[0].restart())
    assert get(shop.address, "/readyz").status == 200


def test_a_child_that_waits_to_be_restarted() -> None:
    class Patient(Shop):
        async def enter__(self) -> None:
            await super().enter__()
            # A transient one: that it is down is not in its type and state alone.
            self.late = await self.spawn(
                Counter,
                "late",
                self.journal,
                restart="transient",
                backoff=Backoff(initial=3600.0, maximum=3600.0),
            )

        async def childExited__(self, child: TaskThread, reason: object) -> None:
            self.journal("down")

    with Patient() as shop:
        shop.late.post(message(ValueError("no")))
        shop.journal.wait("down")
        reply = get(shop.address, "/readyz")
        assert (reply.status, json.loads(reply.body)["down"]) == (503, ["shop/late"])


class SlowToReturn(Counter):
    """Starts at once, and never again."""

    starts = 0

    async def enter__(self) -> None:
        type(self).starts += 1
        if self.starts > 1:
            self.journal("starting again")
            await asyncio.get_running_loop().create_future()
        await super().enter__()


def test_a_child_that_is_starting_again() -> None:
    SlowToReturn.starts = 0
    with Shop("slow", kind=SlowToReturn) as shop:
        assert get(shop.address, "/readyz").status == 200
        shop.counters[0].post(message(ValueError("no")))
        shop.journal.wait("starting again")
        reply = get(shop.address, "/readyz")
        assert (reply.status, json.loads(reply.body)["down"]) == (503, ["shop/slow"])


def test_a_root_that_does_not_run() -> None:
    journal = Journal()
    shown = Counter("shown", journal)

    class Beside(TaskThread):
        async def enter__(self) -> None:
            self.handle = await self.spawn(Dashboard, root=shown)

    with Beside() as beside:
        address = beside.handle.thread.address
        assert json.loads(get(address, "/readyz").body) == {"ok": False, "down": ["shown"]}
        with shown:
            assert get(address, "/readyz").status == 200
            assert json.loads(get(address, "/api/tree").body)["path"] == "shown"
        assert get(address, "/readyz").status == 503

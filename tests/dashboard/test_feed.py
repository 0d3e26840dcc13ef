"""One picture for all, only while somebody looks, and never more than one kept for anybody."""

from __future__ import annotations

import asyncio
import json
import time
from itertools import pairwise
from typing import Any

import pytest

from task_thread import TaskThread
from task_thread.monitor import Dashboard, Node, Watch, snapshot
from task_thread.monitor.feed import Feed
from task_thread.monitor.http_limits import HttpLimits
from task_thread.monitor.watch import Blocked
from tests.dashboard.http import Viewer, connect, get, read_all, request, statuses
from tests.dashboard.trees import Shop
from tests.support.journal import Journal


async def test_a_subscription_gives_out_the_newest_only() -> None:
    feed = Feed()
    subscription = feed.subscribe()
    for number in range(1000):
        feed.publish(b"%d" % number)
    assert await subscription.get() == b"999"
    waiting = asyncio.ensure_future(subscription.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    feed.publish(b"next")
    assert await waiting == b"next"


async def test_a_closed_subscription_is_left() -> None:
    feed = Feed()
    subscription, other = feed.subscribe(), feed.subscribe()
    subscription.put(b"piece")
    subscription.close()
    assert feed.viewers == 1
    assert await subscription.get() is None
    assert await subscription.get() is None
    other.put(b"piece")
    feed.close(b"farewell")
    assert feed.viewers == 0
    assert await other.get() == b"farewell"
    assert await other.get() is None


async def test_closing_wakes_who_waits() -> None:
    subscription = Feed().subscribe()
    waiting = asyncio.ensure_future(subscription.get())
    await asyncio.sleep(0)
    subscription.close()
    assert await waiting is None


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Journal:
    """Every snapshot that a dashboard takes of its tree."""
    journal = Journal()

    def counted(root: TaskThread) -> Node:
        journal("look")
        return snapshot(root)

    monkeypatch.setattr("task_thread.monitor.dashboard.snapshot", counted)
    return journal


def test_nobody_looks_nothing_is_done(shop: Shop, looks: Journal) -> None:
    tasks = {task.name for task in shop.dashboard.statistics().tasks}
    assert looks.entries == []
    assert "_show" not in tasks
    assert "show" not in tasks


def test_viewers_share_one_picture(shop: Shop, looks: Journal) -> None:
    with Viewer(shop.address) as one, Viewer(shop.address) as two, Viewer(shop.address) as three:
        viewers = (one, two, three)
        for _ in range(3):
            pictures = {clock(viewer) for viewer in viewers}
            assert len(pictures) == 1
    assert len(looks.entries) <= 4  # three, and one more where the viewers were slow to leave


def clock(viewer: Viewer) -> float:
    found: float = json.loads(viewer.chunk().partition(b"data: ")[2])["clock"]
    return found


def test_a_picture_a_second(shop: Shop, looks: Journal) -> None:
    with Viewer(shop.address) as viewer:
        times = [clock(viewer) for _ in range(4)]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(gap > 0.9 for gap in gaps)
    assert times[-1] - times[0] < 6.0  # 3.0 on a machine with nothing else to do


def test_looking_ends_with_the_last_viewer(
    shop: Shop, looks: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal()
    show = Dashboard._show

    async def told(dashboard: Dashboard) -> None:
        await show(dashboard)
        journal("again" if dashboard.tasks.show else "ended")

    monkeypatch.setattr(Dashboard, "_show", told)
    for times in (1, 2):
        with Viewer(shop.address) as viewer:
            viewer.chunk()
        journal.wait("ended", times)
    assert shop.dashboard._latest is None


def test_the_first_picture_comes_at_once(shop: Shop) -> None:
    begun = time.monotonic()
    with Viewer(shop.address) as viewer:
        viewer.chunk()
        with Viewer(shop.address) as second:
            second.chunk()
    assert time.monotonic() - begun < 0.9


def test_a_viewer_who_does_not_read_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """He is closed when his place has been full for too long; the other gets his picture a
    second all the same."""
    picture = Dashboard._picture
    padding = "x" * 8_000_000  # more than the system buffers
    monkeypatch.setattr(Dashboard, "_picture", lambda self: {**picture(self), "padding": padding})
    with (
        Shop(limits=HttpLimits(write_timeout=1.5)) as shop,
        connect(shop.address) as slow,
        Viewer(shop.address) as viewer,
    ):
        slow.sendall(request("/events", "Host: localhost"))
        times = [clock(viewer) for _ in range(3)]
        assert times[2] - times[0] < 5.0
        assert shop.guests.become(1)
        assert clock(viewer) > times[2]


def test_stopping_says_farewell_and_is_quick() -> None:
    with Shop() as shop:
        viewers = [Viewer(shop.address) for _ in range(5)]
        for viewer in viewers:
            viewer.chunk()
        begun = time.monotonic()
    assert time.monotonic() - begun < 0.9
    for viewer in viewers:
        assert viewer.chunk().startswith(b"event: bye\n")
        assert viewer.chunk() == b""
        viewer.close()


def test_stopping_does_not_wait_for_idle_connections(shop: Shop) -> None:
    with connect(shop.address) as sock:
        sock.sendall(request("/healthz", "Host: localhost"))
        assert statuses(sock.recv(65536)) == [200]
        begun = time.monotonic()
        asyncio.run(shop.handle.stop())
        assert time.monotonic() - begun < 0.9
        assert read_all(sock) == b""


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> Journal:
    """Each dashboard that has entered."""
    journal = Journal()
    enter = Dashboard.enter__

    async def told(dashboard: Dashboard) -> None:
        await enter(dashboard)
        journal("entered")

    monkeypatch.setattr(Dashboard, "enter__", told)
    return journal


def test_a_restart_keeps_a_port_that_was_given(entered: Journal) -> None:
    with Shop() as other:
        port = other.address[1]
    with Shop(port=port) as shop:
        asyncio.run(shop.handle.restart())
        assert shop.handle.generation == 2
        assert shop.address[1] == port
        assert get(shop.address).status == 200


def test_a_crash_of_the_dashboard_costs_its_viewers_a_second(
    entered: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its supervisor starts it again on the same port; the tree has noticed nothing."""
    with Shop() as other:
        port = other.address[1]
    broken = True
    picture = Dashboard._picture

    def breaks_once(dashboard: Dashboard) -> dict[str, Any]:
        nonlocal broken
        if broken:
            broken = False
            raise LookupError("no picture")
        return picture(dashboard)

    monkeypatch.setattr(Dashboard, "_picture", breaks_once)
    with Shop(port=port) as shop:
        before = shop.counts()
        with Viewer(shop.address) as viewer:
            assert viewer.chunk().startswith(b"event: bye")
        entered.wait("entered", 3)
        with Viewer(shop.address) as viewer:
            assert b'"tree"' in viewer.chunk()
        assert shop.handle.restarts == 1
        assert shop.counts() == before


class Alarmed(Watch):
    """Says that a loop is held up."""

    asked = 0
    blocked = Blocked("shop/till", 2.5, "File x")

    def stuck(self) -> list[Blocked]:
        return [self.blocked]

    async def check(self, timeout: float | None = None) -> list[Blocked]:
        self.asked += 1
        return [self.blocked]


def test_a_watch_of_ones_own_is_asked() -> None:
    """What the watch says is what /healthz and the page say, and /healthz asks once a second."""
    with Shop() as other:
        watch = Alarmed(other)
        with Shop(watch=watch) as shop:
            begun = time.monotonic()
            replies = [get(shop.address) for _ in range(20)]
            assert watch.asked <= 1 + int(time.monotonic() - begun)
            assert {reply.status for reply in replies} == {503}
            assert json.loads(replies[0].body) == {
                "ok": False,
                "stuck": [{"path": "shop/till", "since": 2.5}],
            }
            assert shop.dashboard.handles == []
            with Viewer(shop.address) as viewer:
                health = json.loads(viewer.chunk().partition(b"data: ")[2])["health"]
            assert health["stuck"] == [{"path": "shop/till", "since": 2.5, "stack": "File x"}]

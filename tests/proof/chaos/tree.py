"""The tree that is shaken: a root, managers of all strategies, workers of all kinds."""

from __future__ import annotations

import asyncio
import random
from typing import Any, Final

from task_thread import Backoff, ExitReason, TaskThread, reCreate, reSchedule
from task_thread.errors import RestartLimitReached, StartCancelled, ThreadEnded
from task_thread.signals import Signal
from tests.proof.chaos.ledger import Kill, Load, Question
from tests.proof.chaos.town import Place, Town
from tests.proof.trees import Planned, placed


class Citizen(TaskThread):
    """Books what it is given, replies to questions, and ends as a :class:`Kill` says."""

    max_qsize = 16
    stop_timeout = 30.0

    def __init__(self, town: Town, place: Place, **kwargs: Any) -> None:
        self.town, self.place = town, place
        self.end = ""
        place.starts += 1
        self.fault = ""
        if place.starts > 1 and place.bad_starts:
            self.fault = place.bad_starts.pop()
        if self.fault == "constructor":
            raise Planned("constructor")
        super().__init__(**kwargs)

    async def enter__(self) -> None:
        if self.fault == "enter__":
            raise Planned("enter__")

    async def signalHandler__(self, signal: Signal) -> bool | None:
        self.place.note(signal)
        if isinstance(signal, Question):
            signal.reply(signal.number)
        elif isinstance(signal, Kill):
            return await self.die(signal.way)
        return None

    async def die(self, way: str) -> bool | None:
        """End, in that way."""
        self.end = way
        if way == "handler":
            raise Planned(way)
        if way == "task":
            self.tasks.bomb = await reCreate(None, self.explode)
        elif way in ("wish", "exit__", "stopping__"):
            await self.requestTerminate()
        elif way == "stop":
            await self.stop()
        return way != "false"

    async def explode(self) -> None:
        """Task: raise."""
        raise Planned("task")

    async def stopping__(self) -> None:
        if self.end == "stopping__":
            raise Planned("stopping__")

    async def exit__(self) -> None:
        if self.end == "exit__":
            raise Planned("exit__")

    async def inputOverflowHandler__(self, queue: object) -> None:
        """A full inbox is what is wanted."""

    async def outputOverflowHandler__(self, queue: object) -> None:
        """The same."""


class Worker(Citizen):
    """Sends to its manager now and then, from a task."""

    async def enter__(self) -> None:
        await super().enter__()
        self.tasks.up = await reCreate(None, self.up)

    async def up(self) -> None:
        """Task: send a signal up every few milliseconds."""
        await asyncio.sleep(0.01)
        manager: Any = self.parent
        row = self.town.row(manager.place, self.place.up)
        number, row.next = row.next, row.next + 1
        row.unsure += 1  # cancelled while it waits for room it can't know
        try:
            await self.sigFromChildToParent__(Load(self.place.up, number))
            row.accepted += 1
        except ThreadEnded:
            pass
        row.unsure -= 1
        self.tasks.up = await reSchedule(self.up)


WORKERS: Final[dict[str, type[Worker]]] = {kind: placed(Worker, kind) for kind in ("os", "virtual")}
# Not a new class for each worker, which would cost more memory than all that it does.

WorkerPlan = tuple[str, str, Backoff | None]
"""Where a worker lives, when it is restarted, and with which pauses."""


class Manager(Citizen):
    """Has workers, and gets another one for each that has ended for good."""

    def __init__(self, town: Town, place: Place, plans: list[WorkerPlan], **kwargs: Any) -> None:
        self.plans = plans
        self.mine: dict[Place, WorkerPlan] = {}
        super().__init__(town, place, **kwargs)

    async def enter__(self) -> None:
        await super().enter__()
        try:
            for plan in self.plans:
                await self.hire(plan)
        except BaseException:
            self.dismiss_all()
            raise

    async def hire(self, plan: WorkerPlan) -> None:
        """Get a worker, even where its start is cut short by a sibling's crash."""
        kind, restart, backoff = plan
        while True:
            place = self.town.new_place(kind, restart, self.place)
            try:
                handle = await self.spawn(
                    WORKERS[kind],
                    self.town,
                    place,
                    restart=restart,  # type: ignore[arg-type]
                    backoff=backoff,
                )
            except StartCancelled:
                continue
            self.mine[place] = plan
            self.town.open(place, handle)
            return

    def dismiss_all(self) -> None:
        """It has ended: its workers come no more."""
        for place in self.mine:
            self.town.close(place)

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        self.place.note(signal)

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        place: Place = child.place  # type: ignore[attr-defined]
        if place.restart == "permanent" or (place.restart == "transient" and reason.failed):
            return
        if place not in self.mine:
            return
        try:
            await self.delChild(place.handle)
            plan = self.mine.pop(place)
            self.town.close(place)
            await self.hire(plan)
        except ThreadEnded:
            return


ManagerPlan = tuple[str, str, int, float, list[WorkerPlan]]
"""Where a manager lives, its strategy, its limit and its window, and its workers."""


class Root(TaskThread):
    """Has managers, and sees to it that each of them gave up for the right reason."""

    max_restarts = 10**9
    stop_timeout = 30.0

    def __init__(self, town: Town, plans: list[ManagerPlan]) -> None:
        self.town, self.plans = town, plans
        super().__init__()

    async def enter__(self) -> None:
        for kind, strategy, limit, window, workers in self.plans:
            cls = type(
                "Manager",
                (placed(Manager, kind),),
                {"strategy": strategy, "max_restarts": limit, "restart_window": window},
            )
            place = self.town.new_place("manager", "permanent")
            self.town.open(place, await self.spawn(cls, self.town, place, workers))

    async def childExited__(self, child: TaskThread, reason: ExitReason) -> None:
        assert isinstance(child, Manager)
        child.dismiss_all()
        supervisor: Any = child._taskthread.supervisor
        tripped = supervisor._plan.model.tripped
        gave_up = isinstance(reason.exception, RestartLimitReached)
        self.town.totals["gave up"] += gave_up
        # It may have crashed for another reason in the same moment: the first one counts.
        if (gave_up and not tripped) or (tripped and reason.kind != "crash"):
            self.town.wrong.append(f"{child}: {tripped=} and ended: {reason}")


def draw_tree(rng: random.Random) -> list[ManagerPlan]:
    """One manager of each strategy in an OS thread and one without, each with four workers."""
    pause = Backoff(initial=0.002, factor=2.0, maximum=0.02, jitter=0.5, healthy=0.05)
    # Some give up often, some hardly ever.
    limits = [(1, 0.1), (1, 0.5), (3, 0.3), (3, 1.0), (6, 0.5), (12, 1.0)]
    rng.shuffle(limits)
    plans: list[ManagerPlan] = []
    for strategy in ("one_for_one", "one_for_all", "rest_for_one"):
        for kind in ("os", "virtual"):
            workers: list[WorkerPlan] = [
                ("os", "permanent", None),
                ("virtual", "permanent", pause),
                (rng.choice(("os", "virtual")), "transient", None),
                (rng.choice(("os", "virtual")), "temporary", None),
            ]
            rng.shuffle(workers)
            plans.append((kind, strategy, *limits.pop(), workers))
    return plans

"""Context variables: the starter's reach the thread, the thread's stay in it."""

from __future__ import annotations

from contextvars import ContextVar

from task_thread import TaskThread, reCreate, reSchedule
from task_thread.signals import Signal
from tests.support.journal import Journal
from tests.support.threads import Place, Plain, message

request_id: ContextVar[str] = ContextVar("request_id", default="none")


class Looks(TaskThread):
    """Writes down what it sees in each hook, and sets its own value."""

    def __init__(self, journal: Journal, parent: TaskThread | None = None) -> None:
        self.journal = journal
        super().__init__(parent=parent)

    def look(self, where: str) -> None:
        self.journal((where, request_id.get()))

    async def enter__(self) -> None:
        self.look("enter__")
        self.tasks.work = await reCreate(None, self.work)

    async def work(self) -> None:
        self.look("task")
        self.tasks.work = await reSchedule(self.again)

    async def again(self) -> None:
        self.look("next run")

    async def signalHandler__(self, signal: Signal) -> None:
        self.look("signalHandler__")

    async def stopping__(self) -> None:
        self.look("stopping__")

    async def exit__(self) -> None:
        self.look("exit__")


async def test_the_starters_variables_reach_every_hook(place: Place, journal: Journal) -> None:
    async with Plain() as root:
        request_id.set("r-1")
        child = place(Looks)(journal, parent=root)
        await child.run()
        request_id.set("r-2")  # later: not the start's
        await child.insertSignal(message(1))
        await journal.seen(("signalHandler__", "r-1"))
        await journal.seen(("next run", "r-1"))
        await child.stop()
    assert {value for _, value in journal.entries} == {"r-1"}
    assert [where for where, _ in journal.entries][-2:] == ["stopping__", "exit__"]


def test_the_variables_of_a_synchronous_starter_reach_the_thread(journal: Journal) -> None:
    token = request_id.set("sync")
    try:
        with Looks(journal):
            pass
    finally:
        request_id.reset(token)
    assert ("enter__", "sync") in journal.entries


async def test_the_threads_variables_do_not_reach_the_starter(place: Place) -> None:
    class Sets(TaskThread):
        async def enter__(self) -> None:
            request_id.set("inside")

    request_id.set("outside")
    async with place(Sets)() as root:
        assert request_id.get() == "outside"
        await place(Sets)(parent=root).run()
        assert request_id.get() == "outside"


async def test_what_enter_sets_reaches_its_tasks_and_children(
    place: Place, journal: Journal
) -> None:
    class Sets(TaskThread):
        async def enter__(self) -> None:
            request_id.set("from the parent")
            await place(Looks)(journal, parent=self).run()

    async with place(Sets)():
        await journal.seen(("enter__", "from the parent"))
        await journal.seen(("task", "from the parent"))


async def test_siblings_do_not_share_variables(place: Place, journal: Journal) -> None:
    class Sets(Looks):
        async def enter__(self) -> None:
            request_id.set(str(self))
            await super().enter__()

    async with Plain() as root:
        children = [place(Sets)(journal, parent=root) for _ in range(3)]
        for child in children:
            await child.run()
        for child in children:
            await child.insertSignal(message(1))
            await journal.seen(("signalHandler__", str(child)))
    assert request_id.get() == "none"

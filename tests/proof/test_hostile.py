"""Code that raises, hangs, swallows its cancel or blocks its loop: the tree ends by its deadline
all the same, and every thread says the right reason."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic

import pytest

from task_thread import State, TaskThread, reCreate
from task_thread.errors import StopTimeout, ThreadEnded
from task_thread.signals import Signal
from tests.proof.trees import (
    FINAL,
    PATIENCE,
    Bookkeeper,
    Numbered,
    Planned,
    VirtualBookkeeper,
    placed,
    started,
)

TIMEOUT = 1.0
"""Seconds that a stop may take here."""
SLACK = 0.4
"""Seconds that a busy machine may add."""

HOOKS = ("enter__", "signalHandler__", "childsignalHandler__", "childExited__", "stopping__",
         "exit__")  # fmt: skip

Act = Callable[[], Awaitable[None]]


class Victim(Bookkeeper):
    """Has a child, and does `act` in the hook, or the task, called `where`."""

    stop_timeout = TIMEOUT
    max_qsize = 1

    def __init__(self, parent: TaskThread, where: str, act: Act) -> None:
        self.where, self.act = where, act
        super().__init__(parent)
        kind = Bookkeeper if self.own_loop else VirtualBookkeeper
        self.grandchild = kind(self)
        self.acting = threading.Event()

    async def maybe(self, hook: str) -> None:
        if hook == self.where:
            self.acting.set()
            await self.act()

    async def enter__(self) -> None:
        await self.grandchild.run()
        await self.maybe("enter__")
        await super().enter__()
        self.tasks.act = await reCreate(None, self.maybe, "task")

    async def signalHandler__(self, signal: Signal) -> bool | None:
        await self.maybe("signalHandler__")
        return await super().signalHandler__(signal)

    async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
        await self.maybe("childsignalHandler__")
        await super().childsignalHandler__(signal, child)

    async def childExited__(self, child: TaskThread, reason: object) -> None:
        await self.maybe("childExited__")

    async def stopping__(self) -> None:
        await super().stopping__()
        await self.maybe("stopping__")

    async def exit__(self) -> None:
        await super().exit__()
        await self.maybe("exit__")

    async def provoke(self) -> None:
        """Let it come to the hook in question. From another loop."""
        if self.where == "signalHandler__":
            await self.insertSignal(Numbered("test", 1))
        elif self.where == "childsignalHandler__":
            await self.grandchild.sigFromChildToParent__(Numbered("test", 1))
        elif self.where == "childExited__":
            await self.grandchild.stop()
        elif self.where in ("stopping__", "exit__"):
            await self.terminate()


class Odd(BaseException):
    """No Exception: such as pytest, trio and others raise for purposes of their own."""


def raising(error: BaseException) -> Act:
    async def act() -> None:
        raise error

    return act


# A task that raises CancelledError has been cancelled: that is how asyncio says it.
@pytest.mark.parametrize(
    ("where", "error"),
    [
        (where, error)
        for where in (*HOOKS, "task")
        for error in (Planned, SystemExit, Odd, asyncio.CancelledError)
        if not (where == "task" and error is asyncio.CancelledError)
    ],
)
@pytest.mark.parametrize("kind", ["os", "virtual"])
def test_raises(kind: str, where: str, error: type[BaseException]) -> None:
    async def program() -> None:
        async with Bookkeeper() as root:
            raised = error("planned")
            victim = placed(Victim, kind)(root, where, raising(raised))
            begun = monotonic()
            if where == "enter__":
                with pytest.raises(BaseException) as caught:  # noqa: PT011  (which one: below)
                    await victim.run()
                assert error is asyncio.CancelledError or caught.value is raised
                assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
            else:
                await victim.run()
                await victim.provoke()
            async with asyncio.timeout(PATIENCE):
                reason = await victim.join()
            assert monotonic() - begun < TIMEOUT + SLACK
            assert reason.kind == "crash", reason
            assert victim.state is State.CRASHED
            if where in HOOKS and error is not SystemExit:
                assert reason.exception is raised
            assert (where in reason.detail) or where == "task", reason.detail
            assert victim.grandchild.exit_reason is not None
            assert victim.grandchild.exit_reason.kind == "shutdown"
            assert victim.grandchild.books.hooks == ["enter__", "stopping__", "exit__"]
            wanted = [] if where == "enter__" else ["enter__", "stopping__", "exit__"]
            assert victim.books.hooks == wanted
            with pytest.raises(ThreadEnded):
                victim.post(Numbered("late", 1))
            # The parent goes on, and has been told once.
            assert root.state is State.RUNNING
            assert root.children == []
            await root.insertSignal(Numbered("test", 1))
        assert root.books.handled == 1
        told = [] if where == "enter__" else [(victim, reason)]
        assert root.books.exited == told
        assert root.exit_reason is not None
        assert root.exit_reason.kind == "shutdown"

    asyncio.run(program())


@pytest.mark.parametrize("kind", ["os", "virtual"])
@pytest.mark.parametrize("whose", ["input", "output"])
def test_an_overflow_hook_raises(kind: str, whose: str) -> None:
    class Receiver(Bookkeeper):
        max_qsize = 1

        def initVars__(self) -> None:
            super().initVars__()
            self.free = asyncio.Event()

        async def signalHandler__(self, signal: Signal) -> bool | None:
            await self.free.wait()
            return await super().signalHandler__(signal)

        async def childsignalHandler__(self, signal: Signal, child: TaskThread) -> None:
            await self.free.wait()
            await super().childsignalHandler__(signal, child)

        async def inputOverflowHandler__(self, queue: object) -> None:
            if whose == "input":
                self.free.set()
                raise Planned

        async def stopping__(self) -> None:
            self.free.set()

    class Sender(Bookkeeper):
        async def enter__(self) -> None:
            self.tasks.flood = await reCreate(None, self.flood)

        async def flood(self) -> None:
            for number in range(10):
                await self.sigFromChildToParent__(Numbered("up", number))

        async def outputOverflowHandler__(self, queue: object) -> None:
            if whose == "output":
                raise Planned

    async def program() -> None:
        async with Bookkeeper() as root:
            receiver = placed(Receiver, kind)(root)
            await receiver.run()
            sender = Sender(receiver)
            await sender.run()
            if whose == "input":
                await sender.stop()  # what a child sends calls the child's own hook
                with contextlib.suppress(ThreadEnded):
                    for number in range(10):
                        await receiver.insertSignal(Numbered("down", number))
            crashed, other = (receiver, sender) if whose == "input" else (sender, receiver)
            async with asyncio.timeout(PATIENCE):
                reason = await crashed.join()
            assert reason.kind == "crash", reason
            assert isinstance(reason.exception, Planned)
            await other.stop()
            assert other.exit_reason is not None
            assert other.exit_reason.kind == "shutdown", other.exit_reason
            inbox = receiver.statistics().inbox
            assert inbox.accepted == inbox.handled + inbox.dead
            assert inbox.handled == receiver.books.handled

    asyncio.run(program())


@pytest.mark.parametrize("kind", ["os", "virtual"])
def test_a_constructor_and_an_id_that_raise(kind: str) -> None:
    class Unborn(Victim):
        def initVars__(self) -> None:
            raise Planned

    class Nameless(Bookkeeper):
        def getId(self) -> str:
            raise Planned

    async def program() -> None:
        async with Bookkeeper() as root:
            with pytest.raises(Planned):
                placed(Unborn, kind)(root, "nowhere", raising(Planned()))
            assert root.children == []
            nameless = placed(Nameless, kind)(root)
            await nameless.run()
            await nameless.insertSignal(Numbered("test", 1))
            assert "Nameless-" in nameless.statistics().id
            await nameless.stop()
            assert nameless.exit_reason is not None
            assert nameless.exit_reason.kind == "shutdown"
            assert nameless.books.handled == 1

    asyncio.run(program())


# ---- hanging ------------------------------------------------------------------------------


def hanging(swallows: float, also: type[BaseException], release: threading.Event) -> Act:
    """Wait for ever, and go on waiting through so many cancels."""

    async def hang_here() -> None:
        swallowed = 0
        while not release.is_set():
            try:
                await asyncio.get_running_loop().create_future()
            except also:
                swallowed += 1
                if swallowed > swallows:
                    raise

    return hang_here


MODES: dict[str, tuple[float, type[BaseException]]] = {
    "obeys": (0, asyncio.CancelledError),
    "swallows once": (1, asyncio.CancelledError),
    "swallows always": (float("inf"), asyncio.CancelledError),
    "swallows all": (float("inf"), BaseException),
}


async def stop_hanging(kind: str, where: str, mode: str, release: threading.Event) -> list[str]:
    """What is wrong with the end of a tree with such a victim; nothing, one hopes."""
    root = Bookkeeper()
    root.stop_timeout = TIMEOUT
    running = await started(root)
    victim = placed(Victim, kind)(root, where, hanging(*MODES[mode], release))
    starting = asyncio.create_task(victim.run())
    if where != "enter__":
        await starting
        await victim.provoke()
    await asyncio.to_thread(victim.acting.wait, PATIENCE)
    begun = monotonic()
    await root.stop()
    took = monotonic() - begun
    outcome, _ = await asyncio.gather(running, starting, return_exceptions=True)
    wrong: list[str] = []
    case = f"{kind}, {where}, {mode}: "
    if took > TIMEOUT + SLACK:
        wrong.append(f"{case}the stop took {took:.2f} s")
    for thread in (root, victim, victim.grandchild):
        if thread.state not in FINAL:
            wrong.append(f"{case}{thread!r} has not ended")
    if wrong:
        return wrong
    assert victim.exit_reason is not None
    assert root.exit_reason is not None
    # A task, or an enter__, that obeys a cancel is no fault; a hook that has to be cancelled is.
    gentle = where in ("task", "enter__") and mode == "obeys"
    gentle |= where == "task" and mode == "swallows once"
    wanted = ("shutdown",) if gentle else ("timeout",)
    if victim.exit_reason.kind not in wanted:
        wrong.append(f"{case}wanted {wanted}, is {victim.exit_reason}")
    if not gentle and "hang_here" not in victim.exit_reason.detail + str(outcome):
        wrong.append(f"{case}nothing says where it hung: {victim.exit_reason}, {outcome}")
    if isinstance(outcome, StopTimeout) is gentle:
        wrong.append(f"{case}run() said {outcome!r}")
    if not gentle and str(victim) not in str(outcome):
        wrong.append(f"{case}not named by run(): {outcome}")
    if root.exit_reason.kind != "shutdown":
        wrong.append(f"{case}the root: {root.exit_reason}")
    if victim.grandchild.exit_reason is None or victim.grandchild.exit_reason.kind != "shutdown":
        wrong.append(f"{case}the grandchild: {victim.grandchild.exit_reason}")
    if root.books.hooks != ["enter__", "stopping__", "exit__"]:
        wrong.append(f"{case}the root's hooks: {root.books.hooks}")
    return wrong


# Python says so when it throws a coroutine away that ignores even its close().
@pytest.mark.filterwarnings("ignore:.*hang_here:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("where", [*HOOKS, "task"])
def test_hangs(where: str) -> None:
    async def program() -> None:
        release = threading.Event()
        try:
            ends = await asyncio.gather(
                *(
                    stop_hanging(kind, where, mode, release)
                    for mode in MODES
                    for kind in ("os", "virtual")
                )
            )
        finally:
            release.set()
        assert [line for wrong in ends for line in wrong] == []

    asyncio.run(program())


# ---- a blocked loop -----------------------------------------------------------------------


def blocking(release: threading.Event) -> Act:
    async def block_here() -> None:
        release.wait(PATIENCE)

    return block_here


async def end_blocked(where: str, release: threading.Event) -> None:
    """Block in the hook `where`, and check everything about the end."""
    root = Bookkeeper()
    root.stop_timeout = TIMEOUT
    running = await started(root)
    victim = Victim(root, where, blocking(release))
    virtual = VirtualBookkeeper(victim)
    sibling = Bookkeeper(root)
    await sibling.run()
    starting = asyncio.create_task(victim.run())
    if where != "enter__":
        await starting
        if where != "task":
            await virtual.run()
        await victim.provoke()
    await asyncio.to_thread(victim.acting.wait, PATIENCE)
    lived_on_it = virtual in victim.children
    begun = monotonic()
    await root.stop()
    assert monotonic() - begun < TIMEOUT + SLACK
    with pytest.raises(StopTimeout) as caught:
        await running
    await asyncio.gather(starting, return_exceptions=True)
    reason = victim.exit_reason
    assert reason is not None
    assert reason.kind == "abandoned"
    assert victim.state is State.ABANDONED
    assert "block_here" in reason.detail
    assert str(victim) in str(caught.value)
    assert "block_here" in str(caught.value)
    assert victim.grandchild.exit_reason is not None
    assert victim.grandchild.exit_reason.kind == "shutdown"
    if lived_on_it and where != "exit__":  # else it had ended before
        assert virtual.exit_reason is not None
        assert virtual.exit_reason.kind == "abandoned"
    for fine in (sibling, root):
        assert fine.exit_reason is not None
        assert fine.exit_reason.kind == "shutdown"
        assert fine.books.hooks == ["enter__", "stopping__", "exit__"]
    with pytest.raises(ThreadEnded):
        victim.post(Numbered("late", 1))
    inbox = victim.statistics().inbox
    assert inbox.accepted == inbox.handled + inbox.dead + inbox.depth

    # It comes back to its senses: its OS thread ends, and nothing else changes any more.
    hung = [each for each in threading.enumerate() if each.name == str(victim)]
    assert len(hung) == 1
    release.set()
    await asyncio.to_thread(hung[0].join, PATIENCE)
    assert not hung[0].is_alive()
    assert victim.state is State.ABANDONED
    assert victim.exit_reason is reason
    assert [child for child, _ in root.books.exited].count(victim) <= 1


def test_blocks_its_loop() -> None:
    async def program() -> None:
        cases = [*HOOKS, "task"]
        ends = await asyncio.gather(
            *(end_blocked(where, release) for where, release in zip(cases, releases, strict=True)),
            return_exceptions=True,
        )
        for where, end in zip(cases, ends, strict=True):
            if end is not None:
                end.add_note(f"blocked in {where}")
                raise end

    releases = [threading.Event() for _ in (*HOOKS, "task")]
    try:
        asyncio.run(program())
    finally:
        for release in releases:
            release.set()


def test_blocked_at_the_bottom_of_a_deep_tree() -> None:
    """Each level keeps a little of the time for itself: all of them still close properly."""
    release = threading.Event()

    async def program() -> None:
        root = Bookkeeper()
        root.stop_timeout = TIMEOUT
        chain = [root]
        running = await started(root)
        for _ in range(4):
            chain.append(Bookkeeper(chain[-1]))
            await chain[-1].run()
        victim = Victim(chain[-1], "task", blocking(release))
        await victim.run()
        await asyncio.to_thread(victim.acting.wait, PATIENCE)
        begun = monotonic()
        await root.stop()
        assert monotonic() - begun < TIMEOUT + SLACK
        with pytest.raises(StopTimeout, match="block_here"):
            await running
        assert victim.exit_reason is not None
        assert victim.exit_reason.kind == "abandoned"
        for each in chain:
            assert each.exit_reason is not None
            assert each.exit_reason.kind == "shutdown", each
            assert each.books.hooks == ["enter__", "stopping__", "exit__"]

    try:
        asyncio.run(program())
    finally:
        release.set()


# ---- the process's exit code --------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "code", "said"),
    [
        ("fine", 0, ""),
        ("crash-in-enter", 1, "Planned"),
        ("crash-in-task", 1, "Planned"),
        ("crash-in-exit", 1, "Planned"),
        ("crash-in-child", 0, "Planned"),
        ("exit-in-handler", 1, "SystemExit"),
        ("swallow", 70, "swallow_here"),
        ("hang-in-exit", 70, "hang_here"),
        ("block-child", 70, "block_here"),
        ("block-root", 70, "block_here"),
        ("block-virtual", 70, "block_here"),
        ("block-two", 70, "block_here"),
    ],
)
def test_exit_code(mode: str, code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.proof.programs.hostile", mode],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    took = re.search(r"took (\d+\.\d+)", done.stdout)
    assert took, done.stdout
    assert float(took[1]) < TIMEOUT + SLACK
    if "block" in mode:
        assert "abandoned" in done.stderr

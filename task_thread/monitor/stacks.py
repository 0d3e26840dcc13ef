"""Where every thread of a tree is right now, read from outside.

The rules:

- A loop's OS thread is looked at, not interrupted: what runs goes on, what waits is not woken.
- A task's lines are those in which it hangs, the innermost last, as in a traceback. A task that
  hangs nowhere is between two runs, or is the one that runs right now.
- Without an interpreter lock a coroutine that runs must not be looked into from another thread.
  There, and there alone, the loops are asked to tell of their tasks themselves, and of a loop that
  does not answer in time the OS thread's stack is all there is.
"""

from __future__ import annotations

import asyncio
import contextlib
import linecache
import queue
import selectors
import sys
import traceback
from asyncio import AbstractEventLoop
from asyncio.events import _get_running_loop
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import monotonic
from types import FrameType
from typing import Any, Final, Literal

from task_thread.core.carrier import Carrier
from task_thread.core.lifecycle import FINAL
from task_thread.core.thread import TaskThread
from task_thread.core.turns import TurnSelector, tasks_of
from task_thread.monitor.tree import Place, places

__all__ = ["ThreadStack", "os_stack", "render", "stacks", "waits_for_events"]

Where = Literal["running", "idle", "virtual"]

_CARRIED: Final = Carrier._run.__code__
_ANSWER_SECONDS: Final = 0.25  # for all loops together, where they have to be asked


@dataclass(frozen=True, slots=True)
class ThreadStack:
    """Where one thread is.

    :ivar path: where it stands in the tree.
    :ivar where: ``"running"``, its loop runs a callback; ``"idle"``, its loop waits for events;
        ``"virtual"``, it is on the loop of one above it, whose stack is shown there.
    :ivar lines: the stack of its OS thread, then where each of its tasks hangs.
    """

    path: str
    where: Where
    lines: str


def stacks(root: TaskThread) -> list[ThreadStack]:
    """Where `root` and all below it are, parents before their children. From any thread.

    What has ended (a supervised child that is down, say) is nowhere and is left out.

    :raises TypeError: `root` is no TaskThread.
    """
    if not isinstance(root, TaskThread):
        raise TypeError(f"stacks() takes a TaskThread, not {root!r}")
    frames = sys._current_frames()
    living = [place for place in places(root) if place.thread.state not in FINAL]
    loops: dict[AbstractEventLoop, list[TaskThread]] = {}
    for place in living:
        loop = place.thread._taskthread.life.loop
        if loop is not None:
            loops.setdefault(loop, []).append(place.thread)
    tasks = _tell_all(loops)
    return [_stack(place, loops, frames, tasks.get(id(place.thread), [])) for place in living]


def _stack(
    place: Place,
    loops: dict[AbstractEventLoop, list[TaskThread]],
    frames: dict[int, FrameType],
    tasks: list[str],
) -> ThreadStack:
    life = place.thread._taskthread.life
    loop = life.loop
    if loop is None or loop not in loops:
        return ThreadStack(place.path, "idle", "its loop is not there yet")
    if loops[loop][0] is not place.thread:
        return ThreadStack(place.path, "virtual", "\n".join(tasks))
    frame = None if life._ident is None else frames.get(life._ident)
    where: Where = "idle" if waits_for_events(loop, frame) else "running"
    lines = [] if frame is None else ["OS thread:", *_lines_of(frame)]
    return ThreadStack(place.path, where, "\n".join(lines + tasks))


def os_stack(thread: TaskThread) -> str:
    """The stack of the OS thread that `thread` lives in, the innermost call last; "" where it has
    none. From any thread."""
    ident = thread._taskthread.life._ident
    frame = None if ident is None else sys._current_frames().get(ident)
    return "" if frame is None else "\n".join(_lines_of(frame))


def _lines_of(frame: FrameType) -> list[str]:
    """An OS thread's stack, without what is outside of the loop in the threads that are ours."""
    steps: list[tuple[FrameType, int]] = []
    for step in traceback.walk_stack(frame):
        if step[0].f_code is _CARRIED and steps:
            break
        steps.append(step)
    return _show(reversed(steps))


def render(found: Iterable[ThreadStack]) -> str:
    """All of it as one text for people."""
    return "\n\n".join(
        "\n  ".join([f"{each.path} ({each.where})", *each.lines.splitlines()]) for each in found
    )


def waits_for_events(loop: AbstractEventLoop, frame: FrameType | None) -> bool:
    """Whether `loop` waits for something to do. From any thread; it is not woken.

    :param frame: the innermost one of its OS thread, for loops that don't count their turns.
    """
    selector = getattr(loop, "_selector", None)
    if isinstance(selector, TurnSelector):
        return selector.turn % 2 == 1
    if frame is None:
        return False
    # A loop that is written in C (uvloop) waits if it runs nothing of Python's.
    return frame.f_code.co_filename == selectors.__file__ or frame.f_code is _CARRIED


def _show(steps: Iterable[tuple[FrameType, int]]) -> list[str]:
    """Frames with their lines, the outermost first, as a traceback shows them."""
    linecache.checkcache()
    text = "".join(traceback.StackSummary.extract(iter(steps)).format())
    return text.rstrip().splitlines()


# ---- tasks ------------------------------------------------------------------------------------


def _tell_all(loops: dict[AbstractEventLoop, list[TaskThread]]) -> dict[int, list[str]]:
    """The lines of all tasks, by their threads' identity."""
    told: dict[int, list[str]] = {}
    answers: queue.SimpleQueue[dict[int, list[str]]] = queue.SimpleQueue()
    asked = 0
    for loop, threads in loops.items():
        if _has_lock() or loop is _get_running_loop():
            told |= _tell(loop, threads)
            continue
        with contextlib.suppress(RuntimeError):  # closed this very moment

            def answer(loop: AbstractEventLoop = loop, mine: list[TaskThread] = threads) -> None:
                answers.put(_tell(loop, mine))

            loop.call_soon_threadsafe(answer)
            asked += 1
    limit = monotonic() + _ANSWER_SECONDS
    with contextlib.suppress(queue.Empty):
        for _ in range(asked):
            told |= answers.get(timeout=max(0.0, limit - monotonic()))
    return told


def _has_lock() -> bool:
    enabled = getattr(sys, "_is_gil_enabled", None)
    return enabled is None or bool(enabled())


def _tell(loop: AbstractEventLoop, threads: list[TaskThread]) -> dict[int, list[str]]:
    """The lines of the tasks of `threads`, which share `loop`; what belongs to none of them is
    told with the first, who carries it."""
    told: dict[int, list[str]] = {}
    others = tasks_of(loop)
    for thread in threads:
        lines: list[str] = []
        for task, coroutine in _tasks(thread):
            others.discard(task)
            lines += _lines(task, coroutine)
        told[id(thread)] = lines
    for task in sorted(others, key=lambda task: task.get_name()):
        told[id(threads[0])] += _lines(task, task.get_coro())
    return told


def _tasks(thread: TaskThread) -> Iterator[tuple[asyncio.Task[Any], Any]]:
    """What runs in `thread`: each task, and the coroutine that is of interest."""
    engine = thread._taskthread
    winding = engine.life._winding
    own = [engine.life.main, None if winding is None else winding.task]
    for task in own + list(engine.life.aside):
        if task is not None and not task.done():
            yield task, task.get_coro()
    refs = list(engine.crew.refs)  # at one go: the loop changes the set
    for ref in sorted(refs, key=lambda ref: ref.slot):
        yield ref.task, ref.coroutine  # without its driver


def _lines(task: asyncio.Task[Any], coroutine: Any) -> list[str]:
    return [f"task {task.get_name()}:", *(_show(_steps(coroutine)) or ["  between two runs"])]


def _steps(coroutine: Any) -> Iterator[tuple[FrameType, int]]:
    """The frames in which a coroutine hangs, the outermost first."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            return
        yield frame, frame.f_lineno
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)

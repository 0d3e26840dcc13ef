"""Signals to a supervised child, against the same child without supervision."""

from __future__ import annotations

from ..model import Benchmark, Contender, Sense, Target

WITHOUT = "task_thread, to a child without supervision"


def supervised(*, name: str, title: str, ours: str, call: str) -> Benchmark:
    """The benchmark of that way to send."""
    return Benchmark(
        name=name,
        title=title,
        unit="signals/s",
        size=100_000,
        quick_size=20_000,
        contenders=(
            Contender(name=ours, call=f"ours_supervised:{call}", arguments=(1_000, 2)),
            Contender(name=WITHOUT, call="ours_supervised:unsupervised", arguments=(1_000, 2)),
        ),
        targets=(Target(sense=Sense.AT_LEAST, bound=0.9, against=WITHOUT),),
        weight=2,
    )


SPAWNED = supervised(
    name="signals-spawned",
    title="Signals in bursts of 1,000 to a spawned child's instance, each on a core of its own",
    ours="task_thread, child.thread.insertSignal",
    call="spawned",
)

HANDLE = supervised(
    name="signals-handle",
    title="The same through its handle, which finds the instance of the moment",
    ours="task_thread, child.insertSignal",
    call="through_handle",
)

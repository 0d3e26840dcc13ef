"""What a TaskThread costs."""

from __future__ import annotations

from ..model import Benchmark, Contender, Sense, Target

START_AND_STOP = Benchmark(
    name="start-stop",
    title="1,000 TaskThreads started one by one, then stopped",
    unit="s",
    size=1_000,
    quick_size=100,
    contenders=(
        Contender(name="task_thread", call="ours_threads:start_and_stop"),
        Contender(name="bare threads with loops", call="bare_threads:start_and_stop"),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=2, against="bare threads with loops"),),
)

MEMORY = Benchmark(
    name="memory",
    title="Resident memory for each of 1,000 TaskThreads",
    unit="KiB",
    size=1_000,
    quick_size=200,
    contenders=(
        Contender(name="task_thread", call="ours_threads:memory"),
        Contender(name="bare threads with loops", call="bare_threads:memory"),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=60),),
)

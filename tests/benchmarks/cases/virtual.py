"""What a VirtualThread costs."""

from __future__ import annotations

from ..model import Benchmark, Contender, Sense, Target

VIRTUAL_MEMORY = Benchmark(
    name="virtual-memory",
    title="Resident memory for each of 10,000 VirtualThreads",
    unit="KiB",
    size=10_000,
    quick_size=1_000,
    contenders=(
        Contender(name="task_thread", call="ours_threads:virtual_memory"),
        Contender(name="bare tasks, each at a queue", call="bare_threads:task_memory"),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=12),),
)

VIRTUAL_START = Benchmark(
    name="virtual-start",
    title="Start of each of 10,000 VirtualThreads",
    unit="us",
    size=10_000,
    quick_size=1_000,
    contenders=(
        Contender(name="task_thread", call="ours_threads:virtual_start"),
        Contender(name="bare tasks, each at a queue", call="bare_threads:task_start"),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=100),),
)

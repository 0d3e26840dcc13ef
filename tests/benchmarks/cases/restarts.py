"""A child that crashes and comes again."""

from __future__ import annotations

from ..model import Benchmark, Contender, Sense, Target

START = "a bare thread with a loop, from its making to its first callback"

RESTART = Benchmark(
    name="restart",
    title="From a crash to the first signal that the next instance handles, an OS thread each",
    unit="us",
    size=500,
    quick_size=100,
    contenders=(
        Contender(name="task_thread, a permanent child", call="ours_restarts:own_loop"),
        Contender(name=START, call="bare_restarts:start"),
        Contender(
            name="all bare: a loop ended by an exception, its thread joined, the next one made",
            call="bare_restarts:restart",
        ),
        Contender(name="task_thread, a VirtualThread", call="ours_restarts:virtual"),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=3, against=START),),
    weight=2,
)

RESTARTS_LEFT = Benchmark(
    name="restarts-left",
    title="OS threads, descriptors and asyncio tasks that 10,000 restarts leave behind",
    unit="of them",
    size=10_000,
    quick_size=500,
    contenders=(Contender(name="task_thread", call="ours_restarts:left_behind"),),
    targets=(Target(sense=Sense.AT_MOST, bound=0),),
    weight=0.2,
)

RESTARTS_GROWTH = Benchmark(
    name="restarts-growth",
    title="Memory that each of 10,000 restarts leaves behind",
    unit="bytes",
    size=10_000,
    quick_size=1_000,
    contenders=(Contender(name="task_thread", call="ours_restarts:growth"),),
    targets=(Target(sense=Sense.AT_MOST, bound=1),),
    weight=0.2,
)

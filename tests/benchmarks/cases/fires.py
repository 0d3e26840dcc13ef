"""Scheduled tasks: what adding one costs, and each fire; and how late it is.

A wake-up of a loop by its timer costs more than all that a fire does. So CPU is measured where
each fire wakes the loop, unless several are let wait for each other; where a thousand are due at
the same instants; and where a hundred thousand are, and nothing counts but the fires.
"""

from __future__ import annotations

from ..model import Benchmark, Contender, Sense, Target

APSCHEDULER = "APScheduler, AsyncIOScheduler, jobs in memory"
BARE = "bare call_at, an asyncio task each"
LEAD = 15  # seconds, in which 100,000 are added
FEW = "task_thread, 100 tasks, each ten times a second"

ADDING = Benchmark(
    name="schedule",
    title="Scheduling each of 100,000 tasks, an Interval each, the app running",
    unit="us",
    size=100_000,
    quick_size=10_000,
    contenders=(
        Contender(name="task_thread, app.schedule(function)", call="ours_fires:adding_functions"),
        Contender(name="task_thread, app.schedule(task)", call="ours_fires:adding_tasks"),
        Contender(name=APSCHEDULER, call="peer_apscheduler:adding"),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=50),),
    weight=0.6,
)


def cpu(*, name: str, title: str, way: int, target: float) -> Benchmark:
    """The benchmark of 1,000 tasks that are due in that way."""
    return Benchmark(
        name=name,
        title=title,
        unit="us",
        size=5,
        quick_size=2,
        contenders=(
            Contender(name="task_thread", call="ours_fires:cpu", arguments=(1_000, way)),
            Contender(name=APSCHEDULER, call="peer_apscheduler:cpu", arguments=(1_000, way)),
            Contender(name=BARE, call="bare_fires:cpu", arguments=(1_000, way)),
        ),
        targets=(Target(sense=Sense.AT_MOST, bound=target, against=APSCHEDULER),),
    )


SPREAD = cpu(
    name="fires",
    title="CPU for each fire, 1,000 tasks once a second, one due each millisecond",
    way=0,
    target=0.2,
)

TOGETHER = cpu(
    name="fires-together",
    title="The same, all due at the same instant of each second",
    way=1,
    target=0.2,
)

MANY = Benchmark(
    name="fires-100000",
    title="CPU for each fire with 100,000 tasks, each once in 100 s, one due each millisecond",
    unit="us",
    size=5,
    quick_size=2,
    contenders=(
        Contender(name="task_thread", call="ours_fires:cpu", arguments=(100_000, 0)),
        Contender(name=FEW, call="ours_fires:cpu", arguments=(100, 0)),
        Contender(name=APSCHEDULER, call="peer_apscheduler:cpu", arguments=(100_000, 0)),
        Contender(name=BARE, call="bare_fires:cpu", arguments=(100_000, 0)),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=1.2, against=FEW),),
    weight=0.6,
)

AT_ONCE = Benchmark(
    name="fires-at-once",
    title="CPU for each fire of 100,000 tasks of one function, all due at one instant",
    unit="us",
    size=100_000,
    quick_size=10_000,
    contenders=tuple(
        Contender(name=name, call=f"{module}:cpu_at_once", arguments=(LEAD,))
        for name, module in (
            ("task_thread", "ours_fires"),
            (APSCHEDULER, "peer_apscheduler"),
            (BARE, "bare_fires"),
        )
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=0.2, against=APSCHEDULER),),
    weight=0.6,
)

LATENESS = Benchmark(
    name="fires-late",
    title="Lateness that 99 of 100 fires stay below, 1,000 tasks, one due each millisecond",
    unit="ms",
    size=5,
    quick_size=2,
    contenders=(
        Contender(name="task_thread", call="ours_fires:lateness", arguments=(1_000,)),
        Contender(name=APSCHEDULER, call="peer_apscheduler:lateness", arguments=(1_000,)),
        Contender(name=BARE, call="bare_fires:lateness", arguments=(1_000,)),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=10),),
)

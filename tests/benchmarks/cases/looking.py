"""Looking at a tree."""

from __future__ import annotations

from ..model import Benchmark, Contender, Sense, Target

SNAPSHOT = Benchmark(
    name="snapshot",
    title="A snapshot of 1,000 threads",
    unit="ms",
    size=1_000,
    quick_size=100,
    contenders=(Contender(name="task_thread", call="ours_looking:snapshot_time"),),
    targets=(Target(sense=Sense.AT_MOST, bound=50),),
)

SNAPSHOT_TURNS = Benchmark(
    name="snapshot-turns",
    title="Turns that the loops of 1,000 threads make for 20 snapshots",
    unit="turns",
    size=1_000,
    quick_size=100,
    contenders=(Contender(name="task_thread", call="ours_looking:turns"),),
    targets=(Target(sense=Sense.AT_MOST, bound=0),),
    weight=0.4,
)

IDLE = "nobody looks"

DASHBOARD = Benchmark(
    name="dashboard",
    title="A core's time for the dashboard, one viewer, a tree of 100 once a second",
    unit="%",
    size=10,
    quick_size=4,
    contenders=(
        Contender(name="task_thread, Dashboard", call="ours_looking:dashboard"),
        Contender(name="task_thread, a Watch alone", call="ours_looking:watched"),
        Contender(name=IDLE, call="ours_looking:unwatched"),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=2),),
    weight=0.6,
)

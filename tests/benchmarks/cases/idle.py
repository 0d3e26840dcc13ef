"""An idle tree."""

from __future__ import annotations

from ..model import Benchmark, Contender, Sense, Target

IDLE = Benchmark(
    name="idle",
    title="Wake-ups of an idle tree of 50 OS threads in 10 s",
    unit="voluntary context switches",
    size=10,
    quick_size=2,
    contenders=(
        Contender(name="task_thread", call="ours_threads:idle"),
        Contender(name="bare threads with loops", call="bare_threads:idle"),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=0),),
    weight=0.4,
)

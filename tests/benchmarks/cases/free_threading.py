"""Two TaskThreads beside each other on a CPython without the GIL."""

from __future__ import annotations

from ..model import Benchmark, Contender, Python, Sense, Target

FREE_THREADING = Benchmark(
    name="free-threading",
    title="CPU-bound handlers without the GIL: two TaskThreads, together",
    unit="pieces/s",
    size=2_000,
    quick_size=400,
    contenders=(
        Contender(name="two TaskThreads", call="ours_cpu:two", python=Python.FREE),
        Contender(name="one TaskThread", call="ours_cpu:one", python=Python.FREE),
        Contender(name="one bare thread with a loop", call="bare_cpu:one", python=Python.FREE),
        Contender(name="two bare threads with loops", call="bare_cpu:two", python=Python.FREE),
    ),
    targets=(Target(sense=Sense.AT_LEAST, bound=1.7, against="one TaskThread"),),
)

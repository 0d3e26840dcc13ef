"""What `import task_thread` costs and brings in."""

from __future__ import annotations

from ..model import Benchmark, Contender, Sense, Target

IMPORTS = Benchmark(
    name="import",
    title="import task_thread, in a fresh interpreter",
    unit="ms",
    size=1,
    quick_size=1,
    contenders=(
        Contender(name="import task_thread", call="imports:ours"),
        Contender(name="import asyncio, structlog, janus", call="imports:ingredients"),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=1.25, against="import asyncio, structlog, janus"),),
    weight=6,
)

LAYERS = Benchmark(
    name="layers",
    title="Modules above the core that import task_thread loads",
    unit="modules",
    size=1,
    quick_size=1,
    contenders=(Contender(name="import task_thread", call="imports:layers_loaded"),),
    targets=(Target(sense=Sense.AT_MOST, bound=0),),
    weight=0.2,
)

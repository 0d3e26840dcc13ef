"""Runs of trivial functions, in memory: what an app adds to each."""

from __future__ import annotations

from ..model import Benchmark, Contender, Sense, Target

SKETCH = "a sketch: priority queue, one worker, a Run with id and times, an asyncio task each"
TASKIQ = "taskiq, InMemoryBroker, in one loop"
TARGETS = (
    Target(sense=Sense.AT_LEAST, bound=0.59, against=SKETCH),
    Target(sense=Sense.AT_LEAST, bound=2, against=TASKIQ),
)

ON_LOOP = Benchmark(
    name="runs",
    title="50,000 runs of a trivial coroutine function, from the first added to all done, one loop",
    unit="runs/s",
    size=50_000,
    quick_size=10_000,
    contenders=(
        Contender(name="task_thread, add_task and await", call="ours_runs:on_its_loop"),
        Contender(name=SKETCH, call="bare_runs:sketch"),
        Contender(name=TASKIQ, call="peer_taskiq:in_memory"),
        Contender(name="a heap, a future each, one worker (the limit)", call="bare_runs:least"),
    ),
    targets=TARGETS,
)

FROM_THREAD = Benchmark(
    name="runs-thread",
    title="The same, added and waited for by another OS thread, each on a core of its own",
    unit="runs/s",
    size=50_000,
    quick_size=10_000,
    contenders=(
        Contender(
            name="task_thread, add_task and wait", call="ours_runs:from_thread", arguments=(2,)
        ),
        Contender(name=SKETCH, call="bare_runs:sketch_from_thread", arguments=(2,)),
        Contender(name=TASKIQ, call="peer_taskiq:in_memory"),
    ),
    targets=TARGETS,
)

FUNCTIONS = Benchmark(
    name="runs-functions",
    title="20,000 runs of a trivial plain function in 8 OS threads, added by another one",
    unit="runs/s",
    size=20_000,
    quick_size=5_000,
    contenders=(
        Contender(name="task_thread, add_task and wait", call="ours_runs:of_functions"),
        Contender(
            name="concurrent.futures.ThreadPoolExecutor, submit and result",
            call="bare_runs:executor",
        ),
    ),
    targets=(),
)

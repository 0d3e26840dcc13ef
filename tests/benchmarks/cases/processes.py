"""Calls in another process."""

from __future__ import annotations

from ..model import Benchmark, Contender, Sense, Target

BARE = "bare anyio.to_process.run_sync"
BARE_ACROSS = "the same, from another loop by run_coroutine_threadsafe"

ON_LOOP = Benchmark(
    name="process-call",
    title="A call in another process and its answer, from the loop that the workers belong to",
    unit="us",
    size=3_000,
    quick_size=500,
    contenders=(
        Contender(name="task_thread, app.apply", call="ours_process:applied"),
        Contender(name=BARE, call="bare_process:called"),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=1.3, against=BARE),),
)

ACROSS = Benchmark(
    name="process-call-across",
    title="The same from another loop",
    unit="us",
    size=3_000,
    quick_size=500,
    contenders=(
        Contender(name="task_thread, app.apply", call="ours_process:applied_across"),
        Contender(name=BARE_ACROSS, call="bare_process:called_across"),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=1.3, against=BARE_ACROSS),),
)

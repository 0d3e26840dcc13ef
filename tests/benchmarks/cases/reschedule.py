"""Tasks that re-schedule themselves."""

from __future__ import annotations

from ..model import Benchmark, Contender, Python, Sense, Target

ORIGINAL = "the original library"
BARE = "while True: await sleep(0)"
TARGETS = (
    Target(sense=Sense.AT_LEAST, bound=1.6, against=ORIGINAL),
    Target(sense=Sense.AT_LEAST, bound=0.7, against=BARE),
)


def contenders(function: str, *arguments: int) -> tuple[Contender, ...]:
    """The three ways, each with its function of that name."""
    return (
        Contender(
            name="task_thread, reSchedule",
            call=f"ours_reschedule:{function}",
            arguments=arguments,
        ),
        Contender(
            name=ORIGINAL,
            call=f"peer_original:{function}",
            arguments=arguments,
            python=Python.PEER,
        ),
        Contender(name=BARE, call=f"bare_reschedule:{function}", arguments=arguments),
    )


RESCHEDULE = Benchmark(
    name="reschedule",
    title="Runs of one task that re-schedules itself",
    unit="runs/s",
    size=200_000,
    quick_size=20_000,
    contenders=contenders("one"),
    targets=TARGETS,
)

RESCHEDULE_MANY = Benchmark(
    name="reschedule-1000",
    title="Runs of 1,000 tasks that re-schedule themselves",
    unit="runs/s",
    size=300_000,
    quick_size=50_000,
    contenders=contenders("many", 1_000),
    targets=TARGETS,
)

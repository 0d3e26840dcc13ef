"""A single signal there and back."""

from __future__ import annotations

from ..model import Benchmark, Contender, Sense, Target

BARE = "call_soon_threadsafe both ways"


def round_trip(*, name: str, title: str, cores: int) -> Benchmark:
    """The benchmark with the two threads on so many cores."""
    calls = (
        ("task_thread", "ours_round_trip:parent_and_child"),
        (BARE, "bare_round_trip:call_soon"),
        ("janus both ways", "peer_janus_round_trip:queues"),
    )
    return Benchmark(
        name=name,
        title=title,
        unit="us",
        size=10_000,
        quick_size=2_000,
        contenders=tuple(
            Contender(name=contender, call=call, arguments=(cores,)) for contender, call in calls
        ),
        targets=(Target(sense=Sense.AT_MOST, bound=1.5, against=BARE),),
    )


TWO_CORES = round_trip(
    name="round-trip",
    title="One signal from parent to child and back, each thread on a core of its own",
    cores=2,
)

ONE_CORE = round_trip(
    name="round-trip-one-core",
    title="The same, both threads on one core",
    cores=1,
)

"""Signals one way between two OS threads.

The peers are slow when each thread has a core of its own and they fight for the interpreter's
lock, and twice as fast when the sender's loop lets the receiver in often, or when both threads
share a core: so there is more than one benchmark, with the same contenders. On one core the limit
itself is only about four times as fast as the peers, so five times is asked on two cores only.
"""

from __future__ import annotations

from ..model import Benchmark, Contender, Sense, Target

OURS = "task_thread, insertSignal"
LIMIT = "deque, lock, one coalesced wake-up, handler called (the limit)"
JANUS = "janus, put and get each"
JANUS_NOWAIT = "janus, put_nowait and get each"
PYKKA = "pykka, tell"

OF_THE_LIMIT = Target(sense=Sense.AT_LEAST, bound=0.5, against=LIMIT)
TIMES_THE_PEERS = (
    Target(sense=Sense.AT_LEAST, bound=5, against=JANUS),
    Target(sense=Sense.AT_LEAST, bound=5, against=JANUS_NOWAIT),
    Target(sense=Sense.AT_LEAST, bound=5, against=PYKKA),
)

CALLS = (
    (OURS, "ours_one_way:unbounded"),
    (LIMIT, "bare_one_way:called"),
    ("deque, lock, one coalesced wake-up, handler awaited", "bare_one_way:awaited"),
    (JANUS, "peer_janus:put_each"),
    (JANUS_NOWAIT, "peer_janus:put_nowait_each"),
    ("janus, async put each, taken by a thread without a loop", "peer_janus:async_put_each"),
    (PYKKA, "peer_pykka:tell_each"),
    ("culsans, async put and get each", "peer_culsans:put_each"),
    ("call_soon_threadsafe each", "bare_one_way:call_soon"),
    ("task_thread, insertSignal, at most 100 waiting", "ours_one_way:bounded"),
)


def one_way(*, name: str, title: str, burst: int, cores: int) -> Benchmark:
    """The benchmark with bursts of so many signals, and the two threads on so many cores."""
    return Benchmark(
        name=name,
        title=title,
        unit="signals/s",
        size=100_000,
        quick_size=20_000,
        contenders=tuple(
            Contender(name=contender, call=call, arguments=(burst, cores))
            for contender, call in CALLS
        ),
        targets=(OF_THE_LIMIT, *TIMES_THE_PEERS) if cores > 1 else (OF_THE_LIMIT,),
    )


ONE_BURST = one_way(
    name="signals",
    title="100,000 signals to another OS thread in one burst, each thread on a core of its own",
    burst=100_000,
    cores=2,
)

BURSTS = one_way(
    name="signals-1000",
    title="The same in bursts of 1,000, a turn of the sender's loop after each",
    burst=1_000,
    cores=2,
)

ONE_CORE = one_way(
    name="signals-one-core",
    title="The same in bursts of 1,000, both threads on one core",
    burst=1_000,
    cores=1,
)

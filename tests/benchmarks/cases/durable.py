"""Runs that outlive the process, on SQLite: WAL and a sync to disk with each commit, for all."""

from __future__ import annotations

from ..model import Benchmark, Contender, Sense, Target

HUEY = "huey, SqliteHuey, 1 worker thread"
HUEY_FOUR = "huey, SqliteHuey, 4 worker threads"
ONE_COMMIT = "bare sqlite3, one commit for each run (WAL, synchronous=FULL)"
COMMIT = "bare sqlite3, one commit (WAL, synchronous=FULL)"

DURABLE = Benchmark(
    name="durable",
    title="Durable runs of a trivial function, from the first added to the result of the last",
    unit="runs/s",
    size=5_000,
    quick_size=1_000,
    contenders=(
        Contender(name="task_thread, store on SQLite (FULL)", call="ours_durable:durable"),
        Contender(name=ONE_COMMIT, call="bare_durable:one_commit"),
        Contender(
            name="the same, two commits: before it begins and at its end",
            call="bare_durable:two_commits",
        ),
        Contender(name=HUEY, call="peer_huey:durable", arguments=(1,)),
        Contender(name=HUEY_FOUR, call="peer_huey:durable", arguments=(4,)),
    ),
    targets=(
        Target(sense=Sense.AT_LEAST, bound=1, against=ONE_COMMIT),
        Target(sense=Sense.AT_LEAST, bound=2, against=HUEY),
        Target(sense=Sense.AT_LEAST, bound=2, against=HUEY_FOUR),
    ),
)

LATENCY = Benchmark(
    name="durable-latency",
    title="One run at a time, from adding it in another OS thread to its result",
    unit="ms",
    size=500,
    quick_size=100,
    contenders=(
        Contender(name="task_thread, durable", call="ours_durable:latency"),
        Contender(name="task_thread, in memory", call="ours_durable:latency_in_memory"),
        Contender(name=COMMIT, call="bare_durable:commit_time"),
    ),
    targets=(),
)

ADDED_LATENCY = Benchmark(
    name="durable-latency-added",
    title="What a durable run takes longer than one in memory, both in turns",
    unit="ms",
    size=500,
    quick_size=100,
    contenders=(
        Contender(name="task_thread", call="ours_durable:added_latency"),
        Contender(name=COMMIT, call="bare_durable:commit_time"),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=5),),
)

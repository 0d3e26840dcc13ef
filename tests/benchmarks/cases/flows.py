"""Durable flows on SQLite: WAL and a sync to disk with each commit."""

from __future__ import annotations

from ..model import Benchmark, Contender, Sense, Target

RUNS = "task_thread, as many durable runs of a TaskApp"
ONE_COMMIT = "bare sqlite3, one commit for each step (WAL, synchronous=FULL)"
COMMIT = "bare sqlite3, one commit (WAL, synchronous=FULL)"

STEPS = Benchmark(
    name="flow-steps",
    title="Steps of 1,000 flows of ten tasks each, from the first submitted to the last done",
    unit="steps/s",
    size=1_000,
    quick_size=100,
    contenders=(
        Contender(name="task_thread, flows on SQLite (FULL)", call="ours_flows:steps"),
        Contender(name=RUNS, call="ours_flows:runs"),
        Contender(name=ONE_COMMIT, call="bare_durable:ten_commits"),
    ),
    targets=(Target(sense=Sense.AT_LEAST, bound=0.5, against=RUNS),),
    weight=2,
)

LONG = Benchmark(
    name="flow-long",
    title="Steps of one flow of 1,000 tasks, each on disk before the next begins",
    unit="steps/s",
    size=1_000,
    quick_size=100,
    contenders=(
        Contender(name="task_thread, a flow on SQLite (FULL)", call="ours_flows:one_by_one"),
        Contender(name=ONE_COMMIT, call="bare_durable:one_commit"),
    ),
    targets=(),
)

WAITING_MEMORY = Benchmark(
    name="flow-memory",
    title="Memory that each of 10,000 flows takes which wait",
    unit="KiB",
    size=10_000,
    quick_size=1_000,
    contenders=(Contender(name="task_thread", call="ours_flows:waiting_memory"),),
    targets=(Target(sense=Sense.AT_MOST, bound=1),),
)

WAITING_CPU = Benchmark(
    name="flow-cpu",
    title="CPU in each second while 10,000 flows wait",
    unit="ms",
    size=10_000,
    quick_size=1_000,
    contenders=(
        Contender(name="task_thread", call="ours_flows:waiting_cpu"),
        Contender(name="task_thread, one flow", call="ours_flows:waiting_one", arguments=(1,)),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=1),),
)

RESUME = Benchmark(
    name="flow-resume",
    title="From resume() to the next task's first line, beside 10,000 that wait; 99 of 100 below",
    unit="ms",
    size=500,
    quick_size=100,
    contenders=(
        Contender(name="task_thread", call="ours_flows:resume"),
        Contender(name=COMMIT, call="bare_durable:commit_time"),
    ),
    targets=(Target(sense=Sense.AT_MOST, bound=10),),
)

RESTART = Benchmark(
    name="flow-restart",
    title="Start of an app with 10,000 flows in its store that have not ended, half under way",
    unit="s",
    size=10_000,
    quick_size=1_000,
    contenders=(Contender(name="task_thread", call="ours_flows:restart"),),
    targets=(Target(sense=Sense.AT_MOST, bound=2),),
)

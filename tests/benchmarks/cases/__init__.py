"""What is measured against what. SECTIONS holds all of it, in the order of the page's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import Section
from . import (
    durable,
    fires,
    flows,
    looking,
    one_way,
    processes,
    restarts,
    round_trip,
    runs,
    supervised,
)
from .free_threading import FREE_THREADING
from .gateway import GATEWAY
from .idle import IDLE
from .imports import IMPORTS, LAYERS
from .reschedule import RESCHEDULE, RESCHEDULE_MANY
from .threads import MEMORY, START_AND_STOP
from .virtual import VIRTUAL_MEMORY, VIRTUAL_START

if TYPE_CHECKING:
    from ..model import Benchmark

THREADS = Section(
    name="threads",
    benchmarks=(
        one_way.ONE_BURST,
        one_way.BURSTS,
        one_way.ONE_CORE,
        round_trip.TWO_CORES,
        round_trip.ONE_CORE,
        RESCHEDULE,
        RESCHEDULE_MANY,
        START_AND_STOP,
        MEMORY,
        VIRTUAL_MEMORY,
        VIRTUAL_START,
        supervised.SPAWNED,
        supervised.HANDLE,
        restarts.RESTART,
        restarts.RESTARTS_LEFT,
        restarts.RESTARTS_GROWTH,
        looking.SNAPSHOT,
        looking.SNAPSHOT_TURNS,
        looking.DASHBOARD,
        GATEWAY,
        IDLE,
        IMPORTS,
        LAYERS,
        FREE_THREADING,
    ),
)

TASKS = Section(
    name="tasks",
    benchmarks=(
        runs.ON_LOOP,
        runs.FROM_THREAD,
        runs.FUNCTIONS,
        durable.DURABLE,
        durable.LATENCY,
        durable.ADDED_LATENCY,
        fires.ADDING,
        fires.SPREAD,
        fires.TOGETHER,
        fires.MANY,
        fires.AT_ONCE,
        fires.LATENESS,
        processes.ON_LOOP,
        processes.ACROSS,
    ),
)

FLOWS = Section(
    name="flows",
    benchmarks=(
        flows.STEPS,
        flows.LONG,
        flows.WAITING_MEMORY,
        flows.WAITING_CPU,
        flows.RESUME,
        flows.RESTART,
    ),
)

SECTIONS: tuple[Section, ...] = (THREADS, TASKS, FLOWS)
CATALOGUE: tuple[Benchmark, ...] = tuple(one for part in SECTIONS for one in part.benchmarks)

"""What is measured against what. CATALOGUE holds all of it, in the order of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import looking, one_way, restarts, round_trip, supervised
from .free_threading import FREE_THREADING
from .gateway import GATEWAY
from .idle import IDLE
from .imports import IMPORTS, LAYERS
from .reschedule import RESCHEDULE, RESCHEDULE_MANY
from .threads import MEMORY, START_AND_STOP
from .virtual import VIRTUAL_MEMORY, VIRTUAL_START

if TYPE_CHECKING:
    from ..model import Benchmark

CATALOGUE: tuple[Benchmark, ...] = (
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
)

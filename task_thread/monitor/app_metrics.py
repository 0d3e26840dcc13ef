"""The numbers of the TaskApps of a tree, as metric families. See metrics.py for the rules.

Each series has the labels of its thread, ``path`` and ``class``, and ``app``, the app's name; a
lane's also ``executor``. Runs that have ended have their ``status``: each way to end is told, so
that none begins to exist with its first run.

Of flows the ones that have not ended for good are told, by their ``routine`` and ``state``, the
versions of a routine together. A program may make routines without end: 100 of an app have series
of their own, those of today first, and the others one together, as routine ``(others)``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from task_thread.monitor.apps import ENDINGS

if TYPE_CHECKING:
    from task_thread.app.statistics import AppStatistics, LaneStatistics
    from task_thread.flows.statistics import FlowStatistics

__all__ = ["FLOW_STATES", "MOST_ROUTINES", "families", "flow_families"]

FLOW_STATES: Final = ("INIT", "RUNNING", "CHECK", "WAIT", "SPAWN", "FAIL")
"""The states of flows that are told."""
MOST_ROUTINES: Final = 100
"""So many routines of an app have series of their own."""
_OTHERS: Final = "(others)"

_APP: Final = ("path", "class", "app")

_GAUGES: Final[tuple[tuple[str, str, Callable[[AppStatistics], float]], ...]] = (
    ("tasks", "Tasks that the app has.", lambda app: app.tasks),
    ("scheduled", "Tasks of the app that have ticks.", lambda app: app.scheduled),
    (
        "delayed",
        "Runs that wait for their time, before the first attempt or between two.",
        lambda app: app.delayed,
    ),
)
_LANES: Final[tuple[tuple[str, str, Callable[[LaneStatistics], float]], ...]] = (
    ("running", "Runs that are under way.", lambda lane: lane.running),
    ("queued", "Runs that wait for a place.", lambda lane: lane.queued),
    ("size", "Runs of priority LOW that may be under way at once.", lambda lane: lane.size),
    ("most", "Runs that may be under way at once, CRITICAL ones apart.", lambda lane: lane.most),
    (
        "abandoned",
        "OS threads in which a call goes on that nobody waits for any more.",
        lambda lane: lane.abandoned,
    ),
)


def families(
    apps: Sequence[tuple[tuple[str, str, str], AppStatistics]],
) -> Iterator[Metric]:
    """The metrics of those apps, each with its ``path``, ``class`` and ``app``."""
    for name, text, value in _GAUGES:
        gauge = GaugeMetricFamily(f"task_thread_app_{name}", text, labels=_APP)
        for labels, app in apps:
            gauge.add_metric(labels, value(app))
        yield gauge
    for name, text, measure in _LANES:
        gauge = GaugeMetricFamily(f"task_thread_app_{name}", text, labels=(*_APP, "executor"))
        for labels, app in apps:
            for lane in app.lanes:
                gauge.add_metric((*labels, lane.executor), measure(lane))
        yield gauge
    runs = CounterMetricFamily(
        "task_thread_app_runs", "Runs that have ended, by how they did.", labels=(*_APP, "status")
    )
    for labels, app in apps:
        ended: dict[str, int] = {status.value: count for status, count in app.ended.items()}
        for status in ENDINGS:
            runs.add_metric((*labels, status), ended.get(status, 0))
    yield runs


def flow_families(
    apps: Sequence[tuple[tuple[str, str, str], FlowStatistics]],
    clean: Callable[[str], str],
) -> Iterator[Metric]:
    """The metrics of the flows of those apps, each with its ``path``, ``class`` and ``app``.

    :param clean: makes a name one that a label can be.
    """
    gauge = GaugeMetricFamily(
        "task_thread_app_flows",
        "Flows that have not ended for good, by routine and state.",
        labels=(*_APP, "routine", "state"),
    )
    for labels, seen in apps:
        for routine, states in _by_routine(seen, clean).items():
            for state in FLOW_STATES:
                gauge.add_metric((*labels, routine, state), states[state])
    yield gauge


def _by_routine(seen: FlowStatistics, clean: Callable[[str], str]) -> dict[str, Counter[str]]:
    """How many flows of each routine are in which state."""
    # By name, not by number: a series stays where it is while flows come and go.
    order = sorted(seen.routines, key=lambda each: (not each.is_current, each.routine.name))
    found: dict[str, Counter[str]] = {}
    for each in order:
        name = clean(each.routine.name)
        if name not in found and len(found) >= MOST_ROUTINES:
            name = _OTHERS
        states = found.setdefault(name, Counter())
        for (_, state), number in each.places.items():
            states[state.value] += number
    return found

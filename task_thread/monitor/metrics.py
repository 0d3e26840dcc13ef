"""A tree's numbers in Prometheus' text format, made from a snapshot.

The rules:

- Each thread is a pair of labels: ``path``, its place in the tree, and ``class``. Two threads with
  one path (ids are the user's and may repeat) get ``#2``, ``#3`` and so on behind it, since a
  series that comes twice makes Prometheus refuse the whole scrape.
- What only grows is a counter and ends in ``_total``. Over a restart of a supervised thread the
  counts of its inbox go on; a thread that is new in its place begins at zero, which Prometheus
  knows how to take.
- Units are seconds and numbers of signals.
- A TaskApp has metrics more, with its name as the label ``app``, and a FlowApp one more than that.
  A tree without one has none of them, not even their names.

From any thread: nothing is registered anywhere, and nothing kept between two scrapes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from task_thread.core.lifecycle import State
from task_thread.core.statistics import ThreadStatistics
from task_thread.monitor import app_metrics
from task_thread.monitor.snapshot import Node

if TYPE_CHECKING:
    from task_thread.flows.statistics import FlowStatistics

__all__ = ["CONTENT_TYPE", "render"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""What :func:`render` makes. Every Prometheus reads this version, and nothing newer is used."""

_THREAD: Final = ("path", "class")
_STATES: Final = tuple(state.value for state in State)

_Value = Callable[[ThreadStatistics], float]

_GAUGES: Final[tuple[tuple[str, str, _Value], ...]] = (
    ("up", "Whether the thread runs (1) or not (0).", lambda s: s.state is State.RUNNING),
    ("uptime_seconds", "Seconds since it was run, until its end.", lambda s: s.uptime),
    ("generation", "Which instance of its place this is; 1 is the first.", lambda s: s.generation),
    ("loop_lag_seconds", "Seconds that a wake-up of its loop had to wait.", lambda s: s.loop_lag),
    ("inbox_depth", "Signals that wait in its inbox.", lambda s: s.inbox.depth),
    (
        "inbox_capacity",
        "Signals that may wait in its inbox; 0 for no limit.",
        lambda s: s.inbox.capacity,
    ),
    (
        "inbox_high_water",
        "Signals that have waited in its inbox at the most.",
        lambda s: s.inbox.high_water,
    ),
)
_COUNTERS: Final[tuple[tuple[str, str, _Value], ...]] = (
    ("signals_accepted", "Signals that its inbox has accepted.", lambda s: s.inbox.accepted),
    ("signals_handled", "Signals that were given to a handler.", lambda s: s.inbox.handled),
    (
        "signals_dead",
        "Signals that were accepted and never handled, since it had ended before.",
        lambda s: s.inbox.dead,
    ),
    ("restarts", "How often its supervisor has restarted it.", lambda s: s.restarts),
)


def render(root: Node, flows: Sequence[tuple[str, str, FlowStatistics]] = ()) -> bytes:
    """All metrics of the tree `root`, in the text format, as UTF-8.

    :param flows: what its FlowApps say of their flows, each with its path and class.
    """
    registry = CollectorRegistry()
    registry.register(_Tree(root, flows))
    return generate_latest(registry)


class _Tree(Collector):
    """One snapshot, told as metric families."""

    def __init__(self, root: Node, flows: Sequence[tuple[str, str, FlowStatistics]]) -> None:
        self._nodes = list(_labelled(root))
        self._flows = [
            ((path, _clean(kind), _clean(seen.name)), seen) for path, kind, seen in flows
        ]

    def describe(self) -> Iterable[Metric]:
        """No names: so that registering it does not make it collect once in vain."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The families, one after the other."""
        for name, text, value in _GAUGES:
            yield self._gauge(name, text, [value(node.statistics) for _, node in self._nodes])
        yield self._gauge(
            "restarting",
            "Whether it is down and its supervisor will start it again (1).",
            [node.restarting for _, node in self._nodes],
        )
        yield self._states()
        for name, text, value in _COUNTERS:
            family = CounterMetricFamily(f"task_thread_{name}", text, labels=_THREAD)
            for labels, node in self._nodes:
                family.add_metric(labels, value(node.statistics))
            yield family
        yield from self._tasks()
        apps = [
            ((*labels, _clean(node.app.name)), node.app)
            for labels, node in self._nodes
            if node.app is not None
        ]
        if apps:
            yield from app_metrics.families(apps)
        if self._flows:
            yield from app_metrics.flow_families(self._flows, _clean)

    def _gauge(self, name: str, text: str, values: Iterable[float]) -> Metric:
        family = GaugeMetricFamily(f"task_thread_{name}", text, labels=_THREAD)
        for (labels, _), value in zip(self._nodes, values, strict=True):
            family.add_metric(labels, value)
        return family

    def _states(self) -> Metric:
        # All states of each thread, so that none of them vanishes from a query when it is left.
        family = GaugeMetricFamily(
            "task_thread_state",
            "1 for the state that the thread is in, 0 for the others.",
            labels=(*_THREAD, "state"),
        )
        for labels, node in self._nodes:
            current = node.statistics.state.value
            for state in _STATES:
                family.add_metric((*labels, state), state == current)
        return family

    def _tasks(self) -> Iterator[Metric]:
        labels = (*_THREAD, "task")
        runs = CounterMetricFamily(
            "task_thread_task_runs", "Runs of a task that have ended.", labels=labels
        )
        restarts = CounterMetricFamily(
            "task_thread_task_restarts",
            "How often it was restarted after it raised.",
            labels=labels,
        )
        for thread, node in self._nodes:
            # Tasks outside of the slots may share a name: they are told as one.
            ended: Counter[str] = Counter()
            again: Counter[str] = Counter()
            for task in node.statistics.tasks:
                name = _clean(task.name)
                ended[name] += task.runs
                again[name] += task.restarts
            for name, count in ended.items():
                runs.add_metric((*thread, name), count)
                restarts.add_metric((*thread, name), again[name])
        yield runs
        yield restarts


def _labelled(root: Node) -> Iterator[tuple[tuple[str, str], Node]]:
    """Each thread with its labels, which no other one has."""
    taken: set[str] = set()
    times: Counter[str] = Counter()
    for node in root.walk():
        path = given = _clean(node.path)
        times[given] += 1
        while path in taken:
            path = f"{given}#{times[given]}"
            times[given] += path in taken
        taken.add(path)
        yield (path, _clean(node.statistics.class_name)), node


def _clean(text: str) -> str:
    """`text` as what UTF-8 can say: an id may hold half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8")

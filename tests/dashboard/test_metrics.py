"""/metrics: read back with Prometheus' own parser, and true."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from task_thread import State
from task_thread.monitor import Node, snapshot
from task_thread.monitor.metrics import render
from tests.dashboard.http import get
from tests.dashboard.trees import Post, Shop
from tests.support.journal import PATIENCE

Labels = frozenset[tuple[str, str]]

THREAD_METRICS = {
    "task_thread_up": "gauge",
    "task_thread_state": "gauge",
    "task_thread_restarting": "gauge",
    "task_thread_uptime_seconds": "gauge",
    "task_thread_generation": "gauge",
    "task_thread_loop_lag_seconds": "gauge",
    "task_thread_inbox_depth": "gauge",
    "task_thread_inbox_capacity": "gauge",
    "task_thread_inbox_high_water": "gauge",
    "task_thread_signals_accepted_total": "counter",
    "task_thread_signals_handled_total": "counter",
    "task_thread_signals_dead_total": "counter",
    "task_thread_restarts_total": "counter",
    "task_thread_task_runs_total": "counter",
    "task_thread_task_restarts_total": "counter",
}

APP_METRICS = {
    "task_thread_app_tasks": "gauge",
    "task_thread_app_scheduled": "gauge",
    "task_thread_app_delayed": "gauge",
    "task_thread_app_running": "gauge",
    "task_thread_app_queued": "gauge",
    "task_thread_app_size": "gauge",
    "task_thread_app_most": "gauge",
    "task_thread_app_abandoned": "gauge",
    "task_thread_app_runs_total": "counter",
}


def families(data: bytes) -> list[Metric]:
    return list(text_string_to_metric_families(data.decode("utf-8")))


def samples(data: bytes) -> dict[tuple[str, Labels], float]:
    """Each series once.

    :raises AssertionError: one of them came twice, which Prometheus does not take.
    """
    found: dict[tuple[str, Labels], float] = {}
    for family in families(data):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def of(data: bytes, name: str, **labels: str) -> float:
    """The one sample with that name and at least those labels."""
    wanted = set(labels.items())
    (value,) = (v for (n, these), v in samples(data).items() if n == name and wanted <= these)
    return value


def test_all_of_them_are_there_with_help_and_type(shop: Shop) -> None:
    text = get(shop.address, "/metrics").body.decode()
    for name, kind in THREAD_METRICS.items():
        assert text.count(f"# TYPE {name} {kind}\n") == 1
        assert text.count(f"# HELP {name} ") == 1
    told = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert told == set(THREAD_METRICS)
    assert text.endswith("\n")


def test_counts_are_the_threads_own(shop: Shop) -> None:
    for number in range(5):
        shop.tell(0, number)
    shop.tell(0, ValueError("broken drawer"))
    shop.tell(0, "after")
    data = get(shop.address, "/metrics").body
    till = {"path": "shop/till", "class": "Clerk"}
    assert of(data, "task_thread_up", **till) == 1
    assert of(data, "task_thread_signals_accepted_total", **till) == 7
    assert of(data, "task_thread_signals_handled_total", **till) == 7
    assert of(data, "task_thread_signals_dead_total", **till) == 0
    assert of(data, "task_thread_restarts_total", **till) == 1
    assert of(data, "task_thread_generation", **till) == 2
    assert of(data, "task_thread_inbox_capacity", **till) == 100
    assert of(data, "task_thread_inbox_high_water", **till) >= 1
    assert of(data, "task_thread_restarts_total", path="shop/cellar") == 0
    watch = {"path": f"shop/{shop.handle.name}/watch", "task": "look"}
    assert of(data, "task_thread_task_runs_total", **watch) >= 0
    assert of(data, "task_thread_task_restarts_total", **watch) == 0


def test_each_thread_is_in_one_state(shop: Shop) -> None:
    states = [
        (dict(labels)["path"], dict(labels)["state"], value)
        for (name, labels), value in samples(get(shop.address, "/metrics").body).items()
        if name == "task_thread_state"
    ]
    assert {state for _, state, _ in states} == {state.value for state in State}
    ones = Tally(path for path, state, value in states if value == 1)
    assert set(ones.values()) == {1}
    assert ("shop/till", "running", 1.0) in states


HOSTILE = ['quote " in', "back\\slash", "new\nline", "\\n", "a{b=c}", "", "ünï", "\ud800", "#2"]


def test_hostile_ids_are_labels_and_nothing_else() -> None:
    with Shop(*HOSTILE) as shop:
        data = get(shop.address, "/metrics").body
    paths = {dict(labels)["path"] for (name, labels) in samples(data) if name == "task_thread_up"}
    for name in HOSTILE:
        assert f"shop/{name}".replace("\ud800", "?") in paths
    assert {family.name for family in families(data)} == {
        name.removesuffix("_total") for name in THREAD_METRICS
    }


def nodes(root: Node, **changes: Any) -> Iterator[Node]:
    for number in range(3):
        yield replace(root, children=(), **changes, path=f"{root.path}/same")
        if number == 0:
            yield replace(root, children=(), path=f"{root.path}/same#2")


def test_two_of_one_path_are_two(shop: Shop) -> None:
    root = snapshot(shop)
    twins = replace(root, children=tuple(nodes(root)))
    paths = [
        dict(labels)["path"]
        for (name, labels) in samples(render(twins))
        if name == "task_thread_up"
    ]
    assert len(set(paths)) == 5
    assert {"shop", "shop/same", "shop/same#2", "shop/same#3"} < set(paths)


def test_tasks_of_one_name_are_told_together(shop: Shop) -> None:
    root = snapshot(shop)
    (watch,) = (node for node in root.walk() if node.statistics.class_name == "Watch")
    (task,) = watch.statistics.tasks
    doubled = replace(task, runs=3, restarts=1), replace(task, runs=4, restarts=2)
    node = replace(watch, statistics=replace(watch.statistics, tasks=doubled))
    data = render(node)
    assert of(data, "task_thread_task_runs_total", task=task.name) == 7
    assert of(data, "task_thread_task_restarts_total", task=task.name) == 3


def test_a_child_that_is_down_is_told(shop: Shop) -> None:
    root = replace(snapshot(shop), restarting=True, children=())
    stopped = replace(root, statistics=replace(root.statistics, state=State.CRASHED))
    data = render(stopped)
    assert of(data, "task_thread_restarting", path="shop") == 1
    assert of(data, "task_thread_up", path="shop") == 0
    assert of(data, "task_thread_state", path="shop", state="crashed") == 1


def test_the_numbers_of_apps() -> None:
    with Post("mail", 'quote " in\nand \ud800') as post:
        post.mail.under_way("ann", "bob", "cy")
        for _ in range(2):
            post.mail.send.add_task(priority=200)
        post.mail.note.add_task(delay=3600)
        with pytest.raises(ValueError, match="on purpose"):
            post.mail.fail.add_task(priority=0).wait(PATIENCE)
        post.mail.note.add_task().wait(PATIENCE)
        data = get(post.address, "/metrics").body
    mail = {"path": "shop/mail", "class": "TaskApp", "app": "mail"}
    assert of(data, "task_thread_app_tasks", **mail) == 3
    assert of(data, "task_thread_app_delayed", **mail) == 1
    assert of(data, "task_thread_app_scheduled", **mail) == 0
    assert of(data, "task_thread_app_running", executor="thread", **mail) == 3
    assert of(data, "task_thread_app_queued", executor="thread", **mail) == 2
    assert of(data, "task_thread_app_size", executor="thread", **mail) == 2
    assert of(data, "task_thread_app_most", executor="thread", **mail) == 4
    assert of(data, "task_thread_app_running", executor="process", **mail) == 0
    assert of(data, "task_thread_app_abandoned", executor="thread", **mail) == 0
    runs = {
        dict(labels)["status"]: value
        for (name, labels), value in samples(data).items()
        if name == "task_thread_app_runs_total" and ("app", "mail") in labels
    }
    assert runs == {"succeeded": 1, "failed": 1, "cancelled": 0, "missed": 0, "skipped": 0}
    other = 'quote " in\nand ?'
    assert of(data, "task_thread_app_tasks", path=f"shop/{other}", app=other) == 3
    text = data.decode()
    for name, kind in APP_METRICS.items():
        assert text.count(f"# TYPE {name} {kind}\n") == 1
    told = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert told == {*THREAD_METRICS, *APP_METRICS}


@pytest.mark.filterwarnings("error")
def test_a_thousand_threads_take_less_than_a_second() -> None:
    """How long it really takes is in docs/how-to/dashboard.md; this keeps it in proportion."""
    with Shop(*(f"thread {n}" for n in range(1000))) as shop:
        begun = time.process_time()
        data = get(shop.address, "/metrics").body
        took = time.process_time() - begun
    assert data.count(b"\ntask_thread_up{") == 1003
    assert took < 1.0

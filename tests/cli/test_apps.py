"""TaskApps in `top`, `tree` and `ps`: the pure parts, and the commands against a daemon."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from task_thread.cli.apps import app_of
from task_thread.cli.panel import bar, panel, wanted
from task_thread.cli.screen import Frame, Screen
from task_thread.cli.threads import Rates, Row, Speed, rows
from task_thread.errors import ControlError
from tests.cli.daemons import COMMAND, Daemon
from tests.cli.terminal import Terminal
from tests.cli.test_rules import frame, node, shown


def lane(executor: str, running: int = 0, queued: int = 0, size: int = 8) -> dict[str, Any]:
    return {
        "executor": executor, "size": size, "most": size + 2, "running": running,
        "queued": queued, "abandoned": 0,
    }  # fmt: skip


def under_way(name: str = "send", **changes: Any) -> dict[str, Any]:
    return {
        "id": "x-1", "task": name, "name": name, "executor": "thread", "attempt": 1,
        "seconds": 12.5, "done": 3, "total": 10, "share": 0.3, "note": "", **changes,
    }  # fmt: skip


def part(*runs: dict[str, Any], queued: int = 0, running: int | None = None, **ended: int) -> Any:
    """The app part of a thread."""
    many = len(runs) if running is None else running
    return {
        "name": "mail", "durable": False, "tasks": 4, "scheduled": 3, "delayed": 12,
        "lanes": [lane("loop", size=1000), lane("thread", many, queued), lane("process", size=2)],
        "ended": dict.fromkeys(("succeeded", "failed", "cancelled", "missed", "skipped"), 0)
        | ended,
        "runs": list(runs),
    }  # fmt: skip


def office(*parts: Any) -> list[Row]:
    """The rows of a root with so many apps: app 0, app 1, ..."""
    return rows(node("r", *(node(f"r/app {n}", app=each) for n, each in enumerate(parts))))


def picture(found: Sequence[Row], width: int | None = 80, height: int = 100) -> list[str]:
    speeds = {row.key: Speed(0.0, 0.0, 3.5) for row in found}
    return [line.plain for line in panel(found, speeds, width, height, unicode=False)]


# ---- what came ------------------------------------------------------------------------------


def test_only_apps_have_a_part() -> None:
    assert [row.app is not None for row in office(part())] == [False, True]
    assert app_of(None) is None


@pytest.mark.parametrize("where", [[], ["lanes", 0], ["runs", 0]])
def test_a_part_of_another_form_is_one_clear_error(where: list[Any]) -> None:
    def place(whole: Any) -> Any:
        for step in where:
            whole = whole[step]
        return whole

    good = part(under_way())
    used = set(place(good)) - {"name", "durable", "tasks", "most", "id", "task", "executor"}
    used |= {"executor"} if where == ["lanes", 0] else {"name"} if where == ["runs", 0] else set()
    for key in used:
        broken = copy.deepcopy(good)
        del place(broken)[key]
        with pytest.raises(ControlError, match="another form"):
            office(broken)
        place(broken)[key] = object()
        with pytest.raises(ControlError, match="another form"):
            office(broken)


@pytest.mark.parametrize("number", [float("inf"), float("nan"), 1e400, "x"])
def test_numbers_that_are_none_are_one_clear_error(number: Any) -> None:
    broken = part()
    broken["delayed"] = number
    with pytest.raises(ControlError, match="another form"):
        office(broken)


def test_rates_of_runs_are_differences() -> None:
    rates = Rates()
    assert rates.update(office(part(succeeded=10)), at=100.0) == {}
    speeds = rates.update(office(part(succeeded=14, failed=2)), at=102.0)
    assert [speed.runs for speed in speeds.values()] == [None, 3.0]
    # It counts anew.
    speeds = rates.update(office(part(failed=1)), at=103.0)
    assert [speed.runs for speed in speeds.values()] == [None, 1.0]


# ---- the panel ------------------------------------------------------------------------------


def test_a_line_for_each_app_and_a_bar_for_each_run() -> None:
    runs = (
        under_way(note="to ann"),
        under_way("export", done=37, total=None, share=None, attempt=2, note="rows"),
        under_way("silent", done=0, total=None, share=None),
    )
    lines = picture(office(part(*runs, queued=5, failed=3, missed=1, skipped=1, succeeded=1200)))
    assert [line.split() for line in lines] == [
        ["APP", "RUNS/S", "LOOP", "THREAD", "PROCESS", "DELAYED", "SCHED", "FAILED", "MISSED"],
        ["app", "0", "3.5", "0/1.0k", "3/8", "+5", "0/2", "12", "3", "3", "2"],
        ["send", "######..............", "30%", "3/10", "12s", "to", "ann"],
        ["export", "37", "12s", "attempt", "2,", "rows"],
        ["silent", "12s"],
    ]
    assert max(map(len, lines)) <= 80


def test_bars() -> None:
    assert bar(0.0, 4, unicode=False) == "...."
    assert bar(0.5, 4, unicode=True) == "━━──"
    assert bar(0.999, 4, unicode=False) == "###."  # full is done
    assert bar(1.0, 4, unicode=False) == "####"


def test_room_is_dealt_out_in_turn() -> None:
    many = part(*(under_way(f"a{n}") for n in range(6)), running=40)
    few = part(under_way("b0"), under_way("b1"))
    found = office(many, few)
    assert wanted(found) == 1 + 2 + 7 + 2
    heads = [line.split()[0:2] for line in picture(found)]
    assert heads[1:] == [
        ["app", "0"], *([f"a{n}", "######.............."] for n in range(6)), ["...", "34"],
        ["app", "1"], *([f"b{n}", "######.............."] for n in range(2)),
    ]  # fmt: skip
    heads = [line.split()[0:2] for line in picture(found, height=8)]
    assert heads[1:] == [
        ["app", "0"], ["a0", "######.............."], ["a1", "######.............."], ["...", "38"],
        ["app", "1"], ["b0", "######.............."], ["b1", "######.............."],
    ]  # fmt: skip
    assert [line.split()[0:2] for line in picture(office(few, few, few), height=3)] == [
        ["APP", "RUNS/S"], ["app", "0"], ["...", "2"],
    ]  # fmt: skip
    assert [line.split()[0:2] for line in picture(found, height=4)][1:] == [
        ["app", "0"], ["...", "40"], ["app", "1"],
    ]  # fmt: skip
    assert picture(found, height=1) == picture(rows(node("r"))) == []
    assert wanted(rows(node("r"))) == 0


NAMES = st.text(max_size=40)


@given(
    st.lists(st.lists(NAMES, max_size=4), max_size=4),
    st.integers(48, 160),
    st.integers(1, 30),
    st.text("ajsphq", max_size=6),
)
def test_it_always_fits(names: list[list[str]], width: int, height: int, keys: str) -> None:
    parts = [part(*(under_way(name, note=name) for name in runs), running=9) for runs in names]
    found = office(*parts)
    what = Frame("gw", 42, found, {row.key: Speed(1.0, 2.0, 3.0) for row in found})
    screen = Screen(unicode=True)
    for key in f"{keys}x":
        screen.press(key)
        lines = screen.lines(what, width, height)
        assert len(lines) <= height
        assert all(cell_len(line.plain) <= width for line in lines)
        assert not any("\x1b" in line.plain for line in lines)


# ---- the screen -----------------------------------------------------------------------------


def test_threads_above_apps_below() -> None:
    found = office(part(under_way()))
    what = Frame("gw", 42, found, {row.key: Speed(1.0, 2.0, 3.0) for row in found[1:]})
    lines = shown(Screen(unicode=False), what, height=12)
    assert lines[0].endswith("2.0 signals/s  3.0 runs/s")
    assert [line.split()[0] for line in lines[1:-1]] == ["THREAD", "r", "`-", "APP", "app", "send"]
    assert lines[-1] == "q quit  j/k scroll  s sort: tree  a apps: all  p pause  h help"


def test_a_tree_without_apps_looks_as_ever() -> None:
    lines = shown(Screen(unicode=False), frame(3))
    assert lines[0].endswith("signals/s")
    assert not any("apps" in line or "APP" in line for line in lines)


def test_many_threads_and_many_runs_get_half_each() -> None:
    runs = [under_way(f"t{n}") for n in range(20)]
    found = rows(node("r", node("r/mail", app=part(*runs)), *(node(f"r/{n}") for n in range(30))))
    lines = shown(Screen(unicode=False), Frame("gw", 1, found, {}), height=24)
    at = next(n for n, line in enumerate(lines) if line.startswith("APP"))
    assert (at, len(lines)) == (12, 24)
    assert lines[at - 1].startswith("... 23 more")
    assert lines[-2] == "  ... 12 more"
    # Where there is little room, the threads have it.
    lines = shown(Screen(unicode=False), Frame("gw", 1, found, {}), height=7)
    assert not any(line.startswith("APP") for line in lines)


def test_one_app_alone_or_none() -> None:
    found = office(part(under_way("a")), part(under_way("b")))
    what, screen = Frame("gw", 1, found, {}), Screen(unicode=False)

    def told() -> tuple[str, list[str]]:
        lines = shown(screen, what, height=20)
        return lines[-1].split("a apps: ")[1].split("  ")[0], [
            line.split()[0] for line in lines if line.startswith("  ")
        ]

    seen = [told()]
    for _ in range(4):
        screen.press("a")
        seen.append(told())
    assert seen == [
        ("all", ["a", "b"]), ("r/app 0", ["a"]), ("r/app 1", ["b"]), ("none", []),
        ("all", ["a", "b"]),
    ]  # fmt: skip
    screen.press("a")
    screen.press("a")
    what = Frame("gw", 1, found[:2], {})  # the one that was chosen has gone
    assert told() == ("all", ["a"])


# ---- the commands ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def post() -> Iterator[Daemon]:
    """A daemon with an app, that tests look into and leave as it is."""
    with (
        tempfile.TemporaryDirectory(prefix="tt-") as made,
        Daemon("post", Path(made), target="tests.cli.post:Post") as running,
    ):
        yield running


def lines_of(daemon: Daemon, *args: str, **environment: str) -> list[str]:
    done = daemon.command(*args, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_tree(post: Daemon) -> None:
    root, mail = lines_of(post, "tree")
    assert root.split() == ["post", "running"]
    assert mail.endswith("running  2 under way, 1 queued, 1 delayed, 1 failed")


def test_ps(post: Daemon) -> None:
    titles, root, mail = (line.split() for line in lines_of(post, "ps", "post"))
    assert titles[6:10] == ["RUNS", "QUEUED", "ENDED", "FAILED"]
    assert root[6:10] == ["-"] * 4
    assert mail[6:10] == ["2", "1", "1", "1"]
    found = json.loads(post.command("ps", "post", "--json").stdout)
    assert [("app" in each) for each in found] == [False, True]
    narrow = lines_of(post, "ps", "post", COLUMNS="80")
    assert max(map(len, narrow)) <= 80
    assert "QUEUED" in narrow[0]


def test_ps_without_apps_is_as_ever(daemon: Daemon) -> None:
    assert "QUEUED" not in lines_of(daemon, "ps", "shared")[0]


def test_top_into_a_pipe(post: Daemon) -> None:
    lines = lines_of(post, "top", "--interval", "0.1")
    assert lines[0].endswith("0 signals/s  0 runs/s")
    assert lines[4].split()[:5] == ["APP", "RUNS/S", "LOOP", "THREAD", "PROCESS"]
    assert lines[5].split() == [
        "mail", "0", "0/1.0k", "2/2", "+1", "0/1", "1", "0", "1", "0", "1",
    ]  # fmt: skip
    assert lines[6].split()[:5] == ["send", "mail", "━━━━━━──────────────", "30%", "3/10"]
    assert lines[6].endswith("to ann")
    assert lines[7].endswith(r"to \x1b[31mbob")
    assert len(lines) == 8


@pytest.mark.parametrize("command", ["tree", "ps post", "top --interval 0.1"])
def test_without_unicode(post: Daemon, command: str) -> None:
    done = post.command(*command.split(), PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout


def test_top_in_a_terminal(post: Daemon) -> None:
    arguments = [*COMMAND, "top", "post", "--interval", "0.1"]
    with Terminal(arguments, post.environment, width=80, height=24) as terminal:
        lines = terminal.shows(
            lambda picture: any("30%" in line for line in picture) and " - runs/s" not in picture[0]
        )
        assert max(map(len, lines)) <= 80
        (bob,) = (line for line in lines if "bob" in line)
        assert bob.split()[:5] == ["send", "mail", "━━━━━━──────────────", "30%", "3/10"]
        terminal.press("a")
        terminal.shows(lambda picture: any("a apps: none" in line for line in picture))
        assert not any("30%" in line for line in terminal.picture)
        terminal.press("q")
        assert terminal.ended() == 0

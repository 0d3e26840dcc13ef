"""The pure parts: words and numbers, columns, rows, rates, the screen, keys."""

from __future__ import annotations

import copy
import string
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from task_thread.cli.keyboard import decode
from task_thread.cli.layout import Cell, Column, lay_out, shorten
from task_thread.cli.screen import SORTS, Frame, Screen
from task_thread.cli.text import clean, count, duration, lag, one_line, rate
from task_thread.cli.threads import Rates, Row, Speed, rows
from task_thread.errors import ControlError

# ---- text -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (60, "1m00s"), (185, "3m05s"), (3599, "59m59s"), (7380, "2h03m"),
     (86399, "23h59m"), (446400, "5d04h"), (-1, "?"), (float("nan"), "?"), (float("inf"), "?")],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0ms"), (0.00034, "0.3ms"), (0.012, "12ms"), (0.9994, "999ms"), (0.9996, "1.0s"),
     (1.24, "1.2s"), (61, "1m01s"), (-1, "?"), (float("nan"), "?")],
)  # fmt: skip
def test_lag(seconds: float, text: str) -> None:
    assert lag(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (999.6, "1.0k"), (1234, "1.2k"), (9949, "9.9k"), (34_000, "34k"),
     (999_600, "1.0M"), (5_600_000, "5.6M"), (1e30, "huge")],
)  # fmt: skip
def test_count(number: float, text: str) -> None:
    assert count(number) == text
    assert len(text) <= 5


def test_rate() -> None:
    told = [rate(each) for each in (None, 0, 0.01, 0.34, 9.9, 12, 1234)]
    assert told == ["-", "0", "0.1", "0.3", "9.9", "12", "1.2k"]


@given(st.text())
def test_nothing_that_a_terminal_obeys_gets_through(text: str) -> None:
    shown = clean(text)
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert {unicodedata.category(char) for char in shown.replace("\n", "")} & hidden == set()
    assert "\x1b" not in shown
    assert "\n" not in one_line(text)
    shown.encode("utf-8")  # no half of a surrogate pair either


def test_clean() -> None:
    assert clean("plain [red]é\n") == "plain [red]é\n"
    assert clean("\x1b[2J\x07\x9b\u202e\ud800") == r"\x1b[2J\x07\x9b\u202e\ud800"


# ---- layout ---------------------------------------------------------------------------------

COLUMNS = [Column("A", least=4), Column("N", right=True), Column("X", optional=True)]


def plain(columns: list[Column], lines: list[list[str]], width: int | None) -> list[str]:
    cells = [[Cell(text) for text in line] for line in lines]
    return [line.plain for line in lay_out(columns, cells, width, unicode=False)]


def test_columns_as_wide_as_it_takes() -> None:
    assert plain(COLUMNS, [["one", "1", "x"], ["three", "100", ""]], None) == [
        "A        N  X",
        "one      1  x",
        "three  100",
    ]


def test_what_may_shrink_does_and_then_what_may_go_goes() -> None:
    lines = [["a long name", "100", "xyz"]]
    assert plain(COLUMNS, lines, 15)[1] == "a lo~  100  xyz"
    assert plain(COLUMNS, lines, 14)[1] == "a l~  100  xyz"
    assert plain(COLUMNS, lines, 13)[1] == "a long~   100"
    assert plain(COLUMNS, lines, 3)[1] == "a l~  100"  # what must be there is there


def test_shorten() -> None:
    assert shorten("abcdef", 6, unicode=True) == "abcdef"
    assert shorten("abcdef", 5, unicode=True) == "abcd…"
    assert shorten("abcdef", 5, unicode=False) == "abcd~"
    assert shorten("abcdef", 5, unicode=False, keeps_end=True) == "~cdef"
    assert shorten("abcdef", 0, unicode=True) == ""
    assert cell_len(shorten("漢字漢字", 6, unicode=True)) <= 6


WORDS = st.text(string.ascii_letters + " é漢", max_size=30)


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), max_size=5), st.integers(24, 100))
def test_no_line_is_wider_than_there_is_room(lines: list[tuple[str, ...]], width: int) -> None:
    columns = [Column("A", least=6), Column("B", least=6, right=True), Column("C", optional=True)]
    cells = [[Cell(text) for text in line] for line in lines]
    shown = lay_out(columns, cells, width, unicode=True)
    assert len(shown) == len(lines) + 1
    assert all(cell_len(line.plain) <= width for line in shown)


# ---- rows and rates -------------------------------------------------------------------------


def node(path: str, *children: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A thread of a snapshot."""
    inbox = dict.fromkeys(["depth", "high_water", "accepted", "handled", "dead"], 0)
    inbox |= {"capacity": 100, **changes.pop("inbox", {})}
    return {
        "id": path.rpartition("/")[2],
        "path": path,
        "class": "Thread",
        "state": "running",
        "restarting": False,
        "virtual": False,
        "generation": 1,
        "restarts": 0,
        "restart_type": None,
        "uptime": 5.0,
        "loop_lag": 0.0,
        "exit_reason": None,
        "last_error": None,
        "inbox": inbox,
        "tasks": [],
        "children": list(children),
        **changes,
    }


SNAPSHOT = node(
    "r",
    node("r/a", node("r/a/x"), node("r/a/y")),
    node("r/b", node("r/b/z"), restarting=True, state="crashed", restarts=2),
)


def test_rows_are_the_tree_from_the_top() -> None:
    found = rows(SNAPSHOT)
    assert [row.path for row in found] == ["r", "r/a", "r/a/x", "r/a/y", "r/b", "r/b/z"]
    assert [row.guides(unicode=True) + row.id for row in found] == [
        "r", "├─ a", "│  ├─ x", "│  └─ y", "└─ b", "   └─ z",
    ]  # fmt: skip
    assert [row.guides(unicode=False) + row.id for row in found] == [
        "r", "|- a", "|  |- x", "|  `- y", "`- b", "   `- z",
    ]  # fmt: skip
    assert [row.state for row in found][4] == "restarting"


def test_rows_of_the_same_path_are_told_apart() -> None:
    found = rows(node("r", node("r/a"), node("r/a")))
    assert len({row.key for row in found}) == 3


def test_a_deep_tree() -> None:
    whole = node("r")
    for _ in range(5000):
        whole = node("r", whole)
    assert len(rows(whole)) == 5001


@pytest.mark.parametrize("missing", sorted(set(node("r")) - {"exit_reason"}))
def test_a_snapshot_of_another_form_is_one_clear_error(missing: str) -> None:
    broken = copy.deepcopy(SNAPSHOT)
    del broken["children"][0][missing]
    with pytest.raises(ControlError, match="another form"):
        rows(broken)
    broken["children"][0][missing] = object()
    if missing not in ("restarting", "virtual"):
        with pytest.raises(ControlError, match="another form"):
            rows(broken)


@pytest.mark.parametrize("wrong", [None, 7, [], {}, "x", [[]]])
def test_what_is_no_snapshot_is_one_clear_error(wrong: Any) -> None:
    with pytest.raises(ControlError, match="another form"):
        rows(wrong)


def one(accepted: int, handled: int, path: str = "r") -> list[Row]:
    return rows(node(path, inbox={"accepted": accepted, "handled": handled}))


def test_rates_are_differences() -> None:
    rates = Rates()
    assert rates.update(one(10, 5), at=100.0) == {}
    assert rates.update(one(30, 15), at=102.0) == {("r", 1): Speed(10.0, 5.0)}
    assert rates.update(one(30, 15), at=103.0) == {("r", 1): Speed(0.0, 0.0)}
    # It counts anew, or was not there: what it has had, it has had since.
    assert rates.update(one(4, 4), at=104.0) == {("r", 1): Speed(4.0, 4.0)}
    assert rates.update(one(8, 6, path="n"), at=106.0) == {("n", 1): Speed(4.0, 3.0)}
    assert rates.update(one(9, 9, path="n"), at=106.0) == {}  # no time has passed


# ---- the screen -----------------------------------------------------------------------------


def frame(number: int) -> Frame:
    """A root with `number` children; the lag of each is its number in ms."""
    children = [
        node(
            f"r/child {n:03}",
            loop_lag=n / 1000,
            inbox={"depth": n % 7, "accepted": n, "handled": n},
        )
        for n in range(number)
    ]
    found = rows(node("r", *children))
    return Frame("gw", 42, found, {row.key: Speed(1.0, 2.0) for row in found})


def shown(screen: Screen, what: Frame, width: int = 80, height: int = 10) -> list[str]:
    lines = [line.plain for line in screen.lines(what, width, height)]
    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)
    return lines


def names(lines: list[str]) -> list[str]:
    return [line.split("child ")[1][:3] for line in lines if "child " in line]


def test_the_picture() -> None:
    lines = shown(Screen(unicode=False), frame(3))
    assert lines[0] == "gw  pid 42  up 5s  4 threads  0 restarts  8.0 signals/s"
    assert lines[1].split() == [
        "THREAD", "STATE", "GEN", "IN/S", "OUT/S", "INBOX", "LAG", "TASKS", "LAST", "ERROR",
    ]  # fmt: skip
    assert lines[2].split() == ["r", "running", "1", "1.0", "2.0", "0/100", "0.0ms", "0"]
    assert lines[5].startswith("`- child 002")
    assert lines[-1] == "q quit  j/k scroll  s sort: tree  p pause  h help"


@given(
    st.integers(0, 60), st.integers(20, 200), st.integers(1, 40), st.text("jksphGg q", max_size=9)
)
def test_the_picture_always_fits(many: int, width: int, height: int, keys: str) -> None:
    screen = Screen(unicode=True)
    for key in keys:
        screen.press(key)
        lines = screen.lines(frame(many), width, height)
        assert len(lines) <= height
        if width >= 48:
            assert all(cell_len(line.plain) <= width for line in lines)


def test_scrolling_and_what_is_left() -> None:
    screen, what = Screen(unicode=False), frame(20)  # 21 rows, and room for 6
    assert shown(screen, what)[-2] == "... 15 more"
    screen.press("j")
    screen.press("down")
    lines = shown(screen, what)
    assert names(lines) == ["001", "002", "003", "004", "005", "006"]
    assert lines[-2] == "... 13 more, 2 above"
    screen.press("G")
    lines = shown(screen, what)
    assert names(lines)[-1] == "019"
    assert lines[-2] == "... 0 more, 15 above"
    screen.press("k")
    assert names(shown(screen, what))[-1] == "018"
    screen.press("page-up")
    assert names(shown(screen, what))[-1] == "012"
    screen.press("home")
    screen.press("up")
    assert shown(screen, what)[2].startswith("r ")
    screen.press("end")
    assert names(shown(screen, frame(2))) == ["000", "001"]  # fewer now: it comes back by itself


def test_sorting() -> None:
    screen, what = Screen(unicode=False), frame(20)
    shown(screen, what)
    order = []
    for name in [*list(SORTS)[1:], "tree"]:
        screen.press("s")
        lines = shown(screen, what)
        assert lines[-1].split("sort: ")[1].startswith(name)
        order.append(names(lines))
    by_rate, by_inbox, by_lag, _, by_tree = order
    assert by_lag == ["019", "018", "017", "016", "015", "014"]
    assert by_inbox == ["006", "013", "005", "012", "019", "004"]
    assert by_tree[0] == by_rate[0] == "000"  # equal ones stay as the tree has them


def test_keys() -> None:
    screen = Screen(unicode=False)
    assert [screen.press(key) for key in ("x", "s", "p", "h", "h", "escape", "q")] == [
        False
    ] * 6 + [True]
    assert screen.paused
    assert shown(screen, frame(1))[0].startswith("PAUSED  gw")
    screen.press("p")
    assert not screen.paused
    screen.press("h")
    assert any("scroll by one thread" in line for line in shown(screen, frame(1), height=20))
    assert not any("child" in line for line in shown(screen, frame(1), height=20))
    screen.press("escape")
    assert any("child" in line for line in shown(screen, frame(1)))


def test_a_daemon_that_is_silent_is_said_to_be() -> None:
    what = frame(1)
    late = Frame(what.name, None, what.rows, what.speeds, silent=7.0)
    assert shown(Screen(unicode=False), late)[0].startswith("NO ANSWER for 7s  gw  pid ?")


def test_the_gravest_is_said() -> None:
    broken = {"summary": "ValueError: no", "where": "task poll", "at": "2030-01-01T00:00:00+00:00"}
    found = rows(node("r", node("r/a", restarts=2, last_error=broken, state="crashed")))
    lines = shown(Screen(unicode=False), Frame("gw", 1, found, {}))
    assert "2 restarts  1 down  - signals/s" in lines[0]
    assert lines[3].endswith("  ValueError~")
    assert shown(Screen(unicode=False), Frame("gw", 1, found, {}), width=120)[3].endswith(
        "ValueError: no"
    )


# ---- keys -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"q", ["q"]),
        (b"jk", ["j", "k"]),
        (b"\x1b[A\x1b[B\x1bOA\x1bOB", ["up", "down", "up", "down"]),
        (b"\x1b[5~\x1b[6~\x1b[H\x1b[F", ["page-up", "page-down", "home", "end"]),
        (b"\x1b", ["escape"]),
        (b"\x1b[1;5Aq", ["q"]),  # Ctrl-up: of no use here, and the q behind it counts
        (b"\x1b[", []),
        (b"\x1bO", []),
        (b"\x00\x03\x7f\xc3\xa9", []),
        (b"\x1b\x1b[A", ["escape", "up"]),
    ],
)
def test_decode(data: bytes, keys: list[str]) -> None:
    assert decode(data) == keys


@given(st.binary(max_size=50))
def test_decode_anything(data: bytes) -> None:
    assert all(key.isprintable() and key for key in decode(data))

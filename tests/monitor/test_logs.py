"""The logging of a daemon, for machines and for people."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from task_thread.monitor.logs import set_up
from tests.monitor.support import Daemon


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    """What a tree that logs all kinds of things says, line by line."""
    with Daemon("Talks", log_format="json") as daemon:
        assert daemon.end() == 0
    return [json.loads(line, parse_constant=pytest.fail) for line in daemon.stderr]


def one(records: list[dict[str, Any]], event: str) -> dict[str, Any]:
    (found,) = [each for each in records if each["event"] == event]
    return found


def test_each_line_says_when_how_grave_who_and_what(records: list[dict[str, Any]]) -> None:
    for record in records:
        assert list(record)[:4] == ["time", "level", "logger", "event"]
        moment = datetime.fromisoformat(record["time"])
        assert moment.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - moment) < timedelta(minutes=10)
    assert {each["level"] for each in records} == {"info", "warning", "error"}
    assert "not to be seen" not in {each["event"] for each in records}


def test_key_value_pairs_and_printf_style(records: list[dict[str, Any]]) -> None:
    record = one(records, "two\nlines")
    assert record["logger"] == "Talks"
    assert record["thread"] == "Talks-1"
    assert (record["text"], record["quoted"], record["percent"]) == ("a\nb", '"', "100 %")
    assert one(records, "one of 2")["level"] == "info"


def test_values_that_json_does_not_know(records: list[dict[str, Any]]) -> None:
    numbers = one(records, "numbers")
    assert (numbers["nan"], numbers["inf"]) == ("nan", "inf")
    assert (numbers["half"], numbers["none"]) == (0.5, None)
    things = one(records, "things")
    assert things["thing"] == "<Broken, whose repr() raises ValueError>"
    assert things["keys"] == "{(1, 2): 3}"
    assert things["path"] == "[1, {2}]"


def test_pairs_with_our_names_are_kept(records: list[dict[str, Any]]) -> None:
    record = one(records, "ours")
    assert (record["time_"], record["level_"], record["logger_"]) == ("noon", 3, "mine")
    assert (record["level"], record["logger"]) == ("info", "Talks")


@pytest.mark.parametrize("event", ["caught", "caught too", "uncaught exception in stray"])
def test_exceptions_are_text_with_their_traceback(
    records: list[dict[str, Any]], event: str
) -> None:
    record = one(records, event)
    assert record["level"] == "error"
    first, *_, last = record["exception"].splitlines()
    assert first == "Traceback (most recent call last):"
    assert last in ("ValueError: on purpose", "ValueError: uncaught")


def test_loggers_and_warnings_of_the_standard_library(records: list[dict[str, Any]]) -> None:
    record = one(records, "100 %")
    assert (record["logger"], record["port"], record["level"]) == ("plain", 80, "warning")
    (warning,) = [each for each in records if each["logger"] == "py.warnings"]
    assert "UserWarning: a warning" in warning["event"]


def test_crash_of_the_tree_is_one_line() -> None:
    with Daemon("Crashes", log_format="json") as daemon:
        assert daemon.end() == 1
    records = [json.loads(line) for line in daemon.stderr]
    (crash,) = [each for each in records if each["level"] == "error"]
    assert crash["event"] == "crashed in task Crashes-1/end"
    assert crash["exception"].splitlines()[-2] == "ValueError: crashed on purpose"


def test_console_is_for_people() -> None:
    with Daemon("Talks", log_level="warning") as daemon:
        assert daemon.end() == 0
    line, *rest = [each for each in daemon.stderr if "plain: 100 %" in each]
    assert not rest
    moment, level, text = line.split(" ", 2)
    assert datetime.fromisoformat(moment).utcoffset() == timedelta(0)
    assert (level, text) == ("WARNING", "plain: 100 % port=80")
    assert daemon.log.count("Traceback (most recent call last):") == 3
    assert "INFO" not in daemon.log


def test_console_puts_long_texts_below_the_line() -> None:
    with Daemon("Talks") as daemon:
        assert daemon.end() == 0
    (place,) = [n for n, each in enumerate(daemon.stderr) if "quoted=" in each]
    assert daemon.stderr[place + 1 : place + 3] == ["a", "b"]
    assert "percent='100 %'" in daemon.stderr[place]


def test_wrong_words() -> None:
    with pytest.raises(ValueError, match="a log format is console or json, not 'xml'"):
        set_up("xml")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no level 'loud'"):
        set_up("json", "loud")

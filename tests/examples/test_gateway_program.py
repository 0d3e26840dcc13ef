"""The gateway as a program: whole runs, under load, ended by time or by signal."""

from __future__ import annotations

import http.client
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from examples.gateway.store import count_rows

from .processes import PATIENCE, ROOT, figure, run, start

GATEWAY = ["-m", "examples.gateway"]


def check_summary(output: str) -> None:
    """The sums agree, and the stop was clean."""
    frames = figure(output, "frames in")
    assert frames > 0
    assert frames == figure(output, "rows written")
    assert frames == figure(output, "frames received") - figure(output, "frames rejected")
    assert frames >= figure(output, "frames sent")
    assert "in = written, nothing lost" in output
    assert figure(output, "dead letters") == 0
    assert re.search(r"^stop +clean ", output, re.MULTILINE), output


def test_a_whole_run() -> None:
    done = run([*GATEWAY, "--seconds", "3", "--clients", "3", "--rate", "3000"])
    assert done.returncode == 0, done.stderr
    check_summary(done.stdout)
    assert figure(done.stdout, "frames sent") > 3 * 3000
    assert figure(done.stdout, "viewers served") == 2
    connections = figure(done.stdout, "connections")
    refused = int(re.findall(r"^connections .*\((\d+) refused\)", done.stdout, re.MULTILINE)[0])
    # Three producers, the sampler, and the bad client: each of its connections was refused.
    assert refused >= 5
    assert connections == 4 + refused
    for kind in ("too long", "not JSON", "wrong fields", "cut off", "snapshot"):
        assert re.search(rf"^frames rejected.*\n  .*\b{kind} \d", done.stdout, re.MULTILINE), (
            done.stdout
        )
    assert len(re.findall(r"^refused 127", done.stderr, re.MULTILINE)) == refused
    assert re.search(r"^ +\d\.\d s  in +[\d,]+ +[\d,]+/s  written ", done.stdout, re.MULTILINE)
    (database,) = re.findall(r"^database +(\S+)$", done.stdout, re.MULTILINE)
    assert not Path(database).parent.exists()  # it was a temporary one


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_under_full_load(number: signal.Signals, tmp_path: Path) -> None:
    database = tmp_path / "readings.db"
    arguments = [*GATEWAY, "--seconds", "0", "--rate", "0", "--clients", "3"]
    with (
        (tmp_path / "log").open("w+") as log,
        start([*arguments, "--database", str(database)], stderr=log) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if "written" in line:  # it is at work
                process.send_signal(number)
                break
        output, _ = process.communicate(timeout=PATIENCE)
        log.seek(0)
        assert process.returncode == 0, log.read()
    check_summary(output)
    assert count_rows(database) == figure(output, "rows written")


def test_on_a_terminal(tmp_path: Path) -> None:
    """The progress line is redrawn in place, and the summary stays."""
    terminal, inner = pty.openpty()
    with (
        (tmp_path / "log").open("w+") as log,
        subprocess.Popen(
            [sys.executable, *GATEWAY, "--seconds", "1", "--rate", "500"],
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
            stdout=inner,
            stderr=log,
        ) as process,
    ):
        os.close(inner)
        output = ""
        while data := read_terminal(terminal):
            output += data
        os.close(terminal)
        assert process.wait(PATIENCE) == 0, log.read()
    clear_line = "\x1b[2K"
    assert re.search(rf"{re.escape(clear_line)}.*\d\.\d s  in +[\d,]+", output)
    check_summary(re.sub(r"\x1b\[[\d;?]*[A-Za-z]|\r", "", output))


def read_terminal(terminal: int) -> str:
    """What came from the other end; nothing once that is closed."""
    try:
        return os.read(terminal, 65536).decode()
    except OSError:  # how Linux tells it
        return ""


def test_a_database_is_added_to(tmp_path: Path) -> None:
    database = tmp_path / "readings.db"
    rows = 0
    for _ in range(2):
        done = run([*GATEWAY, "--seconds", "0.5", "--rate", "100", "--database", str(database)])
        assert done.returncode == 0, done.stderr
        check_summary(done.stdout)
        rows += figure(done.stdout, "rows written")
    assert count_rows(database) == rows


def test_without_load_it_still_measures_this_machine(tmp_path: Path) -> None:
    database = tmp_path / "readings.db"
    done = run(
        [*GATEWAY, "--seconds", "1.2", "--clients", "0", "--database", str(database)],
    )
    assert done.returncode == 0, done.stderr
    check_summary(done.stdout)
    assert figure(done.stdout, "viewers served") == 0
    assert figure(done.stdout, "frames sent") == count_rows(database)


def test_a_port_that_is_taken() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        done = run([*GATEWAY, "--seconds", "1", "--port", str(port)])
    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert re.search(r"^stop +NOT CLEAN", done.stdout, re.MULTILINE)
    assert re.search(r"^  gateway: crash, OSError", done.stdout, re.MULTILINE)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("no database at all, and long enough to be looked at " * 10)
    done = run([*GATEWAY, "--database", str(notes)])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{notes}: file is not a database\n"


def test_the_crash_on_purpose_is_told_and_costs_nothing() -> None:
    done = run([*GATEWAY, "--seconds", "2", "--rate", "2000"])
    assert done.returncode == 0, done.stderr
    check_summary(done.stdout)
    live = re.findall(r"^ +(\d\.\d) s  (processor: .*)$", done.stdout, re.MULTILINE)
    assert live[0][1] == "processor: crashing it on purpose"
    assert re.fullmatch(
        r"processor: back after [\d.]+ ms, kept \d+ signals? and \d+ rows?", live[1][1]
    )
    (at,) = re.findall(r"^crash on purpose  processor, at (\d\.\d) s: ", done.stdout, re.MULTILINE)
    assert 0.9 <= float(at) <= 2.5  # half-way, when it had something to do
    assert re.search(r"^  kept +\d+ signals? and \d+ rows?, that were ", done.stdout, re.MULTILINE)
    assert re.search(r"^  back +after [\d.]+ ms:\n +instance 2 had", done.stdout, re.MULTILINE)
    assert re.search(r"^  lost +0 ", done.stdout, re.MULTILINE)
    assert re.search(r"^restarts +1  \(processor 1\)$", done.stdout, re.MULTILINE)
    assert max(map(len, done.stdout.splitlines())) <= 80
    # One line each in the log, where others would get a traceback.
    assert "Traceback" not in done.stderr
    assert len(re.findall(r"^crashed in .* thread=processor$", done.stderr, re.MULTILINE)) == 1


def test_no_crash_where_none_is_wanted() -> None:
    done = run([*GATEWAY, "--seconds", "0.6", "--rate", "200", "--crash", "none"])
    assert done.returncode == 0, done.stderr
    check_summary(done.stdout)
    assert "purpose" not in done.stdout
    assert figure(done.stdout, "restarts") == 0


def test_a_part_that_crashes_again_and_again_makes_it_give_up() -> None:
    done = run(
        [*GATEWAY, "--seconds", "1", "--rate", "2000", "--crash", "server", "--crashes", "9"]
    )
    assert done.returncode == 1
    assert figure(done.stdout, "restarts") == 5
    assert re.search(r"^stop +NOT CLEAN", done.stdout, re.MULTILINE)
    assert re.search(r"^crash on purpose +NOT HEALED  \(5 of 6 ", done.stdout, re.MULTILINE)
    assert (
        " gateway: crash, RestartLimitReached: gateway gives up: more than 5 restarts within 30 s;"
        " the last one needed was of server,"
    ) in " ".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_dashboard_answers_while_it_runs(tmp_path: Path) -> None:
    arguments = [*GATEWAY, "--seconds", "0", "--rate", "500"]
    with (tmp_path / "log").open("w+") as log, start(arguments, stderr=log) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.match(r"dashboard +http://127\.0\.0\.1:(\d+)/$", line):
                break
        else:
            pytest.fail("no line says where the dashboard is")
        with closing(http.client.HTTPConnection("127.0.0.1", int(found[1]), PATIENCE)) as asking:
            asking.request("GET", "/healthz")
            with asking.getresponse() as answer:
                assert (answer.status, json.load(answer)["ok"]) == (200, True)
            asking.request("GET", "/api/tree")
            with asking.getresponse() as answer:
                tree = json.load(answer)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        log.seek(0)
        assert process.returncode == 0, log.read()
    assert tree["path"] == "gateway"
    names = ["dashboard", "database", "viewers", "processor", "server", "sampler", "load"]
    assert [child["id"] for child in tree["children"]][: len(names)] == names
    assert {child["restart_type"] for child in tree["children"]} == {"permanent", "transient"}


def test_help_teaches() -> None:
    done = run([*GATEWAY, "--help"])
    assert done.returncode == 0
    for word in ("try it:", "--seconds", "--clients", "--rate", "--http-port", "--crash", "Ctrl-C"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seconds", "-1"], "not a number from 0 on"),
        (["--seconds", "nan"], "not a number from 0 on"),
        (["--clients", "-1"], "less than 0"),
        (["--port", "70000"], "no port"),
        (["--dashboard-port", "-1"], "less than 0"),
        (["--crash", "everything"], "invalid choice: 'everything'"),
        (["--crash", "load", "--clients", "0"], "there is no load to crash: --clients is 0"),
    ],
)
def test_arguments_out_of_range(arguments: list[str], message: str) -> None:
    done = run([*GATEWAY, *arguments])
    assert done.returncode == 2
    assert message in done.stderr

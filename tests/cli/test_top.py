"""`task-thread top` in a terminal: its picture, its keys, and that the terminal is given back."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.daemons import COMMAND, Daemon
from tests.cli.terminal import ALTERNATE, ORDINARY, SHOW_CURSOR, Terminal


def top(daemon: Daemon, *args: str, width: int = 80, height: int = 24) -> Terminal:
    """`top` in a terminal of its own."""
    arguments = [*COMMAND, "top", daemon.name, "--interval", "0.1", *args]
    return Terminal(arguments, daemon.environment, width=width, height=height)


@pytest.fixture
def terminal(daemon: Daemon) -> Iterator[Terminal]:
    with top(daemon) as terminal:
        terminal.shows(whole)
        yield terminal


def whole(picture: list[str]) -> bool:
    """Whether the tree is there, with its rates."""
    return any("leaf-2" in line for line in picture) and " - signals/s" not in picture[0]


def given_back(terminal: Terminal) -> None:
    """The terminal is as it was: modes, screen, cursor."""
    assert terminal.modes() == terminal.before
    output = terminal.output
    assert output.count(ALTERNATE) == output.count(ORDINARY) > 0
    assert output.rindex(ORDINARY) > output.rindex(ALTERNATE)
    assert SHOW_CURSOR in output[output.rindex(ALTERNATE) :]


def test_the_picture_and_q(daemon: Daemon, terminal: Terminal) -> None:
    lines = terminal.shows(whole)
    assert len(lines) == 24
    assert max(len(line) for line in lines) <= 80
    assert lines[0].startswith(f"shared  pid {daemon.process.pid}  up ")
    assert "  5 threads  1 restart  " in lines[0]
    assert lines[1].split()[:2] == ["THREAD", "STATE"]
    assert [line.split("  ")[0] for line in lines[2:7] if not line.startswith(" ")] == [
        "tree", "└─ branch",
    ]  # fmt: skip
    assert "├─ leaf-0" in lines[4]
    assert lines[4].split()[2:4] == ["running", "2"]
    assert "ValueErr" in lines[4]
    assert "q quit" in "".join(lines)
    assert terminal.modes() != terminal.before  # keys come at once, and are not shown
    terminal.press("q")
    assert terminal.ended() == 0
    given_back(terminal)


def test_keys(terminal: Terminal) -> None:
    terminal.press("h")
    terminal.shows(lambda picture: any("scroll by one thread" in line for line in picture))
    terminal.press("?")
    terminal.shows(lambda picture: any("THREAD" in line for line in picture))
    terminal.press("ss")
    terminal.shows(lambda picture: any("sort: inbox" in line for line in picture))
    terminal.press("p")
    terminal.shows(lambda picture: picture != [] and picture[0].startswith("PAUSED"))
    terminal.press(" ")
    terminal.shows(lambda picture: picture != [] and not picture[0].startswith("PAUSED"))
    terminal.press("q")
    assert terminal.ended() == 0


def test_it_scrolls_and_follows_the_terminals_size(terminal: Terminal) -> None:
    terminal.resize(80, 7)
    lines = terminal.shows(lambda picture: len(picture) == 7)
    assert "... 2 more" in lines
    assert not any("leaf-1" in line for line in lines)
    terminal.press("\x1b[B")
    terminal.press("j")
    lines = terminal.shows(lambda picture: any("0 more, 2 above" in line for line in picture))
    assert any("leaf-2" in line for line in lines)
    terminal.resize(120, 30)
    lines = terminal.shows(lambda picture: len(picture) == 30)
    assert any(line.startswith("tree") for line in lines)
    assert any("ValueError: bad [red]reading[/]" in line for line in lines)
    terminal.press("q")
    assert terminal.ended() == 0
    given_back(terminal)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 0), (signal.SIGTERM, 128 + 15), (signal.SIGHUP, 128 + 1)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_os_signals(terminal: Terminal, number: signal.Signals, code: int) -> None:
    terminal.signal(number)
    assert terminal.ended() == code
    given_back(terminal)
    assert "Traceback" not in terminal.output


def test_control_c(terminal: Terminal) -> None:
    terminal.press("\x03")
    assert terminal.ended() == 0
    given_back(terminal)


def test_control_z_gives_the_terminal_back_until_it_goes_on(terminal: Terminal) -> None:
    terminal.signal(signal.SIGTSTP)
    _, status = os.waitpid(terminal.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    given_back(terminal)
    before = terminal.output.count(ALTERNATE)
    terminal.signal(signal.SIGCONT)
    terminal.shows(lambda picture: terminal.output.count(ALTERNATE) > before and whole(picture))
    terminal.press("q")
    assert terminal.ended() == 0
    given_back(terminal)


def test_the_daemons_end_is_shown(fresh: Daemon) -> None:
    with top(fresh) as terminal:
        terminal.shows(whole)
        fresh.process.terminate()
        assert terminal.ended() == 0
        given_back(terminal)
        last = terminal.output[terminal.output.rindex(ORDINARY) :]
        assert f"fresh (pid {fresh.process.pid}) has ended, or is ending" in last


def test_a_daemon_that_is_stopped_is_said_to_be_silent_and_keys_work(fresh: Daemon) -> None:
    with top(fresh) as terminal:
        terminal.shows(whole)
        fresh.process.send_signal(signal.SIGSTOP)
        try:
            terminal.press("s")
            terminal.shows(lambda picture: any("sort: out/s" in line for line in picture))
            terminal.shows(lambda picture: picture != [] and picture[0].startswith("NO ANSWER"))
        finally:
            fresh.process.send_signal(signal.SIGCONT)
        terminal.shows(lambda picture: picture != [] and picture[0].startswith("fresh"))
        terminal.press("q")
        assert terminal.ended() == 0
        given_back(terminal)


def test_many_threads_in_a_small_terminal() -> None:
    with tempfile.TemporaryDirectory(prefix="tt-") as made:
        many = Daemon("many", Path(made), "200")
        with many, top(many, height=10) as terminal:
            lines = terminal.shows(lambda picture: any("more" in line for line in picture))
            assert "202 threads" in lines[0]
            assert any(line.startswith("... 196 more") for line in lines)
            terminal.press("G")
            terminal.shows(lambda picture: any("leaf-199" in line for line in picture))
            terminal.press("q")
            assert terminal.ended() == 0
            given_back(terminal)


def test_no_such_daemon_leaves_the_terminal_alone(daemon: Daemon) -> None:
    arguments = [*COMMAND, "top", "nobody"]
    with Terminal(arguments, daemon.environment, width=80, height=24) as terminal:
        assert terminal.ended() == 1
        assert "no daemon 'nobody'" in terminal.output
        assert ALTERNATE not in terminal.output
        assert terminal.modes() == terminal.before


def test_into_a_pipe_one_picture_with_rates(daemon: Daemon) -> None:
    done = daemon.command("top", "--interval", "0.1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("shared  pid ")
    assert " - signals/s" not in done.stdout
    assert "\x1b" not in done.stdout
    assert len(done.stdout.splitlines()) == 2 + 5
    assert "ValueError: bad [red]reading[/]" in done.stdout


def test_a_dumb_terminal_gets_one_picture(daemon: Daemon) -> None:
    arguments = ["/usr/bin/env", "TERM=dumb", *COMMAND, "top", "--interval", "0.1"]
    with Terminal(arguments, daemon.environment, width=80, height=24) as terminal:
        assert terminal.ended() == 0
        assert "\x1b" not in terminal.output
        assert "leaf-2" in terminal.output
        assert terminal.modes() == terminal.before

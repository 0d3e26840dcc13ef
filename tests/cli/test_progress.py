"""`task-thread stop` in a terminal: it shows that something goes on."""

from __future__ import annotations

import signal

from tests.cli.daemons import COMMAND, Daemon
from tests.cli.terminal import Terminal


def test_stop_shows_that_it_goes_on(fresh: Daemon) -> None:
    fresh.process.send_signal(signal.SIGSTOP)  # so that it takes its time
    arguments = [*COMMAND, "stop", "fresh"]
    with Terminal(arguments, fresh.environment, width=80, height=24) as terminal:
        try:
            terminal.writes("stopping fresh")
            assert "has ended" not in terminal.output
        finally:
            fresh.process.send_signal(signal.SIGCONT)
        terminal.writes("has ended, after")
        assert terminal.ended() == 0
        assert terminal.modes() == terminal.before
    assert fresh.ended() == 0

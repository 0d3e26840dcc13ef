"""The gateway as a daemon: ``task-thread run examples.gateway.service:Service``.

It needs no arguments; these variables of the environment say what is to be otherwise:

========================  ======================================================================
GATEWAY_DATABASE          the SQLite file; readings.db by default. Fields as in
                          ``readings-%Y-%m-%d.db`` are filled in (UTC) when it is opened.
GATEWAY_PORT              the TCP port for frames; 9000 by default
GATEWAY_HTTP_PORT         the port for the page; 9001 by default
GATEWAY_DASHBOARD_PORT    the port for the dashboard; 9002 by default
GATEWAY_SAMPLE            whether to send this machine's own metrics: 1 (the default) or 0
========================  ======================================================================

All ports are those of 127.0.0.1, and 0 stands for any free one. SIGHUP closes the file and opens
the one that is due: another one, where the name has fields. Nothing is lost meanwhile.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from task_thread.signals import ReloadSignal

from .gateway import Gateway, Options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from task_thread.signals import Signal

__all__ = ["Service", "options_from"]


def options_from(environment: Mapping[str, str]) -> Options:
    """What a daemon's gateway is to be.

    :raises ValueError: a variable makes no sense.
    """

    def port(name: str, default: int) -> int:
        text = environment.get(name, str(default))
        if not (text.isascii() and text.isdigit() and int(text) <= 65535):
            raise ValueError(f"{name} is a port from 0 to 65535, not {text!r}")
        return int(text)

    sample = environment.get("GATEWAY_SAMPLE", "1")
    if sample not in ("0", "1"):
        raise ValueError(f"GATEWAY_SAMPLE is 0 or 1, not {sample!r}")
    return Options(
        database=Path(environment.get("GATEWAY_DATABASE", "readings.db")),
        port=port("GATEWAY_PORT", 9000),
        http_port=port("GATEWAY_HTTP_PORT", 9001),
        dashboard_port=port("GATEWAY_DASHBOARD_PORT", 9002),
        sample=sample == "1",
    )


class Service(Gateway):
    """A gateway that runs until it is stopped, and begins its file anew when it is told to."""

    def __init__(self) -> None:
        """:raises SystemExit: the environment makes no sense, which one line says."""
        try:
            options = options_from(os.environ)
        except ValueError as error:
            sys.exit(str(error))
        super().__init__(options)

    async def signalHandler__(self, signal: Signal) -> bool | None:
        if isinstance(signal, ReloadSignal):
            # By hand, so it counts for no limit; what comes meanwhile waits for the next instance.
            await self.database.restart()
            self.logger.info("writing to %s", self.database.thread.file)
        return None

"""``task-thread run``: a tree as a daemon, in the foreground. The work is monitor.daemon's."""

from __future__ import annotations

import enum
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer import BadParameter

from task_thread.cli.daemons import seconds_from
from task_thread.errors import ControlError
from task_thread.monitor.loglevels import level_number
from task_thread.monitor.places import check_name, socket_path

__all__ = ["LogFormat", "run"]


class LogFormat(enum.Enum):
    """How log lines are written."""

    CONSOLE = "console"
    JSON = "json"


def _name(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return check_name(value)
    except ControlError as error:
        raise BadParameter(str(error)) from None


def _level(value: str) -> str:
    try:
        level_number(value)
    except ValueError as error:
        raise BadParameter(str(error)) from None
    return value.lower()


def _address(value: str | None) -> str | None:
    if value is not None:
        split_address(value)
    return value


def split_address(value: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT", "[IPV6]:PORT" or "PORT", which is on this machine alone.

    :raises BadParameter: it is none of them.
    """
    host, colon, port = value.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    good_host = (host != "" and (bracketed or ":" not in host)) if colon else True
    if not good_host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise BadParameter(
            f"{value!a} is no HOST:PORT (127.0.0.1:8080, [::1]:8080, or a port alone)"
        )
    return (host.strip("[]") if bracketed else host) if colon else "127.0.0.1", int(port)


def run(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="The root's class: package.module:Class. Modules in the current folder are found.",
            show_default=False,
        ),
    ],
    args: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARGS",
            help="Texts for the class's constructor. Put -- before those that begin with -.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            callback=_name,
            metavar="NAME",
            help="What the daemon is called. Default: the class's name.",
            show_default=False,
        ),
    ] = None,
    log_format: Annotated[
        LogFormat,
        typer.Option(
            metavar="console|json", help="Log lines for people, or JSON, one object a line."
        ),
    ] = LogFormat.CONSOLE,
    log_level: Annotated[
        str,
        typer.Option(
            callback=_level, metavar="LEVEL", help="debug, info, warning, error or critical."
        ),
    ] = "info",
    control: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|none",
            help="The control socket; its folder must be yours alone (mode 0700). none: without "
            "one. Default: NAME.sock in the folder where task-thread looks for daemons.",
            show_default=False,
        ),
    ] = None,
    stop_timeout: Annotated[
        float | None,
        typer.Option(
            callback=seconds_from(0),
            metavar="SECONDS",
            help="What the stop of the whole tree may take. Default: as its class says.",
            show_default=False,
        ),
    ] = None,
    dashboard: Annotated[
        str | None,
        typer.Option(
            callback=_address,
            metavar="HOST:PORT",
            help="Serve the dashboard there; a port alone: on this machine only.",
            show_default=False,
        ),
    ] = None,
    actions: Annotated[
        bool,
        typer.Option(
            "--actions", help="Let flows be resumed and cancelled on the dashboard's page."
        ),
    ] = False,
) -> None:
    """Run a tree as a daemon, in the foreground, until it ends.

    SIGTERM and SIGINT stop it in order, a second one at once. SIGHUP sends the root a ReloadSignal;
    SIGUSR1 logs the tree and the stack of every thread. systemd is told what it asks for.

    Ends with 0 when the tree has ended or was stopped, 1 when it crashed, 70 when its stop took too
    long.

    **Examples**

        $ task-thread run gateway.main:Gateway

        $ task-thread run gateway.main:Gateway gw.db --name gw --log-format json

        $ task-thread run gateway.main:Gateway --dashboard 8080 --stop-timeout 30

        $ task-thread run media.main:Media --dashboard 8080 --actions
    """
    if actions and dashboard is None:
        raise BadParameter(
            "it is about the dashboard: give --dashboard too", param_hint="--actions"
        )
    chosen = _default_name(target) if name is None else name
    if control is None:
        path: Path | None = socket_path(chosen)
    else:
        path = None if control == "none" else Path(control)
    folder = os.getcwd()
    if folder not in sys.path:  # as `python -m` does
        sys.path.insert(0, folder)
    # Only here: no other command needs what a daemon does.
    from task_thread.monitor.daemon import serve

    code = serve(
        target,
        *(args if args is not None else []),
        name=chosen,
        log_format=log_format.value,
        log_level=log_level,
        control=path,
        stop_timeout=stop_timeout,
        dashboard=None if dashboard is None else split_address(dashboard),
        actions=actions,
    )
    raise typer.Exit(code)


def _default_name(target: str) -> str:
    """The class's name: what stands behind the last dot or colon.

    :raises BadParameter: nothing that could be a name stands there.
    """
    name = target.rpartition(":")[2].rpartition(".")[2]
    try:
        return check_name(name)
    except ControlError:
        raise BadParameter(f"{target!a} is no package.module:Class", param_hint="TARGET") from None

"""``task-thread log-level``: see and set levels of a daemon's loggers."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from task_thread.cli.daemons import (
    ThatDaemon,
    asking,
    can_unicode,
    console,
    print_lines,
    width_of,
)
from task_thread.cli.layout import Cell, Column, lay_out
from task_thread.cli.text import one_line
from task_thread.errors import ControlError
from task_thread.monitor.loglevels import level_number
from task_thread.monitor.protocol import as_object

__all__ = ["log_level"]

_STYLES: Final = {"debug": "cyan", "warning": "yellow", "error": "red", "critical": "bold red"}


def log_level(
    daemon: ThatDaemon,
    logger: Annotated[
        str | None,
        typer.Argument(
            metavar="LOGGER",
            help="A class of threads, root, or any logger that the program uses. Left out: the "
            "root logger, and those of all classes in the tree.",
            show_default=False,
        ),
    ] = None,
    level: Annotated[
        str | None,
        typer.Argument(
            metavar="LEVEL",
            help="debug, info, warning, error or critical; notset: as the root logger.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show the levels of a daemon's loggers, or set them, while it runs.

    What a thread logs goes to the logger that is named after its class. A LEVEL alone, without a
    LOGGER, is set for all of them.

    **Examples**

        $ task-thread log-level gateway

        $ task-thread log-level gateway Server debug

        $ task-thread log-level gateway warning
    """
    if logger is not None and level is None and _is_level(logger):
        logger, level = None, logger
    with asking(daemon) as client:
        found = as_object(client.call("log-level", logger=logger, level=level))
        if found is None:
            raise ControlError("the daemon's levels are of another form")
    lines = [
        [Cell(one_line(name)), Cell(one_line(str(set_to)), _STYLES.get(str(set_to), ""))]
        for name, set_to in found.items()
    ]
    on = console()
    columns = [Column("LOGGER", least=20), Column("LEVEL")]
    print_lines(lay_out(columns, lines, width_of(on), can_unicode(on)))


def _is_level(word: str) -> bool:
    try:
        level_number(word)
    except ValueError:
        return False
    return True

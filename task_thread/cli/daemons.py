"""Which daemon a command is about, asking it, and saying what went wrong in one line; what else the
commands share: options, and how lines are printed.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text
from typer import BadParameter, Exit

from task_thread.cli.text import one_line
from task_thread.errors import ControlError
from task_thread.monitor.client import ControlClient
from task_thread.monitor.finding import find

__all__ = [
    "DAEMON_HELP",
    "AnyDaemon",
    "AsJson",
    "ThatDaemon",
    "asking",
    "can_unicode",
    "console",
    "fail",
    "print_json",
    "print_lines",
    "say",
    "seconds_from",
    "width_of",
]

DAEMON_HELP = "A daemon's name, or the path of its socket (what has a / in it)."

AnyDaemon = Annotated[
    str | None,
    typer.Argument(
        metavar="DAEMON",
        help=f"{DAEMON_HELP} Left out: the only one that runs.",
        show_default=False,
    ),
]
ThatDaemon = Annotated[str, typer.Argument(metavar="DAEMON", help=DAEMON_HELP, show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def seconds_from(least: float) -> Callable[[float | None], float | None]:
    """The check of an option that is a number of seconds: finite, and `least` or more.

    It raises BadParameter, with one line. None, for an option that was left out, passes.
    """

    def check(value: float | None) -> float | None:
        if value is not None and not least <= value < math.inf:
            raise BadParameter(f"{value} is no number of seconds, {least:g} or more")
        return value

    return check


def console(*, stderr: bool = False) -> Console:
    """A console on the stdout of the moment, or on stderr.

    What its encoding has no letters for is written as an escape, and no text is taken for markup.
    Where it is no terminal, lines are as long as they are.
    """
    file = sys.stderr if stderr else sys.stdout
    reconfigure = getattr(file, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    return Console(file=file, markup=False, highlight=False, emoji=False, soft_wrap=False)


def width_of(on: Console) -> int | None:
    """How many cells a line may have; None where it is written to a file or pipe."""
    return on.width if on.is_terminal or os.environ.get("COLUMNS", "").isdigit() else None


def can_unicode(on: Console) -> bool:
    """Whether lines and dots beyond ASCII can be written there."""
    return on.encoding.lower().replace("-", "").startswith("utf")


def say(line: str) -> None:
    """One line for people, on stderr: what is worth knowing and is no result."""
    console(stderr=True).print(one_line(line), soft_wrap=True)


def fail(line: str) -> NoReturn:
    """Say why it can't be done, and end with 1.

    :raises Exit: always.
    """
    say(f"task-thread: {line}")
    raise Exit(1)


@contextmanager
def asking(daemon: str | None, timeout: float = 10.0) -> Iterator[ControlClient]:
    """A client of that daemon. What goes wrong in the block is said in one line, and ends with 1.

    :param daemon: a name or path; None: the only one that runs.
    :param timeout: seconds that each answer may take.
    """
    try:
        with ControlClient(find(daemon), timeout=timeout) as client:
            yield client
    except ControlError as error:
        fail(str(error))


def print_json(data: Any) -> None:
    """`data` on stdout, indented, in ASCII."""
    typer.echo(json.dumps(data, indent=2))


def print_lines(lines: Iterable[Text]) -> None:
    """Lines on stdout, none of them wrapped."""
    on = console()
    for line in lines:
        on.print(line, soft_wrap=True)

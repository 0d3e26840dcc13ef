"""``task-thread stacks``: where each thread is right now."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer
from rich.text import Text

from task_thread.cli.daemons import AnyDaemon, AsJson, asking, print_json, print_lines
from task_thread.cli.text import clean, one_line
from task_thread.errors import ControlError

__all__ = ["stacks"]

_STYLES: Final = {"running": "bold yellow", "idle": "bold", "virtual": "bold cyan"}


def stacks(
    daemon: AnyDaemon = None,
    thread: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Only this thread: its path, as ps shows it, or its id.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show where each thread is right now: its OS thread's stack, and where its tasks wait.

    Nothing is interrupted, and no loop is woken: also a loop that a call blocks is shown, with the
    stack of that call, as "running".

    **Examples**

        $ task-thread stacks gateway

        $ task-thread stacks gateway --thread Gateway-1/Server-1
    """
    with asking(daemon) as client:
        found = client.call("stacks", thread=thread)
        lines = _lines(found)
    if as_json:
        print_json(found)
    else:
        print_lines(lines)


def _lines(found: Any) -> list[Text]:
    """All of it as lines.

    :raises ControlError: it is nothing of the kind.
    """
    shown: list[Text] = []
    try:
        for each in found:
            where = one_line(each["where"])
            head = Text(one_line(each["path"]), style=_STYLES.get(where, "bold"))
            head.append(f" ({where})", style="not bold")
            shown.append(head)
            shown += [Text(f"  {line}") for line in clean(each["lines"]).split("\n") if line]
            shown.append(Text(""))
    except (KeyError, TypeError, AttributeError) as error:
        raise ControlError(f"the daemon's stacks are of another form ({error!r})") from None
    return shown[:-1]

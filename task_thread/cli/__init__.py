"""The command ``task-thread``: run a tree as a daemon, and look into daemons that run.

One module for each group of commands; what a daemon is asked goes through the control socket::

    app            the commands, put together
    run            task-thread run                    -> monitor.daemon
    ps  tree       task-thread ps, tree               what there is, once
    stacks         task-thread stacks
    loglevel       task-thread log-level
    stop           task-thread stop
    flows          task-thread flows ls, show, ...    -> flow_places, flow_sides
    flow_tables    flows as lines for people (pure)
    flow_words     words as the arguments of a flow (pure)
    top            task-thread top                    -> screen (pure), feed, keyboard
    threads        a snapshot as rows, and their rates (pure)
    layout  text   columns, numbers and names as people read them (pure)
    daemons        which daemon is meant, and asking it

The command needs typer and rich, the extra "cli". This module alone can be imported without them.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """The entry point of the script ``task-thread``.

    :raises SystemExit: always. 0: it went well; 1: no such daemon, or it refused; 2: wrong usage,
        or typer and rich are not installed; of ``run``: what the tree ended with.
    """
    try:
        import rich
        import typer
    except ImportError as error:
        if error.name not in ("rich", "typer"):
            raise
        sys.stderr.write(
            f"task-thread: {error.name} is not installed; the command needs: "
            "pip install 'task-thread[cli]'\n"
        )
        raise SystemExit(2) from None
    del rich, typer
    from task_thread.cli.app import app

    app(prog_name="task-thread")

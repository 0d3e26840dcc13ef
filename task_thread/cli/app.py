"""The commands, put together."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from task_thread.cli import flows, loglevel, ps, run, stacks, stop, top, tree

__all__ = ["app"]

app = typer.Typer(
    name="task-thread",
    help="Run a tree of task_thread's threads as a daemon, and look into daemons that run.",
    epilog="""A daemon is found by its name, or by the path of its control socket.

Exit codes: 0, it went well. 1, no such daemon, or it refused. 2, wrong usage.""",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"task-thread {version('task-thread')}")
        raise typer.Exit


@app.callback()
def every_command(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version, and end."
        ),
    ] = False,
) -> None:
    """What stands before each command."""


for name, command in (
    ("run", run.run),
    ("ps", ps.ps),
    ("tree", tree.tree),
    ("top", top.top),
    ("stacks", stacks.stacks),
    ("log-level", loglevel.log_level),
    ("stop", stop.stop),
):
    app.command(name)(command)
app.add_typer(flows.flows, name="flows")

"""``task-thread flows``: see durable flows, and submit, resume and cancel them; of a daemon that
runs, or in the file of a store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from typer import BadParameter

from task_thread.cli.daemons import (
    AsJson,
    can_unicode,
    console,
    fail,
    print_json,
    print_lines,
    say,
    width_of,
)
from task_thread.cli.flow_places import changed_flows, seen_flows
from task_thread.cli.flow_sides import Flows
from task_thread.cli.flow_tables import flow_lines, one_flow, summary
from task_thread.cli.flow_words import call_of
from task_thread.cli.text import one_line
from task_thread.monitor.protocol import as_object

__all__ = ["flows"]

_PLACE_HELP = (
    "A daemon's name, or the path of its socket; or a store: sqlite:///flows.db, or its file."
)
_ROWS: Final = 100  # of a history, where nothing is said

AnyPlace = Annotated[
    str | None,
    typer.Argument(
        metavar="PLACE",
        help=f"{_PLACE_HELP} Left out: the only daemon that runs.",
        show_default=False,
    ),
]
ThatPlace = Annotated[str, typer.Argument(metavar="PLACE", help=_PLACE_HELP, show_default=False)]
RunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN_ID",
        help="The flow's run id, or how it begins where no other one does.",
        show_default=False,
    ),
]
App = Annotated[
    str | None,
    typer.Option(
        "--app",
        metavar="NAME",
        help="Which app of the daemon, by its id or path: where several have flows.",
        show_default=False,
    ),
]

flows = typer.Typer(
    name="flows",
    help="""See durable flows; submit, resume and cancel them.

PLACE is a daemon that runs, or a store: the file in which an app keeps its flows. A store that a
daemon has open is asked for there; one that nobody has is changed as it lies, and the app goes on
with it when it starts. No code of the flows is imported for it.""",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@flows.command("ls")
def ls(
    place: AnyPlace = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATE",
            help="Only those in this state: INIT, RUNNING, CHECK, WAIT, SPAWN, DONE, FAIL, "
            "CANCELLED. May be given several times.",
            show_default=False,
        ),
    ] = None,
    routine: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only those of this routine.", show_default=False),
    ] = None,
    ended: Annotated[
        bool, typer.Option("--ended", help="Those that have ended or failed, the latest first.")
    ] = False,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many are shown at most.")
    ] = 100,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """List flows: all that have not ended for good, in the order in which they were made.

    FOR is how long a flow has been in its state, at its task; AGE how long ago it was made.

    **Examples**

        $ task-thread flows ls media

        $ task-thread flows ls media --state WAIT --state FAIL

        $ task-thread flows ls flows.db --routine ingest --ended --limit 10

        $ task-thread flows ls sqlite:////var/lib/media/flows.db --json
    """
    wanted = {"states": state or None, "routine": routine, "ended": ended or None}
    with seen_flows(place, app) as found:
        answer = found.list(wanted, limit)
        on = console()
        now = datetime.now(UTC)
        lines = flow_lines(answer["flows"], now, width_of(on), can_unicode(on))
        told = summary(answer, ended)
    if as_json:
        print_json(answer)
        return
    if answer["flows"]:
        print_lines(lines)
        typer.echo(f"\n{told}")
    else:
        say(f"no such flows. {told}")


@flows.command("show")
def show(
    place: ThatPlace,
    run_id: RunId,
    last: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help=f"Only the last N rows of the history. Default: {_ROWS}; with --json all.",
            show_default=False,
        ),
    ] = None,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show tracebacks whole, not only that there is one.")
    ] = False,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Show a flow: where it is in its routine, and what it has gone through.

    Long values are cut short, and with --json they are whole. Those of more than 64 KiB are left
    out, and their size is told.

    **Examples**

        $ task-thread flows show media 67d3a6f0-1

        $ task-thread flows show flows.db 67d3a6f0-1 --traceback

        $ task-thread flows show media 67d3 --json | jq '.history[].result'
    """
    rows = _ROWS if last is None else last
    with seen_flows(place, app) as found:
        answer = found.show(run_id, last if as_json else rows)
        on = console()
        lines = one_flow(
            answer, datetime.now(UTC), width_of(on), can_unicode(on), last=rows,
            tracebacks=traceback,
        )  # fmt: skip
    if as_json:
        print_json(answer)
    else:
        print_lines(lines)


@flows.command("submit")
def submit(
    place: ThatPlace,
    routine: Annotated[
        str,
        typer.Argument(
            metavar="ROUTINE",
            help="The name of a routine; or the run id of a flow that was made and not submitted.",
            show_default=False,
        ),
    ],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARG",
            help="What its tasks are called with: VALUE or NAME=VALUE. A value that is JSON is "
            "that, any other one is text. Put -- before those that begin with -.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="The idempotency key: the same one gives the same run id, and begins nothing new.",
            show_default=False,
        ),
    ] = None,
    app: App = None,
) -> None:
    """Begin a flow of a routine, and print its run id.

    **Examples**

        $ task-thread flows submit media ingest clip.mp4

        $ task-thread flows submit media ingest clip.mp4 tries=3 'tags=["a", "b"]'

        $ task-thread flows submit flows.db ingest clip.mp4 --key clip-2030-01-01
    """
    args, kwargs = call_of(arguments or [])
    with changed_flows(place, app) as found:
        answer = found.submit(routine, args, kwargs, key)
        _check_stored(answer)
        _tell_when(found)
    typer.echo(_field(answer, "id"))


@flows.command("resume")
def resume(
    place: ThatPlace,
    run_id: RunId,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=VALUE",
            help="Keywords for the task's check. A value that is JSON is that, any other one is "
            "text.",
            show_default=False,
        ),
    ] = None,
    app: App = None,
) -> None:
    """Let a flow go on.

    Of one that waits the task's check is asked, with the keywords that are given; of one that
    failed, what failed is run again, without any.

    **Examples**

        $ task-thread flows resume media 67d3a6f0-1

        $ task-thread flows resume media 67d3a6f0-1 confirmed=true note="all good"

        $ task-thread flows resume flows.db 67d3a6f0-1 confirmed=true
    """
    args, kwargs = call_of(arguments or [])
    if args:
        raise BadParameter(f"{args[0]!a} is no NAME=VALUE")
    with changed_flows(place, app) as found:
        answer = found.resume(run_id, kwargs)
        _check_stored(answer)
        _tell_when(found)
    typer.echo(f"{_field(answer, 'id')} is in {_field(answer, 'state')}")


@flows.command("cancel")
def cancel(
    place: ThatPlace,
    run_id: RunId,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why, for the record.", show_default=False)
    ] = "",
    app: App = None,
) -> None:
    """Cancel a flow, whatever it does; and the one that it has spawned.

    Ends with 1 where the flow had ended before.

    **Examples**

        $ task-thread flows cancel media 67d3a6f0-1

        $ task-thread flows cancel flows.db 67d3a6f0-1 --reason "the file is gone"
    """
    with changed_flows(place, app) as found:
        answer = found.cancel(run_id, reason)
        _check_stored(answer)
    id, state = _field(answer, "id"), _field(answer, "state")
    if answer.get("cancelled") is not True:
        fail(f"flow {id} had ended before: it is in {state}")
    typer.echo(f"{id} is in {state}")


# ---- inside -------------------------------------------------------------------------------


def _check_stored(answer: dict[str, Any]) -> None:
    if answer.get("stored") is not True:
        say(f"flow {_field(answer, 'id')}: it is done, but could not be written to the disk yet")


def _tell_when(found: Flows) -> None:
    if found.at_rest:
        say("nobody has the store open: it goes on when its app starts")


def _field(answer: dict[str, Any], name: str) -> str:
    flow = as_object(answer.get("flow"))
    return "?" if flow is None else one_line(str(flow.get(name)))

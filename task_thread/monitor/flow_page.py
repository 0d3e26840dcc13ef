"""What the dashboard's page is told of flows: with each picture where they are, and on demand a
page of their list, or one of them with its history.

Nothing of ``task_thread.flows`` is loaded here: where a tree has a FlowApp the program has done
it. Nothing is changed either; see flow_actions.py for that. All of it may be called from any loop.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote

from task_thread.core.thread import TaskThread
from task_thread.errors import UnknownFlow
from task_thread.monitor.flow_json import (
    flow_to_json,
    path_to_json,
    routine_to_json,
    step_to_json,
)
from task_thread.monitor.flow_query import Place, Query, number_in, wanted_by
from task_thread.monitor.tree import places

if TYPE_CHECKING:
    from task_thread.flows.flow import Flow
    from task_thread.flows.flowapp import FlowApp
    from task_thread.flows.info import FlowInfo
    from task_thread.flows.spec import Routine

__all__ = [
    "PATIENCE",
    "FlowPage",
    "Found",
    "NoAnswerError",
    "NoSuchAppError",
    "flow_apps",
]

PATIENCE: Final = 5.0
"""Seconds in which an app has to say what is in its store."""
_PAGE: Final = 100  # flows that are told at once, unless asked otherwise
_MOST: Final = 200
_STEPS: Final = 200  # rows of a history that are told at once
_ROUTINES: Final = 30  # of an app


class NoAnswerError(Exception):
    """The app has not answered in time."""


class NoSuchAppError(LookupError):
    """The tree has no FlowApp of that name."""


class Found(NamedTuple):
    """A FlowApp of the tree.

    :ivar key: the page's name for it: its path; of several with one path the later ones get "#2",
        "#3" and so on behind it.
    :ivar app: of a supervised one the latest instance.
    """

    key: str
    app: FlowApp


def flow_apps(root: TaskThread) -> Iterator[Found]:
    """The FlowApps of the tree, in its order. From any thread."""
    # Half imported, by another thread just now, it has no class yet, and so nobody has an app.
    loaded: Any = getattr(sys.modules.get("task_thread.flows.flowapp"), "FlowApp", None)
    if loaded is None:
        return
    taken: set[str] = set()
    for place in places(root):
        if not isinstance(place.thread, loaded):
            continue
        path = key = place.path.encode("utf-8", "replace").decode()
        number = 1
        while key in taken:
            number += 1
            key = f"{path}#{number}"
        taken.add(key)
        app: Any = place.thread
        yield Found(key, app)


class FlowPage:
    """Answers what the page asks about the flows of a tree.

    :param root: the tree.
    """

    def __init__(self, root: TaskThread) -> None:
        self._root = root

    def find(self, query: Query) -> FlowApp:
        """The app that `query` names, as ``app``.

        :raises ValueError: it names none. :raises NoSuchAppError: there is none of that name.
        """
        key = query.get("app", "")
        if not key:
            raise ValueError("say which app: its path in the tree, as app")
        for found in flow_apps(self._root):
            if found.key == key:
                return found.app
        raise NoSuchAppError(f"there is no app {key!r} with flows in the tree")

    # ---- with each picture ----------------------------------------------------------------

    def picture(self) -> list[dict[str, Any]]:
        """Where flows are, of all apps."""
        return [_app_to_json(found) for found in flow_apps(self._root)]

    # ---- on demand ------------------------------------------------------------------------

    async def listed(self, query: Query) -> dict[str, Any]:
        """A page of the list of flows, those that were made last first.

        ``state``, ``routine`` (a name, or name@version), ``position`` (from 0), ``id`` (a part of
        the run id): only those. ``offset``, ``limit``: which of them. ``ended=1``: instead of
        those that the app knows the last ones in its store that ended.

        :raises ValueError: a value makes no sense. :raises NoSuchAppError: there is no such app.
        :raises NoAnswerError: the store is not read in time. :raises StoreError: it can't be read.
        :raises NotRunning, ThreadEnded: the app does not run.
        """
        app = self.find(query)
        wanted = wanted_by(query)
        offset = number_in(query, "offset", 0, 10**9)
        limit = number_in(query, "limit", _PAGE, _MOST)
        rows: list[dict[str, Any]]
        if query.get("ended"):
            infos = [info for info in await _in_time(app.ended, _MOST) if wanted(_place_of(info))]
            known = {_id(each.routine): each.routine for each in app.flow_statistics().routines}
            total = len(infos)
            rows = [
                flow_to_json(info, known.get(f"{info.routine}@{info.version}"))
                for info in infos[offset : offset + limit]
            ]
        else:
            flows = [flow for flow in _flows(app) if wanted(_place(flow))]
            total = len(flows)
            flows.reverse()
            rows = [
                flow_to_json(app._flows.info(flow), flow.routine)
                for flow in flows[offset : offset + limit]
            ]
        return {"at": _now(), "total": total, "offset": offset, "limit": limit, "flows": rows}

    async def one(self, query: Query) -> dict[str, Any]:
        """The flow of the run id ``id``: where it is, its routine, and the last rows of its
        history; with ``before`` those before that number.

        :raises ValueError: a value makes no sense. :raises NoSuchAppError: there is no such app.
        :raises UnknownFlow: there is no such flow, or it is kept no longer.
        :raises NoAnswerError: the store is not read in time. :raises StoreError: it can't be read.
        :raises NotRunning, ThreadEnded: the app does not run.
        """
        app = self.find(query)
        id = query.get("id", "")
        if not id:
            raise ValueError("say which flow: its run id, as id")
        before = number_in(query, "before", 10**9, 10**9)
        info = await _in_time(app.stored_status, id)
        try:
            steps = [s for s in await _in_time(app.history, id) if s.number < before]
        except UnknownFlow:  # made just now, and not on disk yet
            steps = []
        routine = _routine_of(app, info)
        path = None
        if routine is not None:
            at = {info.position: {info.state.value: 1}}
            path = path_to_json(routine, at, info.position)
        return {
            "at": _now(),
            "flow": {**flow_to_json(info, routine), "place": _command_place(app)},
            "path": path,
            "earlier": max(0, len(steps) - _STEPS),
            "steps": [step_to_json(step, routine) for step in steps[-_STEPS:]],
        }


# ---- asking an app ----------------------------------------------------------------------------


def _command_place(app: FlowApp) -> str:
    """What the command ``task-thread flows`` calls the app: its store's file, in a shell's words.
    Whoever has that open is asked."""
    store = app._app.store
    scheme, _, path = ("" if store is None else store.address).partition(":///")
    return shlex.quote(unquote(path)) if scheme == "sqlite" else "PLACE"


def _place(flow: Flow) -> Place:
    row = flow.row
    return Place(row.id, row.routine, row.state.value, row.position)


def _place_of(info: FlowInfo) -> Place:
    return Place(info.id, f"{info.routine}@{info.version}", info.state.value, info.position)


def _flows(app: FlowApp) -> list[Flow]:
    """Those that it knows, in the order in which they were made. To make a FlowInfo of each, as
    list() does, would take 20 times as long."""
    gate = app._flows.gate
    with gate.lock:
        return [*gate.census]


async def _in_time(ask: Callable[..., Any], *what: Any) -> Any:
    """:raises NoAnswerError: it takes longer than PATIENCE."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await ask(*what)
    except TimeoutError:
        raise NoAnswerError(f"the app has not answered within {PATIENCE:g} s") from None


def _routine_of(app: FlowApp, info: FlowInfo) -> Routine | None:
    wanted = f"{info.routine}@{info.version}"
    for each in app.flow_statistics().routines:
        if _id(each.routine) == wanted:
            return each.routine
    return None


def _app_to_json(found: Found) -> dict[str, Any]:
    key, app = found
    seen = app.flow_statistics()
    # Those of today and those with flows first, should there be more than are told.
    routines = sorted(
        seen.routines, key=lambda each: (not each.is_current, not each.places, each.routine.name)
    )
    told = sorted(routines[:_ROUTINES], key=lambda each: (each.routine.name, not each.is_current))
    flows = _flows(app)
    return {
        "app": key,
        "name": str(seen.name),
        "states": {state.value: number for state, number in seen.states.items()},
        "routines": [routine_to_json(each) for each in told],
        "more_routines": max(0, len(routines) - _ROUTINES),
        # Another one whenever a flow has moved, come or gone.
        "stamp": f"{len(flows)}.{sum(flow.row.steps for flow in flows)}",
    }


def _id(routine: Routine) -> str:
    return f"{routine.name}@{routine.version}"


def _now() -> str:
    return datetime.now(UTC).isoformat()

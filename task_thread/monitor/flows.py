"""What a control socket's requests about flows do: list, show, submit, resume, cancel.

The rules:

- Nothing of ``task_thread.flows`` is imported unless the tree has a FlowApp.
- A loop of the tree runs only for what changes something. What is listed is read under the lock of
  the gate, which is held for one copy of a list; histories are read from the store, which anybody
  may ask, row by row, and no more of them than one answer holds.
- A change is answered when it is on disk, or when that takes too long: the answer says which.

All of it is called on the control server's own loop.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote

from task_thread.core.thread import TaskThread
from task_thread.errors import TaskThreadError
from task_thread.monitor.flow_forms import WHOLE_LIMIT, flow_to_json, routine_to_json
from task_thread.monitor.tree import places

if TYPE_CHECKING:
    from task_thread.flows.flowapp import FlowApp
    from task_thread.monitor.flow_booth import FlowBooth

__all__ = ["MOST_FLOWS", "FlowRequests"]

MOST_FLOWS: Final = 500
"""How many flows one answer lists at most."""
_FEW: Final = 100  # flows that one answer lists where nothing is said

Answer = dict[str, Any]


class FlowRequests:
    """Answers the requests about the flows of one tree.

    Ownership: the control server's loop.

    :param root: the tree.
    """

    def __init__(self, root: TaskThread) -> None:
        self._root = root
        self.commands: dict[str, Callable[..., Coroutine[Any, Any, Answer]]] = {
            "flows.list": self.list,
            "flows.show": self.show,
            "flows.submit": self.submit,
            "flows.resume": self.resume,
            "flows.cancel": self.cancel,
        }

    # ---- requests -------------------------------------------------------------------------

    async def list(
        self,
        app: str | None = None,
        store: str | None = None,
        states: Sequence[str] = (),
        routine: str | None = None,
        ended: bool = False,
        limit: int = _FEW,
        skip: int = 0,
    ) -> Answer:
        """Flows: those that have not ended for good, in the order in which they were made; those
        that have, the latest first. ``next``: what to skip for the following ones; null: no more.

        :raises ValueError: there is no such app, or state.
        """
        with _told():
            one = self._booth(app, store)
            from task_thread.flows.records import info_of
            from task_thread.flows.selection import selection

            wanted = selection(states, routine, ended)
            rows, counts = one.under_way(wanted)
            if wanted.among_ended:
                rows += await one.ended(wanted, skip + MOST_FLOWS)
            until = skip + min(max(limit, 0), MOST_FLOWS)
            flows = [flow_to_json(info_of(row, one.routine(row))) for row in rows[skip:until]]
            return {
                "app": one.app.getId(),
                "flows": flows,
                "total": len(rows),
                "next": until if until < len(rows) and flows else None,
                "counts": {state.value: number for state, number in sorted(counts.items())},
            }

    async def show(
        self,
        app: str | None = None,
        store: str | None = None,
        flow: str | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> Answer:
        """A flow, its routine, and rows of its history as far as they are on disk. ``next``: the
        number of the row that follows; null: there is none.

        :param flow: its run id, or how that begins; of all requests about one flow.
        :param first: from this row on. :param last: so many rows from the end.
        :raises ValueError: there is no such app or flow.
        """
        with _told():
            one = self._booth(app, store)
            from task_thread.flows.records import info_of

            row = await one.row(await one.find(_given("flows.show", "flow", flow)))
            routine = one.routine(row)
            name, _, version = row.routine.rpartition("@")
            today = one.app.routines.get(name)
            begin = first if first is not None else 0
            if last is not None and first is None:
                begin = max(0, row.steps - last)
            steps, following = await one.steps(row, begin)
            return {
                "app": one.app.getId(),
                "flow": flow_to_json(info_of(row, routine), WHOLE_LIMIT),
                "routine": {
                    "name": name,
                    "version": version,
                    "current": None if today is None else today.version,
                    "tasks": None if routine is None else routine_to_json(routine),
                },
                "history": steps,
                "next": following,
            }

    async def submit(
        self,
        app: str | None = None,
        store: str | None = None,
        routine: str | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Answer:
        """Begin a flow of `routine`, or one that was made and not submitted, by its run id.

        :raises ValueError: as ``FlowApp.submit`` raises.
        """
        with _told():
            one = self._booth(app, store)
            what = _given("flows.submit", "routine", routine)
            named = dict(kwargs or {})
            if "idempotency_key" in named:
                raise ValueError("idempotency_key is no argument of tasks: it is given as key")
            return await one.answer(one.app.submit(what, *args, idempotency_key=key, **named))

    async def resume(
        self,
        app: str | None = None,
        store: str | None = None,
        flow: str | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Let a flow go on.

        :raises ValueError: as ``FlowApp.resume`` raises.
        """
        with _told():
            one = self._booth(app, store)
            id = await one.find(_given("flows.resume", "flow", flow))
            await one.check_resumable(id)
            one.app.resume(id, **dict(kwargs or {}))
            return await one.answer(id)

    async def cancel(
        self,
        app: str | None = None,
        store: str | None = None,
        flow: str | None = None,
        reason: str = "",
    ) -> Answer:
        """Cancel a flow. ``cancelled``: false where it had ended before.

        :raises ValueError: as ``FlowApp.cancel`` raises.
        """
        with _told():
            one = self._booth(app, store)
            id = await one.find(_given("flows.cancel", "flow", flow))
            done = one.knows(id) and one.app.cancel(id, reason)
            return {**await one.answer(id), "cancelled": done}

    # ---- which app ------------------------------------------------------------------------

    def _booth(self, app: str | None, store: str | None) -> FlowBooth:
        """The app that is meant, to be looked into.

        :raises ValueError: there is none, or several, or it does not run.
        """
        found = self._find(app, store)
        from task_thread.monitor.flow_booth import FlowBooth

        return FlowBooth(found)

    def _find(self, name: str | None, store: str | None) -> FlowApp:
        """The app that is meant.

        :param name: its id or path; None: the only one that has flows or routines.
        :param store: the file of its store.
        :raises ValueError: there is none, or several.
        """
        found = dict(self._apps())
        if not found:
            raise ValueError("there is no FlowApp in this tree")
        if store is not None:
            found = {path: app for path, app in found.items() if _has_file(app, store)}
            if not found:
                raise ValueError(f"no FlowApp in this tree has the store {store!a}")
        if name is not None:
            there = ", ".join(found)
            if name in found:
                return found[name]
            found = {path: app for path, app in found.items() if app.getId() == name}
            if not found:
                raise ValueError(f"no FlowApp {name!a} in this tree: there is {there}")
        elif len(found) > 1:
            used = {path: app for path, app in found.items() if _is_used(app)}
            found = used or found
        if len(found) > 1:
            raise ValueError(f"several apps have flows, say which app: {', '.join(found)}")
        return next(iter(found.values()))

    def _apps(self) -> Iterator[tuple[str, FlowApp]]:
        """The FlowApps of the tree, by their paths."""
        # Half imported, by another thread just now, it has no class yet, and nobody has one.
        loaded = getattr(sys.modules.get("task_thread.flows.flowapp"), "FlowApp", None)
        if loaded is None:
            return
        for place in places(self._root):
            if isinstance(place.thread, loaded):
                yield place.path, cast("FlowApp", place.thread)


@contextmanager
def _told() -> Iterator[None]:
    """What the app raises, as a refusal of one line.

    :raises ValueError: that.
    """
    try:
        yield
    except (TaskThreadError, TypeError, ImportError, LookupError) as error:
        raise ValueError(str(error)) from None


def _given(do: str, name: str, value: str | None) -> str:
    """:raises ValueError: it was not given."""
    if value is None:
        raise ValueError(f"{do} needs {name}: which one?")
    return value


def _is_used(app: FlowApp) -> bool:
    """Whether it has flows or routines."""
    with app._flows.gate.lock:
        return len(app._flows.gate.census) > 0 or len(app.routines) > 0


def _has_file(app: FlowApp, path: str) -> bool:
    store = app._app.store
    scheme, _, place = ("" if store is None else store.address).partition(":///")
    return scheme == "sqlite" and os.path.realpath(unquote(place)) == os.path.realpath(path)

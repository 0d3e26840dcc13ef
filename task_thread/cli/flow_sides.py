"""The flows of one app, as the commands see them: asked of a daemon, or read in a file. All give
the same plain data, that of the control socket's answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from task_thread.errors import ControlError
from task_thread.monitor.client import ControlClient
from task_thread.monitor.flow_forms import (
    WHOLE_LIMIT,
    flow_to_json,
    routine_to_json,
    step_to_json,
)
from task_thread.monitor.protocol import as_object

if TYPE_CHECKING:
    from task_thread.flows.atrest import StoreAtRest
    from task_thread.flows.reading import StoreReader

__all__ = ["Flows", "LiveFlows", "ReadFlows", "RestingFlows", "SeenFlows"]

Data = dict[str, Any]

_OTHER_FORM: Final = "the daemon's answer is of another form"


class SeenFlows(Protocol):
    """Flows that can be looked at.

    :ivar at_rest: whether nobody goes on with them now.
    """

    at_rest: bool

    def list(self, wanted: Mapping[str, Any], limit: int) -> Data:
        """What flows.list answers, with as many flows as that at most.

        :param wanted: ``states``, ``routine``, ``ended``, each of them or None.
        """
        ...

    def show(self, run_id: str, last: int | None) -> Data:
        """What flows.show answers, with all of the history, or that much of its end."""
        ...


class Flows(SeenFlows, Protocol):
    """Flows that can be changed as well."""

    def submit(
        self, routine: str, args: Sequence[Any], kwargs: Mapping[str, Any], key: str | None
    ) -> Data:
        """What flows.submit answers."""
        ...

    def resume(self, run_id: str, kwargs: Mapping[str, Any]) -> Data:
        """What flows.resume answers."""
        ...

    def cancel(self, run_id: str, reason: str) -> Data:
        """What flows.cancel answers."""
        ...


class LiveFlows:
    """Flows of a daemon, by its control socket."""

    at_rest = False

    def __init__(self, client: ControlClient, app: str | None, store: str | None) -> None:
        self._client = client
        self._which = {"app": app, "store": store}

    def _call(self, do: str, **arguments: Any) -> Data:
        answer = as_object(self._client.call(do, **self._which, **arguments))
        if answer is None:
            raise ControlError(_OTHER_FORM)
        return answer

    def list(self, wanted: Mapping[str, Any], limit: int) -> Data:
        """See :meth:`SeenFlows.list`."""
        found: dict[str, Any] = {}
        whole: Data = {}
        skip: Any = 0
        while isinstance(skip, int) and len(found) < limit:
            answer = self._call("flows.list", **wanted, limit=limit - len(found), skip=skip)
            whole = whole or answer
            # Some may have ended between two answers, and others have taken their places.
            for flow in _listed(answer, "flows"):
                found.setdefault(str(flow.get("id")), flow)
            skip = answer.get("next")
        return {**whole, "flows": [*found.values()], "next": skip}

    def show(self, run_id: str, last: int | None) -> Data:
        """See :meth:`SeenFlows.show`."""
        whole = self._call("flows.show", flow=run_id, last=last)
        rows = _listed(whole, "history")
        following = whole.get("next")
        while isinstance(following, int):
            answer = self._call("flows.show", flow=_id(whole), first=following)
            more = _listed(answer, "history")
            if not more:
                break
            rows += more
            following = answer.get("next")
        return {**whole, "history": rows, "next": None}

    def submit(
        self, routine: str, args: Sequence[Any], kwargs: Mapping[str, Any], key: str | None
    ) -> Data:
        """See :meth:`Flows.submit`."""
        return self._call(
            "flows.submit", routine=routine, args=list(args), kwargs=dict(kwargs), key=key
        )

    def resume(self, run_id: str, kwargs: Mapping[str, Any]) -> Data:
        """See :meth:`Flows.resume`."""
        return self._call("flows.resume", flow=run_id, kwargs=dict(kwargs))

    def cancel(self, run_id: str, reason: str) -> Data:
        """See :meth:`Flows.cancel`."""
        return self._call("flows.cancel", flow=run_id, reason=reason)


class ReadFlows:
    """Flows in a file, to be looked at."""

    at_rest = True

    def __init__(self, store: StoreReader) -> None:
        self._store = store

    def list(self, wanted: Mapping[str, Any], limit: int) -> Data:
        """See :meth:`SeenFlows.list`."""
        from task_thread.flows.selection import selection

        chosen = selection(
            wanted.get("states") or (), wanted.get("routine"), bool(wanted.get("ended"))
        )
        found = self._store.list(chosen, limit=limit)
        return {
            "app": None,
            "flows": [flow_to_json(info) for info in found.flows],
            "total": found.total,
            "next": limit if found.total > limit else None,
            "counts": {state.value: number for state, number in sorted(found.counts.items())},
        }

    def show(self, run_id: str, last: int | None) -> Data:
        """See :meth:`SeenFlows.show`."""
        view = self._store.view(run_id)
        info = view.info
        first = 0 if last is None else max(0, info.steps - last)
        steps = itertools.takewhile(
            lambda step: step.number < info.steps, self._store.steps(info.id, first)
        )
        return {
            "app": None,
            "flow": flow_to_json(info, WHOLE_LIMIT),
            "routine": {
                "name": info.routine,
                "version": info.version,
                "current": view.current or None,
                "tasks": None if view.routine is None else routine_to_json(view.routine),
            },
            "history": [step_to_json(step, view.routine) for step in steps],
            "next": None,
        }


class RestingFlows(ReadFlows):
    """Flows in a file that nobody else has."""

    def __init__(self, store: StoreAtRest) -> None:
        super().__init__(store)
        self._at_rest = store

    def submit(
        self, routine: str, args: Sequence[Any], kwargs: Mapping[str, Any], key: str | None
    ) -> Data:
        """See :meth:`Flows.submit`."""
        return self._answer(self._at_rest.submit(routine, args, kwargs, idempotency_key=key))

    def resume(self, run_id: str, kwargs: Mapping[str, Any]) -> Data:
        """See :meth:`Flows.resume`."""
        return self._answer(self._at_rest.resume(run_id, **kwargs).id)

    def cancel(self, run_id: str, reason: str) -> Data:
        """See :meth:`Flows.cancel`."""
        id = self._at_rest.find(run_id)
        done = self._at_rest.cancel(id, reason)
        return {**self._answer(id), "cancelled": done}

    def _answer(self, id: str) -> Data:
        flow = flow_to_json(self._at_rest.view(id).info)
        return {"app": None, "flow": flow, "stored": True}


def _listed(answer: Data, name: str) -> list[Data]:
    """A list of objects in an answer.

    :raises ControlError: there is none.
    """
    found = answer.get(name)
    if not isinstance(found, list):
        raise ControlError(_OTHER_FORM)
    listed = [as_object(each) for each in cast("list[object]", found)]
    if None in listed:
        raise ControlError(_OTHER_FORM)
    return [each for each in listed if each is not None]


def _id(whole: Data) -> str:
    flow = as_object(whole.get("flow"))
    if flow is None:
        raise ControlError(_OTHER_FORM)
    return str(flow.get("id"))

"""Where the dashboard answers about flows, and what an error of theirs is in HTTP.

====================== ======== ====================================================
path                   takes    answers
====================== ======== ====================================================
``/api/flows``         GET      a page of the list of flows of an app
``/api/flow``          GET      one of them, with its history
``/api/actions``       GET      whether there are actions, and the token for them
``/api/flows/resume``  POST     resumes a flow
``/api/flows/cancel``  POST     cancels it
====================== ======== ====================================================

Answers are JSON; a refusal is a line of text that says why. Everything here belongs to the loop of
the dashboard.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from task_thread.errors import (
    FlowStateError,
    NotRunning,
    NotStorable,
    RegistryError,
    StoreError,
    ThreadEnded,
    UnknownFlow,
)
from task_thread.monitor.flow_actions import Actions
from task_thread.monitor.flow_page import FlowPage, NoAnswerError, NoSuchAppError
from task_thread.monitor.flow_query import Query, query_of
from task_thread.monitor.http_messages import Answer, Handler, Request, error_answer

__all__ = ["FlowRoutes"]

_JSON: Final = "application/json"
# The first that fits counts: an UnknownFlow is a RegistryError too.
_STATUSES: Final[tuple[tuple[tuple[type[Exception], ...], int], ...]] = (
    ((UnknownFlow, NoSuchAppError), 404),
    ((FlowStateError,), 409),
    ((ValueError, TypeError, RegistryError, NotStorable), 400),
    ((NotRunning, ThreadEnded, StoreError), 503),
    ((NoAnswerError,), 504),
)


class FlowRoutes:
    """The routes of a dashboard that are about flows."""

    def __init__(self, page: FlowPage, actions: Actions) -> None:
        self._actions = actions
        self.routes: Final[dict[str, Handler]] = {
            "/api/flows": _asked(page.listed),
            "/api/flow": _asked(page.one),
            "/api/actions": self._offer,
        }
        self.posts: Final[dict[str, Handler]] = {
            "/api/flows/resume": self._done(actions.resume),
            "/api/flows/cancel": self._done(actions.cancel),
        }

    async def _offer(self, request: Request) -> Answer:
        return _data(self._actions.offer(request))

    def _done(self, act: Callable[[bytes], None]) -> Handler:
        async def handler(request: Request) -> Answer:
            refusal = self._actions.check(request)
            if refusal is not None:
                return refusal
            try:
                act(request.body)
            except Exception as error:  # noqa: BLE001  what is no refusal is raised on
                return _refused(error)
            return _data({"ok": True})

        return handler


def _asked(ask: Callable[[Query], Awaitable[Any]]) -> Handler:
    async def handler(request: Request) -> Answer:
        try:
            return _data(await ask(query_of(request.query)))
        except Exception as error:  # noqa: BLE001  what is no refusal is raised on
            return _refused(error)

    return handler


def _refused(error: Exception) -> Answer:
    """What is said where `error` is a refusal; else it is raised on: somebody has a bug."""
    for kinds, status in _STATUSES:
        if isinstance(error, kinds):
            return error_answer(status, " ".join(str(error).split()))
    raise error


def _data(data: Any) -> Answer:
    return Answer(json.dumps(data, separators=(",", ":")).encode("ascii"), _JSON)

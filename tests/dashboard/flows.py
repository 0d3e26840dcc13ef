"""A tree with a FlowApp and a dashboard, and the tasks of its flows."""

from __future__ import annotations

import json
from typing import Any

from task_thread.core.handle import Handle
from task_thread.flows import FlowApp, FlowChanged, FlowState, FlowTask, RoutineSet, spawn, wait
from tests.dashboard.http import Address, Reply, get, post
from tests.dashboard.trees import Shop
from tests.support.journal import Journal

__all__ = ["ACTIONS", "APP", "Studio", "act", "ask", "token"]

HERE = __name__
APP = "shop/media"
ACTIONS = ("/api/flows/resume", "/api/flows/cancel")


class Fetch(FlowTask):
    """Gives what it was told to fetch."""

    async def perform(self, path: str = "", **more: Any) -> Any:
        return {"fetched": path}


class Confirm(FlowTask):
    """Waits until somebody has confirmed."""

    def perform(self, path: str = "", **more: Any) -> Any:
        return wait(more.get("reason", f"is {path} the right one?"))

    def check(self, path: str = "", *, confirmed: bool = False, note: str = "", **more: Any) -> Any:
        return confirmed


class Strict(Confirm):
    """The same; its check takes one keyword and no other."""

    def check(self, path: str = "", *, confirmed: bool = False) -> Any:  # type: ignore[override]
        return confirmed


class Archive(FlowTask):
    """Gives something."""

    async def perform(self, path: str = "", **more: Any) -> str:
        return f"archived {path}"


class Fail(FlowTask):
    """Raises."""

    async def perform(self, path: str = "", **more: Any) -> None:
        raise ValueError(f"no room for {path}")


class Offload(FlowTask):
    """Has another flow do the work."""

    def perform(self, path: str = "", **more: Any) -> Any:
        return spawn(routine="offloaded", args=(path,), reason="somewhere else")


def routines() -> RoutineSet:
    """What the studio's app runs."""
    made = RoutineSet()
    made.routine(
        "ingest",
        [
            ("fetch", f"{HERE}.Fetch", "fetch it"),
            ("confirm", f"{HERE}.Confirm", "ask a person"),
            ("archive", f"{HERE}.Archive", "put it away"),
        ],
    )
    made.routine("strict", [("strict", f"{HERE}.Strict")])
    made.routine("broken", [("fetch", f"{HERE}.Fetch", "fetch it"), ("fail", f"{HERE}.Fail")])
    made.routine("offloaded", [("confirm", f"{HERE}.Confirm", "ask a person")])
    made.routine(
        "parents",
        [("offload", f"{HERE}.Offload"), ("archive", f"{HERE}.Archive", "put it away")],
    )
    return made


class Studio(Shop):
    """A shop with a FlowApp.

    :ivar moved: run id and state of each flow that has moved, once that is stored.
    :param name: the app's id.
    :param dashboard: arguments of the Dashboard.
    """

    def __init__(self, name: str = "media", **dashboard: Any) -> None:
        self.name = name
        self.moved = Journal()
        super().__init__("till", **dashboard)

    async def enter__(self) -> None:
        self.office: Handle[FlowApp] = await self.spawn(
            FlowApp, self.name, routines=routines(), threads=2, processes=1, name=self.name
        )
        self.flows.subscribe(FlowChanged, callback=self._moved)
        await super().enter__()

    def _moved(self, event: FlowChanged) -> None:
        self.moved((event.info.id, event.info.state))

    @property
    def flows(self) -> FlowApp:
        """The app. From any thread."""
        return self.office.thread

    def begin(
        self, routine: str, *args: Any, until: FlowState = FlowState.WAIT, **kwargs: Any
    ) -> str:
        """Submit a flow, and wait until it is in that state."""
        run_id = self.flows.submit(routine, *args, **kwargs)
        self.moved.wait((run_id, until))
        return run_id


def ask(tree: Studio, path: str = "/api/flows", app: str = APP, **query: Any) -> Any:
    """What is answered to a good question."""
    from urllib.parse import urlencode

    reply = get(tree.address, f"{path}?{urlencode({'app': app, **query})}")
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


def token(address: Address) -> str:
    """The token for actions."""
    found: str = json.loads(get(address, "/api/actions").body)["token"]
    return found


def act(tree: Studio, what: str, *, headers: dict[str, str] | None = None, **data: Any) -> Reply:
    """Do something, as the page would."""
    body = json.dumps({"app": APP, **data}).encode()
    given = {"X-Task-Thread-Token": token(tree.address), **(headers or {})}
    return post(tree.address, f"/api/flows/{what}", body, **given)

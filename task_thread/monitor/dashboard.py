"""The dashboard: a thread that shows the tree it is in, on a web page, to metrics and to checks.

It reads what a snapshot reads and asks a :class:`Watch` which loops are held up; it changes nothing
and takes no orders, but those about flows where the program says so. While nobody looks it waits
for connections and does nothing else.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.resources import files
from time import monotonic
from typing import Any, Final

from task_thread.core.tasks import reCreate, reSchedule
from task_thread.core.thread import TaskThread
from task_thread.log import log_safely
from task_thread.monitor import health
from task_thread.monitor.feed import Feed
from task_thread.monitor.flow_page import FlowPage, flow_apps
from task_thread.monitor.http_limits import HttpLimits, host_of
from task_thread.monitor.snapshot import root_of, snapshot, to_json
from task_thread.monitor.watch import Blocked, Watch

try:
    from task_thread.monitor import metrics
    from task_thread.monitor.flow_actions import Actions
    from task_thread.monitor.flow_routes import FlowRoutes
    from task_thread.monitor.http_messages import Answer, Handler, Request, Stream, error_answer
    from task_thread.monitor.web import WebServer
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"the dashboard needs {error.name}: pip install 'task-thread[monitor]'", name=error.name
    ) from error

__all__ = ["PERIOD", "Dashboard"]

PERIOD: Final = 1.0
"""Seconds between two pictures of the tree."""

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
_JSON: Final = "application/json"
_FAREWELL: Final = b"event: bye\ndata: {}\n\n"
_AS_URL: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where one listens; where one is found


class Dashboard(TaskThread):
    """Serves a live page of the tree, ``/metrics``, ``/healthz`` and ``/readyz``. Spawn it::

        await self.spawn(Dashboard, port=8080)

    ``/`` the page. ``/events`` what it lives on, one picture a second. ``/api/tree`` one picture
    as JSON. ``/metrics`` for Prometheus. ``/healthz`` 200 while every loop of the tree turns and
    answers, else 503 and which ones do not. ``/readyz`` 200 while the root runs and no supervised
    child is down, else 503 and what is missing. The page also lists the flows of a FlowApp.

    There is no log-in: whoever reaches the port may look, at tracebacks too, and with `actions`
    resume and cancel flows. So it is bound to this machine alone unless told otherwise, and answers
    then only to names of this machine. Web pages from elsewhere can't act, whoever has them open.

    :param host: the address to bind.
    :param port: 0 lets the system choose: see :attr:`url`.
    :param root: the tree to show; by default the one that the dashboard is in.
    :param title: the page's heading; the root's name by default.
    :param watch: who is asked which loops are held up; by default a child of its own.
    :param limits: the bounds of the web server.
    :param actions: whether flows can be resumed and cancelled on the page.
    :param hosts: other names by which browsers may reach it, of a proxy, say; as they are in the
        address, with the port where that is there: ``hosts=["tools.example.org"]``.
    :raises TypeError: `root` is no TaskThread, `watch` no Watch, `actions` no bool, `hosts` is a
        single text.
    :raises ValueError: `host` or `port` is none, or one of `hosts`.

    :ivar address: host and port that it is bound to, once it runs.
    """

    address: tuple[str, int]

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        root: TaskThread | None = None,
        title: str | None = None,
        parent: TaskThread | None = None,
        *,
        watch: Watch | None = None,
        limits: HttpLimits | None = None,
        actions: bool = False,
        hosts: Iterable[str] = (),
    ) -> None:
        _check_address(host, port)
        if root is not None and not isinstance(root, TaskThread):
            raise TypeError(f"root must be a TaskThread, not {root!r}")
        if watch is not None and not isinstance(watch, Watch):
            raise TypeError(f"watch must be a Watch, not {watch!r}")
        given: object = actions
        if not isinstance(given, bool):
            raise TypeError(f"actions must be True or False, not {given!r}")
        self._actions = actions
        self._hosts = _checked_hosts(hosts)
        self._host = host
        self._port = port
        self._root = root
        self._title = title
        self._watch = watch
        self._limits = HttpLimits() if limits is None else limits
        super().__init__(parent=parent)

    def initVars__(self) -> None:
        """One task, which shows the tree while somebody looks."""
        self.tasks.show = None
        self._feed = Feed()
        self._latest: bytes | None = None

    @property
    def url(self) -> str:
        """The page's address, once it runs. From any thread."""
        host, port = self.address
        host = _AS_URL.get(host, host)
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    async def enter__(self) -> None:
        """Begin to serve.

        :raises OSError: host and port can't be bound.
        """
        self._shown = root_of(self) if self._root is None else self._root
        if self._watch is None:
            self._own_watch = await self.spawn(Watch, self._shown, name="watch")
        self._health = health.Health(self._ask_all)
        self._flows = FlowPage(self._shown)
        self._flow_actions = Actions(
            self._flows,
            allowed=self._actions,
            bound=self._host,
            hosts=self._hosts,
            log=self._log,
        )
        about_flows = FlowRoutes(self._flows, self._flow_actions)
        self._web = WebServer(
            {**self._routes(), **about_flows.routes},
            posts=about_flows.posts,
            hosts=[host_of(host) or host for host in self._hosts],
            limits=self._limits,
            log=self._log,
        )
        # Last: nothing that can fail comes after it and would leave it open.
        self.address = await self._web.listen(self._host, self._port)
        self.logger.info("dashboard on %s%s", self.url, ", with actions" if self._actions else "")

    async def stopping__(self) -> None:
        """Say farewell to the viewers, and close."""
        self._feed.close(_FAREWELL)
        await self._web.stop()

    # ---- the routes -----------------------------------------------------------------------

    def _routes(self) -> dict[str, Handler]:
        routes: dict[str, Handler] = {
            "/api/tree": self._tree,
            "/events": self._events,
            "/metrics": self._metrics,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
        }
        for page in files("task_thread.monitor").joinpath("page").iterdir():
            content_type = _TYPES.get(page.name[page.name.rfind(".") :])
            if content_type is not None:
                routes[f"/{page.name}"] = _fixed(page.read_bytes(), content_type)
        routes["/"] = routes.pop("/index.html")
        return routes

    async def _tree(self, request: Request) -> Answer:
        return Answer(_encode(to_json(snapshot(self._shown))), _JSON)

    async def _metrics(self, request: Request) -> Answer:
        flows = [
            (key, type(app).__name__, app.flow_statistics()) for key, app in flow_apps(self._shown)
        ]
        body = metrics.render(snapshot(self._shown), flows)
        return Answer(body, metrics.CONTENT_TYPE)

    async def _healthz(self, request: Request) -> Answer:
        stuck = await self._health.stuck()
        body = _encode(health.to_json(stuck, stacks=False))
        return Answer(body, _JSON, status=503 if stuck else 200)

    async def _readyz(self, request: Request) -> Answer:
        missing = health.not_ready(snapshot(self._shown))
        body = _encode({"ok": not missing, "down": missing})
        return Answer(body, _JSON, status=503 if missing else 200)

    async def _events(self, request: Request) -> Answer | Stream:
        if self._feed.viewers >= self._limits.streams:
            return error_answer(503, "too many viewers", (("Retry-After", "5"),))
        subscription = self._feed.subscribe()
        if self._latest is not None:
            subscription.put(self._latest)
        elif self.tasks.show is None:
            # There is nothing to end in the slot, so that this does not wait and no other viewer
            # can come in between.
            self.tasks.show = await reCreate(None, self._show)
        return Stream(subscription, "text/event-stream")

    # ---- the picture ----------------------------------------------------------------------

    async def _show(self) -> None:
        """Task: one picture for all viewers, and a pause. It ends with the last of them."""
        now = asyncio.get_running_loop().time
        due = now() + PERIOD
        self._latest = b"retry: 1000\ndata: %b\n\n" % _encode(self._picture())
        self._feed.publish(self._latest)
        await asyncio.sleep(max(0.0, due - now()))
        if self._feed.viewers:
            self.tasks.show = await reSchedule(self._show)
        else:
            self.tasks.show = self._latest = None

    def _picture(self) -> dict[str, Any]:
        """What the page is told: the tree, and what is the matter with it."""
        root = snapshot(self._shown)
        return {
            "v": 1,
            "at": datetime.now(UTC).isoformat(),
            "clock": monotonic(),
            "title": root.path if self._title is None else self._title,
            "pid": os.getpid(),
            "health": health.to_json(self._watching().stuck(), stacks=True),
            "down": health.not_ready(root),
            "tree": to_json(root),
            "flows": self._flows.picture(),
        }

    # ---- health ---------------------------------------------------------------------------

    def _watching(self) -> Watch:
        # Its latest instance: a watch that crashed has been replaced.
        return self._own_watch.thread if self._watch is None else self._watch

    async def _ask_all(self) -> list[Blocked]:
        return await self._watching().check()

    def _log(self, level: str, event: str, *args: Any, **values: Any) -> None:
        log_safely(self.logger, level, event, *args, **values)


def _check_address(host: object, port: object) -> None:
    if not isinstance(host, str) or not host:
        raise ValueError(f"host must be an address or a name to bind, not {host!r}")
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
        raise ValueError(f"port must be a number from 0 to 65535, not {port!r}")


def _checked_hosts(hosts: Iterable[str]) -> tuple[str, ...]:
    if isinstance(hosts, str):
        raise TypeError(f"hosts are several names: hosts=[{hosts!r}]")
    found: tuple[Any, ...] = tuple(hosts)
    for host in found:
        if not isinstance(host, str) or host_of(host) is None:
            raise ValueError(f"one of hosts is a name, with a port or without, not {host!r}")
    return tuple(host.strip().lower() for host in found)


def _fixed(body: bytes, content_type: str) -> Handler:
    """A route that always answers the same."""

    async def handler(request: Request) -> Answer:
        return Answer(body, content_type)

    return handler


def _encode(data: Any) -> bytes:
    """`data` as JSON on one line, in ASCII."""
    return json.dumps(data, separators=(",", ":")).encode("ascii")

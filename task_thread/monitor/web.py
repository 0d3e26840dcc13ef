"""A small web server for a thread of this library: HTTP/1.1 on h11 and asyncio's streams.

It is there for one page, a handful of viewers, metrics and health checks, on a machine where the
tree that it shows is what matters. So everything is bounded (:class:`HttpLimits`), requests have no
bodies but where a route takes a POST, and nothing is kept on disk. What it is asked for are routes:
a dict of paths and handlers.

Everything here belongs to the loop that called :meth:`WebServer.listen`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

from task_thread.monitor.http_connection import HttpConnection
from task_thread.monitor.http_limits import HttpLimits, known_hosts
from task_thread.monitor.http_messages import Handler, error_answer

__all__ = ["WebServer"]

_FULL: Final = error_answer(503, "too many connections", (("Retry-After", "5"),))
_BACKLOG: Final = 128


class WebServer:
    """Serves `routes` until it is stopped.

    :param routes: what answers for which path, without a query.
    :param posts: the same for POST.
    :param hosts: names that it has besides those of this machine.
    :param log: called with a level, an event and ``exc_info`` when a handler raises.
    """

    def __init__(
        self,
        routes: Mapping[str, Handler],
        *,
        posts: Mapping[str, Handler] | None = None,
        hosts: Iterable[str] = (),
        limits: HttpLimits,
        log: Callable[..., None],
    ) -> None:
        self._routes = routes
        self._posts: Mapping[str, Handler] = {} if posts is None else posts
        self._hosts = frozenset(hosts)
        self._limits = limits
        self._log = log
        self._known: frozenset[str] | None = None
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], HttpConnection] = {}
        self._refused: dict[asyncio.Task[None], HttpConnection] = {}

    @property
    def connections(self) -> int:
        """How many clients it serves now."""
        return len(self._open)

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Begin to serve, and return the address and the port that it is bound to.

        :param port: 0 lets the system choose.
        :raises OSError: it can't be bound; the text says what and why.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            # With port 0 each address of a name would get a port of its own.
            addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
            self._server = await asyncio.start_server(
                self._accepted,
                addresses[:1] if port == 0 else addresses,
                port,
                limit=self._limits.head_bytes,
                backlog=_BACKLOG,
            )
        except OSError as error:
            raise OSError(error.errno, f"can't serve on {host} port {port}: {error}") from error
        bound = self._server.sockets[0].getsockname()
        self._known = known_hosts(host, bound[0], self._hosts)
        return bound[0], bound[1]

    async def stop(self) -> None:
        """Take no more clients, let answers that are under way be sent, end everything else.

        Returns within ``linger`` seconds or little more. Asked again it has nothing to do.
        """
        if self._server is not None:
            self._server.close()
        clients = {**self._open, **self._refused}
        for connection in self._open.values():
            connection.finish()
        if not clients:
            return
        _, slow = await asyncio.wait(clients, timeout=self._limits.linger)
        for task in slow:
            clients[task].abort()
            task.cancel()
        if slow:
            await asyncio.wait(slow)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = HttpConnection(
            reader,
            writer,
            self._routes,
            posts=self._posts,
            known=self._known,
            limits=self._limits,
            log=self._log,
        )
        if len(self._open) < self._limits.connections:
            self._keep(self._open, connection, connection.serve())
        elif len(self._refused) < self._limits.connections:
            self._keep(self._refused, connection, connection.refuse(_FULL))
        else:
            connection.abort()

    @staticmethod
    def _keep(
        where: dict[asyncio.Task[None], HttpConnection],
        connection: HttpConnection,
        work: Coroutine[Any, Any, None],
    ) -> None:
        task = asyncio.get_running_loop().create_task(work)
        where[task] = connection
        task.add_done_callback(where.pop)

"""One connection of the web server: requests in, answers out, in HTTP/1.1 as h11 knows it.

The rules:

- One request is read, answered, then the next one is read: what a client sends ahead waits in a
  buffer of bounded size, and then in the client.
- What breaks the rules gets one answer that says why, where an answer is still possible, and a
  close. What stays silent is closed without words.
- Nothing a client does raises out of :meth:`HttpConnection.serve`. What a handler raises is that
  handler's bug: the client gets 500, and the log the traceback.

Everything here belongs to the loop of the server.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

import h11

from task_thread.monitor.http_head import brings_body, headers_of, path_of, size_of, target_of
from task_thread.monitor.http_limits import HttpLimits, host_is_known
from task_thread.monitor.http_messages import (
    ALWAYS,
    Answer,
    Handler,
    Request,
    Source,
    Stream,
    error_answer,
)

__all__ = ["HttpConnection"]

_CHUNK: Final = 16 * 1024  # bytes that are read at once
_METHODS: Final = (b"GET", b"HEAD")
_NOT_ALLOWED: Final = error_answer(405, "GET and HEAD are answered", (("Allow", "GET, HEAD"),))
_POST_ONLY: Final = error_answer(405, "it takes a POST", (("Allow", "POST"),))
# Nobody is left to be told: the client has gone, is too slow, or we are past what HTTP allows.
_GONE: Final = (OSError, TimeoutError, h11.ProtocolError)


class _RefusedError(Exception):
    """The request is refused with this answer, and the connection is closed after it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class HttpConnection:
    """One client. On the server's loop.

    :param posts: what takes a POST for which path; no other request has a body.
    :param known: the hosts that it answers for; None for any.
    :param log: called with a level, an event and ``exc_info`` when a handler raises.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        routes: Mapping[str, Handler],
        *,
        posts: Mapping[str, Handler],
        known: frozenset[str] | None,
        limits: HttpLimits,
        log: Callable[..., None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._routes = routes
        self._posts = posts
        self._known = known
        self._limits = limits
        self._log = log
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_bytes)
        self._busy = False  # a request is being read or answered; else it may be closed any time
        self._served = 0
        self._closing = False
        self._source: Source | None = None
        # drain() waits until the system has taken everything: so at most one answer or event is
        # held in memory for a client, and one that does not read is noticed at once.
        writer.transport.set_write_buffer_limits(high=0)

    async def serve(self) -> None:
        """Answer requests until either side has had enough."""
        with contextlib.suppress(*_GONE):
            while await self._next_cycle():
                pass
        await self._close()

    async def refuse(self, answer: Answer) -> None:
        """Send `answer` without reading a request, and close."""
        with contextlib.suppress(*_GONE):
            await self._farewell(answer)
        await self._close()

    def finish(self) -> None:
        """Come to an end: an idle connection and a stream at once, an answer when it was sent."""
        self._closing = True
        if self._source is not None:
            self._source.close()
        elif not self._busy:
            self.abort()

    def abort(self) -> None:
        """Close it at once, whatever is under way."""
        self._writer.transport.abort()

    async def _close(self) -> None:
        """Whoever is told that this connection has ended may count on its descriptor's end."""
        self.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    # ---- one request and its answer -------------------------------------------------------

    async def _next_cycle(self) -> bool:
        """Answer one request; False where it was the last one."""
        try:
            head = await self._read_head()
            if head is None:
                return False
            answer = await self._answer_to(head)
        except h11.RemoteProtocolError as error:
            await self._farewell(error_answer(error.error_status_hint, str(error)))
            return False
        except _RefusedError as refusal:
            await self._farewell(refusal.answer)
            return False
        head_only = head.method == b"HEAD"
        if isinstance(answer, Stream):
            await self._send_stream(answer, head_only)
            return False
        await self._send_answer(answer, head_only)
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        self._served += 1
        return True

    async def _read_head(self) -> h11.Request | None:
        """The next request's head; None where the client sends no other one.

        :raises _RefusedError: it did not come in time, or brings a body that nobody takes.
        :raises RemoteProtocolError: it is no HTTP, or too long.
        """
        event = self._h11.next_event()
        if event is h11.NEED_DATA:
            event = await self._wait_for_head()
        self._busy = True
        if not isinstance(event, h11.Request):
            return None
        if event.http_version not in (b"1.0", b"1.1"):
            raise _RefusedError(error_answer(505))
        # h11 minds the size of what is incomplete; what has come whole is minded here.
        if size_of(event) > self._limits.head_bytes:
            raise _RefusedError(error_answer(431))
        if event.method == b"POST" and path_of(event) in self._posts:
            return event  # its body is read when it is known to be welcome
        if brings_body(event):
            raise _RefusedError(
                error_answer(413, "a request has no body here")
                if event.method in _METHODS
                else _NOT_ALLOWED
            )
        self._h11.next_event()  # the end of the message, since there is no body
        return event

    async def _wait_for_head(self) -> Any:
        limits, now = self._limits, asyncio.get_running_loop().time
        self._busy = bool(self._h11.trailing_data[0])  # a part was sent along with the last one
        kept_alive = self._served and not self._busy
        event: Any = h11.NEED_DATA
        try:
            timeout = limits.idle_timeout if kept_alive else limits.head_timeout
            async with asyncio.timeout(timeout) as deadline:
                while event is h11.NEED_DATA:
                    self._h11.receive_data(await self._reader.read(_CHUNK))
                    if not self._busy:
                        self._busy = True
                        deadline.reschedule(now() + limits.head_timeout)
                    event = self._h11.next_event()
        except TimeoutError:
            if not self._busy:
                return None
            raise _RefusedError(error_answer(408, "the request took too long to arrive")) from None
        return event

    async def _answer_to(self, head: h11.Request) -> Answer | Stream:
        """What the route's handler says, or why none was asked."""
        host, path, query = target_of(head)
        hosts = [value.decode("latin-1") for name, value in head.headers if name == b"host"]
        if host is not None:  # as if for a proxy; then this host counts
            hosts = [host]
        if not all(host_is_known(host, self._known) for host in hosts):
            raise _RefusedError(error_answer(421, "this server does not answer for that host"))
        posted = head.method == b"POST"
        handler = (self._posts if posted else self._routes).get(path)
        if handler is None:
            if path in self._posts:
                return _POST_ONLY
            return _NOT_ALLOWED if path in self._routes else error_answer(404)
        if not posted and head.method not in _METHODS:
            return _NOT_ALLOWED
        body = await self._read_body(head) if posted else b""
        headers = {**headers_of(head), **({} if host is None else {"host": host})}
        try:
            return await handler(Request(head.method.decode("ascii"), path, query, headers, body))
        except Exception as error:  # noqa: BLE001  a bug in one page must not cost the others
            self._log("error", "no answer to %s", path, exc_info=error)
            return error_answer(500)

    async def _read_body(self, head: h11.Request) -> bytes:
        """The body of a POST.

        :raises _RefusedError: it is too long, or did not come in time.
        :raises RemoteProtocolError: it ends before its end.
        """
        limit = self._limits.body_bytes
        too_long = _RefusedError(error_answer(413, f"a body has {limit} bytes at most here"))
        for name, value in head.headers:
            if name == b"content-length" and int(value) > limit:
                raise too_long
        if self._h11.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.head_timeout):
                while not isinstance(event := self._h11.next_event(), h11.EndOfMessage):
                    if event is h11.NEED_DATA:
                        self._h11.receive_data(await self._reader.read(_CHUNK))
                    elif isinstance(event, h11.Data):
                        body += event.data
                        if len(body) > limit:
                            raise too_long
        except TimeoutError:
            raise _RefusedError(error_answer(408, "the body took too long to arrive")) from None
        return bytes(body)

    # ---- sending --------------------------------------------------------------------------

    async def _send_answer(self, answer: Answer, head_only: bool, *, last: bool = False) -> None:
        headers = [("Content-Length", str(len(answer.body))), *answer.headers]
        response = self._response(answer.status, answer.content_type, headers, last)
        body = [] if head_only else [h11.Data(answer.body)]
        await self._send(response, *body, h11.EndOfMessage())

    async def _send_stream(self, stream: Stream, head_only: bool) -> None:
        self._source = source = stream.source
        if self._closing or head_only:
            source.close()
        gone = asyncio.ensure_future(self._close_when_gone(source))
        try:
            await self._send(self._response(200, stream.content_type, [], last=True))
            while (piece := await source.get()) is not None:
                await self._send(h11.Data(piece))
            await self._send(h11.EndOfMessage())
        finally:
            source.close()
            gone.cancel()
            await asyncio.wait([gone])

    async def _close_when_gone(self, source: Source) -> None:
        """Whoever reads a stream has no more to say: a word of his, or his leaving, ends it."""
        with contextlib.suppress(OSError):
            await self._reader.read(1)
        source.close()

    async def _farewell(self, answer: Answer) -> None:
        """Send a last answer, and let the client read it."""
        if self._h11.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        await self._send_answer(answer, head_only=False, last=True)
        # Closed with something unread in the system's buffer, a connection is reset, and the
        # client would lose what was said to it.
        self._writer.write_eof()
        async with asyncio.timeout(self._limits.linger):
            while await self._reader.read(_CHUNK):
                pass

    def _response(
        self, status: int, content_type: str, headers: list[tuple[str, str]], last: bool
    ) -> h11.Response:
        every = [("Date", formatdate(usegmt=True)), ("Content-Type", content_type), *ALWAYS]
        if last or self._closing:
            every.append(("Connection", "close"))
        return h11.Response(
            status_code=status, headers=every + headers, reason=HTTPStatus(status).phrase.encode()
        )

    async def _send(self, *events: Any) -> None:
        """:raises TimeoutError: the client did not take it in time."""
        data: list[bytes] = [self._h11.send(event) or b"" for event in events]
        self._writer.write(b"".join(data))
        async with asyncio.timeout(self._limits.write_timeout):
            await self._writer.drain()

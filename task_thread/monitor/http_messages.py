"""What a handler of the web server is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Protocol, TypeAlias

__all__ = ["ALWAYS", "Answer", "Handler", "Headers", "Request", "Source", "Stream", "error_answer"]

Headers: TypeAlias = tuple[tuple[str, str], ...]

ALWAYS: Final[Headers] = (
    ("Cache-Control", "no-store"),
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
"""What every answer says: it is not to be kept, framed, sniffed or read by other sites, and the
page may load nothing but what comes from here."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has arrived, all of it.

    :ivar method: ``"GET"`` or ``"HEAD"``; ``"POST"`` where a route is for that.
    :ivar path: of the target, without the query.
    :ivar query: what comes behind the path, without the "?"; as it was sent.
    :ivar headers: by their names in lower case; those of one name are joined with a comma.
    :ivar body: of a POST, else empty.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    :ivar body: all of it, in memory.
    :ivar headers: beside those that every answer has.
    """

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: Headers = ()


class Source(Protocol):
    """Where a stream's pieces come from."""

    async def get(self) -> bytes | None:
        """The next piece; None at the end."""
        ...

    def close(self) -> None:
        """Whoever reads is gone, or shall go: :meth:`get` returns None from now on."""
        ...


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that goes on until its source ends or its reader is gone.

    :ivar source: asked for the next piece when the one before was taken by the client.
    """

    source: Source
    content_type: str


Handler: TypeAlias = Callable[[Request], Awaitable["Answer | Stream"]]


def error_answer(status: int, detail: str = "", headers: Headers = ()) -> Answer:
    """One line that says what is wrong."""
    text = f"{status} {HTTPStatus(status).phrase}"
    body = f"{text}: {detail}\n" if detail else f"{text}\n"
    return Answer(body.encode("utf-8", "backslashreplace"), status=status, headers=headers)

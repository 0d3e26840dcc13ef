"""What the web server allows, and for whom it answers: its limits, and the check of Host.

The rules:

- Whatever a client does costs a bounded amount of memory and of time. Each bound has a name here.
- A server on loopback answers only to names of this machine. A page elsewhere on the web can let
  its own name point to 127.0.0.1 (DNS rebinding) and would then read the dashboard in its
  visitor's browser; that request says the page's name in its Host header.

Pure: neither sockets nor a loop.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final

__all__ = ["HttpLimits", "host_is_known", "host_of", "known_hosts"]

_NAMES_OF_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:/?#@\s]+))(?::\d{0,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """The bounds of the web server.

    :ivar connections: at once; the next ones are told 503 and closed.
    :ivar streams: of these, how many may be event streams (viewers). The rest stays free for
        metrics and health checks.
    :ivar head_bytes: of a request's first line and headers together.
    :ivar body_bytes: of a POST's body, where one is taken; it has ``head_timeout`` seconds too.
    :ivar head_timeout: seconds for a request's head to arrive, from the connection's begin or from
        the head's first byte.
    :ivar idle_timeout: seconds that a connection may be kept without a request.
    :ivar write_timeout: seconds in which a client must take one answer, or one event.
    :ivar linger: seconds that a refused client gets to read why, before its connection is closed.
    :raises ValueError: one of them is not positive, or is nan.
    """

    connections: int = 64
    streams: int = 32
    head_bytes: int = 16 * 1024
    body_bytes: int = 64 * 1024
    head_timeout: float = 10.0
    idle_timeout: float = 60.0
    write_timeout: float = 10.0
    linger: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0 or math.isinf(value):
                raise ValueError(f"{field.name} must be a positive number, not {value!r}")


def known_hosts(configured: str, address: str, more: Iterable[str] = ()) -> frozenset[str] | None:
    """The names that a request may be for.

    :param configured: what the server was told to bind.
    :param address: what it is bound to.
    :param more: other names that it has.
    :returns: None for any name: a server that is there for others is found under names that
        nobody has told it.
    """
    if not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return None
    return _NAMES_OF_LOOPBACK | {configured.lower(), address.lower()} | {*more}


def host_is_known(header: str, known: frozenset[str] | None) -> bool:
    """Whether the host `header`, with or without a port, is well formed and one of `known`."""
    host = host_of(header)
    return host is not None and (known is None or host in known)


def host_of(header: str) -> str | None:
    """The name or address in a Host header, in lower case and without a port; None: it has none."""
    match = _HOST.fullmatch(header.strip())
    return None if match is None else (match["six"] or match["name"]).lower()

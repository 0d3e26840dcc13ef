"""What a request's head says, as h11 has read it. Pure."""

from __future__ import annotations

import h11

__all__ = ["brings_body", "headers_of", "path_of", "size_of", "target_of"]


def size_of(head: h11.Request) -> int:
    """Bytes of the request's line and headers, without what separates them."""
    fields = sum(len(name) + len(value) for name, value in head.headers)
    return len(head.method) + len(head.target) + fields


def brings_body(head: h11.Request) -> bool:
    """Whether a body comes after it."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
        for name, value in head.headers
    )


def target_of(head: h11.Request) -> tuple[str | None, str, str]:
    """The host in the target, where it is as if for a proxy, else None; the path; the query."""
    target, host = head.target.decode("ascii"), None
    if target[:7].lower() == "http://":
        host, slash, rest = target[7:].partition("/")
        target = slash + rest
    path, _, query = target.partition("?")
    return host, path, query


def path_of(head: h11.Request) -> str:
    """The path alone."""
    return target_of(head)[1]


def headers_of(head: h11.Request) -> dict[str, str]:
    """The headers by their names in lower case; those of one name are joined with a comma."""
    found: dict[str, str] = {}
    for raw, value in head.headers:
        name, text = raw.decode("ascii"), value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found

"""What a durable store is: the seam between the app and whatever keeps its records.

A record is some bytes under a kind ("run", "schedule", ...) and a key. What is in the bytes is the
app's business. A store keeps records, gives them back in the order in which they came, and that is
all; so a store on something else than a file is a few dozen lines.

What a store promises:

- ``write()`` is all or nothing, and when it has returned the changes outlive the process, and with
  the defaults the machine's loss of power as well.
- Writes of one caller, awaited one after the other, happen in that order. Reads see what was
  written before them.
- A store that fails raises a :class:`~task_thread.errors.StoreError`, and works again when what it
  failed of is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, runtime_checkable
from urllib.parse import unquote

from task_thread.errors import NotStorable
from task_thread.log import show

if TYPE_CHECKING:
    from task_thread.core.thread import TaskThread

__all__ = ["LARGEST_VALUE", "Change", "Store", "check", "check_limit", "end_of", "store_for"]

LARGEST_VALUE: Final = 64 * 1024 * 1024
"""Bytes that the value of one record may have."""


class Change(NamedTuple):
    """One record put into the store, or deleted from it.

    A named tuple, and no frozen dataclass, since some hundred thousand are made in a second.

    :ivar kind: what it is a record of; kinds are told apart, and read one at a time.
    :ivar key: which one; unique in its kind.
    :ivar value: what is kept, from now on, in place of what was there; None deletes the record.
    :ivar live: whether ``live()`` gives it back when the app starts again. What is only kept to be
        asked for by its key, a result for example, is not.
    :ivar expires: seconds since 1970, UTC, from which on the store may drop the record; None for
        never.
    """

    kind: str
    key: str
    value: bytes | None
    live: bool = True
    expires: float | None = None


@runtime_checkable
class Store(Protocol):
    """Where records are kept. All but ``open`` and ``close`` may be awaited from any loop, by many
    at once."""

    @property
    def address(self) -> str:
        """Where the records are, for people and log lines. From any thread."""
        ...

    async def open(self, owner: TaskThread | None = None) -> None:
        """Make it ready. Once, before everything else.

        :param owner: whose store it is. It lends its name to what the store starts, and nothing
            else: the store ends when it is closed, not with its owner.
        :raises StoreInUse: another process has it open, or another store of this one.
        :raises StoreTooNew: a later version of this library has written it.
        :raises StoreFailed: it can't be opened; the message says why, and what to do.
        """
        ...

    async def live(self, kind: str) -> Sequence[tuple[str, bytes]]:
        """Key and value of all records of `kind` that are live, in the order in which they were
        first put there.

        :raises StoreFailed: they can't be read, or the store is not open.
        """
        ...

    async def get(self, kind: str, key: str) -> bytes | None:
        """The value of one record, live or not; None where there is none.

        :raises StoreFailed: it can't be read, or the store is not open.
        """
        ...

    async def under(
        self, kind: str, prefix: str, *, limit: int | None = None, reverse: bool = False
    ) -> Sequence[tuple[str, bytes]]:
        """Key and value of the records of `kind`, live or not, whose key begins with `prefix`, in
        the order of their keys: by code points, as Python compares text. What it takes grows with
        what is found, not with what else is there.

        Some of them may have expired, and be there until the store comes to drop them.

        :param prefix: no pattern: each character stands for itself. "" for all of the kind.
        :param limit: how many there are at most; None for all.
        :param reverse: the last key first. The limit counts from there.
        :raises ValueError: `limit` is less than 0.
        :raises StoreFailed: they can't be read, or the store is not open.
        """
        ...

    async def write(self, changes: Sequence[Change]) -> None:
        """Make all `changes`, or none. When this returns they are on disk.

        Of two changes of one record the last one holds. A call that is cancelled may still write.

        :raises NotStorable: one of them can't be stored, now or later. None was made.
        :raises StoreFailed: the disk is full, or the like: it may work later. None was made, as far
            as the disk can tell.
        """
        ...

    async def close(self) -> None:
        """Write what waits to be written, and let go of everything. Again: does nothing."""
        ...


def check(change: Change) -> None:
    """See that `change` is one that a store can keep. From any thread.

    :raises NotStorable: kind or key is no text or can't be encoded (half of a surrogate pair), or
        the value is no bytes, or too large.
    """
    kind, key, value, _, expires = change
    if not (isinstance(kind, str) and isinstance(key, str)):  # type: ignore[redundant-expr]
        raise NotStorable(f"kind and key are text, not {show((kind, key))}")
    if not (kind.isascii() and key.isascii()):  # the short way for most
        try:
            f"{kind}{key}".encode()
        except UnicodeEncodeError as error:
            raise NotStorable(f"{show((kind, key))} can't be encoded: {error}") from None
    if value is not None:
        if type(value) is not bytes:
            raise NotStorable(f"the value of {kind} {key} is bytes or None, not {show(value)}")
        if len(value) > LARGEST_VALUE:
            raise NotStorable(
                f"the value of {kind} {key} has {len(value)} bytes; a store takes {LARGEST_VALUE}"
            )
    if expires is not None and not (isinstance(expires, float | int) and expires == expires):  # type: ignore[redundant-expr]
        raise NotStorable(f"{kind} {key} expires at {show(expires)}, which is no time")


def check_limit(limit: int | None) -> None:
    """See that `limit` is one that ``Store.under`` takes. From any thread.

    :raises ValueError: it is less than 0.
    """
    if limit is not None and limit < 0:
        raise ValueError(f"a limit is at least 0, not {limit}")


_LAST: Final = "\U0010ffff"  # code point
_BEFORE_SURROGATES: Final = "\ud7ff"


def end_of(prefix: str) -> str | None:
    """The least text that a store can keep, and that comes after all that begins with `prefix`;
    None where nothing does. From any thread."""
    kept = prefix.rstrip(_LAST)
    if kept == "":
        return None
    last = kept[-1]
    # Halves of surrogate pairs stand in no key, and no encoder takes them.
    return kept[:-1] + ("\ue000" if last == _BEFORE_SURROGATES else chr(ord(last) + 1))


_SYNCHRONOUS: Final = ("full", "normal")


def store_for(url: str | Store) -> Store:
    """The store that `url` names; what is a store already is returned as it is.

    ``sqlite:///mail.db`` is a file in the working directory, ``sqlite:////var/lib/mail.db`` one
    with an absolute path. In the path ``%3F`` stands for "?", and so on. Options, behind a "?":
    ``synchronous=full`` (the default: what was written outlives a loss of power) or ``normal`` (it
    outlives the process only; several times as fast on a slow disk).

    The file is not touched before the store is opened. From any thread.

    :raises TypeError: `url` is neither text nor a store.
    :raises ValueError: there is no such scheme or option, or no path; the message says what is.
    """
    if not isinstance(url, str):
        if isinstance(url, Store):
            return url
        raise TypeError(f"a store is given as text, sqlite:///mail.db, or as a Store, not {url!r}")
    scheme, separator, rest = url.partition("://")
    if scheme != "sqlite" or separator == "":
        raise ValueError(f"{url!r} names no store that there is: it begins with sqlite:///")
    place, _, query = rest.partition("?")
    if not place.startswith("/"):
        raise ValueError(
            f"{url!r} has {place.partition('/')[0]!r} where a host would be; a path follows on "
            "three slashes, an absolute path on four: sqlite:///mail.db, sqlite:////var/lib/mail.db"
        )
    path = unquote(place[1:])
    if path in ("", ":memory:") or path.endswith("/") or "\0" in path:
        raise ValueError(f"{url!r} names no file: sqlite:///mail.db")
    options = _options(url, query)

    from task_thread.app.sqlite import SqliteStore

    synchronous = options.get("synchronous", "full")
    return SqliteStore(path, synchronous="normal" if synchronous == "normal" else "full")


def _options(url: str, query: str) -> dict[str, str]:
    """The options of `url`.

    :raises ValueError: one is unknown, given twice, or has no such value.
    """
    options: dict[str, str] = {}
    for part in query.split("&") if query != "" else ():
        name, _, value = part.partition("=")
        if name != "synchronous":
            raise ValueError(f"{url!r}: there is no option {name!r}, only synchronous")
        if name in options:
            raise ValueError(f"{url!r}: {name} is given twice")
        if value not in _SYNCHRONOUS:
            raise ValueError(f"{url!r}: synchronous is {' or '.join(_SYNCHRONOUS)}, not {value!r}")
        options[name] = value
    return options

"""Triggers by name: the aliases that are taken wherever a trigger is, and the stored form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from task_thread.app.triggers.base import VERSION, Trigger
from task_thread.app.triggers.combine import AllOf, AnyOf
from task_thread.app.triggers.cron import Cron
from task_thread.app.triggers.date import Date
from task_thread.app.triggers.interval import Interval

__all__ = ["from_json", "make_trigger"]

_ALIASES: Final[Mapping[str, type[Trigger]]] = {each.kind: each for each in (Date, Interval, Cron)}
_STORED: Final[Mapping[str, type[Trigger]]] = {
    **_ALIASES,
    **{each.kind: each for each in (AnyOf, AllOf)},
}


def make_trigger(trigger: Trigger | str, **options: Any) -> Trigger:
    """A trigger from its alias and options, or the one that is given.

    ::

        make_trigger("interval", seconds=7)
        make_trigger("cron", expression="*/5 * * * *", timezone="Europe/Berlin")
        make_trigger("date", at=datetime(2030, 1, 1, tzinfo=UTC))

    :param trigger: "date", "interval" or "cron", or a trigger.
    :param options: what the class of that alias takes.
    :raises TypeError: an option that it does not take, or one for a trigger that is ready.
    :raises ValueError: another alias, or a value that makes no sense.
    """
    if isinstance(trigger, Trigger):
        if options:
            raise TypeError(f"{trigger!r} is ready, it takes no options: {', '.join(options)}")
        return trigger
    if not isinstance(trigger, str):
        raise TypeError(f"a trigger is a Trigger or an alias, not {trigger!r}")
    known = _ALIASES.get(trigger)
    if known is None:
        raise ValueError(f"a trigger is one of {', '.join(_ALIASES)}, not {trigger!r}")
    return cast(Callable[..., Trigger], known)(**options)


def from_json(stored: object) -> Trigger:
    """The trigger of what :meth:`Trigger.to_json` gave.

    :raises ValueError: it was written by a newer version of the library, or is no such thing.
    """
    if not isinstance(stored, Mapping):
        raise ValueError(f"a stored trigger is a dictionary, not {stored!r}")
    options: dict[str, Any] = {**stored}
    kind, version = options.pop("trigger", None), options.pop("version", None)
    if not isinstance(version, int):
        raise ValueError(f"a stored trigger has a version, this one has not: {stored!r}")
    if version > VERSION:
        raise ValueError(
            f"a trigger is stored in version {version}, and {VERSION} is the newest known here: "
            "a newer task_thread wrote it"
        )
    known = _STORED.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise ValueError(f"a stored trigger is one of {', '.join(_STORED)}, not {kind!r}")
    try:
        return known._from_options(options, from_json)
    except TypeError as error:
        raise ValueError(f"a stored {kind} trigger can't be read: {error}") from None

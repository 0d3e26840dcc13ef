"""From when to when: the start and end that a repeating trigger may have."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from task_thread.app.triggers.moments import aware, moment_from

__all__ = ["check_span", "span_from"]


def check_span(
    start: datetime | None, end: datetime | None, what: str
) -> tuple[datetime | None, datetime | None]:
    """Both, checked: aware, and in their order.

    :param what: the trigger's class, for the message.
    :raises ValueError: one has no time zone, or `end` lies before `start`.
    """
    start = None if start is None else aware(start, f"the start of {what}")
    end = None if end is None else aware(end, f"the end of {what}")
    if start is not None and end is not None and end.astimezone(UTC) < start.astimezone(UTC):
        raise ValueError(f"the end of {what} lies before its start: {end} < {start}")
    return start, end


def span_from(options: Mapping[str, Any]) -> dict[str, Any]:
    """Stored options, with their start and end read."""
    texts = {name: options[name] for name in ("start", "end") if options.get(name) is not None}
    return {**options, **{name: moment_from(text, name) for name, text in texts.items()}}

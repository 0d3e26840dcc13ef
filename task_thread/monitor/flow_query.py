"""What the dashboard's page asks about flows, as it stands in the query of a request. Pure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

__all__ = ["Place", "Query", "number_in", "query_of", "wanted_by"]

_FIELDS: Final = 12  # of a query
_LONGEST: Final = 1000  # characters of a value in a query

Query = Mapping[str, str]
"""What a request asks for: each name once."""


def query_of(text: str) -> Query:
    """The query of a request.

    :raises ValueError: it is none, is longer than any, or says something twice.
    """
    try:
        found = parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=_FIELDS)
    except ValueError:
        raise ValueError(
            f"that is no query: at most {_FIELDS} times name=value in UTF-8, joined with &"
        ) from None
    for name, values in found.items():
        if len(values) > 1 or len(values[0]) > _LONGEST:
            raise ValueError(f"{name!r} is said once, with {_LONGEST} characters at most")
    return {name: values[0] for name, values in found.items()}


def number_in(query: Query, name: str, default: int, most: int) -> int:
    """A whole number of the query, from 0 to `most`; `default` where it says none.

    :raises ValueError: it is no such number.
    """
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= most):
        raise ValueError(f"{name} is a whole number from 0 to {most}, not {text!r}")
    return int(text)


class Place(NamedTuple):
    """Which flow, and where it is.

    :ivar routine: name@version.
    """

    id: str
    routine: str
    state: str
    position: int


def wanted_by(query: Query) -> Callable[[Place], bool]:
    """What says of a flow whether it is one of those that the query wants.

    :raises ValueError: there is no such state, or no such position.
    """
    state, routine, part = (query.get(name, "") for name in ("state", "routine", "id"))
    position = number_in(query, "position", -1, 10**9)
    flow_state: Any = sys.modules["task_thread.flows.words"].FlowState
    if state and state not in {each.value for each in flow_state}:
        words = ", ".join(each.value for each in flow_state)
        raise ValueError(f"a state is one of {words}, not {state!r}")

    def wanted(place: Place) -> bool:
        return (
            (not state or place.state == state)
            and (not routine or routine in (place.routine, place.routine.rpartition("@")[0]))
            and position in (-1, place.position)
            and part in place.id
        )

    return wanted

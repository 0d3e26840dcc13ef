"""What is written on the command line, as the arguments of a flow. Pure."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from typer import BadParameter

__all__ = ["call_of", "value_of"]


def call_of(words: list[str]) -> tuple[list[Any], dict[str, Any]]:
    """What VALUE and NAME=VALUE mean.

    :raises BadParameter: a name is given twice.
    """
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        named = re.match(r"([^\W\d]\w*)=(.*)", word, re.DOTALL)
        if named is None:
            args.append(value_of(word))
        elif named[1] in kwargs:
            raise BadParameter(f"{named[1]} is given twice")
        else:
            kwargs[named[1]] = value_of(named[2])
    return args, kwargs


def value_of(text: str) -> Any:
    """JSON where it is that, else the text. What JSON has no word for (NaN) is a text."""
    try:
        return json.loads(text, parse_constant=_no_value, parse_float=_number)
    except (ValueError, RecursionError):
        return text


def _no_value(word: str) -> NoReturn:
    raise ValueError(word)


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number

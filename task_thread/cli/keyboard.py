"""A terminal that hands over each key as it is pressed, and is given back as it was.

Ctrl-C and Ctrl-Z stay what they are. :func:`decode` is pure.
"""

from __future__ import annotations

import contextlib
import os
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["decode", "raw_keys", "read_keys"]

_SEQUENCES: Final = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b[5~": "page-up",
    b"\x1b[6~": "page-down",
    b"\x1b[H": "home",
    b"\x1bOH": "home",
    b"\x1b[1~": "home",
    b"\x1b[F": "end",
    b"\x1bOF": "end",
    b"\x1b[4~": "end",
}


@contextmanager
def raw_keys(descriptor: int) -> Iterator[None]:
    """While inside, keys come at once and are not shown. Whatever happens, it is put back after."""
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor, termios.TCSANOW)
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal itself has gone
            # What was typed and not read is not for the shell.
            termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def read_keys(descriptor: int) -> list[str] | None:
    """The keys that were pressed, where some were; None where the terminal has gone."""
    try:
        data = os.read(descriptor, 1024)
    except OSError:
        return None
    return decode(data) if data else None


def decode(data: bytes) -> list[str]:
    """The names of the keys that send `data`: letters as they are; what nobody knows is left out.

    A terminal sends a key's bytes at once, so that what is read begins and ends with a key.
    """
    keys: list[str] = []
    at = 0
    while at < len(data):
        if data[at] != 0x1B:
            if 0x20 <= data[at] < 0x7F:
                keys.append(chr(data[at]))
            at += 1
            continue
        length = _sequence(data, at)
        name = _SEQUENCES.get(data[at : at + length], "escape" if length == 1 else "")
        if name:
            keys.append(name)
        at += length
    return keys


def _sequence(data: bytes, at: int) -> int:
    """How many bytes the escape sequence at `at` has."""
    if data[at + 1 : at + 2] == b"O":
        return min(3, len(data) - at)
    if data[at + 1 : at + 2] != b"[":
        return 1
    end = at + 2
    while end < len(data) and not 0x40 <= data[end] <= 0x7E:
        end += 1
    return min(end + 1, len(data)) - at

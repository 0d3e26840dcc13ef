"""Errors that were noted, to be shown when somebody looks.

To write a traceback out takes longer than to start a thread, and to keep the error itself would
keep alive all that its frames know. So what is kept of it are its words, and the places in the code
that it has passed; the text is made of these when it is asked for.
"""

from __future__ import annotations

import contextlib
import traceback
from datetime import UTC, datetime
from types import CodeType, TracebackType

from task_thread.core.lifecycle import describe
from task_thread.core.statistics import Failure

__all__ = ["Noted"]

_Places = list[tuple[CodeType, int]]

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
_LONGEST = 20  # errors of a chain that are kept
_WORDY: tuple[type, ...] = (BaseExceptionGroup, SyntaxError)  # have more to say than a line


class Noted:
    """One error, noted. Made on the loop where it happened, read from any thread."""

    __slots__ = ("_at", "_chain", "_failure", "_summary", "_where")

    def __init__(self, error: BaseException, where: str) -> None:
        self._where = where
        self._at = datetime.now(UTC)
        self._summary = describe(error)
        self._failure: Failure | None = None
        self._chain = _chain_of(error)

    def failure(self) -> Failure:
        """It as text. From any thread."""
        failure = self._failure
        if failure is None:
            text = self._summary
            with contextlib.suppress(Exception):  # a source file that can't be read, say
                text = "".join(_write(*each) for each in self._chain).rstrip()
            failure = self._failure = Failure(self._summary, self._where, self._at, text)
        return failure


def _chain_of(error: BaseException) -> list[tuple[_Places, str, str]]:
    """The error and those that led to it, the first one first: each with where it passed, its last
    lines, and how it is linked to the one before."""
    chain: list[tuple[_Places, str, str]] = []
    each: BaseException | None = error
    while each is not None and len(chain) < _LONGEST:
        if each.__cause__ is not None:
            link, before = _CAUSE, each.__cause__
        elif each.__context__ is not None and not each.__suppress_context__:
            link, before = _CONTEXT, each.__context__
        else:
            link, before = "", None
        chain.append((_places_of(each.__traceback__), _last_lines(each), link))
        each = before
    chain.reverse()
    return chain


def _places_of(trace: TracebackType | None) -> _Places:
    places: _Places = []
    while trace is not None:
        places.append((trace.tb_frame.f_code, trace.tb_lineno))
        trace = trace.tb_next
    return places


def _last_lines(error: BaseException) -> str:
    if isinstance(error, _WORDY):
        with contextlib.suppress(Exception):
            return "".join(traceback.format_exception(type(error), error, None, chain=False))
    kind = type(error)
    module = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    text = describe(error)[len(kind.__name__) :]
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    return "\n".join([f"{module}{kind.__qualname__}{text}", *notes]) + "\n"


def _write(places: _Places, last_lines: str, link: str) -> str:
    frames = [traceback.FrameSummary(code.co_filename, at, code.co_name) for code, at in places]
    head = "Traceback (most recent call last):\n" if frames else ""
    return link + head + "".join(traceback.StackSummary.from_list(frames).format()) + last_lines

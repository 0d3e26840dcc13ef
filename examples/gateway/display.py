"""The progress line: redrawn in place on a terminal, a line a second elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.logging import RichHandler
from rich.text import Text

from .part import CrashOnPurposeError

if TYPE_CHECKING:
    from types import TracebackType

    from .totals import Totals

__all__ = ["Display"]


class Display:
    """Shows progress on stdout. On a terminal the log goes above the line, otherwise to stderr.

    :ivar seconds: how often :meth:`progress` is worth being called.
    """

    def __init__(self) -> None:
        self.console = Console(highlight=False, markup=False)
        self.live = (
            Live(console=self.console, auto_refresh=False, transient=True)
            if self.console.is_terminal
            else None
        )
        self.seconds = 1.0 if self.live is None else 0.25
        self._last = (0.0, 0)
        self._rate = 0.0

    def __enter__(self) -> Self:
        handler: logging.Handler = logging.StreamHandler(sys.stderr)
        if self.live is not None:
            handler = RichHandler(console=self.console, show_path=False, show_time=False)
            self.live.start()
        handler.addFilter(_without_traceback)
        logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
        for chatty in ("asyncio", "websockets"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self.live is not None:
            self.live.stop()

    def say(self, text: str) -> None:
        """Print `text` on a line of its own, at once."""
        self.console.print(text, soft_wrap=True)
        self.console.file.flush()

    def event(self, text: str, seconds: float) -> None:
        """Something worth a line of its own has happened, `seconds` after the start."""
        self.say(f"{seconds:6.1f} s  {text}")

    def progress(self, totals: Totals, seconds: float) -> None:
        """Show how far it is, `seconds` after the start."""
        last_seconds, last_frames = self._last
        if seconds > last_seconds:
            rate = (totals.frames_in - last_frames) / (seconds - last_seconds)
            # On a terminal the line comes often: let the figure settle rather than flicker.
            settle = self.live is not None and self._rate > 0
            self._rate = 0.8 * self._rate + 0.2 * rate if settle else rate
        self._last = seconds, totals.frames_in
        line = (
            f"{seconds:6.1f} s  in {totals.frames_in:>10,}  {self._rate:>7,.0f}/s"
            f"  written {totals.written:>10,}  viewers {totals.viewers}"
            f"  refused {totals.connections_refused}"
        )
        if self.live is None:
            self.say(line)
        else:
            self.live.update(Text(line, style="bold cyan", no_wrap=True), refresh=True)


def _without_traceback(record: logging.LogRecord) -> bool:
    """For a logging handler: a crash on purpose, and what follows from it, get one line each."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and isinstance(error.__cause__ or error, CrashOnPurposeError):
        record.exc_info = record.exc_text = None
    return True

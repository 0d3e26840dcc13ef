"""What holds for all tests."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # Started in the background of a shell: the programs that tests start would inherit it, and
    # rightly not end on a SIGINT that tests send them.
    signal.signal(signal.SIGINT, signal.default_int_handler)

"""What holds for all tests."""

from __future__ import annotations

import signal

# Started in the background of a shell, or with nohup: the programs that tests start would inherit
# that these are ignored, and rightly do nothing on one that tests send them.
for _number, _default in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _default)

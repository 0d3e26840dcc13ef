"""What the victim and its killer have agreed on."""

from __future__ import annotations

import os
from typing import Final

ROUND: Final = int(os.environ.get("TASK_THREAD_KILLS", "50"))
"""So many lives end with a kill; the one after them does what is left."""

"""``python -m tests.monitor.programs.run TARGET ARGS OPTIONS``: serve it; the last two as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from task_thread.monitor.daemon import serve


def main() -> int:
    target, args, options = sys.argv[1:]
    keywords: dict[str, Any] = json.loads(options)
    if keywords.get("control") is not None:
        keywords["control"] = Path(keywords["control"])
    if keywords.get("dashboard") is not None:
        keywords["dashboard"] = tuple(keywords["dashboard"])
    return serve(target, *json.loads(args), **keywords)


if __name__ == "__main__":
    raise SystemExit(main())

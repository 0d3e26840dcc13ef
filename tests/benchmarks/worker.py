"""The far side of a measurement: runs one contender in this fresh interpreter, prints its figure.

`python -P -m tests.benchmarks.worker MODULE:FUNCTION SIZE [ARGUMENT ...]`; the last line that it
prints is the answer, in JSON.
"""

from __future__ import annotations

import importlib
import json
import sys

# In full: a contender's processes run this file once more, and not as a part of its package.
from tests.benchmarks.model import UnmeasurableError


def measure(call: str, numbers: list[int]) -> dict[str, float | str]:
    """Run the contender; {"figure": ...}, or {"missing": why} where it can't run here."""
    module_name, _, function_name = call.partition(":")
    try:
        module = importlib.import_module(f".contenders.{module_name}", __package__)
        return {"figure": getattr(module, function_name)(*numbers)}
    except ModuleNotFoundError as error:
        return {"missing": f"needs the module {error.name}"}
    except UnmeasurableError as error:
        return {"missing": str(error)}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], [int(text) for text in sys.argv[2:]])), flush=True)

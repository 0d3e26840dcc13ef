"""Work that a flow hands on: to a flow of its own, and to somebody who confirms it.

Run it with ``python -m examples.offload``.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from task_thread.flows import FlowApp, FlowChanged, FlowState, FlowTask, Spawn, Wait, spawn, wait


class Long(FlowTask):
    """Takes its time, in a thread of the pool."""

    def perform(self, *args: Any, **kwargs: Any) -> dict[str, bool]:
        self.logger.debug("long task")
        time.sleep(0.01)
        return {"apples": True}


class VeryLong(FlowTask):
    """Takes as long as it is told, and gives back what it was given."""

    def perform(self, seconds: float = 0.02, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        time.sleep(seconds)
        return args, {**kwargs, "very_long": seconds}


class Download(FlowTask):
    """Has another flow do the work, and goes on with its result."""

    def perform(self, *args: Any, **kwargs: Any) -> Spawn:
        return spawn(VeryLong, args=(0.03,), reason="background download")


class Offload(FlowTask):
    """Waits until somebody says what the offload gave."""

    def perform(self, *args: Any, **kwargs: Any) -> Wait:
        return wait("wait for confirmation")

    def check(self, *args: Any, offload: str | None = None, **kwargs: Any) -> Wait | bool:
        if offload is None:
            return wait("not ready")
        return True


class Tell(FlowTask):
    """Says what all of them gave."""

    def perform(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return dict(self.results)


def main() -> int:
    """One flow, which is resumed twice: the first time in vain."""
    flows = FlowApp("offload")
    flows.routine(
        "my routine",
        [("long", Long), ("download", Download), ("offload", Offload), ("tell", Tell)],
    )

    def answer(event: FlowChanged) -> None:
        info = event.info
        if info.state is FlowState.WAIT:
            print(info.reason)
            if info.reason == "not ready":
                flows.resume(info.id, offload="done")
            else:
                flows.resume(info.id)

    flows.subscribe(FlowChanged, callback=answer)
    with flows:
        for key, result in flows.wait(flows.submit("my routine"), timeout=10).items():
            print(f"{key}: {result}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

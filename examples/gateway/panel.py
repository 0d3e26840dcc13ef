"""The dashboard of the gateway: a page that shows the threads themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from task_thread.monitor.dashboard import Dashboard

from .part import Kept, Part

if TYPE_CHECKING:
    from task_thread import TaskThread

__all__ = ["Panel", "Port"]


class Port(Kept):
    """Where the dashboard is, so that a restarted one is found at the same address.

    :ivar number: the port to listen on; 0: any free one, which then stands here.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Panel(Part, Dashboard):
    """The library's own dashboard, as a part of the gateway."""

    def __init__(self, port: Port, *, parent: TaskThread | None = None) -> None:
        """:param port: where to listen, on 127.0.0.1."""
        self.port = port
        super().__init__(port, parent=parent, port=port.number, title="Telemetry gateway")

    async def enter__(self) -> None:
        await super().enter__()
        self.port.number = self.address[1]

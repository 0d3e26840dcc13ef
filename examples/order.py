"""An order that waits for the customer's money, over a restart of the shop: a first flow.

Run it with ``python -m examples.order``.
"""

from __future__ import annotations

import sys
import tempfile
import threading

from task_thread.flows import FlowApp, FlowChanged, FlowState, FlowTask, Spawn, Wait, spawn, wait


class Pack(FlowTask):
    """Gives a result to the tasks after it."""

    def perform(self, item: str) -> str:
        return f"parcel with {item}"


class Pay(FlowTask):
    """Waits until enough was paid."""

    def perform(self, item: str) -> Wait:
        return wait(f"for 20 euros for {item}")

    def check(self, item: str, paid: float = 0) -> bool:
        return paid >= 20


class Send(FlowTask):
    """The last task: its result is the flow's."""

    def perform(self, item: str) -> str:
        return f"{self.results['pack']}, paid with {self.results['pay']['paid']}"


class Insure(FlowTask):
    """Has another flow do its work."""

    def perform(self, item: str) -> Spawn:
        return spawn(Weigh, args=(item,), reason="the insurance asks for the weight")


class Weigh(FlowTask):
    """What that flow does: a coroutine, on the app's loop."""

    async def perform(self, item: str) -> float:
        return 0.1 * len(item)


def make_shop(store: str) -> FlowApp:
    """The app, with its routine."""
    shop = FlowApp("shop", store=store)
    shop.routine("order", [("pack", Pack), ("insure", Insure), ("pay", Pay), ("send", Send)])
    return shop


def main() -> int:
    """Two lives of a shop, and one order."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/shop.db"
        waiting = threading.Event()

        def look(event: FlowChanged) -> None:
            if event.info.state is FlowState.WAIT:
                waiting.set()

        shop = make_shop(store)
        shop.subscribe(FlowChanged, callback=look)
        with shop:
            order = shop.submit("order", "tea")
            waiting.wait(timeout=10)
            print("it waits", shop.status(order).reason)

        # Days may go by here; a kill -9 does no harm.

        with make_shop(store) as shop:
            info = shop.status(order)
            print(f"it is at task {info.position + 1} of {info.length}: {info.state}")
            shop.resume(order, paid=20)
            print(shop.wait(order, timeout=10))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A process under load that is killed: ``python -m tests.flows.programs.victim STORE LIFE LIVES``.

What it says on its output, a line each, as it becomes true: ``B`` it runs, ``A id key`` a submit is
on disk, ``X id key word`` a task begins, ``C id state position steps`` a flow has come so far, and
that is on disk; ``R id number`` a resume is on disk; ``Z`` all flows are done.

On its input: ``id number``, resume that flow with that number.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from itertools import count

from task_thread.errors import FlowError, RegistryError, TaskThreadError
from task_thread.flows import FlowApp, FlowChanged, FlowInfo, FlowState
from tests.flows.programs.tasks import ROUTINES, key_of, say

KEYS = 5  # submitted again in each life

logging.basicConfig(level=logging.CRITICAL)
store, life, lives = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
app = FlowApp("victim", threads=3, store=f"sqlite:///{store}")
moved = threading.Event()


def tell(info: FlowInfo) -> None:
    """A flow has come so far."""
    say("C", info.id, info.state, info.position, info.steps)


def told(event: FlowChanged) -> None:
    """One has moved, and that is on disk."""
    tell(event.info)
    moved.set()


def listen() -> None:
    """Resume what is to be resumed."""
    for line in sys.stdin:
        run_id, number = line.split()
        try:
            app.resume(run_id, number=int(number))
            asyncio.run(app.flush())
        except (FlowError, RegistryError):  # it was resumed already, in this life or the last
            continue
        except TypeError:  # it polls, and takes no number
            continue
        except TaskThreadError:  # the app ends
            return
        say("R", run_id, number)


async def load() -> None:
    """Submit for as long as it is let."""
    for number in count():
        submitted = [
            (app.submit(name, f"{life}/{number}/{name}"), "-")
            for name in ("plain", "asks", "polls", "spawns") * 2
        ]
        submitted.append((app.flow("plain").id, "-"))
        app.submit(submitted[-1][0], f"{life}/{number}/made")
        for each in range(KEYS):
            run_id = app.submit("spawns", f"key/{each}", idempotency_key=f"key {each}")
            submitted.append((run_id, str(each)))
        await app.flush()
        for run_id, key in submitted:
            say("A", run_id, key)


def rest() -> None:
    """The last life: let all flows end that are there."""
    while any(info.state is not FlowState.DONE for info in app.list()):
        moved.wait()
        moved.clear()
    say("Z")


for name, classes in ROUTINES.items():
    app.routine(name, [(key_of(index, cls), cls) for index, cls in enumerate(classes)])
app.subscribe(FlowChanged, callback=told)
with app:
    threading.Thread(target=listen, daemon=True).start()
    say("B")
    for info in app.list():
        if info.state is FlowState.WAIT:  # as it was read: on disk
            tell(info)
    if life < lives:
        asyncio.run(load())
    else:
        rest()

"""OS threads for the steps of sync generators, whose calls can be cancelled as a pool's can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from task_thread.app.steps import Call


@contextmanager
def os_threads(number: int = 2) -> Iterator[Call]:
    """A `call` for stages. At the end every call has returned."""
    with ThreadPoolExecutor(number) as pool:

        async def call(fn: Callable[[], Any]) -> Any:
            # Not to be cancelled in the pool's queue: then a call would just not happen.
            future = pool.submit(fn)
            return await asyncio.wrap_future(future)

        yield call

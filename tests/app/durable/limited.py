"""An app whose file may not grow: ``python -m tests.app.durable.limited STORE``."""

from __future__ import annotations

import asyncio
import logging
import resource
import sys

from task_thread.app import StoreTrouble, TaskApp
from task_thread.errors import StoreFailed


def main() -> None:
    """Fill the file, go on, make room, catch up."""
    logging.basicConfig(level=logging.CRITICAL)
    app = TaskApp("limited", store=f"sqlite:///{sys.argv[1]}", retention=3600)
    troubles: list[StoreTrouble] = []
    app.subscribe(StoreTrouble, callback=troubles.append)

    @app.task
    async def work(number: int, text: str) -> int:
        return number

    with app:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
        number, said = 0, ""
        while not said and number < 10_000:
            assert work.add_task(number, "x" * 2000).wait(20) == number
            number += 1
            try:
                asyncio.run(app.flush())
            except StoreFailed as error:
                said = str(error)
        assert said, "it was never full"
        for more in range(50):  # it goes on
            assert work.add_task(number + more, "x" * 2000).wait(20) == number + more
        assert troubles
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        asyncio.run(app.flush())
        print(number + 50, said)


if __name__ == "__main__":
    main()

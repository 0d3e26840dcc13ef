"""A tree with a TaskApp, to be run as a daemon, and to be looked into.

It says "ready" on stdout when runs are under way, queued and delayed, and one has failed.
"""

from __future__ import annotations

import sys

from task_thread import TaskThread
from task_thread.app import TaskApp
from tests.monitor.apps import Mail


class Post(TaskThread):
    """The root of an app and a thread that is none."""

    def getId(self) -> str:
        return "post"

    async def enter__(self) -> None:
        self.mail = Mail()
        self.app = await self.spawn(
            TaskApp, "mail", threads=2, processes=1, tasks=self.mail.tasks, name="mail"
        )
        for note in ("to ann", "to \x1b[31mbob"):
            self.mail.send.add_task(note, priority=200)
            await self.mail.there.seen(note)
        self.mail.send.add_task("later", priority=200)
        self.mail.note.add_task(delay=3600)
        try:
            await self.mail.fail.add_task()
        except ValueError:
            sys.stdout.write("ready\n")
            sys.stdout.flush()

    async def stopping__(self) -> None:
        self.mail.let_go()

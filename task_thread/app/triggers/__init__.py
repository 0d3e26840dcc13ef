"""When a task is due: immutable descriptions that make aware datetimes.

Nothing in here reads a clock: each question comes with the moment after which it is asked.
Triggers are values: they may be shared between threads and tasks, compared, pickled, and stored
as JSON. The iterators that they make belong to whoever asked for them.
"""

from task_thread.app.triggers.aliases import from_json, make_trigger
from task_thread.app.triggers.base import Count, Trigger
from task_thread.app.triggers.combine import AllOf, AnyOf
from task_thread.app.triggers.cron import Cron
from task_thread.app.triggers.date import Date
from task_thread.app.triggers.interval import Interval
from task_thread.app.triggers.luck import Luck, luck_of
from task_thread.errors import TriggerNeverAgrees

__all__ = [
    "AllOf",
    "AnyOf",
    "Count",
    "Cron",
    "Date",
    "Interval",
    "Luck",
    "Trigger",
    "TriggerNeverAgrees",
    "from_json",
    "luck_of",
    "make_trigger",
]

"""Every error that this library raises on purpose, in one tree.

::

    TaskThreadError
    ├── LifeError                      something was asked in the wrong state of life
    │   ├── NotRunning                 the thread has not been started yet
    │   ├── AlreadyStarted             run() of a thread that was started before
    │   ├── StartCancelled             stopped before its enter__ had returned
    │   ├── ThreadEnded                the thread has ended, or takes no new work any more
    │   ├── StopTimeout                the stop deadline passed        (also a TimeoutError)
    │   └── RestartLimitReached        children had to be restarted too often
    ├── SignalError                    a signal could not be delivered or answered
    │   ├── InboxFull                  post() found no room
    │   ├── SendTimeout                no room within send_timeout     (also a TimeoutError)
    │   ├── AskTimeout                 no reply within the timeout     (also a TimeoutError)
    │   └── Deadlock                   somebody would wait for himself, directly or through others
    ├── PlacementError                 something was used in the wrong place
    │   ├── WrongLoop                  it belongs to another event loop
    │   ├── NotInThread                reCreate and reSchedule need a TaskThread around them
    │   └── FamilyError                that child can't have that parent
    ├── ControlError                   a daemon can't be looked into, or refuses
    │   ├── Unreachable                nobody answers at its control socket, or no longer
    │   └── Silent                     no answer within the timeout     (also a TimeoutError)
    └── TriggerNeverAgrees             triggers have no time in common  (also a ValueError)

A wrong *type* of argument is a :class:`TypeError`, a wrong *value* a :class:`ValueError`, both at
the caller. The message of each error says which thread it is about and what to do.
"""

from __future__ import annotations

__all__ = [
    "AlreadyStarted",
    "AskTimeout",
    "ControlError",
    "Deadlock",
    "FamilyError",
    "InboxFull",
    "LifeError",
    "NotInThread",
    "NotRunning",
    "PlacementError",
    "RestartLimitReached",
    "SendTimeout",
    "SignalError",
    "Silent",
    "StartCancelled",
    "StopTimeout",
    "TaskThreadError",
    "ThreadEnded",
    "TriggerNeverAgrees",
    "Unreachable",
    "WrongLoop",
]


class TaskThreadError(Exception):
    """The root of the tree: catches every error that this library raises on purpose."""


class LifeError(TaskThreadError):
    """Something was asked of a thread in the wrong state of its life.

    :ivar thread: the thread that it was asked of, where one is known; else None.
    """

    def __init__(self, message: str = "", thread: object = None) -> None:
        super().__init__(message)
        self.thread = thread


class NotRunning(LifeError):
    """The thread has not been started: await its ``run()`` first."""


class AlreadyStarted(LifeError):
    """A thread is run once. For another run construct another instance."""


class StartCancelled(LifeError):
    """The thread was stopped before its ``enter__`` had returned."""


class ThreadEnded(LifeError):
    """The thread has ended or is ending, and takes no signal, child or question any more."""


class StopTimeout(LifeError, TimeoutError):
    """The stop deadline passed: something had to be cut short, or is still hanging.

    The message names each thread that was abandoned and the line in which it hangs.
    """


class RestartLimitReached(LifeError):
    """Children had to be restarted more than ``max_restarts`` times within ``restart_window``.

    What the parent crashes with, and so tells its own parent. Its ``__cause__`` is what the child
    raised that would have been restarted next.
    """


class SignalError(TaskThreadError):
    """A signal could not be delivered or answered."""


class InboxFull(SignalError):
    """``post()`` found the inbox full. Nothing was sent; try later, or await ``insertSignal``."""


class SendTimeout(SignalError, TimeoutError):
    """The receiver made no room within its ``send_timeout``. The signal was not sent."""


class AskTimeout(SignalError, TimeoutError):
    """No reply came in time. The request may still be handled later; its reply is then ignored."""


class Deadlock(SignalError):
    """Somebody would wait for himself.

    Handlers of several threads wait for room in each other's full inboxes: raised in the handler
    that closes the circle, whose signal was not sent. Or a thread asks itself, or joins itself.
    """


class PlacementError(TaskThreadError):
    """Something was used in a place (a loop, a thread, a family) that it does not belong to."""


class WrongLoop(PlacementError):
    """An object that belongs to one event loop was used from another one."""


class NotInThread(PlacementError):
    """A task was to be started where no TaskThread could own it."""


class FamilyError(PlacementError):
    """A thread can't be its own ancestor, and it has at most one parent."""


class ControlError(TaskThreadError):
    """A control socket can't be had, or a daemon refuses what it was asked for."""


class Unreachable(ControlError):
    """Nobody answers at the control socket, or the daemon has closed the connection."""


class Silent(ControlError, TimeoutError):
    """The daemon gave no answer within the timeout."""


class TriggerNeverAgrees(TaskThreadError, ValueError):
    """The members of an ``AllOf`` have no time in common, as far as it has looked."""

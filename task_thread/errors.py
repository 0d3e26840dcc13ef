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
    ├── TriggerNeverAgrees             triggers have no time in common  (also a ValueError)
    ├── RunError                       a run gave no result
    │   ├── RunFailed                  its error can't come from where it failed; a text did
    │   ├── RunCancelled               it was cancelled
    │   ├── TickMissed                 it was too late to be run
    │   ├── TickSkipped                the one before was still under way
    │   ├── TimeLimitReached           it took longer than max_time     (also a TimeoutError)
    │   ├── WaitTimeout                it goes on; the wait for it ended (also a TimeoutError)
    │   └── WorkerDied                 its process died under it
    ├── FlowError                      a flow gave no result, or can't do that now
    │   ├── FlowFailed                 one of its tasks failed
    │   ├── FlowCancelled              it was cancelled
    │   └── FlowStateError             it can't do that in the state in which it is
    ├── RegistryError                  tasks, runs, routines and flows by their names
    │   ├── UnknownTask                there is no task of that id      (also a LookupError)
    │   ├── UnknownRun                 no run, or no longer             (also a LookupError)
    │   ├── UnknownRoutine             there is no routine of that name (also a LookupError)
    │   ├── UnknownFlow                no flow, or no longer            (also a LookupError)
    │   ├── DuplicateTask              a task of that id is there       (also a ValueError)
    │   ├── DuplicateRoutine           another routine has that name    (also a ValueError)
    │   └── NotImportable              no class is found by that name   (also an ImportError)
    └── StoreError                     what shall last can't be stored
        ├── NotStorable                a value is no JSON               (also a ValueError)
        ├── StoreInUse                 another process has the file open
        ├── StoreTooNew                a later version has written it
        └── StoreFailed                the disk is full, the file is damaged, ...

A wrong *type* of argument is a :class:`TypeError`, a wrong *value* a :class:`ValueError`, both at
the caller. The message of each error says which thread it is about and what to do.
"""

from __future__ import annotations

__all__ = [
    "AlreadyStarted",
    "AskTimeout",
    "ControlError",
    "Deadlock",
    "DuplicateRoutine",
    "DuplicateTask",
    "FamilyError",
    "FlowCancelled",
    "FlowError",
    "FlowFailed",
    "FlowStateError",
    "InboxFull",
    "LifeError",
    "NotImportable",
    "NotInThread",
    "NotRunning",
    "NotStorable",
    "PlacementError",
    "RegistryError",
    "RestartLimitReached",
    "RunCancelled",
    "RunError",
    "RunFailed",
    "TickMissed",
    "TickSkipped",
    "SendTimeout",
    "SignalError",
    "Silent",
    "StartCancelled",
    "StopTimeout",
    "StoreError",
    "StoreFailed",
    "StoreInUse",
    "StoreTooNew",
    "TaskThreadError",
    "ThreadEnded",
    "TimeLimitReached",
    "TriggerNeverAgrees",
    "UnknownFlow",
    "UnknownRoutine",
    "UnknownRun",
    "UnknownTask",
    "Unreachable",
    "WaitTimeout",
    "WorkerDied",
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


class RunError(TaskThreadError):
    """A run of a task gave no result. What the task itself raised is raised as it is."""


class RunFailed(RunError):
    """The run failed where its error can't come from: in an earlier life of the process, or in a
    worker process with an error that can't be pickled. The message holds what was written down.

    :ivar traceback: the text of the traceback, "" where there is none.
    """

    def __init__(self, message: str = "", traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback


class RunCancelled(RunError):
    """The run was cancelled, by somebody or by the end of its app. It gave no result."""


class TickMissed(RunError):
    """The run came later than the task's ``misfire_grace_time`` allows, and was not begun."""


class TickSkipped(RunError):
    """As many runs of the task as ``max_instances`` allows were under way; it was not begun."""


class TimeLimitReached(RunError, TimeoutError):
    """One attempt of the run took longer than the task's ``max_time``."""


class WaitTimeout(RunError, TimeoutError):
    """The wait for a run ended before the run did. The run goes on."""


class WorkerDied(RunError):
    """The process that made the call died under it: killed, out of memory, crashed in C code."""


class FlowError(TaskThreadError):
    """A flow gave no result, or can't do what it was asked for."""


class FlowFailed(FlowError):
    """One of the flow's tasks failed. ``flows.resume(run_id)`` runs that task again.

    :ivar run_id: the flow.
    :ivar traceback: the text of the traceback, "" where there is none.
    """

    def __init__(self, message: str = "", run_id: str = "", traceback: str = "") -> None:
        super().__init__(message)
        self.run_id = run_id
        self.traceback = traceback


class FlowCancelled(FlowError):
    """The flow was cancelled. It gave no result."""


class FlowStateError(FlowError):
    """The flow can't do that in the state in which it is. Nothing was changed.

    :ivar state: which that is.
    """

    def __init__(self, message: str = "", state: str = "") -> None:
        super().__init__(message)
        self.state = state


class RegistryError(TaskThreadError):
    """A task, run, routine or flow is not known by that name, or the name is taken."""


class UnknownTask(RegistryError, LookupError):
    """There is no task of that id."""


class UnknownRun(RegistryError, LookupError):
    """There is no run of that id, or it ended longer ago than the app's ``retention``."""


class UnknownRoutine(RegistryError, LookupError):
    """There is no routine of that name."""


class UnknownFlow(RegistryError, LookupError):
    """There is no flow of that run id, or it ended longer ago than it is kept."""


class DuplicateTask(RegistryError, ValueError):
    """There is a task of that id already. Nothing was changed."""


class DuplicateRoutine(RegistryError, ValueError):
    """Another routine has that name. Nothing was changed."""


class NotImportable(RegistryError, ImportError):
    """No class is found by that import string, or it is no FlowTask."""


class StoreError(TaskThreadError):
    """What shall outlive the process can't be stored, or not be had back."""


class NotStorable(StoreError, ValueError):
    """A value is not what a store can keep: plain JSON."""


class StoreInUse(StoreError):
    """Another process, or another store of this one, has the file open."""


class StoreTooNew(StoreError):
    """A later version of this library has written the file. Nothing was changed in it."""


class StoreFailed(StoreError):
    """The disk is full, the file is damaged or not to be opened. The message says which."""

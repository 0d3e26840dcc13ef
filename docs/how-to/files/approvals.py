"""The tasks of some routines in which somebody, or something, is waited for."""

import time

from task_thread.flows import FlowTask, wait


class Ask(FlowTask):
    """Say that something is to be approved. Its result is when that was."""

    def perform(self, what):
        return time.time()


class Approve(FlowTask):
    """Wait for two people, for three days at most."""

    def perform(self, what):
        return wait(f"two people are to approve {what}", check_every=3600.0)

    def check(self, what, by=()):
        if len(set(by)) >= 2:
            return True
        if time.time() - self.results["ask"] > 3 * 86400:
            raise TimeoutError(f"nobody has approved {what}")
        return None  # not yet


class Convert(FlowTask):
    """Wait until a converter has made its file. It says so, or it is found out."""

    def perform(self, what):
        jobs[what] = "queued"
        return wait("for the converter", check_every=0.01)

    def check(self, what):
        return jobs[what] == "done"


class Publish(FlowTask):
    def perform(self, what):
        return f"{what} is published"


class Archive(FlowTask):
    def perform(self, what):
        return f"{what} is in the archive"


jobs = {}  # as if it were on another machine

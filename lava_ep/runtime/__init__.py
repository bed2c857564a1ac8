"""Supervised runs of Lava networks, and ProcessModels tested alone."""

from lava_ep.runtime.errors import ProcessFailure, RunStateError, WorkerDied
from lava_ep.runtime.mailbox import Inbox, Outbox
from lava_ep.runtime.run import SupervisedRun, supervised
from lava_ep.runtime.tester import ProcessTester

__all__ = [
    "Inbox",
    "Outbox",
    "ProcessFailure",
    "ProcessTester",
    "RunStateError",
    "SupervisedRun",
    "WorkerDied",
    "supervised",
]

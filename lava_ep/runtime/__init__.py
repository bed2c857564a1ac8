"""Supervised runs of Lava networks, in processes or inline, and ProcessModels tested alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_ep import _lava
from lava_ep._lazy import lazily

if _lava.is_installed():
    _lava.require()

if TYPE_CHECKING:
    from lava_ep.runtime.errors import ProcessFailure, RunStateError, WorkerDied
    from lava_ep.runtime.inline.errors import DeadlockError
    from lava_ep.runtime.mailbox import Inbox, Outbox
    from lava_ep.runtime.run import SupervisedRun, supervised
    from lava_ep.runtime.tester import ProcessTester
else:
    __getattr__ = lazily(
        __name__,
        {
            "errors": ("ProcessFailure", "RunStateError", "WorkerDied"),
            "inline.errors": ("DeadlockError",),
            "mailbox": ("Inbox", "Outbox"),
            "run": ("SupervisedRun", "supervised"),
            "tester": ("ProcessTester",),
        },
    )

__all__ = [
    "DeadlockError",
    "Inbox",
    "Outbox",
    "ProcessFailure",
    "ProcessTester",
    "RunStateError",
    "SupervisedRun",
    "WorkerDied",
    "supervised",
]

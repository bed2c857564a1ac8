"""Lava networks in one process, without operating-system processes, threads or shared memory."""

from lava_ep.runtime.inline.errors import DeadlockError
from lava_ep.runtime.inline.run import InlineRun, inline
from lava_ep.runtime.inline.runtime import InlineRuntime

__all__ = ["DeadlockError", "InlineRun", "InlineRuntime", "inline"]

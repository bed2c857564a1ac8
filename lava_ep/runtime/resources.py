"""What the operating system lacked when a network could not be started, and how to get it."""

from __future__ import annotations

import errno
import os
import sys

from lava_ep.errors import LavaEPError

_SHARED_MEMORY = "/dev/shm"

_FILES_PER_WORKER = 3
"""Open files of the host for each worker, see `lava_ep.runtime.supervision`."""


def explain(error: BaseException, workers: int, semaphores: bool) -> LavaEPError | None:
    """Return an error that names the cause and the way out, None if there is nothing to add.

    Parameters
    ----------
    error : BaseException
        What was raised.
    workers : int
        Operating-system processes of the network, 0 if not known yet.
    semaphores : bool
        Whether it was raised where semaphores are created.
    """
    network = f"The network of {workers} workers" if workers else "The network"
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return LavaEPError(
            f"{network} could not be started: no more threads are allowed ({error}). Raise the "
            "limits of processes (ulimit -u; pids in a container), or run fewer at the same time."
        )
    if not isinstance(error, OSError):
        return None
    if error.errno in (errno.EMFILE, errno.ENFILE):
        needed = f" It takes about {_FILES_PER_WORKER * workers} of them." if workers else ""
        return LavaEPError(
            f"{network} could not be started: too few files may be open at the same time"
            f"{_limit_of_files()}.{needed} Raise the limit, for example with 'ulimit -n 4096' in "
            "the shell, or use a backend that needs fewer workers, such as fused."
        )
    if error.errno in (errno.ENOMEM, errno.EAGAIN):
        return LavaEPError(
            f"{network} could not be started: the system refused memory or another process "
            f"({error.strerror}). Free memory, raise 'ulimit -u' or the limits of the container, "
            "or use a backend that needs fewer workers, such as fused."
        )
    if semaphores:
        return LavaEPError(
            f"{network} could not be started: its semaphores cannot be created in {_SHARED_MEMORY} "
            f"({error.strerror}{_free_space()}). Mount it writable and with more room, for example "
            "with 'docker run --shm-size=1g' or 'mount -o remount,rw,size=1g /dev/shm'."
        )
    return None


def _limit_of_files() -> str:
    try:
        import resource
    except ImportError:  # not on this system
        return ""
    return f" (the limit is {resource.getrlimit(resource.RLIMIT_NOFILE)[0]})"


def _free_space() -> str:
    if sys.platform == "win32":
        return ""
    try:
        found = os.statvfs(_SHARED_MEMORY)
    except OSError:
        return ""
    return f"; {found.f_bavail * found.f_frsize} bytes are free"

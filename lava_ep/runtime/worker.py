"""What an operating-system process of a supervised network does from its fork to its end."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing.util
import os
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from lava.magma.core.model.py.model import AbstractPyProcessModel
from threadpoolctl import threadpool_limits

from lava_ep._lava_private import LoihiPyRuntimeService, forget_pauses
from lava_ep.runtime.bulk import ModelSide, TransferArea
from lava_ep.runtime.direct import use_direct_ports

READY = "ready"
FAILED = "failed"
_PR_SET_PDEATHSIG = 1


def follow_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when the host dies, however it dies (Linux only).

    To the kernel the parent is the thread that forked; the supervisor's lives as long as the run.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:  # the host died before the request
        os._exit(1)


def _reset_signals() -> None:
    """Leave Ctrl-C to the host, and let SIGTERM end this process whatever the host does with it."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


def _text_of(error: BaseException) -> str:
    """Return the text of an exception, whatever its class makes of it."""
    try:
        return "".join([str(error)])
    except BaseException as second:  # the class is the user's, and may do anything
        return f"(its text cannot be had: {type(second).__name__} in __str__)"


def _traceback_of(error: BaseException) -> str:
    """Return the traceback of an exception as text."""
    try:
        return "".join(traceback.format_exception(error))
    except BaseException:  # as above
        calls = "".join(traceback.format_tb(error.__traceback__))
        return f"Traceback (most recent call last):\n{calls}{type(error).__name__}"


def _leave(code: int) -> NoReturn:
    """End this process as an interpreter would, but whichever thread of the host it was forked in.

    An interpreter that was forked in a thread of a pool fails at its end, as it would wait for that
    very thread.
    """
    with contextlib.suppress(Exception):
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
        multiprocessing.util._exit_function()  # type: ignore[attr-defined]
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


def work(
    builder: Any, reports: Connection, area: TransferArea, parent_pid: int, threads: int | None
) -> NoReturn:
    """Build a ProcessModel or a runtime service, run it until it is told to stop, and end.

    Whatever goes wrong is told to the host as a traceback instead of being printed here.

    Parameters
    ----------
    builder : PyProcessBuilder or RuntimeServiceBuilder
        Lava's builder of the model or service.
    reports : Connection
        Takes (READY,) once the model is built, and if it fails (FAILED, traceback, class name of
        the exception, its text).
    area : TransferArea
        Block of memory for Var transfers.
    parent_pid : int
        The host's process identifier.
    threads : int or None
        Threads that numerical libraries may use here, None for as many as they like.
    """
    code = 0
    try:
        _reset_signals()
        follow_parent(parent_pid)
        if threads is not None:
            threadpool_limits(threads)
        actor = builder.build()
        use_direct_ports(actor)
        if isinstance(actor, AbstractPyProcessModel):
            ModelSide(actor, area)
        if isinstance(actor, LoihiPyRuntimeService):
            forget_pauses(actor)
        reports.send((READY,))
        actor.start()
    except BaseException as error:
        code = 1
        with contextlib.suppress(OSError):  # there may be nobody left to tell
            reports.send((FAILED, _traceback_of(error), type(error).__name__, _text_of(error)))
    _leave(code)

"""What an operating-system process of a supervised network does from its fork to its end."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any

from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.runtime.runtime_services.runtime_service import LoihiPyRuntimeService
from threadpoolctl import threadpool_limits

from lava_ep.runtime.bulk import ModelSide, TransferArea
from lava_ep.runtime.direct import use_direct_ports
from lava_ep.runtime.hooks import call_after

READY = "ready"
FAILED = "failed"
_PR_SET_PDEATHSIG = 1


def follow_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when the host dies, however it dies (Linux only)."""
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


def _forget_pauses(service: LoihiPyRuntimeService) -> None:
    """Let a network run on after a pause: Lava's service would never again report "done"."""

    def forget() -> None:
        service.pausing = service.req_pause = False

    call_after(service, "_handle_pause", forget)


def work(
    builder: Any, reports: Connection, area: TransferArea, parent_pid: int, threads: int | None
) -> None:
    """Build a ProcessModel or a runtime service and run it until it is told to stop.

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
            _forget_pauses(actor)
        reports.send((READY,))
        actor.start()
    except BaseException as error:
        reports.send((FAILED, traceback.format_exc(), type(error).__name__, str(error)))
        sys.exit(1)

"""A Lava network that runs under supervision, as a context manager."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import warnings
from typing import Any

from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import RunConfig

from lava_ep._lava_private import log_level
from lava_ep.dynamics._jit import prepare
from lava_ep.errors import InputError, LavaEPError
from lava_ep.runtime.bulk import TransferArea
from lava_ep.runtime.lava_runtime import SupervisedRuntime
from lava_ep.runtime.mailbox import Inbox, Outbox
from lava_ep.runtime.network_run import NetworkRun
from lava_ep.runtime.resources import explain
from lava_ep.runtime.supervision import Supervisor

_FULL_OUTBOX_PATIENCE = 5.0  # seconds without progress before a warning


class SupervisedRun(NetworkRun[SupervisedRuntime]):
    """A run in operating-system processes that are watched; made by `supervised`."""

    function = "supervised"

    def __init__(self, process: AbstractProcess, *options: Any) -> None:
        super().__init__(process, *options)
        if multiprocessing.current_process().daemon:
            raise LavaEPError(
                "supervised() has to start processes, which a daemonic multiprocessing worker may "
                "not; with joblib use the backend 'loky' or 'threading'."
            )
        if sys.platform == "win32":
            raise LavaEPError("supervised() needs forked workers; use Linux, macOS or WSL.")

    def _make_runtime(self, executable: Any) -> SupervisedRuntime:
        prepare()
        area = TransferArea()
        supervisor = Supervisor(area, self._threads)
        return SupervisedRuntime(executable, area, supervisor, self.close, log_level(self._process))

    def _explained(self, error: BaseException) -> LavaEPError | None:
        workers = 0 if self._live is None else self._live.n_workers
        return explain(error, workers, semaphores=False)

    def _box(self, pipe: Any, name: str, *, inward: bool) -> Inbox | Outbox:
        return (Inbox if inward else Outbox)(pipe, self._runtime(), name)

    def __enter__(self) -> SupervisedRun:
        super().__enter__()
        for worker in self._runtime().supervisor.workers:
            name = worker.name if worker.name not in self.pids else worker.description
            self.pids[name] = worker.pid
        return self

    def wait(self) -> None:
        """Block until the steps asked for by `start` are done. Drains no Outbox."""
        before: list[tuple[str, int]] = []
        while not self.poll(_FULL_OUTBOX_PATIENCE):
            boxes = [box for box in self._mailboxes.values() if isinstance(box, Outbox)]
            full = [(box.name, box.taken) for box in boxes if box.full()]
            if full and full == before:
                warnings.warn(
                    "The run waits for the host to take messages from "
                    f"{', '.join(name for name, _ in full)}. Use start() and iterate over the "
                    "Outbox, or flag the port with a larger buffer_size.",
                    RuntimeWarning,
                    stacklevel=2,
                )
            before = full

    def pause(self) -> None:
        """End the steps asked for by `start` early, after the present one."""
        self._runtime().ask_to_pause()
        self.wait()

    def _end(self, gracefully: bool) -> LavaEPError | None:
        # A second Ctrl-C has to wait for the end of this, which takes little time.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super()._end(gracefully)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def supervised(
    process: AbstractProcess,
    run_cfg: RunConfig | None = None,
    channel_size: int = 2,
    compile_config: dict[str, Any] | None = None,
    threads_per_worker: int | None = 1,
    execution: str = "processes",
) -> NetworkRun[Any]:
    """Run a Lava network so that no failure hangs and nothing is left behind.

    Entering the context builds the network in forked workers, leaving it ends them all. A model
    that raises, a worker that dies and Ctrl-C end whatever call the host is in with an exception.
    The values of Vars end with the run: read them within the block. Only ProcessModels in modules
    that are imported already are found; files beside a Process are not executed.

    Parameters
    ----------
    process : AbstractProcess
        Any Process; everything connected to it runs.
    run_cfg : RunConfig, optional
        Selects ProcessModels; by default ``Loihi2SimCfg(select_tag="floating_pt")``.
    channel_size : int
        Messages that a channel between two Processes holds. (Lava's own default is 64.) Processes
        that send to each other need room for all messages that one sends before it receives.
    compile_config : dict, optional
        Options of Lava's compiler; its "pypy_channel_size" goes before ``channel_size``.
    threads_per_worker : int, optional
        Threads of numerical libraries in each worker, None for no limit.
    execution : {"processes", "inline"}
        Whether each Process is an operating-system process, or all take turns in this one, see
        `lava_ep.runtime.inline`. Results are the same.

    Returns
    -------
    SupervisedRun
        The context manager; with "inline", one that offers the same.

    Examples
    --------
    >>> from lava.proc.lif.process import LIF
    >>> from lava_ep.runtime import supervised
    >>> lif = LIF(shape=(3,), bias_mant=1, vth=5)
    >>> with supervised(lif) as run:
    ...     run.run(3)
    ...     print(run.get(lif.v))
    [3. 3. 3.]
    """
    if execution not in ("processes", "inline"):
        raise InputError(f"execution={execution!r}: expected 'processes' or 'inline'")
    arguments = (process, run_cfg, channel_size, compile_config, threads_per_worker)
    if execution == "inline":
        # Here, as it is made of this module's own classes.
        from lava_ep.runtime.inline import inline

        return inline(*arguments)
    return SupervisedRun(*arguments)

"""A Lava network that runs under supervision, as a context manager."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import operator
import os
import signal
import sys
import warnings
from types import TracebackType
from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig

from lava_ep.dynamics._jit import prepare
from lava_ep.errors import InputError, LavaEPError
from lava_ep.runtime.bulk import TransferArea
from lava_ep.runtime.casting import as_array, checked_array
from lava_ep.runtime.ended import EndedRuntime
from lava_ep.runtime.errors import RunStateError
from lava_ep.runtime.lava_runtime import SupervisedRuntime
from lava_ep.runtime.mailbox import Inbox, Outbox
from lava_ep.runtime.network import compile_network, describe_process, leaf_port
from lava_ep.runtime.resources import explain
from lava_ep.runtime.supervision import Supervisor

_STOP_PATIENCE = 1.0  # seconds for a healthy network to end by itself
_FULL_OUTBOX_PATIENCE = 5.0  # seconds without progress before a warning


def _is_count(value: Any) -> bool:
    try:
        return operator.index(value) >= 1
    except TypeError:
        return False


class SupervisedRun:
    """One run of all Processes connected to ``process``; made by `supervised`.

    Attributes
    ----------
    pids : dict of str to int
        Operating-system process of each Process and runtime service, by Lava's name.
    """

    def __init__(
        self,
        process: AbstractProcess,
        run_cfg: RunConfig | None = None,
        channel_size: int = 2,
        compile_config: dict[str, Any] | None = None,
        threads_per_worker: int | None = 1,
    ) -> None:
        if not isinstance(process, AbstractProcess):
            raise InputError(f"supervised() needs a Lava Process, got {type(process).__name__}.")
        if run_cfg is not None and not isinstance(run_cfg, RunConfig):
            raise InputError(
                f"run_cfg is {run_cfg!r}, expected a RunConfig, such as "
                'lava_ep.models.run_config("fused") for one of our own backends.'
            )
        for value, what in (
            (channel_size, "channel_size"),
            (threads_per_worker, "threads_per_worker"),
        ):
            if value is not None and not _is_count(value):
                raise InputError(f"{what} is {value!r}, expected an integer of at least 1.")
        if multiprocessing.current_process().daemon:
            raise LavaEPError(
                "supervised() has to start processes, which a daemonic multiprocessing worker may "
                "not; with joblib use the backend 'loky' or 'threading'."
            )
        if sys.platform == "win32":
            raise LavaEPError("supervised() needs forked workers; use Linux, macOS or WSL.")
        self._process = process
        self._run_cfg = run_cfg or Loihi2SimCfg(select_tag="floating_pt")
        self._compile_config = {"pypy_channel_size": channel_size, **(compile_config or {})}
        self._threads = threads_per_worker
        self._owner = os.getpid()
        self._members: set[AbstractProcess] = set()
        self._live: SupervisedRuntime | None = None
        self._has_run = False
        self._had_run_before: set[AbstractProcess] = set()
        self._mailboxes: dict[Any, Inbox | Outbox] = {}
        self.pids: dict[str, int] = {}

    def __enter__(self) -> SupervisedRun:
        if self._members:
            raise RunStateError("This run was entered before; call supervised() again.")
        workers = 0
        try:
            executable, self._members = compile_network(
                self._process, self._run_cfg, self._compile_config
            )
            prepare()
            area = TransferArea()
            supervisor = Supervisor(area, self._threads)
            runtime = SupervisedRuntime(
                executable, area, supervisor, self.close, self._process._log_config.level
            )
            self._live, workers = runtime, runtime.n_workers
            atexit.register(self.close)
            for member in self._members:
                if isinstance(member.runtime, EndedRuntime):
                    self._had_run_before.add(member)
                member.runtime = runtime
            runtime.initialize()
        except BaseException as error:
            self._end(gracefully=False)
            explanation = explain(error, workers, semaphores=False)
            if explanation is None:
                raise
            raise explanation from error
        self._has_run = True
        for worker in supervisor.workers:
            name = worker.name if worker.name not in self.pids else worker.description
            self.pids[name] = worker.pid
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is None:
            self.close()
        else:
            self._end(gracefully=False)

    def run(self, n_steps: int) -> None:
        """Run ``n_steps`` time steps and return when they are done.

        Messages for an Outbox have to fit its channel, as nobody drains it meanwhile.

        Parameters
        ----------
        n_steps : int
            Number of time steps, at least 1.

        Raises
        ------
        ProcessFailure
            If a ProcessModel raises.
        WorkerDied
            If a worker ends.
        RunStateError
            If the network is running already.
        """
        self.start(n_steps)
        self.wait()

    def start(self, n_steps: int) -> None:
        """Start ``n_steps`` time steps and return at once.

        Parameters
        ----------
        n_steps : int
            Number of time steps, at least 1.
        """
        if not _is_count(n_steps):
            raise InputError(f"n_steps is {n_steps!r}, expected an integer of at least 1.")
        self._runtime().start_steps(operator.index(n_steps))

    def poll(self, timeout: float = 0.0) -> bool:
        """Tell whether the steps asked for by `start` are done.

        Parameters
        ----------
        timeout : float
            Seconds to wait for it.

        Returns
        -------
        bool
            True when the network is paused.
        """
        runtime = self._runtime()
        return runtime.supervisor.wait(runtime.is_done, timeout)

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

    @property
    def stop_requested(self) -> bool:
        """Whether a ProcessModel has asked Lava to stop; the network is then paused for good."""
        return self._runtime().stop_requested

    def get(self, var: Any) -> Any:
        """Return the value of a Var while the network is paused.

        Parameters
        ----------
        var : Var
            A Var of a Process of this network, or an alias of one.

        Returns
        -------
        numpy.ndarray
            A copy, in the element type of the ProcessModel's attribute. (Attributes that are not
            made of numbers, such as sparse matrices and strings, come as they are.)
        """
        leaf = self._leaf_var(var)
        value = self._runtime().read(leaf.id)
        if isinstance(value, np.ndarray) and value.ndim == 0 and leaf.size == 1:
            return value.reshape(leaf.shape)
        return value

    def set(self, var: Any, value: Any) -> None:
        """Set a Var while the network is paused; its model's ``on_var_update`` is called.

        Parameters
        ----------
        var : Var
            A Var of a Process of this network, or an alias of one.
        value : array-like of the Var's shape
            The new value. It must fit the element type of the ProcessModel's attribute.
        """
        leaf = self._leaf_var(var)
        target = f"Var '{leaf.name}' of {describe_process(leaf.process)}"

        def convert(found: dict[str, Any]) -> Any:
            if found["kind"] == "array":
                return checked_array(value, tuple(found["shape"]), found["dtype"], target)
            if found["kind"] == "scalar":
                flat = as_array(value, target).reshape(-1)
                return checked_array(flat, (1,), found["dtype"], target)
            shape = getattr(value, "shape", ())
            if type(value).__name__ != found["type"] or shape not in ((), leaf.shape):
                raise InputError(
                    f"{target}: got {type(value).__name__} of shape {shape}, expected "
                    f"{found['type']} of shape {leaf.shape}."
                )
            return value

        self._runtime().write(leaf.id, convert)

    def inbox(self, in_port: InPort) -> Inbox:
        """Return the host's end of an InPort on which ``flag_external_pipe`` was called."""
        box = self._mailbox(in_port, InPort, Inbox)
        assert isinstance(box, Inbox)
        return box

    def outbox(self, out_port: OutPort) -> Outbox:
        """Return the host's end of an OutPort on which ``flag_external_pipe`` was called."""
        box = self._mailbox(out_port, OutPort, Outbox)
        assert isinstance(box, Outbox)
        return box

    def close(self) -> None:
        """End the run and all workers, as leaving the ``with`` block does.

        Raises
        ------
        ProcessFailure, WorkerDied
            If the network has failed unnoticed.
        """
        failure = self._end(gracefully=True)
        if failure is not None:
            raise failure

    def _runtime(self) -> SupervisedRuntime:
        if self._live is None:
            state = "has ended" if self._members else "has not begun"
            raise RunStateError(f"The run {state}: use it inside its 'with' block.")
        return self._live

    def _leaf_var(self, var: Any) -> Any:
        leaf = var
        while getattr(leaf, "aliased_var", None) is not None:
            leaf = leaf.aliased_var
        if not isinstance(leaf, Var) or self._runtime().var_model(leaf.id) is None:
            owner = f" of {describe_process(leaf.process)}" if isinstance(leaf, Var) else ""
            raise InputError(
                f"{getattr(leaf, 'name', leaf)!r}{owner} is not a Var of a Process that runs in "
                "this network, nor an alias of one."
            )
        return leaf

    def _mailbox(
        self, port: Any, port_class: Any, box_class: type[Inbox] | type[Outbox]
    ) -> Inbox | Outbox:
        runtime = self._runtime()
        if not isinstance(port, port_class):
            raise InputError(f"Expected an {port_class.__name__}, got {type(port).__name__}.")
        if port not in self._mailboxes:
            name = f"Port '{port.name}' of {describe_process(port.process)}"
            leaf = leaf_port(port)
            pipe = next((pipe for pipe in runtime.pipes if pipe.port is leaf), None)
            if pipe is None:
                raise InputError(
                    f"{name} has no external pipe in this network: call "
                    "port.flag_external_pipe(buffer_size) before supervised()."
                )
            self._mailboxes[port] = box_class(pipe, runtime.supervisor, runtime.is_done, name)
        return self._mailboxes[port]

    def _end(self, gracefully: bool) -> LavaEPError | None:
        """Stop, reap and forget the network once; return the failure it had."""
        if self._live is None or os.getpid() != self._owner:
            return None
        # A second Ctrl-C has to wait for the end of this, which takes little time.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            runtime, self._live = self._live, None
            supervisor = runtime.supervisor
            atexit.unregister(self.close)
            if gracefully and supervisor.failure is None:
                with contextlib.suppress(LavaEPError):  # kept as the supervisor's failure
                    runtime.ask_to_stop(_STOP_PATIENCE)
            supervisor.end()
            runtime.join()
            self._mailboxes.clear()
            for member in self._members:
                had_run = self._has_run or member in self._had_run_before
                member.runtime = EndedRuntime() if had_run else None
            return supervisor.failure
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def supervised(
    process: AbstractProcess,
    run_cfg: RunConfig | None = None,
    channel_size: int = 2,
    compile_config: dict[str, Any] | None = None,
    threads_per_worker: int | None = 1,
    execution: str = "processes",
) -> SupervisedRun:
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
        The context manager.

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

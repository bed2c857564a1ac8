"""One run of a Lava network, as a context manager: what both executions share."""

from __future__ import annotations

import atexit
import operator
import os
from abc import abstractmethod
from types import TracebackType
from typing import Any, Generic, TypeVar

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig

from lava_ep.errors import InputError, LavaEPError
from lava_ep.runtime.casting import as_array, checked_array
from lava_ep.runtime.ended import EndedRuntime
from lava_ep.runtime.errors import RunStateError
from lava_ep.runtime.mailbox import Inbox, Outbox
from lava_ep.runtime.network import compile_network, describe_process, leaf_port

AnyRuntime = TypeVar("AnyRuntime", bound=Any)


def _is_count(value: Any) -> bool:
    try:
        return operator.index(value) >= 1
    except TypeError:
        return False


class NetworkRun(Generic[AnyRuntime]):
    """One run of all Processes connected to ``process``.

    Attributes
    ----------
    pids : dict of str to int
        Operating-system process of each Process and runtime service, by Lava's name; empty where
        all take turns in this one.
    """

    function: str
    """Name of the function that makes such runs."""

    def __init__(
        self,
        process: AbstractProcess,
        run_cfg: RunConfig | None = None,
        channel_size: int = 2,
        compile_config: dict[str, Any] | None = None,
        threads_per_worker: int | None = 1,
    ) -> None:
        if not isinstance(process, AbstractProcess):
            raise InputError(
                f"{self.function}() needs a Lava Process, got {type(process).__name__}."
            )
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
        self._process = process
        self._run_cfg = run_cfg or Loihi2SimCfg(select_tag="floating_pt")
        self._compile_config = {"pypy_channel_size": channel_size, **(compile_config or {})}
        self._threads = threads_per_worker
        self._owner = os.getpid()
        self._members: set[AbstractProcess] = set()
        self._live: AnyRuntime | None = None
        self._has_run = False
        self._had_run_before: set[AbstractProcess] = set()
        self._mailboxes: dict[Any, Inbox | Outbox] = {}
        self.pids: dict[str, int] = {}

    @abstractmethod
    def _make_runtime(self, executable: Any) -> AnyRuntime:
        """Return the runtime of a compiled network, not initialized."""

    @abstractmethod
    def _explained(self, error: BaseException) -> LavaEPError | None:
        """Return an error that says more about a failure to start, if there is more to say."""

    @abstractmethod
    def _box(self, pipe: Any, name: str, *, inward: bool) -> Inbox | Outbox:
        """Return the host's end of a channel."""

    def __enter__(self: AnyRun) -> AnyRun:
        if self._members:
            raise RunStateError(f"This run was entered before; call {self.function}() again.")
        try:
            executable, self._members = compile_network(
                self._process, self._run_cfg, self._compile_config
            )
            runtime = self._live = self._make_runtime(executable)
            atexit.register(self.close)
            for member in self._members:
                if isinstance(member.runtime, EndedRuntime):
                    self._had_run_before.add(member)
                member.runtime = runtime
            runtime.initialize()
        except BaseException as error:
            explanation = self._explained(error)
            self._end(gracefully=False)
            if explanation is None:
                raise
            raise explanation from error
        self._has_run = True
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
        """Return whether the steps asked for by `start` are done.

        Parameters
        ----------
        timeout : float
            Seconds to wait for it; in one process models run meanwhile, for one time step at least.

        Returns
        -------
        bool
            True when the network is paused.
        """
        runtime = self._runtime()
        done: bool = runtime.wait_for(runtime.is_done, timeout)
        return done

    def wait(self) -> None:
        """Block until the steps asked for by `start` are done. Drains no Outbox.

        Raises
        ------
        DeadlockError
            In one process, if no model can resume.
        """
        self._runtime().wait()

    def pause(self) -> None:
        """End the steps asked for by `start` early, after the present one."""
        self._runtime().pause()

    @property
    def stop_requested(self) -> bool:
        """Whether a ProcessModel has asked Lava to stop; the network is then paused for good."""
        requested: bool = self._runtime().stop_requested
        return requested

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
        box = self._mailbox(in_port, InPort)
        assert isinstance(box, Inbox)
        return box

    def outbox(self, out_port: OutPort) -> Outbox:
        """Return the host's end of an OutPort on which ``flag_external_pipe`` was called."""
        box = self._mailbox(out_port, OutPort)
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

    def _runtime(self) -> AnyRuntime:
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

    def _mailbox(self, port: Any, port_class: Any) -> Inbox | Outbox:
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
                    f"port.flag_external_pipe(buffer_size) before {self.function}()."
                )
            self._mailboxes[port] = self._box(pipe, name, inward=port_class is InPort)
        return self._mailboxes[port]

    def _end(self, gracefully: bool) -> LavaEPError | None:
        """Stop and forget the network once; return the failure it had."""
        if self._live is None or os.getpid() != self._owner:
            return None
        runtime, self._live = self._live, None
        atexit.unregister(self.close)
        try:
            failure: LavaEPError | None = runtime.end(gracefully)
        finally:
            self._mailboxes.clear()
            for member in self._members:
                had_run = self._has_run or member in self._had_run_before
                member.runtime = EndedRuntime() if had_run else None
        return failure


AnyRun = TypeVar("AnyRun", bound="NetworkRun[Any]")

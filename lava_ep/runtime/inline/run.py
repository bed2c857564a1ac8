"""A Lava network that runs in the process of the caller, as a context manager."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig

from lava_ep.errors import InputError, LavaEPError
from lava_ep.runtime.casting import checked_array
from lava_ep.runtime.ended import EndedRuntime
from lava_ep.runtime.errors import RunStateError
from lava_ep.runtime.inline.runtime import InlineRuntime, Pipe
from lava_ep.runtime.mailbox import Inbox, Outbox
from lava_ep.runtime.network import compile_network, describe_process, leaf_port
from lava_ep.runtime.run import SupervisedRun


class _InlineBox:
    """What both directions share.

    Parameters
    ----------
    pipe : Pipe
        The channel.
    runtime : InlineRuntime
        Runs the network.
    name : str
        The port, named in errors.
    """

    def __init__(self, pipe: Pipe, runtime: InlineRuntime, name: str) -> None:
        self._channel = pipe.channel
        self._runtime = runtime
        self._host = runtime.host
        self._messages = pipe.channel.messages
        self.name = name
        self.taken = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one message."""
        return self._channel.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type of one message."""
        return self._channel.dtype

    def _run_until(
        self, act: Callable[[], bool], timeout: float | None, hint: str, patient: bool = False
    ) -> None:
        """Run the network until an act has succeeded."""
        done: list[bool] = []

        def try_to() -> bool:
            if not done and act():
                done.append(True)
            return bool(done) or (timeout is None and self._runtime.is_done())

        self._host.until(try_to, timeout, must=timeout is None, patient=patient)
        if not done:
            if timeout is not None:
                raise TimeoutError(f"{self.name}: nothing happened for {timeout} s.")
            raise RunStateError(f"{self.name}: {hint}")


class InlineInbox(_InlineBox, Inbox):
    """Sends messages from the host to an InPort, running the network while there is no room."""

    def ready(self) -> bool:
        """Tell whether `put` would return at once."""
        self._runtime.check()
        return len(self._messages) < self._channel.size

    def put(self, array: npt.ArrayLike, timeout: float | None = None) -> None:
        """Send a message, see `lava_ep.runtime.Inbox.put`.

        Raises
        ------
        DeadlockError
            If the network cannot go on, and so will never make room.
        """
        channel = self._channel
        message = checked_array(array, channel.shape, channel.dtype, self.name)
        is_own = message is not array and message.base is None

        def act() -> bool:
            if len(self._messages) >= channel.size:
                return False
            channel.put(message, copy=not is_own)
            return True

        self._run_until(
            act,
            timeout,
            f"all {channel.size} places of the channel are taken and the network is paused."
            " Start it first, or flag the port with a larger buffer_size.",
            patient=True,
        )
        self.taken += 1


class InlineOutbox(_InlineBox, Outbox):
    """Receives messages of an OutPort on the host, running the network until there is one."""

    def ready(self) -> bool:
        """Tell whether `get` would return at once."""
        self._runtime.check()
        return bool(self._messages)

    def full(self) -> bool:
        """Tell whether the next message of the model would have to wait for the host."""
        return len(self._messages) >= self._channel.size

    def get(self, timeout: float | None = None) -> npt.NDArray[Any]:
        """Return the next message, see `lava_ep.runtime.Outbox.get`.

        Raises
        ------
        DeadlockError
            If the network cannot go on, and so will never send one.
        """
        found: list[npt.NDArray[Any]] = []

        def act() -> bool:
            if self._messages:
                found.append(self._channel.take())
            return bool(found)

        self._run_until(act, timeout, "there is no message and the network is paused; start it.")
        self.taken += 1
        return found[0]

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """Yield messages until the network is paused and none is left."""
        while True:
            self._host.until(lambda: bool(self._messages) or self._runtime.is_done())
            if not self._messages:
                return
            yield self.get()


class InlineRun(SupervisedRun):
    """One run of all Processes connected to ``process``, in this process; made by `inline`.

    Attributes
    ----------
    pids : dict of str to int
        Empty, as no operating-system processes are started.
    """

    _live: Any

    def __init__(
        self,
        process: AbstractProcess,
        run_cfg: RunConfig | None = None,
        channel_size: int = 2,
        compile_config: dict[str, Any] | None = None,
        threads_per_worker: int | None = 1,
    ) -> None:
        if not isinstance(process, AbstractProcess):
            raise InputError(f"inline() needs a Lava Process, got {type(process).__name__}.")
        if channel_size < 1:
            raise InputError(f"channel_size is {channel_size}, expected at least 1.")
        self._process = process
        self._run_cfg = run_cfg or Loihi2SimCfg(select_tag="floating_pt")
        self._compile_config = {"pypy_channel_size": channel_size, **(compile_config or {})}
        self._threads = threads_per_worker
        self._owner = os.getpid()
        self._members: set[AbstractProcess] = set()
        self._live = None
        self._has_run = False
        self._had_run_before: set[AbstractProcess] = set()
        self._mailboxes: dict[Any, Inbox | Outbox] = {}
        self.pids: dict[str, int] = {}

    def __enter__(self) -> InlineRun:
        if self._members:
            raise RunStateError("This run was entered before; call inline() again.")
        executable, self._members = compile_network(
            self._process, self._run_cfg, self._compile_config
        )
        runtime = InlineRuntime(
            executable,
            loglevel=self._process._log_config.level,
            close=self.close,
            members=self._members,
            threads=self._threads,
        )
        self._live = runtime
        try:
            for member in self._members:
                if isinstance(member.runtime, EndedRuntime):
                    self._had_run_before.add(member)
                member.runtime = runtime
            runtime.initialize()
            runtime._is_started = True
        except BaseException:
            self._end(gracefully=False)
            raise
        self._has_run = True
        atexit.register(self.close)
        return self

    def poll(self, timeout: float = 0.0) -> bool:
        """Run the network for a while, and tell whether the steps asked for by `start` are done.

        Parameters
        ----------
        timeout : float
            Seconds after which to return; at least one time step is taken, if it can be.

        Returns
        -------
        bool
            True when the network is paused.
        """
        runtime = self._runtime()
        return bool(runtime.host.until(runtime.is_done, timeout, must=False))

    def wait(self) -> None:
        """Run until the steps asked for by `start` are done. Drains no Outbox.

        Raises
        ------
        DeadlockError
            If nobody can go on.
        """
        self._runtime().wait()

    def pause(self) -> None:
        """End the steps asked for by `start` early, after the present one."""
        self._runtime().pause()

    def _runtime(self) -> Any:
        if self._live is None:
            state = "has ended" if self._members else "has not begun"
            raise RunStateError(f"The run {state}: use it inside its 'with' block.")
        return self._live

    def _mailbox(self, port: Any, port_class: Any, box_class: Any) -> Any:
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
                    "port.flag_external_pipe(buffer_size) before inline()."
                )
            box = InlineInbox if box_class is Inbox else InlineOutbox
            self._mailboxes[port] = box(pipe, runtime, name)
        return self._mailboxes[port]

    def _end(self, gracefully: bool) -> LavaEPError | None:
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


def inline(
    process: AbstractProcess,
    run_cfg: RunConfig | None = None,
    channel_size: int = 2,
    compile_config: dict[str, Any] | None = None,
    threads_per_worker: int | None = 1,
) -> InlineRun:
    """Run a Lava network in this process and thread, without operating-system processes.

    ProcessModels take turns: where a port would block, another model goes on. They run during the
    calls of the host only, so after ``start`` the network gets on in ``poll``, ``wait``,
    ``Inbox.put`` and ``Outbox.get``. All else is as with `lava_ep.runtime.supervised`.

    Parameters
    ----------
    process : AbstractProcess
        Any Process; everything connected to it runs.
    run_cfg : RunConfig, optional
        Selects ProcessModels; by default ``Loihi2SimCfg(select_tag="floating_pt")``.
    channel_size : int
        Messages that a channel between two Processes holds.
    compile_config : dict, optional
        Options of Lava's compiler; its "pypy_channel_size" goes before ``channel_size``.
    threads_per_worker : int, optional
        Threads of numerical libraries while models run, None for no limit.

    Returns
    -------
    InlineRun
        The context manager.

    Examples
    --------
    >>> from lava.proc.lif.process import LIF
    >>> from lava_ep.runtime.inline import inline
    >>> lif = LIF(shape=(3,), bias_mant=1, vth=5)
    >>> with inline(lif) as run:
    ...     run.run(3)
    ...     print(run.get(lif.v))
    [3. 3. 3.]
    """
    return InlineRun(process, run_cfg, channel_size, compile_config, threads_per_worker)

"""A Lava network that runs in the process of the caller, as a context manager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import RunConfig

from lava_ep._lava_private import log_level
from lava_ep.errors import LavaEPError
from lava_ep.runtime.casting import checked_array
from lava_ep.runtime.errors import RunStateError
from lava_ep.runtime.inline.channels import Channel
from lava_ep.runtime.inline.runtime import InlineRuntime
from lava_ep.runtime.mailbox import EMPTY, FULL, Inbox, Outbox
from lava_ep.runtime.network_run import NetworkRun


class _InlineBox:
    """What both directions share."""

    name: str
    _pipe: Channel
    _runtime: InlineRuntime

    def _run_until(
        self, act: Callable[[], bool], timeout: float | None, hint: str, patient: bool = False
    ) -> None:
        """Run the network until an act has succeeded."""
        done: list[bool] = []

        def try_to() -> bool:
            if not done and act():
                done.append(True)
            return bool(done) or (timeout is None and self._runtime.is_done())

        self._runtime.host.until(try_to, timeout, must=timeout is None, patient=patient)
        if not done:
            if timeout is not None:
                raise TimeoutError(f"{self.name}: nothing happened for {timeout} s.")
            raise RunStateError(f"{self.name}: {hint}")


class InlineInbox(_InlineBox, Inbox):
    """Sends messages from the host to an InPort, running the network while there is no room."""

    def ready(self) -> bool:
        """Tell whether `put` would return at once."""
        self._runtime.check()
        return len(self._pipe.messages) < self._pipe.size

    def put(self, array: npt.ArrayLike, timeout: float | None = None) -> None:
        """Send a message, see `lava_ep.runtime.Inbox.put`.

        Raises
        ------
        DeadlockError
            If the network cannot go on, and so will never make room.
        """
        channel = self._pipe
        message = checked_array(array, channel.shape, channel.dtype, self.name)
        is_own = message is not array and message.base is None

        def act() -> bool:
            if len(channel.messages) >= channel.size:
                return False
            channel.put(message, copy=not is_own)
            return True

        self._run_until(act, timeout, FULL.format(channel.size), patient=True)
        self.taken += 1


class InlineOutbox(_InlineBox, Outbox):
    """Receives messages of an OutPort on the host, running the network until there is one."""

    def ready(self) -> bool:
        """Tell whether `get` would return at once."""
        self._runtime.check()
        return bool(self._pipe.messages)

    def full(self) -> bool:
        """Tell whether the next message of the model would have to wait for the host."""
        return len(self._pipe.messages) >= self._pipe.size

    def get(self, timeout: float | None = None) -> npt.NDArray[Any]:
        """Return the next message, see `lava_ep.runtime.Outbox.get`.

        Raises
        ------
        DeadlockError
            If the network cannot go on, and so will never send one.
        """
        found: list[npt.NDArray[Any]] = []

        def act() -> bool:
            if self._pipe.messages:
                found.append(self._pipe.take())
            return bool(found)

        self._run_until(act, timeout, EMPTY)
        self.taken += 1
        return found[0]


class InlineRun(NetworkRun[InlineRuntime]):
    """A run in this process, in which all Processes take turns; made by `inline`."""

    function = "inline"

    def _make_runtime(self, executable: Any) -> InlineRuntime:
        return InlineRuntime(
            executable,
            loglevel=log_level(self._process),
            close=self.close,
            members=self._members,
            threads=self._threads,
        )

    def _explained(self, error: BaseException) -> LavaEPError | None:
        return None

    def _box(self, pipe: Any, name: str, *, inward: bool) -> Inbox | Outbox:
        kind: type[InlineInbox] | type[InlineOutbox] = InlineInbox if inward else InlineOutbox
        return kind(pipe.channel, self._runtime(), name)


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

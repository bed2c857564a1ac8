"""The host's ends of external pipes: feeding and draining a network while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lava_ep.runtime.casting import checked_array
from lava_ep.runtime.errors import RunStateError

FULL = (
    "all {} places of the channel are taken and the network is paused. Start it first, or flag the "
    "port with a larger buffer_size."
)
EMPTY = "there is no message and the network is paused; start it."


class _Mailbox:
    """What both directions share.

    Parameters
    ----------
    pipe : object
        The channel, with ``shape``, ``dtype`` and ``size``.
    runtime : HostCalls
        Runs the network.
    name : str
        The port, named in errors.

    Attributes
    ----------
    name : str
        The port.
    taken : int
        Messages that the host has put or got so far.
    """

    def __init__(self, pipe: Any, runtime: Any, name: str) -> None:
        self._pipe = pipe
        self._runtime = runtime
        self.name = name
        self.taken = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one message."""
        found: tuple[int, ...] = self._pipe.shape
        return found

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type of one message."""
        found: np.dtype[Any] = self._pipe.dtype
        return found

    def _await(self, ready: Callable[[], bool], timeout: float | None, hint: str) -> None:
        """Wait for ``ready``; without a timeout, not for what a paused network cannot bring."""
        supervisor = self._runtime.supervisor
        ended = supervisor.wait(
            lambda: ready() or (timeout is None and self._runtime.is_done()), timeout
        )
        if not ended:
            raise TimeoutError(f"{self.name}: nothing happened for {timeout} s.")
        if not ready():
            supervisor.confirm_health()
            raise RunStateError(f"{self.name}: {hint}")


class Inbox(_Mailbox):
    """Sends messages from the host to an InPort."""

    def ready(self) -> bool:
        """Tell whether `put` would return at once."""
        self._runtime.check()
        in_channel = self.taken - int(self._pipe.passed[0])
        return in_channel < self._pipe.size or bool(self._pipe.csp_port.probe())

    def put(self, array: npt.ArrayLike, timeout: float | None = None) -> None:
        """Send a message, waiting for room in the channel.

        Parameters
        ----------
        array : array-like of the port's shape
            The message.
        timeout : float, optional
            Seconds to wait for room. Without it, waits as long as the network runs.

        Raises
        ------
        InputError
            If the array does not fit the port.
        ProcessFailure, WorkerDied
            If the network has failed.
        RunStateError
            If the channel is full and the network is paused, so that nothing would empty it.
        TimeoutError
            If there was no room in time.
        """
        message = checked_array(array, self.shape, self.dtype, self.name)
        if not self.ready():
            self._await(self.ready, timeout, FULL.format(self._pipe.size))
        self._runtime.supervisor.wait(self._pipe.csp_port.probe)
        self._pipe.csp_port.send(message)
        self.taken += 1


class Outbox(_Mailbox):
    """Receives messages of an OutPort on the host; iterate over it to drain a running network."""

    def ready(self) -> bool:
        """Tell whether `get` would return at once."""
        self._runtime.check()
        return self._in_channel() > 0 or bool(self._pipe.csp_port.probe())

    def full(self) -> bool:
        """Tell whether the next message of the worker would have to wait for the host."""
        return self._in_channel() >= int(self._pipe.size)

    def _in_channel(self) -> int:
        return int(self._pipe.passed[0]) - self.taken

    def get(self, timeout: float | None = None) -> npt.NDArray[Any]:
        """Return the next message, waiting for it.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait. Without it, waits as long as the network runs.

        Returns
        -------
        numpy.ndarray of the port's shape
            The message.

        Raises
        ------
        ProcessFailure, WorkerDied
            If the network has failed.
        RunStateError
            If there is no message and the network is paused, so that none would come.
        TimeoutError
            If none came in time.
        """
        if not self.ready():
            self._await(self.ready, timeout, EMPTY)
        self._runtime.supervisor.wait(self._pipe.csp_port.probe)
        message: npt.NDArray[Any] = self._pipe.csp_port.recv()
        self.taken += 1
        return message

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """Yield messages until the network is paused and none is left."""
        while self._runtime.wait_for(lambda: self.ready() or self._runtime.is_done(), None):
            # Looked at again after "done": the last messages come before the workers' answer.
            if not self.ready():
                return
            yield self.get()

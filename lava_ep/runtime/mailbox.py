"""The host's ends of external pipes: feeding and draining a network while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lava_ep.runtime.casting import checked_array
from lava_ep.runtime.channels import ExternalPipe
from lava_ep.runtime.errors import RunStateError
from lava_ep.runtime.supervision import Supervisor


class _Mailbox:
    """What both directions share.

    Parameters
    ----------
    pipe : ExternalPipe
        The channel.
    supervisor : Supervisor
        Watches the workers during waits.
    is_done : callable
        Tells whether the network is paused, taking in its answers.
    name : str
        The port, named in errors.

    Attributes
    ----------
    name : str
        The port.
    taken : int
        Messages that the host has put or got so far.
    """

    def __init__(
        self,
        pipe: ExternalPipe,
        supervisor: Supervisor,
        is_done: Callable[[], bool],
        name: str,
    ) -> None:
        self._pipe = pipe
        self._supervisor = supervisor
        self._is_done = is_done
        self.name = name
        self.taken = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one message."""
        return tuple(self._pipe.csp_port.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type of one message."""
        found: np.dtype[Any] = np.dtype(self._pipe.csp_port.d_type)
        return found

    def _await(self, ready: Callable[[], bool], timeout: float | None, hint: str) -> None:
        """Wait for ``ready``; without a timeout, not for what a paused network cannot bring."""
        ended = self._supervisor.wait(
            lambda: ready() or (timeout is None and self._is_done()), timeout
        )
        if not ended:
            raise TimeoutError(f"{self.name}: nothing happened for {timeout} s.")
        if not ready():
            self._supervisor.confirm_health()
            raise RunStateError(f"{self.name}: {hint}")


class Inbox(_Mailbox):
    """Sends messages from the host to an InPort."""

    def ready(self) -> bool:
        """Tell whether `put` would return at once."""
        self._supervisor.check()
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
            self._await(
                self.ready,
                timeout,
                f"all {self._pipe.size} places of the channel are taken and the network is paused."
                " Start it first, or flag the port with a larger buffer_size.",
            )
        self._supervisor.wait(self._pipe.csp_port.probe)
        self._pipe.csp_port.send(message)
        self.taken += 1


class Outbox(_Mailbox):
    """Receives messages of an OutPort on the host; iterate over it to drain a running network."""

    def ready(self) -> bool:
        """Tell whether `get` would return at once."""
        self._supervisor.check()
        return self._in_channel() > 0 or bool(self._pipe.csp_port.probe())

    def full(self) -> bool:
        """Tell whether the next message of the worker would have to wait for the host."""
        return self._in_channel() >= self._pipe.size

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
            self._await(
                self.ready, timeout, "there is no message and the network is paused; start it."
            )
        self._supervisor.wait(self._pipe.csp_port.probe)
        message: npt.NDArray[Any] = self._pipe.csp_port.recv()
        self.taken += 1
        return message

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """Yield messages until the network is paused and none is left."""
        while self._supervisor.wait(lambda: self.ready() or self._is_done()):
            # Looked at again after "done": the last messages come before the workers' answer.
            if not self.ready():
                return
            yield self.get()

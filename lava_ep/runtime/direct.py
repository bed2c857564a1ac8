"""Channel ends that wait for each other directly, without a thread in between.

Lava gives every channel end a thread that passes on one semaphore, so that a ``CspSelector`` can
wait for several channels at once. A message then wakes two threads on each side. Ends that no
selector ever sees, which are nearly all of them, can wait for the semaphore themselves; the same
messages travel through the same memory, in about a third of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from numpy.typing import NDArray

from lava_ep._lava_private import (
    CspRecvPort,
    CspSelector,
    CspSendPort,
    LoihiPyRuntimeService,
    message_slots,
    select_by,
)


class DirectSendPort(CspSendPort):
    """A sending end that waits for free slots itself."""

    def start(self) -> None:
        """Open the memory; no thread is needed."""
        self._array = message_slots(self)
        self._next = 0
        self._free: int = self._size

    def _claim(self, block: bool) -> bool:
        while self._ack.acquire(False):
            self._free += 1
        if self._free == 0 and block:
            self._ack.acquire()
            self._free += 1
        return self._free > 0

    def probe(self) -> bool:
        """Tell whether ``send`` would not block."""
        return self._claim(block=False)

    def send(self, data: NDArray[Any]) -> None:
        """Copy a message into the next free slot and announce it."""
        if data.shape != self._shape:
            raise AssertionError(f"{data.shape=} {self._shape=} Mismatch")
        if self._free == 0:
            self._claim(block=True)
        self._free -= 1
        self._array[self._next][...] = data
        self._next = (self._next + 1) % self._size
        self._req.release()


class DirectRecvPort(CspRecvPort):
    """A receiving end that waits for messages itself."""

    def start(self) -> None:
        """Open the memory; no thread is needed."""
        self._array = message_slots(self)
        self._next = 0
        self._announced = 0
        self._queue = self

    def qsize(self) -> int:
        """Return the number of waiting messages, where Lava's own Processes look for it."""
        while self._req.acquire(False):
            self._announced += 1
        return self._announced

    def wait(self) -> None:
        """Block until a message is there."""
        if self._announced == 0:
            self._req.acquire()
            self._announced += 1

    def probe(self) -> bool:
        """Tell whether ``recv`` would not block."""
        return self.qsize() > 0

    def peek(self) -> NDArray[Any]:
        """Return the next message and leave it in the channel."""
        self.wait()
        return np.array(self._array[self._next])

    def recv(self) -> NDArray[Any]:
        """Take the next message out of the channel."""
        self.wait()
        self._announced -= 1
        message = np.array(self._array[self._next])
        self._next = (self._next + 1) % self._size
        self._ack.release()
        return message


class DirectSelector(CspSelector):
    """A selector for models that have only one channel to select from."""

    def select(self, *channel_actions: Any) -> Any:
        """Wait for the channel and return the result of its action."""
        ((channel, action),) = channel_actions
        channel.wait()
        return action()


def _make_direct(port: Any) -> None:
    if {"recv", "send"} & vars(port).keys():  # observed by the host, which relies on the thread
        return
    if type(port) is CspSendPort:
        port.__class__ = DirectSendPort
    elif type(port) is CspRecvPort:
        port.__class__ = DirectRecvPort


def use_direct_ports(actor: Any) -> None:
    """Exchange the channel ends of a built, not yet started, ProcessModel or runtime service.

    Ends that take part in a selection among several channels keep their threads: those of
    RefPorts and VarPorts, with the command channel of models that have VarPorts, and the
    service's channel to the host.
    """
    if isinstance(actor, AbstractPyProcessModel):
        for port in actor.py_ports:
            if isinstance(port, PyInPort | PyOutPort):
                for end in port.csp_ports:
                    _make_direct(end)
        _make_direct(actor.process_to_service)
        if not actor.var_ports:
            _make_direct(actor.service_to_process)
            select_by(actor, DirectSelector())
    elif isinstance(actor, LoihiPyRuntimeService):
        for end in (*actor.service_to_process, *actor.process_to_service):
            _make_direct(end)

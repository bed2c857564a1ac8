"""The ProcessModel of an `EPNetworkShare`: its contrasts leave, and their sums enter, by ports."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from numpy.typing import NDArray

from lava_ep.models.data_parallel.engine import RankEngine
from lava_ep.models.data_parallel.frames import Frames, Message
from lava_ep.models.discovery import cpu_model
from lava_ep.models.fused.network import WholeBatchModel
from lava_ep.parameters import NetworkParameters
from lava_ep.processes.share import EPNetworkShare
from lava_ep.spec import NetworkSpec


class PortExchange:
    """Has the host add up what the ranks have.

    A ProcessModel never calls MPI itself: it lives in a process that Lava has forked, and an MPI
    library may only be used by the process that has initialized it.

    Parameters
    ----------
    frames
        How arrays travel.
    send, receive
        Pass a message on to the host, and wait for one of it.
    """

    def __init__(
        self, frames: Frames, send: Callable[[Message], None], receive: Callable[[], Message]
    ) -> None:
        self._frames = frames
        self._send = send
        self._receive = receive

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Send an array and return the sum over all ranks."""
        for message in self._frames.pack(values):
            self._send(message)
        return self._frames.unpack(self._receive)

    def finish(self) -> None:
        """Send an empty array, which is not answered."""
        for message in self._frames.pack(np.zeros(0, np.int8)):
            self._send(message)


@cpu_model(EPNetworkShare, "fused")
class PyEPNetworkShareModelFused(WholeBatchModel):
    """A share of the samples, batch by batch."""

    contrast_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    total_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)

    def engine_type(
        self, spec: NetworkSpec, parameters: NetworkParameters
    ) -> Callable[..., RankEngine]:
        """Return the engine, with the ports between it and the other ranks."""
        options: Any = self.proc_params
        exchange = PortExchange(
            Frames(options["message"]),
            lambda message: self.contrast_out.send(message),
            lambda: self.total_in.recv(),
        )
        return partial(RankEngine, exchange=exchange, whole_batch=options["whole_batch"])

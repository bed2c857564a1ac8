"""Lava's channels on anonymous memory, and those between the host and flagged ports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.model.py.ports import PyInPortVectorDense, PyOutPortVectorDense
from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.process import AbstractProcess

from lava_ep._lava_private import ChannelType, PyPyChannel, call_after
from lava_ep.errors import InputError
from lava_ep.runtime.memory import AnonymousMemoryManager, SharedBlock
from lava_ep.runtime.network import describe_process


class ChannelFactory:
    """The part of Lava's message infrastructure that builders of channels use."""

    def __init__(self) -> None:
        self.smm = AnonymousMemoryManager()

    def channel_class(self, channel_type: ChannelType) -> Any:
        """Return the class of channels between two ProcessModels written in Python."""
        if channel_type != ChannelType.PyPy:
            raise InputError(
                "supervised() runs ProcessModels written in Python; the network has a channel of "
                f"type {channel_type.name}."
            )
        return PyPyChannel


@dataclass(eq=False)
class ExternalPipe:
    """The channel between the host and a port on which ``flag_external_pipe`` was called.

    Attributes
    ----------
    port : InPort or OutPort
        The port of the leaf Process.
    csp_port : CspSendPort or CspRecvPort
        The host's end of the channel.
    passed : numpy.ndarray of shape (1,), int64
        Shared with the worker: messages that the worker has sent or taken so far. Lava's ports
        learn of them through a thread, a moment later.
    size : int
        Messages that the channel holds.
    """

    port: Any
    csp_port: Any
    passed: npt.NDArray[np.int64]
    size: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one message."""
        return tuple(self.csp_port.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type of one message."""
        found: np.dtype[Any] = np.dtype(self.csp_port.d_type)
        return found

    @property
    def _lava_name(self) -> str:
        return f"external_pipe_csp_{'send' if isinstance(self.port, InPort) else 'recv'}_port"

    def attach(self) -> None:
        """Show the host's end to Lava's own Injector and Extractor, where they look for it."""
        setattr(self.port, self._lava_name, self.csp_port)

    def detach(self) -> None:
        """Take it away from them again."""
        vars(self.port).pop(self._lava_name, None)


def external_pipes(
    factory: ChannelFactory, process: AbstractProcess, builder: Any
) -> list[ExternalPipe]:
    """Build the channels from and to the host that a leaf Process asks for.

    Parameters
    ----------
    factory : ChannelFactory
        Gives the channels their memory.
    process : AbstractProcess
        The Process.
    builder : PyProcessBuilder
        Its builder; it is given the worker's ends.

    Returns
    -------
    list of ExternalPipe
        The host's ends, not started.

    Raises
    ------
    InputError
        If a flagged port does not carry dense vectors.
    """
    pipes = []
    for name, initializer in builder.py_ports.items():
        port = getattr(process, name)
        if not port.external_pipe_flag:
            continue
        port_class = getattr(builder.proc_model, name).cls
        if not issubclass(port_class, (PyInPortVectorDense, PyOutPortVectorDense)):
            raise InputError(
                f"Port '{name}' of {describe_process(process)} is a {port_class.__name__}; "
                "external pipes carry dense vectors (VEC_DENSE) only."
            )
        inward = isinstance(port, InPort)
        size = port.external_pipe_buffer_size
        channel = PyPyChannel(
            factory,
            src_name="host" if inward else name,
            dst_name=name if inward else "host",
            shape=initializer.shape,
            dtype=initializer.d_type,
            size=size,
        )
        host_end, worker_end = channel.src_port, channel.dst_port
        if not inward:
            host_end, worker_end = worker_end, host_end
        passed = SharedBlock(8).array((1,), np.int64)
        call_after(worker_end, "recv" if inward else "send", _Counter(passed))
        builder.set_csp_ports([worker_end])
        pipes.append(ExternalPipe(port, host_end, passed, size))
    return pipes


class _Counter:
    """Adds one to a shared number at each call."""

    def __init__(self, number: npt.NDArray[np.int64]) -> None:
        self._number = number

    def __call__(self) -> None:
        self._number += 1

"""Receiving messages: summed without detours, in the element types of the compiled kernels.

Lava passes on whatever element type the sender has. Between our own Processes the types fit and
nothing is copied; stock Processes such as ``RingBuffer`` send float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.model.py.ports import PyInPortVectorDense
from numpy.typing import NDArray

from lava_ep.errors import InputError


class SummingInPort(PyInPortVectorDense):
    """Lava's dense InPort, without the arrays of zeros that it starts every sum from."""

    def recv(self) -> NDArray[Any]:
        """Receive and add the messages of all connections, in the order they were connected."""
        messages = (self._transformer.transform(end.recv(), end) for end in self.csp_ports)
        total: NDArray[Any] | None = next(messages, None)
        if total is None:
            return np.zeros(self._shape, self._d_type)
        for message in messages:
            total = total + message
        return total


def as_reals(message: NDArray[Any]) -> NDArray[np.float32]:
    """Return currents or states as float32."""
    return np.ascontiguousarray(message, np.float32)


def as_integers(message: NDArray[Any], kind: type[np.integer[Any]]) -> NDArray[Any]:
    """Return events, targets or labels as integers of one type.

    Raises
    ------
    InputError
        If a value is not an integer or is too large for the type.
    """
    if message.dtype == kind:
        return np.ascontiguousarray(message)
    with np.errstate(invalid="ignore"):
        integers = message.astype(kind, order="C")
    if not np.array_equal(integers, message):
        wrong = message[integers != message].flat[0]
        raise InputError(f"received {wrong}: expected values of type {np.dtype(kind)}")
    return integers

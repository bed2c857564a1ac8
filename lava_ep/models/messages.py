"""Receiving messages: summed without detours, in the element types of the compiled kernels.

Lava passes on whatever element type the sender has. Between our own Processes the types fit and
nothing is copied; stock Processes such as ``RingBuffer`` send float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.model.py.ports import PyInPortVectorDense
from numpy.typing import NDArray


class SummingInPort(PyInPortVectorDense):
    """Lava's dense InPort, without the arrays of zeros that it starts every sum from."""

    def recv(self) -> NDArray[Any]:
        """Receive and add the messages of all connections, in the order they were connected."""
        ends, transform = self.csp_ports, self._transformer.transform
        if not ends:
            return np.zeros(self._shape, self._d_type)
        total: NDArray[Any] = transform(ends[0].recv(), ends[0])
        for end in ends[1:]:
            total = total + transform(end.recv(), end)
        return total

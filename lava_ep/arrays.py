"""Arrays in the element types of the compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.errors import InputError


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

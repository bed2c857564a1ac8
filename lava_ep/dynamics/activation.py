r"""Activation functions :math:`\rho` of graded neurons, and their derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import by_type, kernel

Reals = NDArray[Any]
"""Arrays of float32 or float64; those of one call have the same type."""


class Activation(str, Enum):
    r"""Choice of :math:`\rho`.

    ``hard-sigmoid`` :math:`\min(\max(x, 0), 1)`, ``shifted-sigmoid``
    :math:`1 / (1 + e^{-4(x - 1/2)})`, ``tanh``, and ``relu`` :math:`\max(x, 0)`.
    """

    HARD_SIGMOID = "hard-sigmoid"
    SHIFTED_SIGMOID = "shifted-sigmoid"
    TANH = "tanh"
    RELU = "relu"


HARD_SIGMOID, SHIFTED_SIGMOID, TANH, RELU, IDENTITY = range(5)
"""The activations as compiled code knows them."""

CODES = {activation: code for code, activation in enumerate(Activation)}


@by_type
def exponential(x: Any) -> Callable[[Any], Any]:
    """Return e**x, within 1e-6 of it for float32, in a form that compilers vectorize."""
    # Seen by Numba, x is a type.
    return _exponential_single if str(x) == "float32" else _exponential_double


def _exponential_double(x: Any) -> Any:
    return math.exp(x)


def _exponential_single(x: Any) -> Any:
    """Cephes' polynomial on [-ln 2 / 2, ln 2 / 2], times a power of two put together bit by bit."""
    x = x if x > np.float32(-87.0) else np.float32(-87.0)
    x = x if x < np.float32(88.0) else np.float32(88.0)
    # Adding and subtracting 1.5 * 2**23 rounds to an integer.
    n = (x * np.float32(1.44269504) + np.float32(12582912.0)) - np.float32(12582912.0)
    r = x - n * np.float32(0.693359375)
    r = r - n * np.float32(-2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1.0)
    return p * np.int32((n + np.float32(127.0)) * np.float32(8388608.0)).view(np.float32)


@kernel("void(int64, f4[::1], f4[::1])", "void(int64, f8[::1], f8[::1])")
def activate_row(code: int, x: Reals, out: Reals) -> None:
    """Apply an activation function to the numbers of one sample; see `activate`."""
    zero, one = x.dtype.type(0), x.dtype.type(1)
    two, four = x.dtype.type(2), x.dtype.type(4)
    if code == HARD_SIGMOID:
        for n in range(x.size):
            v = x[n] if x[n] > zero else zero
            out[n] = v if v < one else one
    elif code == SHIFTED_SIGMOID:
        for n in range(x.size):
            out[n] = one / (one + exponential(two - four * x[n]))
    elif code == TANH:
        for n in range(x.size):
            out[n] = one - two / (exponential(two * x[n]) + one)
    elif code == RELU:
        for n in range(x.size):
            out[n] = x[n] if x[n] > zero else zero
    else:
        for n in range(x.size):
            out[n] = x[n]


@kernel("void(int64, f4[::1], f4[::1])", "void(int64, f8[::1], f8[::1])")
def derivative_row(code: int, x: Reals, out: Reals) -> None:
    """Differentiate an activation function at the numbers of one sample; see `derivative`."""
    activate_row(code, x, out)
    zero, one, four = x.dtype.type(0), x.dtype.type(1), x.dtype.type(4)
    if code == HARD_SIGMOID:
        for n in range(x.size):
            out[n] = one if x[n] == out[n] else zero
    elif code == SHIFTED_SIGMOID:
        for n in range(x.size):
            out[n] = four * out[n] * (one - out[n])
    elif code == TANH:
        for n in range(x.size):
            out[n] = one - out[n] * out[n]
    else:
        for n in range(x.size):
            out[n] = one if x[n] >= zero else zero


def activate(activation: Activation, x: Reals) -> Reals:
    r"""Return :math:`\rho(x)` for an array of float32 or float64."""
    return _rowwise(activate_row, activation, x)


def derivative(activation: Activation, x: Reals) -> Reals:
    r"""Return :math:`\rho'(x)`; at the kinks of hard sigmoid and ReLU the slope is 1."""
    return _rowwise(derivative_row, activation, x)


def _rowwise(function: Callable[..., None], activation: Activation, x: Reals) -> Reals:
    flat = np.ascontiguousarray(x).reshape(-1)
    out = np.empty_like(flat)
    function(CODES[Activation(activation)], flat, out)
    return out.reshape(x.shape)

"""Stochastic gradient descent on real weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics.activation import Reals
from lava_ep.errors import InputError


@dataclass(frozen=True)
class SGD:
    r"""Move weights along the EP estimate :math:`g` of minus the gradient.

    .. math:: w \leftarrow w + \eta\, d^{\mathrm{epoch}}\, g

    Parameters
    ----------
    rate
        Learning rate :math:`\eta`.
    decay
        Factor :math:`d` in (0, 1] by which the rate shrinks from one epoch to the next.
    epoch_updates
        Number of batches that count as one epoch for ``decay``.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    rate: float
    decay: float = 1.0
    epoch_updates: int = 1

    def __post_init__(self) -> None:
        if not self.rate >= 0:
            raise InputError(f"SGD rate={self.rate}: expected a learning rate of 0 or more")
        if not 0 < self.decay <= 1:
            raise InputError(f"SGD decay={self.decay}: expected a factor in (0, 1]")
        if self.epoch_updates < 1:
            raise InputError(f"SGD epoch_updates={self.epoch_updates}: expected at least 1")

    def step(self, batch: int) -> float:
        """Return the learning rate for the batch with this number, from 0."""
        return self.rate * self.decay ** (batch // self.epoch_updates)


@kernel("void(f4[::1], f4, f4[::1])", "void(f8[::1], f8, f8[::1])")
def add_multiple_flat(weights: Reals, factor: float, contrast: Reals) -> None:
    """Do what `add_multiple` does, with flat arrays."""
    for n in range(weights.size):
        weights[n] += factor * contrast[n]


def add_multiple(weights: Reals, factor: float, contrast: Reals) -> None:
    """Add ``factor`` times the contrasts to weights of the same shape and type, in place."""
    flat = np.ascontiguousarray(contrast).reshape(-1)
    add_multiple_flat(weights.reshape(-1), weights.dtype.type(factor), flat)

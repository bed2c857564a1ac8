"""Stochastic gradient descent on real weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics.activation import Reals
from lava_ep.dynamics.constants import Constants, constant


@dataclass(frozen=True)
class SGD(Constants):
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

    rate: float = constant(description="learning rate of real weights and of conductances", ge=0)
    decay: float = constant(1.0, "factor from epoch to epoch", gt=0, le=1)
    epoch_updates: int = constant(1, "updates per epoch", ge=1)

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

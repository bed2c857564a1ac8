"""Noise of measurements: what a rule sees of a neuron is not quite what the neuron does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics.seeds import Stream, generator
from lava_ep.errors import InputError


@dataclass(frozen=True)
class Noise:
    r"""Gaussian noise of the activations that a layer's synapses and biases learn from.

    .. math:: \hat a = a + \frac{\sigma}{\sqrt N}\,\xi, \qquad \xi \sim \mathcal N(0, 1)

    independently for every neuron, sample and contrasted phase, and the same for all that learn
    from the neuron. The mean of N measurements of deviation :math:`\sigma` has exactly this
    distribution, so that it is drawn at once. Nothing else sees it: not the dynamics, nor the
    scores. (Peters & Talatchian 2025, arXiv 2503.22810.)

    Parameters
    ----------
    sigma
        Standard deviation :math:`\sigma` of one measurement, in units of the activation.
    samples
        Number N of measurements that are averaged.
    layer
        Number of the layer, which has random numbers of its own.

    Raises
    ------
    InputError
        If ``sigma`` is not positive or ``samples`` is below 1.
    """

    sigma: float
    samples: int = 1
    layer: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.sigma < math.inf:
            raise InputError(f"noise sigma={self.sigma}: expected a positive number")
        if self.samples < 1:
            raise InputError(f"noise samples={self.samples}: expected at least 1")

    @property
    def deviation(self) -> float:
        r"""Standard deviation of the mean, :math:`\sigma/\sqrt N`."""
        return self.sigma / math.sqrt(self.samples)

    def measured(
        self, activation: NDArray[Any], *, seed: int, batch: int, phase: int, levels: int = 1
    ) -> NDArray[Any]:
        """Return the activations of a layer as they are measured, as float32 or float64.

        Parameters
        ----------
        activation
            (batch, n).
        seed
            Seed of the run.
        batch
            Number of batches learned from before.
        phase
            0 for the first of the two contrasted phases, 1 for the second.
        levels
            Activation that means 1.0.
        """
        # Studies of several N see independent noise, which makes their agreement tell something.
        rng = generator(seed, Stream.NOISE, batch, self.layer, phase, self.samples)
        dtype: Any = np.float64 if activation.dtype == np.float64 else np.float32
        noise = rng.standard_normal(activation.shape, dtype)
        noise *= dtype(self.deviation * levels)
        noise += activation
        return noise

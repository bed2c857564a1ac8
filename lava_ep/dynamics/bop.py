r"""BOP: flip a binary weight when its momentum insists (Helwegen et al. 2019).

The published rule keeps an exponential moving average :math:`m \leftarrow (1-\gamma) m + \gamma g`
of the estimate :math:`g` and flips a weight where :math:`-\mathrm{sign}(w)\, m > \tau`. Written for
:math:`M = m/\gamma` it reads :math:`M \leftarrow (1-\gamma) M + g` and
:math:`-\mathrm{sign}(w)\, M > \theta = \tau/\gamma`, which also covers :math:`\gamma = 0`, a plain
counter with hysteresis.

Two exact transformations make the work proportional to the events. The decay is a common factor of
all momenta, so it is kept as one number and an untouched synapse costs nothing; it cannot flip
either, because its momentum only shrinks. And :math:`g` is an integer contrast times a
constant, so momenta are kept in units of that integer, and the constant goes into the threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.errors import InputError

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]

RESCALE_BITS = 16
"""Momenta are multiplied by 2**-16, exactly, whenever the common decay has fallen by that much."""


@dataclass(frozen=True)
class BOP:
    r"""Parameters of the flip rule of one synapse population.

    Parameters
    ----------
    gamma
        Adaptivity :math:`\gamma` in [0, 1).
    theta
        Threshold on :math:`M = m/\gamma`; the published threshold :math:`\tau` on :math:`m` is
        :math:`\theta = \tau/\gamma`.
    decay
        Factor :math:`d` in (0, 1] by which contributions shrink from one epoch to the next:
        :math:`M \leftarrow (1-\gamma) M + d^\mathrm{epoch} g`.
    epoch_updates
        Number of updates that count as one epoch for ``decay``.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    gamma: float
    theta: float
    decay: float = 1.0
    epoch_updates: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.gamma < 1:
            raise InputError(f"BOP gamma={self.gamma}: expected a value in [0, 1)")
        if not self.theta > 0:
            raise InputError(f"BOP theta={self.theta}: expected a positive threshold")
        if not 0 < self.decay <= 1:
            raise InputError(f"BOP decay={self.decay}: expected a factor in (0, 1]")
        if self.epoch_updates < 1:
            raise InputError(f"BOP epoch_updates={self.epoch_updates}: expected at least 1")

    def _rescalings(self, update: int) -> int:
        """How often the stored momenta have been rescaled before the update with this number."""
        bits = -update * math.log2(1.0 - self.gamma)
        return int(bits // RESCALE_BITS)

    def coefficients(self, update: int, *, unit: float) -> tuple[float, float, float]:
        """Numbers that turn one integer contrast into momenta and flips.

        Parameters
        ----------
        update
            Number of this update, from 0.
        unit
            Contrast that means an estimate of 1: beta span x batch x levels.

        Returns
        -------
        rescale, gain, threshold
            Multiply the stored momenta by ``rescale`` (1.0 nearly always), add ``gain`` x
            contrast to the touched ones, and flip where -w x momentum > ``threshold``.
        """
        rescalings = self._rescalings(update)
        rescale = 2.0 ** (-RESCALE_BITS * (rescalings - self._rescalings(max(update - 1, 0))))
        scale = 2.0 ** (update * math.log2(1.0 - self.gamma) + RESCALE_BITS * rescalings)
        gain = self.decay ** (update // self.epoch_updates) / scale
        return rescale, gain, self.theta * unit / scale


@kernel(
    "int64(i1[:,::1],i1[:,::1],f4[:,::1],i1[:,::1],i1[:,::1],i1[:,::1],i1[:,::1],f4,f4)",
    "int64(i1[:,::1],i1[:,::1],f4[:,::1],i4[:,::1],i1[:,::1],i4[:,::1],i1[:,::1],f4,f4)",
)
def bop_update(
    weights: Int8,
    weights_by_source: Int8,
    momentum: Float32,
    pre_first: Int8 | Int32,
    post_first: Int8,
    pre_second: Int8 | Int32,
    post_second: Int8,
    gain: np.float32,
    threshold: np.float32,
) -> int:
    r"""Contrast two network states and flip the weights that BOP flips, in place.

    .. math::
        C_{ij} &= \sum_\mathrm{batch} (b''_i a''_j - b'_i a'_j)
            = \sum_\mathrm{batch} (\Delta b_i\, a''_j + b'_i\, \Delta a_j) \\
        M_{ij} &\leftarrow M_{ij} + \mathrm{gain} \cdot C_{ij}, \qquad
        w_{ij} \leftarrow -w_{ij} \;\text{where}\; C_{ij} \ne 0
            \;\text{and}\; -w_{ij} M_{ij} > \mathrm{threshold}

    Only rows with a changed post-synaptic neuron, or with an active one and a changed source, are
    visited.

    Parameters
    ----------
    weights
        Signs, (n_post, n_pre); updated.
    weights_by_source
        The same signs, (n_pre, n_post); updated.
    momentum
        (n_post, n_pre), in units of the integer contrast; updated.
    pre_first, pre_second
        Source values :math:`a', a''` of the two states, (batch, n_pre), integers.
    post_first, post_second
        Post-synaptic activations :math:`b', b''`, (batch, n_post), 0 or 1.
    gain, threshold
        See `BOP.coefficients`; the sign of beta is part of ``gain``.

    Returns
    -------
    int
        Number of flipped weights.
    """
    batch, n_pre = pre_first.shape
    n_post = post_first.shape[1]
    changed = np.empty((batch, n_pre), np.int32)
    n_changed = np.zeros(batch, np.int32)
    for row in range(batch):
        for j in range(n_pre):
            if pre_second[row, j] != pre_first[row, j]:
                changed[row, n_changed[row]] = j
                n_changed[row] += 1
    contrast = np.zeros(n_pre, np.int32)
    flips = 0
    for i in range(n_post):
        touched = False
        for row in range(batch):
            delta = np.int32(post_second[row, i]) - np.int32(post_first[row, i])
            if delta != 0:
                touched = True
                for j in range(n_pre):
                    contrast[j] += delta * np.int32(pre_second[row, j])
            if post_first[row, i] != 0 and n_changed[row] != 0:
                touched = True
                for k in range(n_changed[row]):
                    j = changed[row, k]
                    contrast[j] += np.int32(pre_second[row, j]) - np.int32(pre_first[row, j])
        if not touched:
            continue
        for j in range(n_pre):
            c = contrast[j]
            if c != 0:
                contrast[j] = 0
                m = momentum[i, j] + gain * np.float32(c)
                momentum[i, j] = m
                w = weights[i, j]
                if -np.float32(w) * m > threshold:
                    weights[i, j] = -w
                    weights_by_source[j, i] = -w
                    flips += 1
    return flips


def alpha_gradient(
    total_first: Int32,
    post_first: Int8,
    total_second: Int32,
    post_second: Int8,
    *,
    alpha: float,
    levels: int,
    sign: int,
    span: float,
) -> float:
    r"""EP estimate for a learned scaling factor (Laydevant et al. 2021).

    .. math::
        \tfrac12 \frac{\mathrm{sign}}{\mathrm{span}\,B} \sum_\mathrm{batch}
        (b'' \cdot W a'' - b' \cdot W a'), \qquad W = \alpha\,\mathrm{sign}(W)

    Parameters
    ----------
    total_first, total_second
        Integer sums :math:`\mathrm{sign}(W) a` at the two states, (batch, n_post).
    post_first, post_second
        Activations at the two states, (batch, n_post).
    alpha, levels, sign, span
        See `current` and `update_bias`.
    """
    energy = np.sum(total_second * post_second, dtype=np.int64)
    energy -= np.sum(total_first * post_first, dtype=np.int64)
    return 0.5 * sign * alpha * float(energy) / (levels * span * post_first.shape[0])

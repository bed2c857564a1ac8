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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._bop import activation_masks, apply_contrast, bop_tile_signs, bop_tile_values
from lava_ep.dynamics.activation import Reals
from lava_ep.dynamics.constants import Constants, constant
from lava_ep.dynamics.signs import SignMatrix

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]


RESCALE_BITS = 16
"""Momenta are multiplied by 2**-16, exactly, whenever the common decay has fallen by that much."""


@dataclass(frozen=True)
class BOP(Constants):
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

    gamma: float = constant(description="BOP adaptivity", ge=0, lt=1)
    theta: float = constant(description="BOP threshold on M = m / gamma", gt=0)
    decay: float = constant(1.0, "factor from epoch to epoch", gt=0, le=1)
    epoch_updates: int = constant(1, "updates per epoch", ge=1)

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


def bop_update(
    signs: SignMatrix,
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
        C_{ij} &= \sum_\mathrm{batch} (b''_i a''_j - b'_i a'_j) \\
        M_{ij} &\leftarrow M_{ij} + \mathrm{gain} \cdot C_{ij}, \qquad
        w_{ij} \leftarrow -w_{ij} \;\text{where}\; C_{ij} \ne 0
            \;\text{and}\; -w_{ij} M_{ij} > \mathrm{threshold}

    Only rows with a changed post-synaptic neuron, and the changed sources of rows with an active
    one, are visited.

    Parameters
    ----------
    signs
        Signs of the weights, (n_post, n_pre); updated.
    momentum
        (n_post, n_pre), in units of the integer contrast; updated.
    pre_first, pre_second
        Source values :math:`a', a''` of the two states, (batch, n_pre): int8 activations, 0 or 1,
        or int32 pixels.
    post_first, post_second
        Post-synaptic activations :math:`b', b''`, (batch, n_post), 0 or 1.
    gain, threshold
        See `BOP.coefficients`; the sign of beta is part of ``gain``.

    Returns
    -------
    int
        Number of flipped weights.
    """
    n_post, n_pre = signs.shape
    posts = activation_masks(post_first), activation_masks(post_second)
    tile: Callable[..., int] = bop_tile_values
    pres: list[NDArray[Any]] = [pre_first, pre_second]
    if pre_first.dtype == np.int8:
        tile, pres = bop_tile_signs, [activation_masks(pre) for pre in pres]
    synapses = momentum, signs.forward, signs.backward
    states = pres[0], posts[0], pres[1], posts[1]
    return tile(0, n_post, 0, n_pre, *states, *synapses, gain, threshold)


def bop_contrast_update(
    signs: Reals, momentum: Reals, contrast: Reals, gain: float, threshold: float
) -> int:
    r"""Do what `bop_update` does with contrasts that are given, of graded states as well.

    Parameters
    ----------
    signs
        Signs of the weights as float32 or float64, of any shape; updated.
    momentum
        :math:`M`, of the same shape and type; updated.
    contrast
        :math:`C`, of the same shape and type.
    gain, threshold
        See `BOP.coefficients`.

    Returns
    -------
    int
        Number of flipped weights.
    """
    real = signs.dtype.type
    flat = signs.reshape(-1), momentum.reshape(-1), np.ascontiguousarray(contrast).reshape(-1)
    return apply_contrast(*flat, real(gain), real(threshold))


def energy_contrast(
    total_first: Int32, post_first: Int8, total_second: Int32, post_second: Int8
) -> int:
    r"""Return :math:`E = \sum_\mathrm{batch} (b'' \cdot S a'' - b' \cdot S a')` of signs S.

    Parameters
    ----------
    total_first, total_second
        Integer sums :math:`S a` at the two states, (batch, n_post).
    post_first, post_second
        Activations at the two states, (batch, n_post).
    """
    energy = np.sum(total_second * post_second, dtype=np.int64)
    energy -= np.sum(total_first * post_first, dtype=np.int64)
    return int(energy)


def energy_gradient(
    energy: int, *, samples: int, alpha: float, levels: int, sign: int, span: float
) -> float:
    r"""EP estimate for a learned scaling factor (Laydevant et al. 2021).

    .. math::
        \tfrac12 \frac{\mathrm{sign}}{\mathrm{span}\,B} \sum_\mathrm{batch}
        (b'' \cdot W a'' - b' \cdot W a'), \qquad W = \alpha\,\mathrm{sign}(W)

    Parameters
    ----------
    energy
        The sum without :math:`\alpha`, see `energy_contrast`.
    samples
        :math:`B`.
    alpha, levels, sign, span
        See `current` and `update_bias`.
    """
    return 0.5 * sign * alpha * float(energy) / (levels * span * samples)


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
    """Return the `energy_gradient` of two states, which `energy_contrast` describes."""
    energy = energy_contrast(total_first, post_first, total_second, post_second)
    samples = post_first.shape[0]
    return energy_gradient(
        energy, samples=samples, alpha=alpha, levels=levels, sign=sign, span=span
    )

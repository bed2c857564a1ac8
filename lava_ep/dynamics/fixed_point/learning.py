"""Learning in integers: rates are factors of 12 bits, and what is lost is rounded at random."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics.fixed_point.arithmetic import Factor
from lava_ep.dynamics.fixed_point.synapse import stored_weights, weight_step
from lava_ep.loihi2.formats import TAG, Format

Array = NDArray[Any]


def move_weights(weights: Array, contrast: Array, rate: Factor, rng: np.random.Generator) -> None:
    r"""Do a step of SGD with weights of 8 bits, in place.

    .. math:: w \leftarrow \mathrm{stored}(w + \{\eta\,C\})

    rounded at random to weights that the memory holds, see `stored_weights`: unless it comes to
    its limits, the mean of the new weight is :math:`w + \eta C`.

    Parameters
    ----------
    weights
        :math:`w`, whole numbers of any type; updated.
    contrast
        :math:`C` of the same shape, whole numbers.
    rate
        :math:`\eta`.
    rng
        Source of random bits.
    """
    dropped = weight_step().bit_length() - 1
    moved = weights.astype(np.int64) + rate.times_at_random(contrast, rng, dropped)
    weights[...] = stored_weights(moved)


def move_at_random(
    values: Array, contrast: Array, rate: Factor, width: Format, rng: np.random.Generator
) -> None:
    r"""Add :math:`\eta C`, rounded at random, and saturate, in place; see `move_weights`."""
    moved: Array = values + rate.times_at_random(contrast, rng)
    values[...] = width.saturated(moved)


def bop_update(
    signs: Array,
    tag: Array,
    contrast: Array,
    *,
    gain: Factor,
    decay: Factor,
    threshold: int,
    rng: np.random.Generator,
) -> int:
    r"""Flip the weights that BOP flips, with momenta of 9 bits, in place.

    The integer form of `lava_ep.dynamics.bop_update`:

    .. math::
        M &\leftarrow \mathrm{sat}_9(M - \{\gamma M\} + \{g\,C\}) \\
        w &\leftarrow -w \;\text{where}\; C \ne 0 \;\text{and}\; -w M > \theta

    where braces round at random.

    Parameters
    ----------
    signs
        Signs of the weights, of any type; updated.
    tag
        :math:`M`, of the same shape; updated.
    contrast
        :math:`C`, whole numbers.
    gain
        :math:`g`, with the sign of beta.
    decay
        :math:`\gamma`.
    threshold
        :math:`\theta`.
    rng
        Source of random bits.

    Returns
    -------
    int
        Number of flipped weights.
    """
    moved: Array = tag + gain.times_at_random(contrast, rng)
    if decay.mantissa:
        moved = moved - decay.times_at_random(tag, rng)
    tag[...] = TAG.saturated(moved)
    flipped = (contrast != 0) & (signs * tag < -threshold)
    np.negative(signs, out=signs, where=flipped)
    return int(np.count_nonzero(flipped))

"""What is drawn at random: hidden weights, fixed classifiers, and which weights are reinforced."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel


def initial_hidden(
    shape: tuple[int, int], scale: float, rng: np.random.Generator
) -> NDArray[np.int32]:
    r"""Draw odd integers like :math:`N(0, \sigma^2)`, cut off at :math:`2\sigma`.

    A draw :math:`x` becomes :math:`2\lfloor x / 2 \rfloor + 1`, so that both signs are alike.

    Parameters
    ----------
    shape
        (neurons, inputs).
    scale
        :math:`\sigma`.
    rng
        Source of the numbers.
    """
    drawn = rng.standard_normal(shape)
    while (outside := np.abs(drawn) > 2).any():
        drawn[outside] = rng.standard_normal(int(outside.sum()))
    hidden: NDArray[np.int32] = (2 * np.floor(scale * drawn / 2) + 1).astype(np.int32)
    return hidden


def fixed_classifier(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw a classifier of fair signs, (classes, outputs)."""
    return 2 * rng.integers(0, 2, shape, dtype=np.int32) - 1


def bernoulli_places(size: int, probability: float, rng: np.random.Generator) -> NDArray[np.int64]:
    r"""Return which of ``size`` places are hit if each is with the same probability, in order.

    The gaps between hits are drawn, so that the work grows with their number. They are geometric:
    :math:`1 + \lfloor E / \lambda \rfloor` of exponential E, with
    :math:`\lambda = -\ln(1 - p)`.
    """
    if probability <= 0:
        return np.zeros(0, np.int64)
    if probability >= 1:
        return np.arange(size)
    found: list[NDArray[np.int64]] = []
    last = -1
    while last < size:
        mean = (size - last) * probability
        # Seldom too few: four standard deviations more than needed.
        gaps = rng.standard_exponential(int(mean + 4 * math.sqrt(mean)) + 16)
        some = np.empty(len(gaps), np.int64)
        hits = _hit(gaps, -1 / math.log1p(-probability), last, size, some)
        found.append(some[:hits])
        last = size if hits < len(some) else int(some[-1])
    return found[0] if len(found) == 1 else np.concatenate(found)


@kernel("int64(f8[::1], float64, int64, int64, i8[::1])")
def _hit(
    gaps: NDArray[np.float64], scale: float, last: int, size: int, places: NDArray[np.int64]
) -> int:
    """Write the places below ``size`` that follow the last one by the gaps; return their number."""
    place: Any = last
    for k in range(gaps.size):
        place += 1 + np.int64(gaps[k] * scale)
        if place >= size:
            return k
        places[k] = place
    return gaps.size

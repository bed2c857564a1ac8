"""What is drawn at random: hidden weights, fixed classifiers, and which weights are reinforced."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


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
        count = int(1.1 * (size - last) * probability) + 16
        gaps = rng.standard_exponential(count)
        gaps *= -1 / math.log1p(-probability)
        some = last + np.cumsum(gaps.astype(np.int64) + 1)
        found.append(some)
        last = int(some[-1])
    places = np.concatenate(found)
    return places[places < size]

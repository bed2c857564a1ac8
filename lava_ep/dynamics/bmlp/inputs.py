"""Bits of pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def median_thresholds(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the median of every pixel, rounded down, over (samples, pixels), as (pixels, 1)."""
    medians: NDArray[np.uint8] = np.floor(np.median(images, axis=0)).astype(np.uint8)
    return medians[:, None]


def thermometer_thresholds(pixels: int, bits: int, levels: int) -> NDArray[np.uint8]:
    r"""Return :math:`\lfloor (2t + 1) L / 2T \rfloor` for the bits t = 0, …, T - 1 of every pixel.

    Parameters
    ----------
    pixels
        Number of pixels.
    bits
        T.
    levels
        L, the largest value of a pixel.

    Returns
    -------
    thresholds
        (pixels, bits).
    """
    row = ((2 * np.arange(bits) + 1) * levels // (2 * bits)).astype(np.uint8)
    return np.tile(row, (pixels, 1))


def binarize(pixels: NDArray[np.uint8], thresholds: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return +1 where a pixel is above a threshold and -1 elsewhere.

    Parameters
    ----------
    pixels
        (batch, pixels).
    thresholds
        (pixels, bits).

    Returns
    -------
    x
        (batch, pixels x bits): the bits of a pixel side by side.
    """
    above = pixels[:, :, None] > thresholds
    return np.where(above, 1, -1).astype(np.int8).reshape(len(pixels), -1)

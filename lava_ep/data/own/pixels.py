"""Numbers as the pixels that a network is shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lava_ep.data.own.samples import RawData
from lava_ep.errors import InputError


def thermometer(share: NDArray[np.float64], *, pixels: int, levels: int) -> NDArray[np.uint8]:
    r"""Spread every feature over pixels that fill up one after another.

    .. math:: p_j = \mathrm{round}(\mathrm{levels}\,\mathrm{clip}(k u - j, 0, 1)),
        \qquad j = 0 \dots k-1

    Synapses of weight +1 or -1 turn the k pixels of a feature into any piecewise linear function of
    it with k pieces that rise or fall alike, and a single pixel into one rising or falling line.

    Parameters
    ----------
    share : numpy.ndarray, shape (samples, features)
        Where each value lies within the range of its feature, :math:`u`, from 0 to 1.
    pixels : int
        Number of pixels :math:`k` per feature.
    levels : int
        Pixel value that means 1.0, at most 255.

    Returns
    -------
    numpy.ndarray of uint8, shape (samples, features x k)
        The pixels of a feature lie together.
    """
    filled = np.clip(share[:, :, None] * pixels - np.arange(pixels), 0, 1)
    values: NDArray[np.uint8] = np.rint(filled * levels).astype(np.uint8)
    return values.reshape(len(share), -1)


def as_pixels(x: ArrayLike, features: int, levels: int, where: str) -> NDArray[np.uint8]:
    """Return values that are pixels already as bytes, having checked every one.

    Parameters
    ----------
    x : array-like, shape (samples, features)
        Whole numbers from 0 to ``levels``.
    features : int
        Values of a sample.
    levels : int
        Pixel value that means 1.0.
    where : str
        What holds the values, for error messages.

    Raises
    ------
    InputError
        If the shape is another one, there is no sample, or a value is no pixel.
    """
    values = np.asarray(x)
    if values.ndim != 2 or values.shape[1] != features:
        raise InputError(
            f"{where}: shape {values.shape}: expected (samples, {features}), flattened samples"
        )
    if not len(values):
        raise InputError(f"{where}: no samples: expected at least one")
    if values.dtype == bool:
        values = values.astype(np.uint8)
    if not np.issubdtype(values.dtype, np.integer):
        whole = np.issubdtype(values.dtype, np.floating) and bool((values == np.rint(values)).all())
        # Zeros and ones may be black and white as well as shades 0 and 1 of many.
        if not whole or (levels > 1 and values.max() <= 1):
            raise InputError(
                f"{where}: {values.dtype}: expected whole numbers from 0 to {levels}, of an "
                "integer type where none is above 1; convert by X.astype(numpy.uint8), or values "
                f"from 0 to 1 by numpy.rint(X * {levels}).astype(numpy.uint8)"
            )
    low, high = values.min(), values.max()
    if low < 0 or high > levels:
        raise InputError(
            f"{where}: values from {low} to {high}: expected whole numbers from 0 to {levels}"
        )
    pixels: NDArray[np.uint8] = np.ascontiguousarray(values, np.uint8)
    return pixels


def are_pixels(raw: RawData) -> bool:
    """Whether all values are whole numbers from 0 to the full scale."""
    return all(
        not np.issubdtype(part.x.dtype, np.floating)
        and int(part.x.min(initial=0)) >= 0
        and int(part.x.max(initial=0)) <= (raw.full_scale or 0)
        for part in raw.parts()
    )

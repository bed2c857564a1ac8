"""Random changes of training images that keep their class."""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.dataset import ImageShape, count_features
from lava_ep.errors import InputError

CHUNK_SAMPLES = 1024
"""Images that are moved at a time; their indices take 8 bytes for each pixel."""


def crop_and_flip(
    images: NDArray[np.uint8],
    image_shape: ImageShape,
    rng: np.random.Generator,
    *,
    padding: int = 4,
) -> NDArray[np.uint8]:
    """Return a random crop of each image, half of them mirrored left to right.

    Each image is padded on all four sides by copies of its outermost pixels, and an image of the
    original size is cut out of that at a random place; then it is mirrored with probability 1/2.
    With offsets ``a``, ``b`` drawn uniformly from ``-padding..padding``, pixel ``(i, j)`` of the
    crop is pixel ``(clip(i + a, 0, height - 1), clip(j + b, 0, width - 1))`` of the image.

    Parameters
    ----------
    images : numpy.ndarray of uint8, shape (samples, features)
        One flattened image a row, as in `Dataset`; not changed.
    image_shape : tuple of int
        Height and width of an image, or height, width and number of channels.
    rng : numpy.random.Generator
        Source of the offsets and of the choice to mirror; its state alone decides them.
    padding : int
        Pixels added on each side; with 0, images are only mirrored.

    Returns
    -------
    numpy.ndarray of uint8, shape (samples, features)
        The new images, in the same order.

    Raises
    ------
    InputError
        If `images` and `image_shape` do not fit together, or `padding` is not an integer of at
        least 0.

    References
    ----------
    J. Laydevant, M. Ernoult, D. Querlioz, J. Grollier, "Training dynamical binary neural networks
    with equilibrium propagation", CVPR Workshops 2021; the augmentation of CIFAR-10.
    """
    features = count_features(image_shape, "crop_and_flip")
    _check(images, features, padding)
    height, width = image_shape[:2]
    samples = len(images)
    # Drawn for all images before the first chunk, so that its size does not matter.
    down, right = rng.integers(-padding, padding, (2, samples, 1), endpoint=True)
    mirrored = rng.integers(0, 2, samples, dtype=bool)
    # The channels of a pixel as one item: one index then moves them together.
    pixels = np.ascontiguousarray(images).view(f"V{features // (height * width)}")
    result = np.empty_like(pixels)
    for start in range(0, samples, CHUNK_SAMPLES):
        chunk = slice(start, start + CHUNK_SAMPLES)
        rows = np.clip(np.arange(height) + down[chunk], 0, height - 1)
        columns = np.clip(np.arange(width) + right[chunk], 0, width - 1)
        columns[mirrored[chunk]] = columns[mirrored[chunk], ::-1]
        sources = (width * rows[:, :, np.newaxis] + columns[:, np.newaxis, :]).reshape(
            len(rows), -1
        )
        result[chunk] = np.take_along_axis(pixels[chunk], sources, axis=1)
    return result.view(np.uint8)


def _check(images: NDArray[np.uint8], features: int, padding: int) -> None:
    """Raise InputError unless the arguments of `crop_and_flip` make sense."""
    if images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != features:
        raise InputError(
            f"crop_and_flip: images is an array of {images.dtype} with shape {images.shape}, "
            f"expected uint8 with shape (samples, {features}). Give one flattened image a row."
        )
    try:
        number = operator.index(padding)
    except TypeError:
        number = -1
    if number < 0:
        raise InputError(
            f"crop_and_flip: padding is {padding!r}, expected an integer of at least 0. "
            "Give the number of pixels to add on each side."
        )

"""The small set of handwritten digits that comes with scikit-learn."""

from __future__ import annotations

import numpy as np

from lava_ep.data.dataset import Dataset
from lava_ep.data.sources import register_dataset

TEST_SAMPLES = 360
"""Number of the 1797 images that are set apart for the test."""

LEVELS = 16
"""Pixels count the dark points in a 4 x 4 block, so they run from 0 to 16."""


@register_dataset(
    "digits", "handwritten digits, 8x8, 10 classes, 1437 + 360 images, bundled, no download"
)
def load_digits() -> Dataset:
    """Return the 8 x 8 digits with a fixed stratified split into 1437 and 360 images.

    Returns
    -------
    Dataset
        The images in the shuffled order of the split, so that the first N are a fair sample.

    References
    ----------
    E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998; the test part, as bundled with scikit-learn.
    """
    # Imported here because scikit-learn is slow to import and the other sets do without it.
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    bunch = datasets.load_digits()
    labels = bunch.target.astype(np.int64)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_SAMPLES, stratify=labels, random_state=0
    )
    pixels = bunch.data.astype(np.uint8)
    return Dataset(
        name="digits",
        x_train=pixels[train],
        y_train=labels[train],
        x_test=pixels[test],
        y_test=labels[test],
        levels=LEVELS,
        image_shape=(8, 8),
        class_names=tuple("0123456789"),
    )

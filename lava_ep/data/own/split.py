"""Training and test parts of samples that come in one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.errors import InputError


def stratified_split(
    labels: NDArray[Any], fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose test samples at random, the same share of each class.

    Each part gets at least one sample of each class. The choice depends on the labels, the
    fraction and the seed only.

    Parameters
    ----------
    labels : numpy.ndarray, shape (samples,)
        Label of each sample, of any type that can be sorted.
    fraction : float
        Share of the samples that are for testing, above 0 and below 1; that of each class is
        rounded to whole samples.
    seed : int
        Seed of the choice, at least 0.

    Returns
    -------
    train, test : numpy.ndarray of int64
        Positions of the samples of each part, ascending.

    Raises
    ------
    InputError
        If the fraction is out of range, there are no samples, or a class has only one.
    """
    if not 0 < fraction < 1:
        raise InputError(
            f"test fraction {fraction}: expected a number above 0 and below 1, such as 0.2. "
            "Correct it."
        )
    if len(labels) == 0:
        raise InputError("no samples to split into a training and a test part: expected some.")
    classes, members, counts = np.unique(labels, return_inverse=True, return_counts=True)
    single = classes[counts == 1]
    if single.size:
        others = f" and {single.size - 1} other classes" if single.size > 1 else ""
        raise InputError(
            f"class {single[0].item()!r}{others}: one sample only: expected at least two, one for "
            "training and one for testing. Add samples, remove the class, or supply a test part. "
            "If these are no classes, name the column of the labels by --label."
        )
    # scikit-learn's splitters may leave a small class without test samples, and draw from streams
    # that no version promises to keep. The raw bits of PCG64 are the same in all of them.
    draws = np.random.PCG64(seed).random_raw(len(labels))
    order = np.lexsort((draws, members))
    place = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = np.clip(np.rint(fraction * counts), 1, counts - 1).astype(np.int64)
    chosen = np.zeros(len(labels), bool)
    chosen[order] = place < np.repeat(share, counts)
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)

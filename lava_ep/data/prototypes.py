"""Random prototypes: noisy copies of ten random patterns of bits, made when they are loaded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.dataset import Dataset
from lava_ep.data.sources import register_dataset
from lava_ep.errors import InputError

PREFIX = "prototypes:"
"""How the names of these data sets begin; the flip probability follows."""

BITS, CLASSES = 1000, 10

SAMPLES = (10_000, 2_000)
"""Training and test samples."""

SEED = 0
"""Seed of prototypes and noise, so that everybody has the same samples."""


def prototypes() -> NDArray[np.uint8]:
    """Return the patterns, (classes, bits) of 0 and 1."""
    rng = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(0,)))
    return rng.integers(0, 2, (CLASSES, BITS), dtype=np.uint8)


@register_dataset(
    f"{PREFIX}FLIP",
    "noisy copies of random bits, 25x40, 10 classes, 10000 + 2000 samples, FLIP the probability "
    "of a flipped bit, made on loading, no download",
)
def load_prototypes(name: str) -> Dataset:
    r"""Return noisy copies of the prototypes: every bit is flipped with a probability p.

    The best possible classifier takes the class of the nearest prototype, see `nearest_prototype`.

    Parameters
    ----------
    name : str
        ``prototypes:p``, such as ``prototypes:0.44``.

    Returns
    -------
    Dataset
        10,000 + 2,000 samples of 1000 bits, ``levels`` 1, classes at random.

    Raises
    ------
    InputError
        If p is not a number from 0 to 0.5.

    References
    ----------
    C. Colombo, F. Pittorino, M. Roveri, "Training Multi-Layer Binary Neural Networks With Local
    Binary Error Signals", arXiv 2412.00119, 2024.
    """
    text = name.removeprefix(PREFIX)
    try:
        flip = float(text)
    except ValueError:
        flip = -1.0
    if not 0 <= flip <= 0.5:
        raise InputError(
            f"data set {name!r}: expected a flip probability from 0 to 0.5 after {PREFIX}, found "
            f"{text!r}. Write it like {PREFIX}0.44."
        )
    patterns = prototypes()
    parts = []
    for part, samples in enumerate(SAMPLES, start=1):
        # The same classes and the same random numbers for every p.
        rng = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(part,)))
        labels = rng.integers(0, CLASSES, samples)
        flipped = rng.random((samples, BITS), dtype=np.float32) < flip
        parts.append((patterns[labels] ^ flipped, labels))
    (x_train, y_train), (x_test, y_test) = parts
    return Dataset(
        name=name,
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        levels=1,
        image_shape=(25, 40),
        class_names=tuple(str(number) for number in range(CLASSES)),
    )


def nearest_prototype(samples: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the class of the prototype that differs in the fewest bits: the Bayes classifier."""
    x, patterns = samples.astype(np.int64), prototypes().astype(np.int64)
    distances = x.sum(axis=1)[:, None] + patterns.sum(axis=1) - 2 * (x @ patterns.T)
    nearest: NDArray[np.int64] = distances.argmin(axis=1)
    return nearest

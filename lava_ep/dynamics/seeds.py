"""Every random number of a run, derived from its one seed."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """The independent random streams of a run; the value is the first spawn key."""

    DATA_ORDER = 0
    NUDGING_SIGN = 1
    WEIGHTS = 2
    BIASES = 3
    FEEDBACK = 4
    AUGMENTATION = 5
    ENCODING = 6
    ROUNDING = 7
    NOISE = 8
    CLASSIFIERS = 9
    REINFORCEMENT = 10


def generator(seed: int, stream: Stream, *index: int) -> np.random.Generator:
    """Return the generator of one stream, a pure function of its arguments.

    Parameters
    ----------
    seed
        Seed of the run, a non-negative integer.
    stream
        What the numbers are for.
    index
        Further spawn keys, such as the layer or the epoch. A stream that is addressed by epoch or
        batch instead of being drawn from continues after a resume as if nothing had happened.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(stream), *index)))

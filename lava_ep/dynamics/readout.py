"""From the enlarged output layer to class scores."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.errors import InputError


@kernel("f4[:,::1](f4[:,::1], int64)", allocates=True)
def group_mean(values: NDArray[np.float32], classes: int) -> NDArray[np.float32]:
    """Mean of each class's group of output neurons.

    Parameters
    ----------
    values
        (batch, classes x e): neurons of class 0 first, then class 1, and so on.
    classes
        Number of classes; e neurons belong to each.

    Returns
    -------
    scores
        (batch, classes); summed in the order of the neurons.
    """
    batch, n = values.shape
    size = n // classes
    scores = np.empty((batch, classes), np.float32)
    for row in range(batch):
        for c in range(classes):
            total = np.float32(0.0)
            for k in range(c * size, (c + 1) * size):
                total += values[row, k]
            scores[row, c] = total / np.float32(size)
    return scores


def check_labels(labels: NDArray[np.integer[Any]], classes: int) -> None:
    """Check that labels are classes.

    Raises
    ------
    InputError
        If one is not.
    """
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"labels {labels.tolist()}: expected classes from 0 to {classes - 1}")


def expand_target(labels: NDArray[np.integer[Any]], classes: int, neurons: int) -> NDArray[np.int8]:
    """One-hot target repeated for every output neuron of the class, (batch, neurons).

    Raises
    ------
    InputError
        If ``neurons`` is not a multiple of ``classes``, or a label is no class.
    """
    if neurons % classes:
        raise InputError(
            f"{neurons} output neurons for {classes} classes: expected a multiple of the classes"
        )
    check_labels(labels, classes)
    target: NDArray[np.int8] = (labels[:, None] == _owners(classes, neurons)).view(np.int8)
    return target


@functools.lru_cache(maxsize=16)
def _owners(classes: int, neurons: int) -> NDArray[np.int64]:
    """Class of each output neuron, (neurons,)."""
    owners = np.repeat(np.arange(classes), neurons // classes)
    owners.flags.writeable = False
    return owners


NO_TARGET = np.zeros((0, 0), np.int8)
"""What compiled steps take where nobody is nudged."""


def checked_target(
    target: NDArray[np.int8] | None, beta: float, shape: tuple[int, ...]
) -> NDArray[np.int8]:
    """Return the target of a time step, an empty one if there is none.

    Raises
    ------
    InputError
        If ``beta`` is not 0 and there is no target of the shape of the states, (batch, n).
    """
    if target is None:
        target = NO_TARGET
    if beta != 0 and target.shape != shape:
        raise InputError(f"beta={beta}: expected a target of shape {shape}")
    return target

"""Probabilities of classes from scores: a softmax whose temperature is fitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

CALIBRATED = 1024
"""Samples that a temperature is fitted to at most."""

DECADES = (-4, 6)
"""Powers of ten between which the temperature is searched, first in quarters of them."""

UNITS, LARGEST = 2**24, 1e6
"""Units that losses of samples are rounded to, per nat, and the largest loss that counts."""

FINENESS = 40
"""Temperatures per power of ten in the end."""


def fit_temperature(
    scores: NDArray[Any],
    labels: NDArray[np.int64],
    add_up: Callable[[NDArray[np.int64]], NDArray[np.int64]] = np.asarray,
) -> float:
    r"""Return the temperature that makes scores the most likely probabilities.

    It minimizes the cross-entropy :math:`-\sum_k q_k \log p_k` of
    :math:`p_k = e^{s_k/T} / \sum_j e^{s_j/T}` over a fixed grid, so that ranks that share the
    samples find the same one. The targets q are those of Platt: with N samples of K classes,
    :math:`(N + 1)/(N + K)` for the label and :math:`1/(N + K)` for the others, so that a network
    that was never wrong is not taken for one that cannot be.

    Parameters
    ----------
    scores : numpy.ndarray, shape (samples, classes)
        Class scores.
    labels : numpy.ndarray of int64, shape (samples,)
        True classes.
    add_up : callable
        Adds integers up over all ranks.

    Returns
    -------
    float
        T.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
    J. Platt, "Probabilistic Outputs for Support Vector Machines", Advances in Large Margin
    Classifiers, 1999.
    """
    values = np.asarray(scores, np.float64)
    rows, classes = np.arange(len(labels)), values.shape[1]
    samples = int(add_up(np.array([len(labels)], np.int64))[0])

    def loss(exponent: float) -> int:
        logs = log_softmax(values / 10**exponent, axis=1)
        found = -(samples * logs[rows, labels] + logs.sum(axis=1)) / (samples + classes)
        # Integers add up to the same in any order.
        return int(np.rint(np.minimum(found, LARGEST) * UNITS).astype(np.int64).sum())

    def best(exponents: NDArray[np.float64]) -> float:
        losses = np.array([loss(exponent) for exponent in exponents], np.int64)
        return float(exponents[np.argmin(add_up(losses))])

    low, high = DECADES
    near = best(np.linspace(low, high, 4 * (high - low) + 1))
    quarter = FINENESS // 4
    return float(10 ** best(near + np.arange(1 - quarter, quarter) / FINENESS))


def probabilities(scores: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    r"""Return :math:`e^{s_k/T} / \sum_j e^{s_j/T}` of each row of scores.

    Parameters
    ----------
    scores : numpy.ndarray, shape (samples, classes)
        Class scores.
    temperature : float
        T.
    """
    found: NDArray[np.float64] = np.exp(
        log_softmax(np.asarray(scores, np.float64) / temperature, axis=1)
    )
    return found

"""Binary synapses: integer sums of events, and their conversion to synaptic currents."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.errors import InputError

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]

EXACT_FLOAT32 = 2**24
"""Integers up to this size are exact in float32, whatever the order of summation."""

DENSE_FRACTION = 0.1
"""Above this share of non-zero events a matrix product is faster than event-wise addition."""


@kernel("int64(i1[:,::1])", "int64(i4[:,::1])")
def count_events(events: Int8 | Int32) -> int:
    """Count the non-zero entries of (batch, n) events."""
    count = 0
    for row in range(events.shape[0]):
        for n in range(events.shape[1]):
            count += events[row, n] != 0
    return count


@kernel("void(i1[:,::1], i1[:,::1], i4[:,::1])", "void(i4[:,::1], i1[:,::1], i4[:,::1])")
def _add_events(events: Int8 | Int32, weights: Int8, total: Int32) -> None:
    # Events are rare: look at eight bytes at a time and skip the silent ones.
    sources = events.shape[1]
    flat = events.reshape(-1)
    per_word = 8 // flat.itemsize
    n_words = flat.size // per_word
    words = flat[: n_words * per_word].view(np.uint64)
    for word in range(n_words + 1):
        start = word * per_word
        if word < n_words and words[word] == 0:
            continue
        for k in range(start, min(start + per_word, flat.size)):
            e = np.int32(flat[k])
            if e != 0:
                out = total[k // sources]
                w = weights[k % sources]
                for m in range(out.shape[0]):
                    out[m] += e * np.int32(w[m])


def integrate_events(events: Int8 | Int32, weights: Int8, total: Int32) -> int:
    r"""Add the events of one time step to the running integer sums of their targets, in place.

    .. math:: S_{rm} \leftarrow S_{rm} + \sum_n e_{rn}\, w_{nm}

    The work is one addition per event and target. Where most sources have an event (all of them
    when a sample is loaded) the same integers are computed by one matrix product in float32, which
    is exact as long as no partial sum can reach 2**24.

    Parameters
    ----------
    events
        Changes of the sources, (batch, n): int8 from neurons, int32 from pixels.
    weights
        Signs of the weights, source-major (n, m), each -1 or +1.
    total
        Sums :math:`S`, (batch, m); updated.

    Returns
    -------
    int
        Number of events.
    """
    count = count_events(events)
    if count > DENSE_FRACTION * events.size:
        largest = int(np.abs(events).max())
        if largest * events.shape[1] < EXACT_FLOAT32:
            product = events.astype(np.float32) @ weights.astype(np.float32)
            total += product.astype(np.int32)
            return count
    if count:
        _add_events(events, weights, total)
    return count


@kernel("void(i4[:,::1], f4, f4[:,::1])")
def _scale(total: Int32, gain: np.float32, scaled: Float32) -> None:
    for row in range(total.shape[0]):
        for m in range(total.shape[1]):
            scaled[row, m] = gain * np.float32(total[row, m])


def current(total: Int32, alpha: float, levels: int, out: Float32 | None = None) -> Float32:
    r"""Convert integer sums to synaptic currents.

    .. math:: I = \mathrm{float32}(\alpha / L) \cdot S

    Parameters
    ----------
    total
        Integer sums :math:`S` of `integrate_events`, (batch, m).
    alpha
        Scaling factor :math:`\alpha` of the binary weights :math:`\pm\alpha`.
    levels
        Source value :math:`L` that means 1.0: 1 for binary neurons, e.g. 255 for pixels.
    out
        Array for the result, (batch, m).

    Returns
    -------
    ndarray
        Currents :math:`I`, (batch, m).
    """
    if out is None:
        out = np.empty(total.shape, np.float32)
    _scale(total, np.float32(alpha / levels), out)
    return out


def initial_weights(shape: tuple[int, int], rng: np.random.Generator) -> Int8:
    """Draw the signs of the weights, -1 or +1 with equal probability, (n_post, n_pre)."""
    return rng.integers(0, 2, size=shape, dtype=np.int8) * np.int8(2) - np.int8(1)


def scaling_factor(fan_in: int, scale: float) -> float:
    r"""Return the initial scaling factor :math:`\alpha = c / \sqrt{\mathrm{fan\,in}}`.

    ``scale`` :math:`c = 0.5` is the mean absolute value of the uniform initialization
    :math:`U(-1/\sqrt{n}, 1/\sqrt{n})` that Laydevant et al. (2021) start from.
    """
    if fan_in < 1:
        raise InputError(f"fan_in={fan_in}: expected at least 1 source")
    return float(scale / np.sqrt(fan_in))

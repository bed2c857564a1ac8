"""Kernels of `lava_ep.dynamics.bop`: contrasts as counts of bits, momenta, and flips."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics._words import VECTOR_BITS, lowest_bit, popcount, where_above, where_below
from lava_ep.dynamics.activation import Reals
from lava_ep.dynamics.signs import Words

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

WORD = 64
"""Samples, or synapses, that share a word."""


@kernel("void(i1[:,::1], int64, u8[:,::1])")
def _collect_masks(activation: Int8, first: int, masks: Words) -> None:
    neurons = masks.shape[1]
    for row in range(activation.shape[0]):
        bit = np.uint64(row % WORD)
        mask = masks[row // WORD]
        active = activation[row, first : first + neurons]
        for n in range(neurons):
            mask[n] |= np.uint64(active[n]) << bit


def activation_masks(activation: Int8, first: int = 0, last: int | None = None) -> Words:
    """Collect the activations of each neuron over the batch.

    Parameters
    ----------
    activation
        (batch, n), 0 or 1.
    first, last
        The neurons to do this for, by default all.

    Returns
    -------
    masks
        (words, last - first): bit r % 64 of ``masks[r // 64, i]`` tells whether neuron first + i
        is active in sample r.
    """
    batch, n = activation.shape
    masks = np.zeros((-(-batch // WORD), (n if last is None else last) - first), np.uint64)
    _collect_masks(activation, first, masks)
    return masks


@kernel("void(int64, int64, u8[:,:,::1], u8[:,:,::1])")
def _flip(i: int, j: int, forward: Words, backward: Words) -> None:
    backward[j // VECTOR_BITS, i, j % VECTOR_BITS // WORD] ^= np.uint64(1) << np.uint64(j % WORD)
    forward[i // VECTOR_BITS, j, i % VECTOR_BITS // WORD] ^= np.uint64(1) << np.uint64(i % WORD)


@kernel("int64(int64, int64, int64, i4[::1], f4[:,::1], u8[:,:,::1], u8[:,:,::1], f4, f4)")
def _apply_row(
    i: int,
    first: int,
    last: int,
    contrast: Int32,
    momentum: Float32,
    forward: Words,
    backward: Words,
    gain: np.float32,
    threshold: np.float32,
) -> int:
    """Move the momenta of row i by contrasts of the columns from first to last, and flip."""
    flips = 0
    for start in range(first, last, WORD):
        stop = min(start + WORD, last)
        moved, change = momentum[i, start:stop], contrast[start - first : stop - first]
        above, below = np.uint64(0), np.uint64(0)
        if stop - start == WORD:
            for k in range(WORD):
                m = moved[k] + gain * np.float32(change[k])
                moved[k] = m if change[k] != 0 else moved[k]
            above = where_above(moved, 0, threshold)
            above |= where_above(moved, 32, threshold) << np.uint64(32)
            below = where_below(moved, 0, -threshold)
            below |= where_below(moved, 32, -threshold) << np.uint64(32)
        else:
            for k in range(stop - start):
                if change[k] != 0:
                    moved[k] += gain * np.float32(change[k])
                above |= np.uint64(moved[k] > threshold) << np.uint64(k)
                below |= np.uint64(moved[k] < -threshold) << np.uint64(k)
        signs = backward[start // VECTOR_BITS, i, start % VECTOR_BITS // WORD]
        candidates = (above & ~signs) | (below & signs)
        while candidates:
            k = lowest_bit(candidates)
            candidates &= candidates - np.uint64(1)
            if change[k] != 0:
                _flip(i, start + k, forward, backward)
                flips += 1
    return flips


@kernel("int64(int64, int64, int32, f4[:,::1], u8[:,:,::1], u8[:,:,::1], f4, f4)")
def _apply_one(
    i: int,
    j: int,
    contrast: np.int32,
    momentum: Float32,
    forward: Words,
    backward: Words,
    gain: np.float32,
    threshold: np.float32,
) -> int:
    """Move one momentum by a contrast, and flip the weight or not."""
    m = momentum[i, j] + gain * np.float32(contrast)
    momentum[i, j] = m
    if contrast == 0 or abs(m) <= threshold:
        return 0
    signs = backward[j // VECTOR_BITS, i, j % VECTOR_BITS // WORD]
    positive = signs >> np.uint64(j % WORD) & np.uint64(1)
    if positive != (m < 0):
        return 0
    _flip(i, j, forward, backward)
    return 1


@kernel("void(int64, int64, u8[:,::1], u8[:,::1], u8[:,::1], u8[:,::1], i4[::1])")
def _contrast(
    i: int,
    first: int,
    pre_first: Words,
    post_first: Words,
    pre_second: Words,
    post_second: Words,
    contrast: Int32,
) -> None:
    """Count the samples in which i and a source are both active, now minus before."""
    contrast[:] = 0
    for word in range(post_first.shape[0]):
        b_first, b_second = post_first[word, i], post_second[word, i]
        last = first + contrast.size
        a_first, a_second = pre_first[word, first:last], pre_second[word, first:last]
        for j in range(contrast.size):
            contrast[j] += np.int32(popcount(b_second & a_second[j]))
            contrast[j] -= np.int32(popcount(b_first & a_first[j]))


@kernel("void(int64, int64, i4[:,::1], u8[:,::1], i4[:,::1], u8[:,::1], b1[::1], i4[::1])")
def _contrast_values(
    i: int,
    first: int,
    pre_first: Int32,
    post_first: Words,
    pre_second: Int32,
    post_second: Words,
    changed: NDArray[np.bool_],
    contrast: Int32,
) -> None:
    """Add the values of the samples in which i is active, now minus before.

    Where sources stay as they are, as clamped images do, only samples in which i changes count;
    ``changed`` tells the others.
    """
    contrast[:] = 0
    for row in range(pre_first.shape[0]):
        bit = np.uint64(row % WORD)
        before = post_first[row // WORD, i] >> bit & np.uint64(1)
        after = post_second[row // WORD, i] >> bit & np.uint64(1)
        if before == after and not (before and changed[row]):
            continue
        a_first, a_second = pre_first[row], pre_second[row]
        for k in range(contrast.size):
            contrast[k] += (
                np.int32(after) * a_second[first + k] - np.int32(before) * a_first[first + k]
            )


@kernel("void(i8[::1], u8[:,::1], u8[:,::1], u8[:,::1], u8[:,::1], i4[:,::1])")
def contrasts_of_signs(
    rows: Int64,
    pre_first: Words,
    post_first: Words,
    pre_second: Words,
    post_second: Words,
    contrasts: Int32,
) -> None:
    """Compute the contrasts of `bop_update` for some targets, from masks of activations.

    Parameters
    ----------
    rows
        The targets.
    pre_first, post_first, pre_second, post_second
        See `activation_masks`.
    contrasts
        Receives them, (rows, sources).
    """
    for r in range(rows.size):
        _contrast(rows[r], 0, pre_first, post_first, pre_second, post_second, contrasts[r])


@kernel("void(i8[::1], i4[:,::1], u8[:,::1], i4[:,::1], u8[:,::1], i4[:,::1])", allocates=True)
def contrasts_of_values(
    rows: Int64,
    pre_first: Int32,
    post_first: Words,
    pre_second: Int32,
    post_second: Words,
    contrasts: Int32,
) -> None:
    """Do what `contrasts_of_signs` does where sources are pixels, (batch, sources) values."""
    changed = np.zeros(pre_first.shape[0], np.bool_)
    for row in range(pre_first.shape[0]):
        for j in range(pre_first.shape[1]):
            changed[row] |= pre_first[row, j] != pre_second[row, j]
    for r in range(rows.size):
        _contrast_values(
            rows[r], 0, pre_first, post_first, pre_second, post_second, changed, contrasts[r]
        )


SPARSE_FRACTION = 1 / 32
"""Below this share of changed sources they are visited one by one."""


_TILE = "int64, int64, int64, int64"


_SYNAPSES = "f4[:,::1], u8[:,:,::1], u8[:,:,::1], f4, f4"


@kernel(f"int64({_TILE}, u8[:,::1], u8[:,::1], u8[:,::1], u8[:,::1], {_SYNAPSES})", allocates=True)
def bop_tile_signs(
    first_post: int,
    last_post: int,
    first_pre: int,
    last_pre: int,
    pre_first: Words,
    post_first: Words,
    pre_second: Words,
    post_second: Words,
    momentum: Float32,
    forward: Words,
    backward: Words,
    gain: np.float32,
    threshold: np.float32,
) -> int:
    """Do `bop_update` for a tile of synapses between neurons.

    With the activations of a neuron over the batch as bits of a word (`activation_masks`), the
    contrast of a synapse is the difference of two counts of bits. Tiles that begin at multiples
    of 64 on both sides share no word, and can be updated at the same time.
    """
    words = post_first.shape[0]
    contrast = np.empty(last_pre - first_pre, np.int32)
    changed = np.empty(last_pre - first_pre, np.int32)
    n_changed = 0
    for j in range(first_pre, last_pre):
        for word in range(words):
            if pre_first[word, j] != pre_second[word, j]:
                changed[n_changed] = j
                n_changed += 1
                break
    changed_first = np.empty((words, n_changed), np.uint64)
    changed_second = np.empty((words, n_changed), np.uint64)
    for word in range(words):
        for k in range(n_changed):
            changed_first[word, k] = pre_first[word, changed[k]]
            changed_second[word, k] = pre_second[word, changed[k]]
    change = np.empty(n_changed, np.int32)
    sparse = n_changed < SPARSE_FRACTION * contrast.size
    flips = 0
    for i in range(first_post, last_post):
        active, moves = np.uint64(0), np.uint64(0)
        for word in range(words):
            active |= post_first[word, i]
            moves |= post_first[word, i] ^ post_second[word, i]
        if moves:
            _contrast(i, first_pre, pre_first, post_first, pre_second, post_second, contrast)
        elif active and n_changed:
            _contrast(i, 0, changed_first, post_first, changed_second, post_first, change)
            if sparse:
                for k in range(n_changed):
                    flips += _apply_one(
                        i,
                        int(changed[k]),
                        change[k],
                        momentum,
                        forward,
                        backward,
                        gain,
                        threshold,
                    )
                continue
            contrast[:] = 0
            for k in range(n_changed):
                contrast[changed[k] - first_pre] = change[k]
        else:
            continue
        flips += _apply_row(
            i, first_pre, last_pre, contrast, momentum, forward, backward, gain, threshold
        )
    return flips


@kernel(f"int64({_TILE}, i4[:,::1], u8[:,::1], i4[:,::1], u8[:,::1], {_SYNAPSES})", allocates=True)
def bop_tile_values(
    first_post: int,
    last_post: int,
    first_pre: int,
    last_pre: int,
    pre_first: Int32,
    post_first: Words,
    pre_second: Int32,
    post_second: Words,
    momentum: Float32,
    forward: Words,
    backward: Words,
    gain: np.float32,
    threshold: np.float32,
) -> int:
    """Do `bop_update` for a tile of synapses that come from pixels, (batch, n_pre) values.

    Images are clamped, so the contrast is the sum of the images for which a neuron changed.
    """
    batch = pre_first.shape[0]
    contrast = np.empty(last_pre - first_pre, np.int32)
    changed = np.zeros(batch, np.bool_)
    any_changed = False
    for row in range(batch):
        for j in range(first_pre, last_pre):
            changed[row] |= pre_first[row, j] != pre_second[row, j]
        any_changed |= changed[row]
    flips = 0
    for i in range(first_post, last_post):
        moves = any_changed
        for word in range(post_first.shape[0]):
            moves |= post_first[word, i] != post_second[word, i]
        if not moves:
            continue
        _contrast_values(
            i, first_pre, pre_first, post_first, pre_second, post_second, changed, contrast
        )
        flips += _apply_row(
            i, first_pre, last_pre, contrast, momentum, forward, backward, gain, threshold
        )
    return flips


@kernel(f"int64(i8[::1], i8[::1], i4[:,::1], {_SYNAPSES})")
def bop_tile_contrasts(
    rows: Int64,
    columns: Int64,
    contrasts: Int32,
    momentum: Float32,
    forward: Words,
    backward: Words,
    gain: np.float32,
    threshold: np.float32,
) -> int:
    """Do `bop_update` for contrasts that are given, (rows, columns), of some synapses.

    ``rows`` and ``columns`` are targets and sources in ascending order; a ``columns`` as long as a
    row of momenta is all of them. Calls share no word if 64 does not divide their rows alike.
    """
    flips = 0
    for r in range(rows.size):
        if columns.size == momentum.shape[1]:
            flips += _apply_row(
                rows[r],
                0,
                columns.size,
                contrasts[r],
                momentum,
                forward,
                backward,
                gain,
                threshold,
            )
            continue
        for k in range(columns.size):
            if contrasts[r, k] != 0:
                flips += _apply_one(
                    rows[r],
                    columns[k],
                    contrasts[r, k],
                    momentum,
                    forward,
                    backward,
                    gain,
                    threshold,
                )
    return flips


@kernel(
    "int64(f4[::1], f4[::1], f4[::1], f4, f4)",
    "int64(f8[::1], f8[::1], f8[::1], f8, f8)",
)
def apply_contrast(
    signs: Reals, momentum: Reals, contrast: Reals, gain: float, threshold: float
) -> int:
    """Do what `bop_contrast_update` does, with flat arrays."""
    flips = 0
    for n in range(signs.size):
        m = momentum[n] + gain * contrast[n]
        momentum[n] = m
        flip = (contrast[n] != 0) & (-signs[n] * m > threshold)
        signs[n] = -signs[n] if flip else signs[n]
        flips += flip
    return flips

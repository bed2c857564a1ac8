"""The same layer on bits packed into words of 64: XNOR, popcount, and integer steps.

Bit j of a row is bit ``j % 64`` of its word ``j // 64``; it is set for +1. Bits beyond the last are
0 in all rows, so that they never differ. Each function does what the function of the equation in
`lava_ep.dynamics.bmlp.rule` does, for a part of the rows, so that threads can share the work: no
number depends on the order of the parts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics._words import popcount, where_brighter, where_no_smaller

Words = NDArray[np.uint64]

WORD = 64
"""Bits of a word."""

TILE = 4
"""Samples that are multiplied with two neurons at a time."""


def words_of(bits: int) -> int:
    """Words that hold so many bits."""
    return -(-bits // WORD)


def empty_rows(rows: int, bits: int) -> Words:
    """Return packed rows of bits that are all -1."""
    return np.zeros((rows, words_of(bits)), np.uint64)


@kernel("void(u1[:,::1], u1[:,::1], u1[::1], u8[:,::1])")
def pack_above(
    pixels: NDArray[np.uint8],
    thresholds: NDArray[np.uint8],
    copies: NDArray[np.uint8],
    rows: Words,
) -> None:
    """Pack `lava_ep.dynamics.bmlp.binarize` of (batch, pixels) into rows.

    ``copies`` is room for the pixels of a sample, each once for each of its thresholds.
    """
    bits = thresholds.shape[1]
    limits = thresholds.reshape(-1)
    for sample in range(pixels.shape[0]):
        values = pixels[sample]
        if bits > 1:
            values = copies
            for pixel in range(pixels.shape[1]):
                for bit in range(bits):
                    copies[pixel * bits + bit] = pixels[sample, pixel]
        for word in range(rows.shape[1]):
            first = 64 * word
            if first + 64 <= values.size:
                low = where_brighter(values, first, limits, first)
                high = where_brighter(values, first + 32, limits, first + 32)
                rows[sample, word] = low | high << np.uint64(32)
                continue
            found = np.uint64(0)
            for bit in range(values.size - first):
                found |= np.uint64(values[first + bit] > limits[first + bit]) << np.uint64(bit)
            rows[sample, word] = found


@kernel("u8(i4[::1], int64, int64, int32)", inline=True)
def _word_where(values: NDArray[np.int32], first: int, count: int, least: Any) -> Any:
    """Return which of up to 64 numbers are no smaller than another, as bits."""
    found = np.uint64(0)
    if count >= 64:
        low = where_no_smaller(values, first, least)
        found = low | where_no_smaller(values, first + 32, least) << np.uint64(32)
    else:
        for bit in range(count):
            found |= np.uint64(values[first + bit] >= least) << np.uint64(bit)
    return found


@kernel("void(i1[:,::1], u8[:,::1])")
def pack_events(events: NDArray[np.int8], rows: Words) -> None:
    """Pack (batch, bits) of 1 for +1 and 0 for -1 into rows."""
    for sample in range(events.shape[0]):
        for word in range(rows.shape[1]):
            found = np.uint64(0)
            for bit in range(min(64, events.shape[1] - 64 * word)):
                found |= np.uint64(events[sample, 64 * word + bit] & 1) << np.uint64(bit)
            rows[sample, word] = found


@kernel("void(u8[:,::1], i1[:,::1])")
def unpack_events(rows: Words, events: NDArray[np.int8]) -> None:
    """Undo `pack_events`."""
    for sample in range(events.shape[0]):
        for bit in range(events.shape[1]):
            events[sample, bit] = (rows[sample, bit >> 6] >> np.uint64(bit & 63)) & np.uint64(1)


@kernel("int64(i4[:,::1], u8[:,::1], u1[::1], int64, int64)")
def pack_signs(
    hidden: NDArray[np.int32], rows: Words, stale: NDArray[np.uint8], first: int, last: int
) -> int:
    """Pack the signs of the hidden weights of some neurons; return how many bits have changed.

    Parameters
    ----------
    hidden
        (neurons, inputs).
    rows
        Packed signs.
    stale
        (neurons,): nonzero for those whose signs may have changed; set to 0.
    first, last
        Which neurons.
    """
    inputs = hidden.shape[1]
    flips = 0
    for neuron in range(first, last):
        if stale[neuron] == 0:
            continue
        stale[neuron] = 0
        for word in range(rows.shape[1]):
            found = _word_where(hidden[neuron], 64 * word, inputs - 64 * word, np.int32(1))
            flips += popcount(found ^ rows[neuron, word])
            rows[neuron, word] = found
    return flips


@kernel("void(u8[:,::1], u8[:,::1], int64, i4[:,::1], int64, int64)")
def sums(x: Words, weights: Words, bits: int, z: NDArray[np.int32], first: int, last: int) -> None:
    r"""Write :math:`z = n - 2\,\mathrm{popcount}(x \oplus w)`, which is n bits' :math:`w \cdot x`.

    Parameters
    ----------
    x
        Packed inputs of all samples.
    weights
        Packed signs of all neurons.
    bits
        n.
    z
        (batch, neurons).
    first, last
        Which samples.
    """
    words, neurons = weights.shape[1], weights.shape[0]
    whole = first + (last - first) // TILE * TILE
    for sample in range(first, whole, TILE):
        for neuron in range(0, neurons - 1, 2):
            a = b = c = d = e = f = g = h = np.uint64(0)
            for word in range(words):
                v, w = weights[neuron, word], weights[neuron + 1, word]
                p, q = x[sample, word], x[sample + 1, word]
                r, s = x[sample + 2, word], x[sample + 3, word]
                a += popcount(p ^ v)
                b += popcount(q ^ v)
                c += popcount(r ^ v)
                d += popcount(s ^ v)
                e += popcount(p ^ w)
                f += popcount(q ^ w)
                g += popcount(r ^ w)
                h += popcount(s ^ w)
            z[sample, neuron] = bits - 2 * np.int64(a)
            z[sample + 1, neuron] = bits - 2 * np.int64(b)
            z[sample + 2, neuron] = bits - 2 * np.int64(c)
            z[sample + 3, neuron] = bits - 2 * np.int64(d)
            z[sample, neuron + 1] = bits - 2 * np.int64(e)
            z[sample + 1, neuron + 1] = bits - 2 * np.int64(f)
            z[sample + 2, neuron + 1] = bits - 2 * np.int64(g)
            z[sample + 3, neuron + 1] = bits - 2 * np.int64(h)
    for sample in range(first, last):
        # What the tiles of two neurons and four samples have left.
        for neuron in range(neurons // 2 * 2 if sample < whole else 0, neurons):
            a = np.uint64(0)
            for word in range(words):
                a += popcount(x[sample, word] ^ weights[neuron, word])
            z[sample, neuron] = bits - 2 * np.int64(a)


@kernel("void(i4[:,::1], int64, u8[:,::1], int64, int64)")
def activate(z: NDArray[np.int32], group: int, rows: Words, first: int, last: int) -> None:
    """Pack what some samples pass on: the sign of z, or the majority of groups of more than one."""
    outputs = z.shape[1] // group
    for sample in range(first, last):
        for word in range(rows.shape[1]):
            if group == 1:
                rows[sample, word] = _word_where(
                    z[sample], 64 * word, outputs - 64 * word, np.int32(0)
                )
                continue
            found = np.uint64(0)
            for bit in range(min(64, outputs - 64 * word)):
                start = (64 * word + bit) * group
                positive = 0
                for neuron in range(start, start + group):
                    positive += z[sample, neuron] >= 0
                found |= np.uint64(2 * positive >= group) << np.uint64(bit)
            rows[sample, word] = found


@kernel("void(i4[:,::1], i4[::1], int64, u1[::1], u1[::1], i4[::1], int64, int64)")
def judge(
    logits: NDArray[np.int32],
    labels: NDArray[np.int32],
    margin: int,
    correct: NDArray[np.uint8],
    wrong: NDArray[np.uint8],
    rivals: NDArray[np.int32],
    first: int,
    last: int,
) -> None:
    """Tell which samples are predicted and which are errors, and which class is their rival.

    Parameters
    ----------
    logits
        (batch, classes).
    labels
        (batch,).
    margin
        See `lava_ep.dynamics.bmlp.LayerRule`.
    correct
        (batch,): 1 for a right prediction.
    wrong
        (batch,): 1 for an error, which a right prediction within the margin is, too.
    rivals
        (batch,): class with the largest logit but the right one.
    first, last
        Which samples.
    """
    for sample in range(first, last):
        own = labels[sample]
        rival = -1
        for c in range(logits.shape[1]):
            if c != own and (rival < 0 or logits[sample, c] > logits[sample, rival]):
                rival = c
        rivals[sample] = rival
        lead: Any = np.int64(logits[sample, own]) - np.int64(logits[sample, rival])
        correct[sample] = lead > 0 or (lead == 0 and own < rival)
        wrong[sample] = not correct[sample] or lead < margin


@kernel(
    "void(i4[:,::1], u8[:,::1], i1[:,::1], i4[::1], u1[::1], int64, boolean, i4[:,::1], int64,"
    " int64)"
)
def choose(
    z: NDArray[np.int32],
    outputs: Words,
    classifier: NDArray[np.int8],
    labels: NDArray[np.int32],
    wrong: NDArray[np.uint8],
    group: int,
    majority: bool,
    picks: NDArray[np.int32],
    first: int,
    last: int,
) -> None:
    """Write the neurons that learn, (batch, groups), -1 for none.

    Parameters
    ----------
    z
        (batch, neurons).
    outputs
        Packed bits that the layer passes on.
    classifier
        (classes, outputs): the transpose of that of the equations.
    labels, wrong
        (batch,).
    group, majority
        See `lava_ep.dynamics.bmlp.LayerRule`.
    picks
        What is written.
    first, last
        Which samples.
    """
    for sample in range(first, last):
        if wrong[sample] == 0:
            for g in range(picks.shape[1]):
                picks[sample, g] = -1
            continue
        wanted = classifier[labels[sample]]
        for g in range(picks.shape[1]):
            best = -1
            distance: Any = 1 << 40
            if majority:
                bit = (outputs[sample, g >> 6] >> np.uint64(g & 63)) & np.uint64(1)
                if (bit == np.uint64(1)) == (wanted[g] > 0):
                    picks[sample, g] = -1
                    continue
            for neuron in range(g * group, (g + 1) * group):
                value: Any = np.int64(z[sample, neuron]) * wanted[g if majority else neuron]
                if value < 0 and -value < distance:
                    best = neuron
                    distance = -value
            picks[sample, g] = best


@kernel("void(u8[:,::1], u1[::1], i1[:,::1], int64, int64)")
def unpack_steps(
    x: Words, wrong: NDArray[np.uint8], steps: NDArray[np.int8], first: int, last: int
) -> None:
    """Write ``2 x``, (batch, inputs), for those of some samples that are wrong."""
    for sample in range(first, last):
        if wrong[sample] == 0:
            continue
        for word in range(x.shape[1]):
            bits = x[sample, word]
            for j in range(64 * word, min(64 * word + 64, steps.shape[1])):
                steps[sample, j] = 4 * np.int8(bits & np.uint64(1)) - 2
                bits >>= np.uint64(1)


@kernel("void(i4[:,::1], i1[:,::1], i1[:,::1], i4[::1], i4[:,::1], boolean, u1[::1], int64, int64)")
def move(
    hidden: NDArray[np.int32],
    steps: NDArray[np.int8],
    classifier: NDArray[np.int8],
    labels: NDArray[np.int32],
    picks: NDArray[np.int32],
    majority: bool,
    stale: NDArray[np.uint8],
    first: int,
    last: int,
) -> None:
    """Add ``2 d x`` to the hidden weights of the neurons of some groups.

    Parameters
    ----------
    hidden
        (neurons, inputs).
    steps
        See `unpack_steps`.
    classifier
        (classes, outputs).
    labels, picks, majority
        See `choose`.
    stale
        (neurons,): set to 1 where weights have moved.
    first, last
        Which groups.
    """
    # Group by group, as the hidden weights of one stay in the cache.
    for g in range(first, last):
        for sample in range(picks.shape[0]):
            neuron = picks[sample, g]
            if neuron < 0:
                continue
            stale[neuron] = 1
            row, step = hidden[neuron], steps[sample]
            if classifier[labels[sample], g if majority else neuron] > 0:
                for j in range(row.size):
                    row[j] += step[j]
            else:
                for j in range(row.size):
                    row[j] -= step[j]


@kernel("void(i4[::1], i8[::1])")
def reinforce(hidden: NDArray[np.int32], places: NDArray[np.int64]) -> None:
    """Move the hidden weights at some places of the flat array away from 0 by 2."""
    for place in places:
        hidden[place] += 2 if hidden[place] > 0 else -2


@kernel("void(i4[:,::1], u8[:,::1], i4[::1], i4[::1], u1[::1])")
def teach(
    learned: NDArray[np.int32],
    outputs: Words,
    labels: NDArray[np.int32],
    rivals: NDArray[np.int32],
    wrong: NDArray[np.uint8],
) -> None:
    """Move the hidden weights of a classifier, (classes, outputs), for all wrong samples."""
    for sample in range(wrong.shape[0]):
        if wrong[sample] == 0:
            continue
        for j in range(learned.shape[1]):
            bit = (outputs[sample, j >> 6] >> np.uint64(j & 63)) & np.uint64(1)
            step = 4 * np.int32(bit) - 2
            learned[labels[sample], j] += step
            learned[rivals[sample], j] -= step


def packed_signs(hidden: NDArray[np.int32]) -> Words:
    """Return the signs of hidden weights as packed rows."""
    rows = empty_rows(*hidden.shape)
    pack_signs(hidden, rows, np.ones(len(hidden), np.uint8), 0, len(hidden))
    return rows

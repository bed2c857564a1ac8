"""Binary weights, one bit each, in the two orders in which synapses are read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics._words import VECTOR_BITS, VECTOR_WORDS, popcount

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Words = NDArray[np.uint64]


def strips_shape(rows: int, bits: int) -> tuple[int, int, int]:
    """Shape of the words that hold a (rows, bits) matrix, see `SignMatrix`."""
    return -(-bits // VECTOR_BITS), rows + 2, VECTOR_WORDS


def _pack(bits: NDArray[np.bool_], strips: Words) -> None:
    """Pack a matrix of bits into strips."""
    rows, n = bits.shape
    packed = np.zeros((rows, len(strips) * VECTOR_BITS // 8), np.uint8)
    packed[:, : -(-n // 8)] = np.packbits(bits, axis=1, bitorder="little")
    strips[:, :rows] = packed.view("<u8").reshape(rows, len(strips), VECTOR_WORDS).swapaxes(0, 1)
    strips[:, rows] = 0
    strips[:, rows + 1] = ~np.uint64(0)


@kernel("void(u8[:,:,::1], int64, i4[::1])")
def _sums(strips: Words, n: int, sums: Int32) -> None:
    sums[:] = -n
    for strip in range(strips.shape[0]):
        for row in range(sums.shape[0]):
            for word in range(VECTOR_WORDS):
                sums[row] += 2 * np.int32(popcount(strips[strip, row, word]))


class SignMatrix:
    """Signs of a synapse population, +1 as bit 1 and -1 as bit 0.

    They are kept in two orders, so that the targets of an event always lie together: in rows of
    bits, cut into strips of 256. The bit of target k is bit k % 64 of word k % 256 // 64 in strip
    k // 256; the bits beyond the last target are 0. Kernels that walk down a strip find its rows
    side by side. Two rows follow the last, one of zeros and one of ones, to fill up groups of rows.

    Parameters
    ----------
    n_post, n_pre
        Numbers of neurons at the two ends; the signs are unknown until they are assigned.
    storage
        Words of the shapes of ``forward`` and ``backward`` to use; new ones if not given.

    Attributes
    ----------
    shape : tuple of int
        (n_post, n_pre).
    forward : ndarray
        The synapses that leave a source in a row: (strips, n_pre + 2, 4) uint64.
    backward : ndarray
        The synapses that enter a post-synaptic neuron in a row: (strips, n_post + 2, 4) uint64.
    """

    def __init__(self, n_post: int, n_pre: int, storage: tuple[Words, Words] | None = None) -> None:
        self.shape = (n_post, n_pre)
        self.forward, self.backward = storage or (
            np.empty(strips_shape(n_pre, n_post), np.uint64),
            np.empty(strips_shape(n_post, n_pre), np.uint64),
        )

    @classmethod
    def from_signs(cls, signs: Int8) -> SignMatrix:
        """Pack a (n_post, n_pre) matrix of -1 and +1."""
        n_post, n_pre = signs.shape
        matrix = cls(n_post, n_pre)
        matrix.assign(signs)
        return matrix

    def assign(self, signs: Int8) -> None:
        """Replace all signs by a (n_post, n_pre) matrix of -1 and +1."""
        positive = signs > 0
        _pack(positive.T, self.forward)
        _pack(positive, self.backward)

    def signs(self) -> Int8:
        """Return the signs as (n_post, n_pre) int8, each -1 or +1."""
        n_post, n_pre = self.shape
        rows = np.ascontiguousarray(self.backward[:, :n_post].swapaxes(0, 1), "<u8")
        packed = rows.reshape(n_post, -1).view(np.uint8)
        bits = np.unpackbits(packed, axis=1, count=n_pre, bitorder="little").view(np.int8)
        bits *= 2
        bits -= 1
        return bits

    def sums(self, *, backward: bool) -> Int32:
        """Sum of the signs that enter each post-synaptic neuron, or that leave each source."""
        n_post, n_pre = self.shape
        sums = np.empty(n_pre if backward else n_post, np.int32)
        if backward:
            _sums(self.forward, n_post, sums)
        else:
            _sums(self.backward, n_pre, sums)
        return sums

    @property
    def nbytes(self) -> int:
        """Memory of both orders."""
        return self.forward.nbytes + self.backward.nbytes

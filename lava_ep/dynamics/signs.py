"""Binary weights, one bit each, in the two orders in which synapses are read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics._words import VECTOR_BITS, VECTOR_WORDS, popcount

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Words = NDArray[np.uint64]


CACHE_LINE_WORDS = 8


def packed_words(bits: int) -> int:
    """Words of 64 bits that a row of so many bits takes.

    Rows end with whole vectors. Long ones take an odd number of cache lines: kernels walk down
    columns, and with a power of two between the rows a column would fit few places of the cache.
    """
    words = -(-bits // VECTOR_BITS) * VECTOR_WORDS
    lines = -(-words // CACHE_LINE_WORDS)
    return words if lines == 1 else (lines | 1) * CACHE_LINE_WORDS


def row_words(rows: int, bits: int) -> tuple[int, int]:
    """Shape of the words that hold a (rows, bits) matrix, see `SignMatrix`."""
    return rows + 1, packed_words(bits)


def _pack(bits: NDArray[np.bool_], words: Words) -> None:
    """Pack a matrix of bits into words of the shape `row_words`."""
    rows, n = bits.shape
    packed = np.zeros((rows + 1, words.shape[1] * 8), np.uint8)
    packed[:rows, : -(-n // 8)] = np.packbits(bits, axis=1, bitorder="little")
    words[...] = packed.view("<u8")


@kernel("void(u8[:,::1], int64, i4[::1])")
def _sums(packed: Words, n: int, sums: Int32) -> None:
    for row in range(sums.shape[0]):
        ones = np.uint64(0)
        for word in range(packed.shape[1]):
            ones += popcount(packed[row, word])
        sums[row] = 2 * np.int32(ones) - np.int32(n)


class SignMatrix:
    """Signs of a synapse population, +1 as bit 1 and -1 as bit 0.

    They are kept in two orders, so that the targets of an event always lie together. Bit k of a
    row is bit k % 64 of its word k // 64; the bits beyond the last target are 0, and so is one row
    after the last, which kernels use to fill up groups of rows.

    Parameters
    ----------
    n_post, n_pre
        Numbers of neurons at the two ends; all signs are -1 until they are assigned.
    storage
        Words of the shapes of ``forward`` and ``backward`` to use; new ones if not given.

    Attributes
    ----------
    shape : tuple of int
        (n_post, n_pre).
    forward : ndarray
        The synapses that leave a source in a row: (n_pre + 1, words) uint64.
    backward : ndarray
        The synapses that enter a post-synaptic neuron in a row: (n_post + 1, words) uint64.
    """

    def __init__(self, n_post: int, n_pre: int, storage: tuple[Words, Words] | None = None) -> None:
        self.shape = (n_post, n_pre)
        self.forward, self.backward = storage or (
            np.zeros(row_words(n_pre, n_post), np.uint64),
            np.zeros(row_words(n_post, n_pre), np.uint64),
        )
        self._sums: tuple[Int32, Int32] | None = None

    @classmethod
    def from_signs(cls, signs: Int8) -> SignMatrix:
        """Pack a (n_post, n_pre) matrix of -1 and +1."""
        matrix = cls(*signs.shape)
        matrix.assign(signs)
        return matrix

    def assign(self, signs: Int8) -> None:
        """Replace all signs by a (n_post, n_pre) matrix of -1 and +1."""
        positive = signs > 0
        _pack(positive.T, self.forward)
        _pack(positive, self.backward)
        self.changed()

    def changed(self) -> None:
        """Forget what was derived from the signs; call it after changing the words."""
        self._sums = None

    def signs(self) -> Int8:
        """Return the signs as (n_post, n_pre) int8, each -1 or +1."""
        n_post, n_pre = self.shape
        packed = self.backward[:n_post].astype("<u8", copy=False).view(np.uint8)
        bits = np.unpackbits(packed, axis=1, count=n_pre, bitorder="little").view(np.int8)
        bits *= 2
        bits -= 1
        return bits

    def sums(self, *, backward: bool) -> Int32:
        """Sum of the signs that enter each post-synaptic neuron, or that leave each source."""
        if self._sums is None:
            n_post, n_pre = self.shape
            self._sums = np.empty(n_post, np.int32), np.empty(n_pre, np.int32)
            _sums(self.backward, n_pre, self._sums[0])
            _sums(self.forward, n_post, self._sums[1])
        return self._sums[backward]

    @property
    def nbytes(self) -> int:
        """Memory of both orders."""
        return self.forward.nbytes + self.backward.nbytes

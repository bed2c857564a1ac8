"""Convolutional connections with pooling, driven by events.

All arrays keep the channels of a position together: (height, width, channels).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from lava_ep.dynamics._convolve import DENSE, follow_sources, follow_targets
from lava_ep.dynamics._unfold import fold, gather, pool_windows, unfold, unpool_windows
from lava_ep.dynamics.activation import Reals
from lava_ep.errors import InputError

Int64 = NDArray[np.int64]


class Pooling(str, Enum):
    """What is passed on of the positions in a pooling window."""

    MAX = "max"
    """The largest; the way back leads to where it was (its switch)."""
    AVERAGE = "average"
    """The mean; the way back leads to all of them alike."""


@dataclass(frozen=True)
class Convolution:
    r"""A convolution of stride 1, then pooling: weights (channels, c, kernel, kernel).

    .. math:: \Phi = \sum_{yxo} b_{yxo}\, \mathrm{pool}_{yx}\Big(
        \sum_{ijc} W_{ocij}\, a_{y+i-p,\, x+j-p,\, c}\Big)

    Parameters
    ----------
    in_shape
        (height, width, c) of the sources.
    channels
        Number of channels of the targets.
    kernel
        Side of the square kernel.
    padding
        Zeros :math:`p` around the sources.
    pool
        Side of the square pooling windows, which do not overlap; rows and columns left over are
        not used. 1 means no pooling.
    pooling
        Kind of pooling.

    Raises
    ------
    InputError
        If nothing would be left of the sources.
    """

    in_shape: tuple[int, int, int]
    channels: int
    kernel: int = 5
    padding: int = 0
    pool: int = 1
    pooling: Pooling = Pooling.MAX

    def __post_init__(self) -> None:
        if not 0 <= self.padding < self.kernel:
            raise InputError(
                f"padding={self.padding}: expected 0 to {self.kernel - 1} for a kernel of "
                f"{self.kernel}"
            )
        if not 1 <= self.pool <= 15:
            raise InputError(f"pool={self.pool}: expected a window of 1 to 15")
        if min(self.out_shape) < 1:
            raise InputError(
                f"a kernel of {self.kernel} with padding {self.padding} and pooling of {self.pool} "
                f"leaves nothing of {self.in_shape}; use a smaller kernel or more padding"
            )

    @property
    def sum_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) before pooling."""
        height, width, _ = self.in_shape
        shrinks = self.kernel - 1 - 2 * self.padding
        return (height - shrinks, width - shrinks, self.channels)

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the targets."""
        height, width, _ = self.sum_shape
        return (height // self.pool, width // self.pool, self.channels)

    @property
    def n_pre(self) -> int:
        """Number of sources."""
        return int(np.prod(self.in_shape))

    @property
    def n_post(self) -> int:
        """Number of targets."""
        return int(np.prod(self.out_shape))

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(channels, c, kernel, kernel)."""
        return (self.channels, self.in_shape[2], self.kernel, self.kernel)

    @property
    def fan_in(self) -> int:
        """Synapses that enter a target, before pooling."""
        return self.in_shape[2] * self.kernel**2

    @property
    def fan_out(self) -> int:
        """Synapses that leave a source, away from the borders."""
        return self.channels * self.kernel**2

    @property
    def biases(self) -> int:
        """One for each channel."""
        return self.channels

    def reach(self) -> tuple[Int64, Int64]:
        """Return the synapses at each position of the sources, and at each of the sums."""
        (height, width, sources), (rows, columns, channels) = self.in_shape, self.sum_shape

        def taps(size: int, others: int, offset: int) -> Int64:
            first = np.arange(size) - offset
            found: Int64 = np.minimum(first + self.kernel, others) - np.maximum(first, 0)
            return found

        forward, back = self.kernel - 1 - self.padding, self.padding
        reach = np.outer(taps(height, rows, forward), taps(width, columns, forward))
        reach_back = np.outer(taps(rows, height, back), taps(columns, width, back))
        return reach.ravel() * channels, reach_back.ravel() * sources

    def layouts(self, forward: Reals, feedback: Reals) -> tuple[Reals, Reals]:
        """Return weights ordered for `follow_sources`: from the sources, and from the targets."""
        flipped = forward[:, :, ::-1, ::-1].transpose(1, 2, 3, 0)
        return np.ascontiguousarray(flipped), np.ascontiguousarray(feedback.transpose(0, 2, 3, 1))

    def currents(self, batch: int, dtype: npt.DTypeLike) -> ConvolutionCurrents:
        """Return the currents of a batch."""
        return ConvolutionCurrents(self, batch, dtype)

    def gradient(self, pre: Reals, located: Reals) -> Reals:
        """Return the products of targets and the sources they see, of `weight_shape`."""
        found = np.zeros((self.channels, self.kernel, self.kernel, self.in_shape[2]), pre.dtype)
        gather(pre.reshape(-1, *self.in_shape), located, self.padding, found)
        return found.transpose(0, 3, 1, 2)


UNFOLDED_ROWS = 256
"""Rows of unfolded samples in a product of matrices: enough to use the weights that it reads."""


class ConvolutionCurrents:
    """`Currents` of a `Convolution`.

    Of few changes the effect is added; of many, or now and then, sums are computed anew, from the
    values that are not 0 or by a product of matrices. Each sample goes the way that suits it.
    """

    def __init__(self, connection: Convolution, batch: int, dtype: npt.DTypeLike) -> None:
        self._connection = connection
        self._largest = connection.pooling is Pooling.MAX
        self.moves_places = self._largest and connection.pool > 1
        self._sums: Reals = np.zeros((batch, *connection.sum_shape), dtype)
        self._pooled = np.zeros((batch, *connection.out_shape), dtype)
        self._places = np.zeros_like(self._pooled)
        self._sent, self._sent_places = np.zeros_like(self._pooled), np.zeros_like(self._places)
        self._back = np.zeros((batch, *connection.in_shape), dtype)
        self.post: Reals = self._pooled.reshape(batch, -1)
        self.pre: Reals = self._back.reshape(batch, -1)
        self._forward, self._backward = self._sums, self._back
        self._unfolded_forward: Reals | None = None
        self._reach, self._reach_back = connection.reach()
        self._owed, self._owed_back = np.zeros((2, batch), np.int64)
        self._done = np.zeros(batch, np.int8)
        rows, columns, _ = connection.sum_shape
        self._positions = rows * columns
        self._together = min(batch, max(1, UNFOLDED_ROWS // self._positions))
        self._unfolded = np.empty((0, connection.fan_in), dtype)

    def use(self, forward: Reals, backward: Reals) -> None:
        """Take other weights."""
        self._forward, self._backward = forward, backward
        self._unfolded_forward = None

    def reset(self) -> None:
        """Silence both ends."""
        for array in (self._sums, self._pooled, self._places, self._back):
            array.fill(0)
        self._forget_sent()
        self._owed.fill(0)

    def _forget_sent(self) -> None:
        self._sent.fill(0)
        self._sent_places.fill(0)
        self._owed_back.fill(0)

    def add_pre(self, change: Reals, total: Reals) -> int:
        """Follow changes of the sources, and pool anew."""
        connection = self._connection
        columns, sources = connection.in_shape[1:]
        batch = len(change)
        operations: int = follow_sources(
            change.reshape(batch, -1, sources),
            total.reshape(batch, -1, sources),
            columns,
            self._reach,
            self._forward,
            connection.kernel - 1 - connection.padding,
            self._owed,
            self._done,
            self._sums,
        )
        for samples in self._dense_samples():
            unfolded = self._room(samples)
            unfold(
                total.reshape(self._back.shape),
                samples,
                connection.kernel,
                connection.padding,
                unfolded,
            )
            sums = unfolded @ self._forward_matrix()
            self._sums[samples] = sums.reshape(-1, *connection.sum_shape)
        pool_windows(
            self._sums, self._done, connection.pool, self._largest, self._pooled, self._places
        )
        return operations

    def add_post(self, change: Reals, total: Reals) -> int:
        """Follow changes of the targets and of the places that they are pooled from."""
        connection = self._connection
        values = total.reshape(self._pooled.shape)
        operations: int = follow_targets(
            values,
            self._places,
            self._sent,
            self._sent_places,
            connection.pool,
            self._largest,
            connection.sum_shape[1],
            self._reach_back,
            self._backward,
            connection.padding,
            self._owed_back,
            self._done,
            self._back,
        )
        for samples in self._dense_samples():
            unfolded = self._room(samples)
            located = self._locate(values[samples], self._places[samples])
            weights = self._backward.reshape(connection.channels, -1)
            np.matmul(located.reshape(-1, connection.channels), weights, out=unfolded)
            fold(unfolded, samples, connection.kernel, connection.padding, self._back)
        self._sent[...] = values
        self._sent_places[...] = self._places
        return operations

    def refresh(self, pre: Reals, post: Reals, *, backward: bool) -> None:
        """Compute the currents anew."""
        self._sums.fill(0)
        self._pooled.fill(0)
        self._places.fill(0)
        self._owed.fill(0)
        self.add_pre(pre, pre)
        if backward:
            self._back.fill(0)
            self._forget_sent()
            self.add_post(post, post)

    def located(self, post: Reals) -> Reals:
        """Return the activations at the places they are pooled from, (batch, *sum_shape)."""
        return self._locate(post.reshape(self._pooled.shape), self._places)

    def _locate(self, values: Reals, places: Reals) -> Reals:
        connection = self._connection
        located = np.empty((len(values), *connection.sum_shape), values.dtype)
        unpool_windows(values, places, connection.pool, self._largest, located)
        return located

    def _dense_samples(self) -> Iterator[Int64]:
        """Yield the samples left to products of matrices, as many at a time as suits these."""
        samples = np.flatnonzero(self._done == DENSE)
        for first in range(0, samples.size, self._together):
            yield samples[first : first + self._together]

    def _room(self, samples: Int64) -> Reals:
        """Return room for samples unfolded, (samples x height' x width', fan in)."""
        if not len(self._unfolded):
            rows = self._together * self._positions
            self._unfolded = np.empty((rows, self._connection.fan_in), self._sums.dtype)
        return self._unfolded[: samples.size * self._positions]

    def _forward_matrix(self) -> Reals:
        """Return the forward weights in the order of unfolded samples, (fan in, channels)."""
        if self._unfolded_forward is None:
            taps = self._forward[:, ::-1, ::-1].transpose(1, 2, 0, 3)
            self._unfolded_forward = taps.reshape(self._connection.fan_in, -1)
        return self._unfolded_forward

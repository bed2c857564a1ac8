"""Convolutional connections with pooling, driven by events.

All arrays keep the channels of a position together: (height, width, channels). So an event touches,
for every row of its kernel, one run of neighbouring numbers of its target and of its weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics.activation import Reals
from lava_ep.errors import InputError


class Pooling(str, Enum):
    """What is passed on of the positions in a pooling window."""

    MAX = "max"
    """The largest; the way back leads to where it was (its switch)."""
    AVERAGE = "average"
    """The mean; the way back leads to all of them alike."""


def _kernels(arguments: str) -> tuple[str, str]:
    return arguments.replace("real", "f4"), arguments.replace("real", "f8")


@kernel(*_kernels("void(real[::1], real, real[::1])"), inline=True)
def _add_multiple(to: Reals, factor: float, values: Reals) -> None:
    for n in range(to.size):
        to[n] += factor * values[n]


@kernel(
    *_kernels("int64(real[:,:,:,::1], real[:,:,:,::1], int64, real[:,:,:,::1])"), allocates=True
)
def _scatter(change: Reals, weights: Reals, offset: int, out: Reals) -> int:
    r"""Add the effect of changes to what they reach, in place.

    .. math:: o_{y + i - f,\, x + j - f,\, :} \mathrel{+}= e_{yxc}\, w_{cij:}

    Parameters
    ----------
    change
        :math:`e`, (batch, height, width, c).
    weights
        :math:`w`, (c, k, k, channels).
    offset
        :math:`f`.
    out
        :math:`o`, (batch, height', width', channels); updated.

    Returns
    -------
    int
        Number of synaptic operations.
    """
    batch, rows, columns, sources = change.shape
    k, channels = weights.shape[1], weights.shape[3]
    out_rows, out_columns = out.shape[1], out.shape[2]
    flat_out, flat_weights = out.reshape(out.size), weights.reshape(weights.size)
    flat_change = change.reshape(change.size)
    positions = rows * columns
    ends = np.empty(sources + 1, np.int64)
    listed = np.empty(positions * sources, np.int64)
    operations = 0
    for sample in range(batch):
        begin = sample * positions * sources
        # The changes of each channel in turn, as its weights fit the nearest cache: counting sort.
        ends[:] = 0
        for at in range(positions):
            for c in range(sources):
                ends[c + 1] += flat_change[begin + at * sources + c] != 0
        if not ends.any():
            continue
        for c in range(sources):
            ends[c + 1] += ends[c]
        for at in range(positions):
            for c in range(sources):
                if flat_change[begin + at * sources + c] != 0:
                    listed[ends[c]] = at
                    ends[c] += 1
        first = 0
        for c in range(sources):
            for number in range(first, ends[c]):
                y, x = listed[number] // columns, listed[number] % columns
                e = flat_change[begin + listed[number] * sources + c]
                first_i, last_i = max(0, offset - y), min(k, out_rows + offset - y)
                first_j, last_j = max(0, offset - x), min(k, out_columns + offset - x)
                length = (last_j - first_j) * channels
                if last_i <= first_i or length <= 0:
                    continue
                operations += (last_i - first_i) * length
                for i in range(first_i, last_i):
                    row = (sample * out_rows + y + i - offset) * out_columns + x - offset
                    to = (row + first_j) * channels
                    taps = ((c * k + i) * k + first_j) * channels
                    _add_multiple(flat_out[to : to + length], e, flat_weights[taps : taps + length])
            first = ends[c]
    return operations


@kernel(*_kernels("void(real[:,:,:,::1], real[:,:,:,::1], int64, int64, int64, real[:,:,:,::1])"))
def _gather(
    pre: Reals, located: Reals, padding: int, first: int, last: int, gradient: Reals
) -> None:
    """Add the products of targets and the sources they see, for some channels of the targets.

    Parameters
    ----------
    pre
        (batch, height, width, c).
    located
        (batch, height', width', channels).
    padding
        Of the convolution.
    first, last
        The channels of the targets.
    gradient
        (channels, k, k, c); updated.
    """
    batch, rows, columns, sources = pre.shape
    k = gradient.shape[1]
    flat_pre, flat_gradient = pre.reshape(pre.size), gradient.reshape(gradient.size)
    for sample in range(batch):
        for o in range(first, last):
            for y in range(located.shape[1]):
                first_i, last_i = max(0, padding - y), min(k, rows + padding - y)
                for x in range(located.shape[2]):
                    b = located[sample, y, x, o]
                    if b == 0:
                        continue
                    first_j, last_j = max(0, padding - x), min(k, columns + padding - x)
                    length = (last_j - first_j) * sources
                    for i in range(first_i, last_i):
                        row = (sample * rows + y + i - padding) * columns + x - padding
                        seen = (row + first_j) * sources
                        taps = ((o * k + i) * k + first_j) * sources
                        _add_multiple(
                            flat_gradient[taps : taps + length], b, flat_pre[seen : seen + length]
                        )


@kernel(*_kernels("void(real[:,:,:,::1], int64, boolean, real[:,:,:,::1], real[:,:,:,::1])"))
def _pool(sums: Reals, size: int, largest: bool, pooled: Reals, places: Reals) -> None:
    """Pool windows of ``size`` x ``size``, and note the places of the largest in them.

    Places are numbers of the same type as the sums, for the sake of vectorized loops.
    """
    rows, columns, channels = sums.shape[1:]
    real = pooled.dtype.type
    share = real(1) / real(size * size)
    flat_sums, flat_pooled = sums.reshape(sums.size), pooled.reshape(pooled.size)
    flat_places = places.reshape(places.size)
    at = 0
    for sample in range(pooled.shape[0]):
        for y in range(pooled.shape[1]):
            for x in range(pooled.shape[2]):
                to, place = flat_pooled[at : at + channels], flat_places[at : at + channels]
                at += channels
                for window in range(size * size):
                    row = sample * rows + size * y + window // size
                    begin = (row * columns + size * x + window % size) * channels
                    found = flat_sums[begin : begin + channels]
                    if largest and window == 0:
                        for c in range(channels):
                            to[c] = found[c]
                            place[c] = real(0)
                    elif largest:
                        for c in range(channels):
                            larger = found[c] > to[c]
                            place[c] = real(window) if larger else place[c]
                            to[c] = found[c] if larger else to[c]
                    elif window == 0:
                        for c in range(channels):
                            to[c] = share * found[c]
                    else:
                        for c in range(channels):
                            to[c] += share * found[c]


@kernel(*_kernels("void(real[:,:,:,::1], real[:,:,:,::1], int64, boolean, real[:,:,:,::1])"))
def _unpool(values: Reals, places: Reals, size: int, largest: bool, located: Reals) -> None:
    """Put pooled values back to the places they come from; all others become 0."""
    rows, columns, channels = located.shape[1:]
    real = values.dtype.type
    share = real(1) / real(size * size)
    flat_values, flat_located = values.reshape(values.size), located.reshape(located.size)
    flat_places = places.reshape(places.size)
    if rows % size or columns % size:
        located[...] = 0
    at = 0
    for sample in range(values.shape[0]):
        for y in range(values.shape[1]):
            for x in range(values.shape[2]):
                value, place = flat_values[at : at + channels], flat_places[at : at + channels]
                at += channels
                for window in range(size * size):
                    row = sample * rows + size * y + window // size
                    begin = (row * columns + size * x + window % size) * channels
                    to = flat_located[begin : begin + channels]
                    if largest:
                        for c in range(channels):
                            to[c] = value[c] if place[c] == real(window) else real(0)
                    else:
                        for c in range(channels):
                            to[c] = share * value[c]


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

    def layouts(self, forward: Reals, feedback: Reals) -> tuple[Reals, Reals]:
        """Return weights ordered for `_scatter`: from the sources, and from the targets."""
        flipped = forward[:, :, ::-1, ::-1].transpose(1, 2, 3, 0)
        return np.ascontiguousarray(flipped), np.ascontiguousarray(feedback.transpose(0, 2, 3, 1))

    def currents(self, batch: int, dtype: npt.DTypeLike) -> ConvolutionCurrents:
        """Return the currents of a batch."""
        return ConvolutionCurrents(self, batch, dtype)

    def gradient(self, pre: Reals, located: Reals) -> Reals:
        """Return the products of targets and the sources they see, of `weight_shape`."""
        found = np.zeros((self.channels, self.kernel, self.kernel, self.in_shape[2]), pre.dtype)
        _gather(pre.reshape(-1, *self.in_shape), located, self.padding, 0, self.channels, found)
        return found.transpose(0, 3, 1, 2)


class ConvolutionCurrents:
    """`Currents` of a `Convolution`."""

    def __init__(self, connection: Convolution, batch: int, dtype: npt.DTypeLike) -> None:
        self._connection = connection
        self._largest = connection.pooling is Pooling.MAX
        self.moves_places = self._largest and connection.pool > 1
        self._sums: Reals = np.zeros((batch, *connection.sum_shape), dtype)
        self._located = np.zeros_like(self._sums)
        self._pooled = np.zeros((batch, *connection.out_shape), dtype)
        self._places = np.zeros_like(self._pooled)
        self._back = np.zeros((batch, *connection.in_shape), dtype)
        self.post: Reals = self._pooled.reshape(batch, -1)
        self.pre: Reals = self._back.reshape(batch, -1)
        self._forward, self._backward = self._sums, self._back

    def use(self, forward: Reals, backward: Reals) -> None:
        """Take other weights."""
        self._forward, self._backward = forward, backward

    def reset(self) -> None:
        """Silence both ends."""
        for array in (self._sums, self._located, self._pooled, self._back, self._places):
            array.fill(0)

    def add_pre(self, change: Reals, total: Reals) -> int:
        """Add changes of the sources, and pool anew."""
        connection = self._connection
        offset = connection.kernel - 1 - connection.padding
        changes = change.reshape(self._back.shape)
        operations = _scatter(changes, self._forward, offset, self._sums)
        _pool(self._sums, connection.pool, self._largest, self._pooled, self._places)
        return operations

    def add_post(self, change: Reals, total: Reals) -> int:
        """Add changes of the targets, and of the places that they are pooled from."""
        located = self.located(total)
        np.subtract(located, self._located, out=self._located)
        operations = _scatter(self._located, self._backward, self._connection.padding, self._back)
        self._located = located
        return operations

    def refresh(self, pre: Reals, post: Reals, *, backward: bool) -> None:
        """Compute the currents anew."""
        self._sums.fill(0)
        self.add_pre(pre, pre)
        if backward:
            self._back.fill(0)
            self._located.fill(0)
            self.add_post(post, post)

    def located(self, post: Reals) -> Reals:
        """Return the activations at the places they are pooled from, (batch, *sum_shape)."""
        values = post.reshape(self._pooled.shape)
        located = np.empty_like(self._sums)
        _unpool(values, self._places, self._connection.pool, self._largest, located)
        return located

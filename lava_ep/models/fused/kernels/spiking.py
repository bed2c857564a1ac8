"""The compiled loops of dense spiking networks: each sample by itself, event by event.

Arguments are flat: Numba takes named tuples apart in Python at every call, which costs 3 to 4 % of
a batch of digits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics.integrate_fire import lif_row
from lava_ep.dynamics.sigma_delta import adapt_row, sigma_delta_row
from lava_ep.models.fused.kernels.sparse_rows import add_rows, find

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


@kernel(
    "void(i8[::1], int64, int64, int64, int64, f4[:,::1], f4[::1], f4[::1], f4[::1], f4[::1])",
    allocates=True,
)
def _receive(
    sizes: Int64,
    layer: int,
    row: int,
    begin: int,
    end: int,
    below: Float32,
    gains: Float32,
    upward_sums: Float32,
    downward_sums: Float32,
    current: Float32,
) -> None:
    """Compute what the neurons of a layer receive in one sample.

    ``begin`` and ``end`` are their places in flat arrays; the rest is as in `settle_lif`.
    """
    n = end - begin
    received = below[row] if layer == 1 else upward_sums[begin:end]
    gain = gains[layer - 1]
    if layer + 1 == sizes.size:
        for k in range(n):
            current[k] = gain * received[k]
    else:
        returned, gain_above = downward_sums[begin:end], gains[layer]
        for k in range(n):
            current[k] = gain * received[k] + gain_above * returned[k]


@kernel("f4[:,::1](f4[::1], int64, int64, int64)", allocates=True)
def _matrix(flat: Float32, begin: int, rows: int, columns: int) -> Float32:
    return flat[begin : begin + rows * columns].reshape(rows, columns)


@kernel(
    "void(i8[::1], int64, int64, int64, f4[::1], i8[::1], int64, f4[::1], f4[::1], int64,"
    "f4[::1], f4[::1])",
    allocates=True,
)
def _spread(
    sizes: Int64,
    batch: int,
    layer: int,
    row: int,
    factors: Float32,
    chosen: Int64,
    count: int,
    forward: Float32,
    transposed: Float32,
    weights_at: int,
    upward_sums: Float32,
    downward_sums: Float32,
) -> None:
    """Add the weights that the spikes of a layer reach to the sums of both neighbours.

    ``chosen[:count]`` are the neurons that spike, ``factors`` what their spikes are worth,
    ``weights_at`` where the weights into the layer begin; the rest is as in `settle_lif`.
    """
    at = 0
    for lower in range(1, layer):
        at += batch * sizes[lower]
    n, n_below = sizes[layer], sizes[layer - 1]
    if layer > 1:
        begin = at - batch * n_below + row * n_below
        entering = _matrix(forward, weights_at, n, n_below)
        add_rows(entering, 0, factors, chosen, count, downward_sums[begin : begin + n_below])
        weights_at += n * n_below
    if layer + 1 < sizes.size:
        n_above = sizes[layer + 1]
        begin = at + batch * n + row * n_above
        leaving = _matrix(transposed, weights_at, n, n_above)
        add_rows(leaving, 0, factors, chosen, count, upward_sums[begin : begin + n_above])


@kernel("void(i8[::1], f4[::1], f4[::1])", allocates=True)
def transpose_layers(sizes: Int64, forward: Float32, transposed: Float32) -> None:
    """Write the weights of all layers but the first in the order in which spikes go up."""
    at = 0
    for layer in range(2, sizes.size):
        n, n_below = sizes[layer], sizes[layer - 1]
        _matrix(transposed, at, n_below, n)[:] = _matrix(forward, at, n, n_below).T
        at += n * n_below


_NETWORK = (
    "i8[::1], int64, int64, int64, f4[::1], f4[::1], f4[::1], f4[:,::1], f4[::1], f4[::1],"
    "f4[::1], f4[::1], f4[::1], i1[::1], i1[:,::1], f4, i8[::1]"
)


@kernel(f"void(i4[::1], boolean, i4, f4, f4, i4[::1], i1[::1], {_NETWORK})", allocates=True)
def settle_sigma_delta(
    multiples: Int32,
    adaptive: bool,
    most: np.int32,
    filter_rate: np.float32,
    levels: np.float32,
    multiple: Int32,
    previous: Int8,
    sizes: Int64,
    batch: int,
    first: int,
    last: int,
    forward: Float32,
    transposed: Float32,
    biases: Float32,
    below: Float32,
    gains: Float32,
    upward_sums: Float32,
    downward_sums: Float32,
    state: Float32,
    activation: Float32,
    spikes: Int8,
    target: Int8,
    beta: np.float32,
    counts: Int64,
) -> None:
    """Take time steps of some samples of a network of sigma-delta neurons.

    Parameters
    ----------
    multiples
        Size of the steps in each time step, (steps,), unless they are adaptive.
    adaptive, most
        Whether they are, and the largest.
    filter_rate, levels
        See `lava_ep.dynamics.sigma_delta_step`.
    multiple, previous
        Adaptive steps and the spikes of the step before, flat; updated.
    sizes, and all that follow
        See `settle_lif`.
    """
    layers = sizes.size - 1
    widest = sizes[1:].max()
    current, factors = np.empty(widest, np.float32), np.empty(widest, np.float32)
    chosen, shared = np.empty(widest + 1, np.int64), np.empty(widest, np.int32)
    for row in range(first, last):
        for step in range(multiples.size):
            shared[:] = multiples[step]
            at, biases_at = 0, 0
            for layer in range(1, layers + 1):
                n = sizes[layer]
                begin, end = at + row * n, at + (row + 1) * n
                own = multiple[begin:end] if adaptive else shared[:n]
                _receive(
                    sizes, layer, row, begin, end, below, gains, upward_sums, downward_sums, current
                )
                counts[layer - 1] += sigma_delta_row(
                    state[begin:end],
                    activation[begin:end],
                    current[:n],
                    biases[biases_at : biases_at + n],
                    filter_rate,
                    levels,
                    own,
                    target[row],
                    beta if layer == layers else np.float32(0.0),
                    spikes[begin:end],
                )
                at += batch * n
                biases_at += n
            at, weights_at = 0, 0
            for layer in range(1, layers + 1):
                n = sizes[layer]
                begin, end = at + row * n, at + (row + 1) * n
                own = multiple[begin:end] if adaptive else shared[:n]
                for k in range(n):
                    factors[k] = np.float32(own[k]) * np.float32(spikes[begin + k])
                count = find(factors[:n], chosen)
                if count:
                    _spread(
                        sizes,
                        batch,
                        layer,
                        row,
                        factors,
                        chosen,
                        count,
                        forward,
                        transposed,
                        weights_at,
                        upward_sums,
                        downward_sums,
                    )
                if adaptive:
                    adapt_row(own, previous[begin:end], spikes[begin:end], most)
                at += batch * n
                weights_at += n * sizes[layer - 1] if layer > 1 else 0


@kernel(f"void(int64, f4, f4, f4, boolean, i4, f4, f4[::1], i4[::1], {_NETWORK})", allocates=True)
def settle_lif(
    steps: int,
    du: np.float32,
    dv: np.float32,
    threshold: np.float32,
    to_zero: bool,
    refractory: np.int32,
    trace_rate: np.float32,
    synaptic: Float32,
    waiting: Int32,
    sizes: Int64,
    batch: int,
    first: int,
    last: int,
    forward: Float32,
    transposed: Float32,
    biases: Float32,
    below: Float32,
    gains: Float32,
    upward_sums: Float32,
    downward_sums: Float32,
    state: Float32,
    activation: Float32,
    spikes: Int8,
    target: Int8,
    beta: np.float32,
    counts: Int64,
) -> None:
    """Take time steps of some samples of a network of integrate-and-fire neurons.

    Flat arrays of neurons hold one layer after the other, each (batch, n), flat arrays of weights
    those of all layers but the first.

    Parameters
    ----------
    steps
        Number of time steps.
    du, dv, threshold, to_zero, refractory, trace_rate
        See `lava_ep.dynamics.LIF`.
    synaptic, waiting
        See `lava_ep.dynamics.lif_step`, flat; updated.
    sizes
        Sizes of the layers, pixels first.
    batch, first, last
        Number of samples, and which of them, the last one not included.
    forward
        Weights, each (n, n below).
    transposed
        The same as (n below, n).
    biases
        Of all neurons, flat.
    below
        Sums over the pixels for the first layer, (batch, n).
    gains
        Factors between sums over weights and currents, by layer.
    upward_sums, downward_sums
        Sums over weights that the layers have received from below and above, flat; updated. Of the
        first layer from below, and the last one from above, nothing is used.
    state, activation, spikes
        Membrane potentials, traces and the spikes of the last step, flat; updated.
    target, beta
        What the outputs are nudged towards, (batch, outputs), and the nudging strength.
    counts
        Numbers of spikes by layer; added to.
    """
    layers = sizes.size - 1
    widest = sizes[1:].max()
    current, factors = np.empty(widest, np.float32), np.empty(widest, np.float32)
    chosen = np.empty(widest + 1, np.int64)
    for row in range(first, last):
        for _ in range(steps):
            at, biases_at = 0, 0
            for layer in range(1, layers + 1):
                n = sizes[layer]
                begin, end = at + row * n, at + (row + 1) * n
                _receive(
                    sizes, layer, row, begin, end, below, gains, upward_sums, downward_sums, current
                )
                # The currents of spikes last one step.
                upward_sums[begin:end] = 0
                downward_sums[begin:end] = 0
                counts[layer - 1] += lif_row(
                    state[begin:end],
                    synaptic[begin:end],
                    activation[begin:end],
                    waiting[begin:end],
                    current[:n],
                    biases[biases_at : biases_at + n],
                    du,
                    dv,
                    threshold,
                    to_zero,
                    refractory,
                    trace_rate,
                    target[row],
                    beta if layer == layers else np.float32(0.0),
                    spikes[begin:end],
                )
                at += batch * n
                biases_at += n
            at, weights_at = 0, 0
            for layer in range(1, layers + 1):
                n = sizes[layer]
                begin = at + row * n
                for k in range(n):
                    factors[k] = np.float32(spikes[begin + k])
                count = find(factors[:n], chosen)
                if count:
                    _spread(
                        sizes,
                        batch,
                        layer,
                        row,
                        factors,
                        chosen,
                        count,
                        forward,
                        transposed,
                        weights_at,
                        upward_sums,
                        downward_sums,
                    )
                at += batch * n
                weights_at += n * sizes[layer - 1] if layer > 1 else 0

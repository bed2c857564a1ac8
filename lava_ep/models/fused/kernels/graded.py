"""The compiled loop of dense networks of graded neurons: matrix products and neurons, in turns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics._words import LANES
from lava_ep.dynamics.graded import CHUNK, graded_row
from lava_ep.models.fused.kernels.packed_matmul import multiply, pack, panel_size
from lava_ep.models.fused.kernels.sparse_rows import add_rows, learn_rows

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]
Int64 = NDArray[np.int64]


@kernel("f4[:,::1](f4[::1], int64, int64, int64)", allocates=True)
def _matrix(flat: Float32, begin: int, rows: int, columns: int) -> Float32:
    return flat[begin : begin + rows * columns].reshape(rows, columns)


@kernel("int64(i8[::1], boolean)")
def panels_size(sizes: Int64, back: bool) -> int:
    """Return how many numbers the panels of all layers but the first are; see `pack_layers`."""
    size = 0
    for layer in range(2, sizes.size):
        n, n_below = sizes[layer], sizes[layer - 1]
        size += panel_size(n, n_below) if back else panel_size(n_below, n)
    return size


@kernel("void(i8[::1], f4[::1], f4[::1], f4[::1], f4[::1])", allocates=True)
def pack_layers(
    sizes: Int64, forward: Float32, feedback: Float32, upward: Float32, downward: Float32
) -> None:
    """Put the weights of all layers but the first in panels, as they have to be after a change.

    Parameters
    ----------
    sizes, forward, feedback
        See `settle_graded`.
    upward, downward
        Receive the panels of the forward and of the feedback weights, one layer after the other.
    """
    weights_at, up, down = 0, 0, 0
    for layer in range(2, sizes.size):
        n, n_below = sizes[layer], sizes[layer - 1]
        up_end, down_end = up + panel_size(n_below, n), down + panel_size(n, n_below)
        pack(_matrix(forward, weights_at, n, n_below), True, upward[up:up_end])
        pack(_matrix(feedback, weights_at, n, n_below), False, downward[down:down_end])
        up, down = up_end, down_end
        weights_at += n * n_below


@kernel(
    "void(i8[::1], int64, int64, i8[::1], f4[::1], f4[::1], f4[:,::1], f4[::1], f4[::1], f4[::1],"
    "f4[:,::1])",
    allocates=True,
)
def _currents(
    sizes: Int64,
    batch: int,
    first: int,
    active: Int64,
    upward: Float32,
    downward: Float32,
    below: Float32,
    gains: Float32,
    sent: Float32,
    currents: Float32,
    sums: Float32,
) -> None:
    """Compute what all neurons of the active samples receive.

    These are numbered from ``first`` on; ``sums`` is memory, the rest is as in `settle_graded`.
    """
    samples = sums.shape[1] // max(int(sizes[1:].max()), LANES)
    at, current_at, up, down = 0, 0, 0, 0
    from_below, from_above, margin = sums[0], sums[1], sums[2]
    for layer in range(1, sizes.size):
        n, n_below = sizes[layer], sizes[layer - 1]
        if layer > 1:
            begin = at + (first - batch) * n_below
            multiply(sent, begin, active, n_below, upward[up:], n, from_below, 0, margin)
            up += panel_size(n_below, n)
        top = layer + 1 == sizes.size
        if not top:
            n_above = sizes[layer + 1]
            begin = at + batch * n + first * n_above
            multiply(sent, begin, active, n_above, downward[down:], n, from_above, 0, margin)
            down += panel_size(n_above, n)
        for row in active:
            received = below[first + row] if layer == 1 else from_below[row * n : (row + 1) * n]
            returned = from_above[row * n : (row + 1) * n]
            current = currents[current_at + row * n : current_at + (row + 1) * n]
            if top:
                for k in range(n):
                    current[k] = gains[layer - 1] * received[k]
            else:
                for k in range(n):
                    current[k] = gains[layer - 1] * received[k] + gains[layer] * returned[k]
        at += batch * n
        current_at += samples * n


@kernel(
    "void(i8[::1], int64, f4[::1], f4[::1], boolean, f4[::1], f4[::1], f4[::1], f4[::1], f4[::1])",
    allocates=True,
)
def _learn_step(
    sizes: Int64,
    samples: int,
    forward: Float32,
    feedback: Float32,
    untied: bool,
    biases: Float32,
    sent: Float32,
    events: Float32,
    rates: Float32,
    bias_rates: Float32,
) -> None:
    """Let all synapses between neurons, and all biases, learn from the events of a step.

    The contrasts are those of `lava_ep.populations.SynapsePopulation`.
    """
    at, weights_at, biases_at = 0, 0, 0
    real = np.empty((0, 0), np.float32)
    for layer in range(1, sizes.size):
        n, n_below = sizes[layer], sizes[layer - 1]
        moved = _matrix(events, at, samples, n)
        if bias_rates[layer - 1] != 0:
            bias = biases[biases_at : biases_at + n]
            for row in range(samples):
                for k in range(n):
                    bias[k] += bias_rates[layer - 1] * moved[row, k]
        biases_at += n
        if layer > 1 and rates[layer - 1] != 0:
            begin = at - samples * n_below
            under = _matrix(sent, begin, samples, n_below)
            moved_under = _matrix(events, begin, samples, n_below)
            before = _matrix(sent, at, samples, n) - moved
            weights = _matrix(forward, weights_at, n, n_below)
            rate = rates[layer - 1]
            if untied:
                back = _matrix(feedback, weights_at, n, n_below)
                learn_rows(before, moved_under, 0, n, back, real, rate, np.inf)
                learn_rows(moved, under - moved_under, 0, n, weights, real, rate, np.inf)
            else:
                learn_rows(moved, under, 0, n, weights, real, rate, np.inf)
                learn_rows(before, moved_under, 0, n, weights, real, rate, np.inf)
        if layer > 1:
            weights_at += n * n_below
        at += samples * n


@kernel(
    "void(int64, i8[::1], int64, int64, int64, f4[::1], f4[::1], boolean, f4[::1], f4[::1],"
    "f4[::1], f4[:,::1], f4[::1], f4[::1], f4[::1], f4[::1], int64, f4, f4, boolean, i1[:,::1], f4,"
    "f4, f4[::1], f4[::1], f4[:,::1], f4[:,::1], i8[::1])",
    allocates=True,
)
def settle_graded(
    steps: int,
    sizes: Int64,
    batch: int,
    first: int,
    last: int,
    forward: Float32,
    feedback: Float32,
    untied: bool,
    upward: Float32,
    downward: Float32,
    biases: Float32,
    below: Float32,
    gains: Float32,
    state: Float32,
    sent: Float32,
    events: Float32,
    code: int,
    filter_rate: float,
    time_step: float,
    nudge_current: bool,
    target: Int8,
    beta: float,
    threshold: float,
    rates: Float32,
    bias_rates: Float32,
    similarity: Float32,
    moved: Float32,
    counts: Int64,
) -> None:
    r"""Take some samples through steps of the same phase, and let the synapses learn from them.

    A sample whose messages and states have stopped to change takes no more steps, as nothing would
    change any more.

    Pixels are clamped, so what the synapses of the first layer learn shows in their currents
    without the weights: moving them by :math:`\eta\, \Delta^\top x` changes the currents by
    :math:`\eta\, x x^\top \Delta`. The weights follow after the phase, from ``moved``.

    Parameters
    ----------
    steps
        Number of steps.
    sizes
        Sizes of all layers, input first.
    batch
        Number of samples in the arrays.
    first, last
        The samples to take, the last one not included; all of them when learning.
    forward, feedback
        Weights (n, n_below) of all layers but the first, one after the other; the same array twice
        unless ``untied``; updated when learning.
    untied
        Whether feedback weights are apart.
    upward, downward
        The weights once more, see `pack_layers`; updated when learning.
    biases
        Of all layers, one after the other; updated when learning.
    below
        Sums over the weights of the first layer, (batch, n); updated when learning.
    gains
        Factors between sums over weights and currents, one for each layer.
    state, sent, events
        Of all layers, each (batch, n), one after the other; updated. See
        `lava_ep.dynamics.graded_step`, also for the arguments from ``code`` to ``threshold``.
    rates, bias_rates
        What contrasts summed over samples are multiplied by, one for each layer; all 0 if nothing
        is learned.
    similarity
        :math:`x x^\top` of the pixels, (batch, batch); used when learning.
    moved
        Summed events of the first layer, (batch, n); updated when learning.
    counts
        Numbers of events of each layer; they are added.
    """
    samples = last - first
    currents = np.empty(samples * sizes[1:].sum(), np.float32)
    sums = np.empty((3, samples * max(int(sizes[1:].max()), LANES)), np.float32)
    learns = rates.any() or bias_rates.any()
    before = np.empty(sizes[1:].max(), np.float32)
    room = np.empty((2, CHUNK), np.float32)
    nudges = np.zeros(sizes.size - 1, np.float32)
    nudges[-1] = beta
    active, going = np.arange(samples), np.empty(samples, np.int64)
    quiet, changed = np.zeros(samples, np.bool_), np.zeros(samples, np.bool_)
    numbers = np.zeros(samples, np.int64)
    for _ in range(steps):
        _currents(sizes, batch, first, active, upward, downward, below, gains, sent, currents, sums)
        numbers[:], changed[:] = 0, False
        at, current_at, biases_at = 0, 0, 0
        for layer in range(1, sizes.size):
            n = sizes[layer]
            for row in active:
                begin, received_at = at + (first + row) * n, current_at + row * n
                end = begin + n
                now = state[begin:end]
                if quiet[row]:
                    before[:n] = now
                count = graded_row(
                    now,
                    sent[begin:end],
                    currents[received_at : received_at + n],
                    biases[biases_at : biases_at + n],
                    code,
                    filter_rate,
                    time_step,
                    nudge_current,
                    target[first + row],
                    nudges[layer - 1],
                    threshold,
                    events[begin:end],
                    room,
                )
                counts[layer - 1] += count
                numbers[row] += count
                if quiet[row]:
                    for k in range(n):
                        changed[row] |= before[k] != now[k]
            at += batch * n
            current_at += samples * n
            biases_at += n
        if learns and numbers.any():
            _learn_step(
                sizes, batch, forward, feedback, untied, biases, sent, events, rates, bias_rates
            )
            if rates[1:].any():
                pack_layers(sizes, forward, feedback, upward, downward)
            if rates[0] != 0:
                change = _matrix(events, 0, batch, sizes[1])
                moved += change
                for sample in range(batch):
                    factors = rates[0] * similarity[sample]
                    add_rows(change, 0, factors, active, batch, below[sample])
        count = 0
        for row in active:
            silent = numbers[row] == 0
            if not (silent and quiet[row] and not changed[row]):
                going[count] = row
                count += 1
            quiet[row] = silent
        if count == 0:
            return
        # While weights change, a sample at rest may start to move again.
        if not learns:
            active = going[:count]

"""The compiled loop that takes samples through their time steps, all layers at once."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics.events import GROUP, SIGN_BITS, VALUE_BITS, list_events, list_signs
from lava_ep.dynamics.neuron import binary_row
from lava_ep.dynamics.synapse import add_current_row, current_row, integrate_row

LOAD, SETTLE, RESTORE = 0, 1, 2


class Wiring(NamedTuple):
    """What does not change while samples settle.

    The neurons of all layers stand one after the other; layer k has those from ``offsets[k]`` to
    ``offsets[k + 1]``. Synapse population k enters layer k.
    """

    offsets: NDArray[np.int64]
    """First neuron of each layer, and the number of all."""
    forward: NDArray[np.uint64]
    """`SignMatrix.forward` of all populations, flat."""
    forward_at: NDArray[np.int64]
    """First word of each."""
    forward_stride: NDArray[np.int64]
    """Words in a row of each."""
    forward_sums: NDArray[np.int32]
    """`SignMatrix.sums`, for each neuron; or empty."""
    backward: NDArray[np.uint64]
    """`SignMatrix.backward` of all populations, flat."""
    backward_at: NDArray[np.int64]
    backward_stride: NDArray[np.int64]
    backward_sums: NDArray[np.int32]
    """`SignMatrix.sums` of the population above, for each neuron but the outputs; or empty."""
    gain: NDArray[np.float32]
    """Factor between sums and currents of each population."""
    bias: NDArray[np.float32]
    """Of each neuron."""
    filter_rate: np.float32
    threshold: np.float32
    initial_state: np.float32


class Samples(NamedTuple):
    """What happens to each sample of a batch; (batch, neurons) unless said otherwise."""

    state: NDArray[np.float32]
    activation: NDArray[np.int8]
    events: NDArray[np.int8]
    """Changes in the latest step."""
    forward_total: NDArray[np.int32]
    """Integer sums of the events from the layer below."""
    backward_total: NDArray[np.int32]
    """Integer sums of the events from the layer above."""
    current: NDArray[np.float32]
    """Synaptic input that follows from both."""
    free_state: NDArray[np.float32]
    """States at the end of the free phase."""
    free_activation: NDArray[np.int8]
    first_activation: NDArray[np.int8]
    """Activations that the final ones are contrasted with."""
    first_total: NDArray[np.int32]
    """``forward_total`` at the same time; (0, 0) where nothing learns from it."""
    target: NDArray[np.int8]
    """(batch, outputs)."""


class Steps(NamedTuple):
    """What happens at each position within a sample."""

    kind: NDArray[np.int8]
    """LOAD, SETTLE or RESTORE."""
    beta: NDArray[np.float32]
    counter: NDArray[np.int8]
    """Where events are counted: 0 in the free phase, 1 in nudged phases."""
    free_end: int
    first_end: int
    """Position of the state that the final one is contrasted with."""


def _example() -> tuple[Wiring, Samples, Steps]:
    """Return the smallest arguments, for the sake of their types."""
    integers, words = np.zeros(1, np.int64), np.zeros(1, np.uint64)
    floats, real = np.zeros(1, np.float32), np.float32(0)
    sums, one = np.zeros(1, np.int32), np.zeros((1, 1), np.int8)
    totals, states = np.zeros((1, 1), np.int32), np.zeros((1, 1), np.float32)
    packed = words, integers, integers, sums
    wiring = Wiring(integers, *packed, *packed, floats, floats, real, real, real)
    samples = Samples(states, one, one, totals, totals, states, states, one, one, totals, one)
    return wiring, samples, Steps(one[0], floats, one[0], 0, 0)


_WIRING, _SAMPLES, _STEPS = (numba.typeof(example) for example in _example())
_IMAGES, _COUNTS = numba.int32[:, ::1], numba.int64[:, ::1]
_ROW = numba.int64


@kernel(numba.void(_WIRING, _SAMPLES, _ROW, numba.int64))
def _refresh_current(wiring: Wiring, samples: Samples, row: int, layer: int) -> None:
    """Sum the currents from below and from above of one layer, in this order."""
    first, last = wiring.offsets[layer], wiring.offsets[layer + 1]
    current = samples.current[row, first:last]
    current_row(samples.forward_total[row, first:last], wiring.gain[layer], current)
    if layer + 2 < wiring.offsets.size:
        total = samples.backward_total[row, first:last]
        add_current_row(total, wiring.gain[layer + 1], current)


@kernel(
    numba.void(
        _WIRING,
        _SAMPLES,
        _STEPS,
        _IMAGES,
        _ROW,
        _ROW,
        numba.int64,
        numba.int64,
        _COUNTS,
        _COUNTS,
    )
)
def settle(
    wiring: Wiring,
    samples: Samples,
    steps: Steps,
    images: NDArray[np.int32],
    first_row: int,
    last_row: int,
    first_position: int,
    last_position: int,
    events: NDArray[np.int64],
    operations: NDArray[np.int64],
) -> None:
    """Take some samples from one position in their schedule to another, in place.

    Every step does what the Processes of the message-passing network do: all neurons advance with
    the currents of the step before, then all synapses add the events.

    Parameters
    ----------
    wiring, samples, steps
        The network, its samples, and the schedule.
    images
        Pixel events that arrive in the first of the steps, (batch, inputs); or (0, 0).
    first_row, last_row
        The samples.
    first_position, last_position
        The positions; the last one is not included.
    events, operations
        Events of each layer of neurons, and synaptic operations of the synapses that enter it,
        (layers, 2), in the free phase and in nudged phases; added to.
    """
    layers = wiring.offsets.size - 1
    outputs = wiring.offsets[layers - 1]
    largest = np.int64(0)
    for layer in range(layers):
        largest = max(largest, wiring.offsets[layer + 1] - wiring.offsets[layer])
    space = np.empty(2 * SIGN_BITS * (largest + GROUP), np.int32)
    counts = np.zeros((SIGN_BITS, 2), np.int64)
    pixel_space = np.empty((VALUE_BITS, 2, images.shape[1] + GROUP), np.int32)
    pixel_counts = np.zeros((VALUE_BITS, 2), np.int64)
    stale = np.empty(layers, np.bool_)
    for row in range(first_row, last_row):
        for position in range(first_position, last_position):
            kind = steps.kind[position]
            counter = steps.counter[position]
            if kind == LOAD:
                samples.state[row] = wiring.initial_state
                samples.activation[row] = wiring.initial_state >= wiring.threshold
                samples.events[row] = samples.activation[row]
                samples.forward_total[row] = 0
                samples.backward_total[row] = 0
                samples.current[row] = 0
            elif kind == RESTORE:
                samples.state[row] = samples.free_state[row]
                for n in range(samples.events.shape[1]):
                    free = samples.free_activation[row, n]
                    samples.events[row, n] = free - samples.activation[row, n]
                    samples.activation[row, n] = free
            else:
                for layer in range(layers):
                    first, last = wiring.offsets[layer], wiring.offsets[layer + 1]
                    binary_row(
                        samples.state[row, first:last],
                        samples.activation[row, first:last],
                        samples.current[row, first:last],
                        wiring.bias[first:last],
                        wiring.filter_rate,
                        wiring.threshold,
                        samples.events[row, first:last],
                        samples.target[row],
                        steps.beta[position] if first == outputs else np.float32(0),
                    )
            stale[:] = False
            if position == first_position and images.size:
                found = list_events(images[row], pixel_space, pixel_counts)
                if found:
                    stale[0] = True
                    operations[0, counter] += found * wiring.offsets[1]
                    integrate_row(
                        wiring.forward[wiring.forward_at[0] :],
                        wiring.forward_stride[0],
                        wiring.forward_sums[: wiring.offsets[1]],
                        pixel_space,
                        pixel_counts,
                        samples.forward_total[row, : wiring.offsets[1]],
                    )
            for layer in range(layers):
                first, last = wiring.offsets[layer], wiring.offsets[layer + 1]
                neurons = last - first
                sources = space[: 2 * (neurons + GROUP)].reshape((SIGN_BITS, 2, neurons + GROUP))
                found = list_signs(samples.events[row, first:last], sources, counts)
                if found == 0:
                    continue
                events[layer, counter] += found
                if layer > 0:
                    below = wiring.offsets[layer - 1]
                    stale[layer - 1] = True
                    operations[layer, counter] += found * (first - below)
                    integrate_row(
                        wiring.backward[wiring.backward_at[layer] :],
                        wiring.backward_stride[layer],
                        wiring.backward_sums[below:first],
                        sources,
                        counts,
                        samples.backward_total[row, below:first],
                    )
                if layer + 1 < layers:
                    above = wiring.offsets[layer + 2]
                    stale[layer + 1] = True
                    operations[layer + 1, counter] += found * (above - last)
                    integrate_row(
                        wiring.forward[wiring.forward_at[layer + 1] :],
                        wiring.forward_stride[layer + 1],
                        wiring.forward_sums[last:above],
                        sources,
                        counts,
                        samples.forward_total[row, last:above],
                    )
            for layer in range(layers):
                if stale[layer]:
                    _refresh_current(wiring, samples, row, layer)
            if position == steps.free_end:
                samples.free_state[row] = samples.state[row]
                samples.free_activation[row] = samples.activation[row]
            if position == steps.first_end:
                samples.first_activation[row] = samples.activation[row]
                if samples.first_total.size:
                    samples.first_total[row] = samples.forward_total[row]

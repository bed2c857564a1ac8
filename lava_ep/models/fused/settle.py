"""The compiled loop that takes samples through their time steps, all layers at once."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics._words import VECTOR_BITS, VECTOR_WORDS
from lava_ep.dynamics.events import GROUP, SIGN_BITS, VALUE_BITS, list_events, list_signs
from lava_ep.dynamics.neuron import fire_row, free_row, input_row, nudged_row
from lava_ep.dynamics.synapse import current_row, current_sum_row, integrate_lists

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
    """First word of each population, and the number of all."""
    forward_sums: NDArray[np.int32]
    """`SignMatrix.sums`, for each neuron; or empty."""
    backward: NDArray[np.uint64]
    """`SignMatrix.backward` of all populations, flat."""
    backward_at: NDArray[np.int64]
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
    """Synaptic input of the outputs, which a nudged step starts from, (batch, outputs)."""
    filtered: NDArray[np.float32]
    """What the current and the bias add to the state in a free step."""
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
    packed = words, integers, sums
    wiring = Wiring(integers, *packed, *packed, floats, floats, real, real, real)
    samples = Samples(
        states, one, one, totals, totals, states, states, states, one, one, totals, one
    )
    return wiring, samples, Steps(one[0], floats, one[0], 0, 0)


_WIRING, _SAMPLES, _STEPS = (numba.typeof(example) for example in _example())
_IMAGES, _COUNTERS, _INT = numba.int32[:, ::1], numba.int64[:, ::1], numba.int64
_SPACE, _FLAGS = numba.int32[::1], numba.bool_[:, ::1]

TOGETHER = 16
"""Samples that take turns with the signs of the weights while many neurons fire."""

BLOCK = 1024
"""Neurons whose states, inputs and events stay in the fastest cache together."""

BUSY = 64
"""Events of a sample in a step that count as many.

With fewer, a sample takes all its steps before the next one begins, and its states stay in the
cache.
"""


@kernel(numba.uint64[:, :, ::1](numba.uint64[::1], _INT, _INT), allocates=True)
def _strips(words: NDArray[np.uint64], targets: int, sources: int) -> NDArray[np.uint64]:
    """Return the words of a population in the shape of `SignMatrix`."""
    strips = -(-targets // VECTOR_BITS)
    return words.reshape((strips, sources + 2, VECTOR_WORDS))


@kernel(numba.void(_WIRING, _SAMPLES, _INT, _INT, _INT))
def _fire(wiring: Wiring, samples: Samples, row: int, first: int, last: int) -> None:
    """Turn the states of some neurons of one sample into activations and events."""
    fire_row(
        samples.state[row, first:last],
        samples.activation[row, first:last],
        wiring.threshold,
        samples.events[row, first:last],
    )


@kernel(numba.void(_WIRING, _SAMPLES, _STEPS, _INT, _INT))
def _advance_neurons(
    wiring: Wiring, samples: Samples, steps: Steps, row: int, position: int
) -> None:
    """Let all neurons of one sample take a step."""
    kind, beta = steps.kind[position], steps.beta[position]
    if kind == LOAD:
        active = np.int8(wiring.initial_state >= wiring.threshold)
        for n in range(samples.state.shape[1]):
            samples.state[row, n] = wiring.initial_state
            samples.activation[row, n] = active
            samples.events[row, n] = active
            samples.forward_total[row, n] = 0
            samples.backward_total[row, n] = 0
    elif kind == RESTORE:
        for n in range(samples.state.shape[1]):
            free = samples.free_activation[row, n]
            samples.state[row, n] = samples.free_state[row, n]
            samples.events[row, n] = free - samples.activation[row, n]
            samples.activation[row, n] = free
    else:
        neurons = wiring.offsets[-1]
        outputs = wiring.offsets[-2] if beta != 0 else neurons
        for first in range(0, outputs, BLOCK):
            last = min(first + BLOCK, outputs)
            state = samples.state[row, first:last]
            free_row(state, samples.filtered[row, first:last], wiring.filter_rate)
            _fire(wiring, samples, row, first, last)
        if outputs < neurons:
            nudged_row(
                samples.state[row, outputs:],
                samples.current[row],
                wiring.bias[outputs:],
                wiring.filter_rate,
                samples.target[row],
                beta,
            )
            _fire(wiring, samples, row, outputs, neurons)


@kernel(numba.void(_WIRING, _SAMPLES, _INT, _INT, numba.float32[::1]))
def _refresh_inputs(
    wiring: Wiring, samples: Samples, row: int, layer: int, block: NDArray[np.float32]
) -> None:
    """Sum the currents from below and from above of one layer, in this order."""
    below, above = wiring.gain[layer], wiring.gain[min(layer + 1, wiring.gain.size - 1)]
    is_output = layer + 1 == wiring.gain.size
    end = wiring.offsets[layer + 1]
    for first in range(wiring.offsets[layer], end, BLOCK):
        last = min(first + BLOCK, end)
        current = block[: last - first]
        forward = samples.forward_total[row, first:last]
        if is_output:
            current_row(forward, below, current)
            offset = first - wiring.offsets[layer]
            for n in range(current.size):
                samples.current[row, offset + n] = current[n]
        else:
            backward = samples.backward_total[row, first:last]
            current_sum_row(forward, below, backward, above, current)
        filtered = samples.filtered[row, first:last]
        input_row(current, wiring.bias[first:last], wiring.filter_rate, filtered)


@kernel(
    numba.int64(_WIRING, _SAMPLES, _INT, _INT, _INT, _SPACE, _COUNTERS, _COUNTERS, _FLAGS),
    allocates=True,
)
def _send_events(
    wiring: Wiring,
    samples: Samples,
    first_row: int,
    last_row: int,
    counter: int,
    space: NDArray[np.int32],
    events: NDArray[np.int64],
    operations: NDArray[np.int64],
    stale: NDArray[np.bool_],
) -> int:
    """Add the events of some samples to the sums of their targets; return the number of events."""
    rows = last_row - first_row
    layers = wiring.offsets.size - 1
    counts = np.empty((rows, SIGN_BITS, 2), np.int64)
    every = np.int64(0)
    for layer in range(layers):
        first, last = wiring.offsets[layer], wiring.offsets[layer + 1]
        length = last - first + GROUP
        sources = space[: 2 * rows * length].reshape((rows, SIGN_BITS, 2, length))
        found = np.int64(0)
        for k in range(rows):
            here = samples.events[first_row + k, first:last]
            listed = list_signs(here, sources[k], counts[k])
            found += listed
            if listed and layer > 0:
                stale[k, layer - 1] = True
            if listed and layer + 1 < layers:
                stale[k, layer + 1] = True
        if found == 0:
            continue
        every += found
        events[layer, counter] += found
        if layer > 0:
            below = wiring.offsets[layer - 1]
            operations[layer, counter] += found * (first - below)
            begin, end = wiring.backward_at[layer], wiring.backward_at[layer + 1]
            integrate_lists(
                _strips(wiring.backward[begin:end], first - below, last - first),
                wiring.backward_sums[below:first],
                sources,
                counts,
                samples.backward_total,
                first_row,
                below,
                first,
            )
        if layer + 1 < layers:
            above = wiring.offsets[layer + 2]
            operations[layer + 1, counter] += found * (above - last)
            begin, end = wiring.forward_at[layer + 1], wiring.forward_at[layer + 2]
            integrate_lists(
                _strips(wiring.forward[begin:end], above - last, last - first),
                wiring.forward_sums[last:above],
                sources,
                counts,
                samples.forward_total,
                first_row,
                last,
                above,
            )
    return every


@kernel(numba.void(_WIRING, _SAMPLES, _IMAGES, _INT, _INT, _INT, _COUNTERS, _FLAGS), allocates=True)
def _send_pixels(
    wiring: Wiring,
    samples: Samples,
    images: NDArray[np.int32],
    first_row: int,
    last_row: int,
    counter: int,
    operations: NDArray[np.int64],
    stale: NDArray[np.bool_],
) -> None:
    """Add the pixel events of some samples to the sums of the first layer."""
    rows, inputs = last_row - first_row, images.shape[1]
    neurons = wiring.offsets[1]
    sources = np.empty((rows, VALUE_BITS, 2, inputs + GROUP), np.int32)
    counts = np.empty((rows, VALUE_BITS, 2), np.int64)
    for k in range(rows):
        found = list_events(images[first_row + k], sources[k], counts[k])
        operations[0, counter] += found * neurons
        stale[k, 0] |= found > 0
    integrate_lists(
        _strips(wiring.forward[: wiring.forward_at[1]], neurons, inputs),
        wiring.forward_sums[:neurons],
        sources,
        counts,
        samples.forward_total,
        first_row,
        0,
        neurons,
    )


@kernel(
    numba.int64(_WIRING, _SAMPLES, _STEPS, _IMAGES, *[_INT] * 4, _SPACE, _COUNTERS, _COUNTERS),
    allocates=True,
)
def _run(
    wiring: Wiring,
    samples: Samples,
    steps: Steps,
    images: NDArray[np.int32],
    first_row: int,
    last_row: int,
    first_position: int,
    last_position: int,
    space: NDArray[np.int32],
    events: NDArray[np.int64],
    operations: NDArray[np.int64],
) -> int:
    """Take some samples through some steps together; return the events of the last step."""
    layers = wiring.offsets.size - 1
    stale = np.empty((last_row - first_row, layers), np.bool_)
    block = np.empty(BLOCK, np.float32)
    found = np.int64(0)
    for position in range(first_position, last_position):
        counter = steps.counter[position]
        loaded = steps.kind[position] == LOAD
        for row in range(first_row, last_row):
            _advance_neurons(wiring, samples, steps, row, position)
        stale[:] = loaded
        if position == first_position and images.size:
            _send_pixels(wiring, samples, images, first_row, last_row, counter, operations, stale)
        found = _send_events(
            wiring, samples, first_row, last_row, counter, space, events, operations, stale
        )
        for row in range(first_row, last_row):
            for layer in range(layers):
                if stale[row - first_row, layer]:
                    _refresh_inputs(wiring, samples, row, layer, block)
            if position == steps.free_end:
                samples.free_state[row] = samples.state[row]
                samples.free_activation[row] = samples.activation[row]
            if position == steps.first_end:
                samples.first_activation[row] = samples.activation[row]
                if samples.first_total.size:
                    samples.first_total[row] = samples.forward_total[row]
    return found


@kernel(
    numba.void(_WIRING, _SAMPLES, _STEPS, _IMAGES, *[_INT] * 4, _COUNTERS, _COUNTERS),
    allocates=True,
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
    largest = np.int64(0)
    for layer in range(wiring.offsets.size - 1):
        largest = max(largest, wiring.offsets[layer + 1] - wiring.offsets[layer])
    space = np.empty(TOGETHER * 2 * SIGN_BITS * (largest + GROUP), np.int32)
    nothing = np.empty((0, 0), np.int32)
    for first in range(first_row, last_row, TOGETHER):
        last = min(first + TOGETHER, last_row)
        found = BUSY * TOGETHER
        position = first_position
        while position < last_position and found >= BUSY * (last - first):
            arriving = images if position == first_position else nothing
            found = _run(
                wiring,
                samples,
                steps,
                arriving,
                first,
                last,
                position,
                position + 1,
                space,
                events,
                operations,
            )
            position += 1
        for row in range(first, last):
            _run(
                wiring,
                samples,
                steps,
                nothing,
                row,
                row + 1,
                position,
                last_position,
                space,
                events,
                operations,
            )

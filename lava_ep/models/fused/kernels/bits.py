"""The compiled loop that takes samples through their time steps, all layers at once."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._integrate import integrate_lists
from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics.events import (
    GROUP,
    SIGN_BITS,
    list_events,
    list_signs,
)
from lava_ep.dynamics.neuron import fire_row, free_row, input_row, nudged_row
from lava_ep.dynamics.synapse import current_row, current_sum_row
from lava_ep.models.fused.kernels.bit_memory import (
    BLOCK,
    TOGETHER,
    Samples,
    Steps,
    Wiring,
    Workspace,
    make_workspace,
)

LOAD, SETTLE, RESTORE = 0, 1, 2


CACHE_WORDS = 1 << 16
"""Signs, in words, that stay in the cache of a core from one sample to the next."""

BUSY = 64
"""Events of a sample in a step that count as many.

While there are many, and the signs do not fit the cache, all samples take a step together, strip by
strip. Otherwise a sample takes all its steps before the next one begins, so that its states stay
in the cache.
"""


@cache
def _examples() -> tuple[Wiring, Samples, Steps, Workspace]:
    """Return the smallest arguments, for the sake of their types."""
    integers, words = np.zeros(1, np.int64), np.zeros(1, np.uint64)
    floats, real = np.zeros(1, np.float32), np.float32(0)
    sums, one = np.zeros(1, np.int32), np.zeros((1, 1), np.int8)
    totals, states = np.zeros((1, 1), np.int32), np.zeros((1, 1), np.float32)
    packed = words, integers, sums
    wiring = Wiring(integers, *packed, *packed, floats, floats, real, real, real)
    samples = Samples(
        states, one, one, totals, totals, states, states, states, one, one, totals, one, totals
    )
    steps = Steps(one[0], floats, one[0], integers, 0, 0)
    return wiring, samples, steps, make_workspace((1, 1), 1)


@kernel("void(Wiring, Samples, int64, int64, int64)", examples=_examples, inline=True)
def _fire(wiring: Wiring, samples: Samples, row: int, first: int, last: int) -> None:
    """Turn the states of some neurons of one sample into activations and events."""
    fire_row(
        samples.state[row, first:last],
        samples.activation[row, first:last],
        wiring.threshold,
        samples.events[row, first:last],
    )


@kernel("void(Wiring, Samples, Steps, int64, int64)", examples=_examples, inline=True)
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
            samples.forward_total[row, n] = wiring.forward_sums[n] if active else 0
            samples.backward_total[row, n] = wiring.backward_sums[n] if active else 0
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


@kernel("boolean(Wiring, Samples, int64, int64, int64)", examples=_examples, inline=True)
def _unchanged(wiring: Wiring, samples: Samples, row: int, first: int, last: int) -> bool:
    """Return whether some neurons of a sample are on the side of the threshold they were on."""
    changes = 0
    for n in range(first, last):
        changes += np.int8(samples.state[row, n] >= wiring.threshold) != samples.activation[row, n]
    return changes == 0


@kernel("boolean(Wiring, Samples, int64, int64, f4, f4[::1])", examples=_examples, inline=True)
def _relax(
    wiring: Wiring,
    samples: Samples,
    row: int,
    count: int,
    beta: np.float32,
    before: NDArray[np.float32],
) -> bool:
    """Take a silent sample through some steps at once, if it stays silent; return whether it does.

    As long as the input stays the same, a free step is a monotone function of the state, also as
    rounded. So a state moves in one direction only, and where it is on the same side of the
    threshold after all steps, it was there all the time. Nudged outputs are looked at every step.
    """
    state, neurons = samples.state[row], wiring.offsets[-1]
    outputs = wiring.offsets[-2] if beta != 0 else neurons
    silent = True
    for n in range(neurons):
        before[n] = state[n]
    # The outputs first: they are few, and where anything happens, it begins with them.
    if outputs < neurons:
        for _ in range(count):
            nudged_row(
                state[outputs:],
                samples.current[row],
                wiring.bias[outputs:],
                wiring.filter_rate,
                samples.target[row],
                beta,
            )
            silent = _unchanged(wiring, samples, row, outputs, neurons)
            if not silent:
                break
    for first in range(0, outputs if silent else 0, BLOCK):
        last = min(first + BLOCK, outputs)
        for _ in range(count):
            free_row(state[first:last], samples.filtered[row, first:last], wiring.filter_rate)
        silent = silent and _unchanged(wiring, samples, row, first, last)
    if not silent:
        for n in range(neurons):
            state[n] = before[n]
    return silent


@kernel("void(Wiring, Samples, int64, int64, f4[::1])", examples=_examples, inline=True)
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


@kernel("int64(Wiring, Samples, int64, int64, int64, Workspace)", examples=_examples, inline=True)
def _send_events(
    wiring: Wiring,
    samples: Samples,
    first_row: int,
    last_row: int,
    counter: int,
    workspace: Workspace,
) -> int:
    """Add the events of some samples to the sums of their targets; return the number of events."""
    rows = last_row - first_row
    layers = wiring.gain.size
    every = 0
    for layer in range(layers):
        first, last = wiring.offsets[layer], wiring.offsets[layer + 1]
        length = last - first + GROUP
        sources = workspace.space[: 2 * rows * length].reshape((rows, SIGN_BITS, 2, length))
        sent = 0
        for k in range(rows):
            here = samples.events[first_row + k, first:last]
            listed = list_signs(here, sources[k], workspace.counts[k])
            sent += listed
            if listed and layer > 0:
                workspace.stale[k, layer - 1] = True
            if listed and layer + 1 < layers:
                workspace.stale[k, layer + 1] = True
        if sent == 0:
            continue
        every += sent
        workspace.events[layer, counter] += sent
        if layer > 0:
            below = wiring.offsets[layer - 1]
            workspace.operations[layer, counter] += sent * (first - below)
            integrate_lists(
                wiring.backward,
                wiring.backward_at[layer],
                sources,
                workspace.counts,
                rows,
                samples.backward_total,
                first_row,
                below,
                first,
                workspace.room,
            )
        if layer + 1 < layers:
            above = wiring.offsets[layer + 2]
            workspace.operations[layer + 1, counter] += sent * (above - last)
            integrate_lists(
                wiring.forward,
                wiring.forward_at[layer + 1],
                sources,
                workspace.counts,
                rows,
                samples.forward_total,
                first_row,
                last,
                above,
                workspace.room,
            )
    return every


@kernel("int64(Wiring, int64, Workspace)", examples=_examples, inline=True)
def _count_loaded(wiring: Wiring, rows: int, workspace: Workspace) -> int:
    """Count the events of neurons that start active, and whose sums are those of all signs."""
    if wiring.initial_state < wiring.threshold:
        return 0
    offsets = wiring.offsets
    for layer in range(wiring.gain.size):
        neurons = offsets[layer + 1] - offsets[layer]
        workspace.events[layer, 0] += rows * neurons
        if layer > 0:
            below = offsets[layer] - offsets[layer - 1]
            workspace.operations[layer, 0] += 2 * rows * neurons * below
    return rows * int(offsets[-1])


@kernel("void(Wiring, Samples, int64, int64, int64, Workspace)", examples=_examples, inline=True)
def _send_pixels(
    wiring: Wiring,
    samples: Samples,
    first_row: int,
    last_row: int,
    counter: int,
    workspace: Workspace,
) -> None:
    """Add the pixel events of some samples to the sums of the first layer."""
    neurons = wiring.offsets[1]
    for k in range(last_row - first_row):
        listed = list_events(
            samples.pixels[first_row + k], workspace.pixels[k], workspace.pixel_counts[k]
        )
        workspace.operations[0, counter] += listed * neurons
        workspace.stale[k, 0] |= listed > 0
    integrate_lists(
        wiring.forward,
        0,
        workspace.pixels,
        workspace.pixel_counts,
        last_row - first_row,
        samples.forward_total,
        first_row,
        0,
        neurons,
        workspace.room,
    )


@kernel("void(Samples, Steps, int64, int64)", examples=_examples, inline=True)
def _remember(samples: Samples, steps: Steps, row: int, position: int) -> None:
    """Keep the states at the ends of the phases."""
    neurons = samples.state.shape[1]
    if position == steps.restored_from:
        for n in range(neurons):
            samples.free_state[row, n] = samples.state[row, n]
            samples.free_activation[row, n] = samples.activation[row, n]
    if position == steps.first_end:
        for n in range(neurons):
            samples.first_activation[row, n] = samples.activation[row, n]
        if samples.first_total.size:
            for n in range(neurons):
                samples.first_total[row, n] = samples.forward_total[row, n]


@kernel(
    "int64(Wiring, Samples, Steps, int64, int64, int64, int64, Workspace)",
    examples=_examples,
    inline=True,
)
def _run(
    wiring: Wiring,
    samples: Samples,
    steps: Steps,
    first_row: int,
    last_row: int,
    first_position: int,
    last_position: int,
    workspace: Workspace,
) -> int:
    """Take some samples through some steps together; return the events of the last step."""
    rows, layers = last_row - first_row, wiring.gain.size
    sent = 0
    position = first_position
    while position < last_position:
        counter = steps.counter[position]
        loading = steps.kind[position] == LOAD
        for k in range(rows):
            _advance_neurons(wiring, samples, steps, first_row + k, position)
            for layer in range(layers):
                workspace.stale[k, layer] = loading
        if workspace.arriving[0]:
            _send_pixels(wiring, samples, first_row, last_row, counter, workspace)
            workspace.arriving[0] = False
        if loading:
            sent = _count_loaded(wiring, rows, workspace)
        else:
            sent = _send_events(wiring, samples, first_row, last_row, counter, workspace)
        settled = rows == 1 and sent == 0
        for k in range(rows):
            for layer in range(layers):
                if workspace.stale[k, layer]:
                    settled = False
                    _refresh_inputs(wiring, samples, first_row + k, layer, workspace.block)
        for row in range(first_row, last_row):
            _remember(samples, steps, row, position)
        end = min(steps.same_until[position], last_position - 1)
        if settled and end > position:
            count, beta = end - position, steps.beta[end]
            if _relax(wiring, samples, first_row, count, beta, workspace.before):
                position = end
                _remember(samples, steps, first_row, position)
        position += 1
    return sent


@kernel(
    "void(Wiring, Samples, Steps, int64, int64, int64, int64, Workspace)",
    examples=_examples,
)
def settle(
    wiring: Wiring,
    samples: Samples,
    steps: Steps,
    first_row: int,
    last_row: int,
    first_position: int,
    last_position: int,
    workspace: Workspace,
) -> None:
    """Take some samples from one position in their schedule to another, in place.

    Every step does what the Processes of the message-passing network do: all neurons advance with
    the currents of the step before, then all synapses add the events.

    Parameters
    ----------
    wiring, samples, steps
        The network, its samples, and the schedule.
    first_row, last_row
        The samples.
    first_position, last_position
        The positions; the last one is not included.
    workspace
        What this thread works with; its counters are added to.
    """
    large = wiring.forward.size - wiring.forward_at[1] > CACHE_WORDS
    for first in range(first_row, last_row, TOGETHER):
        last = min(first + TOGETHER, last_row)
        together = True
        position = first_position
        workspace.arriving[0] = samples.pixels.size > 0
        while position < last_position and together:
            after = position + 1
            sent = _run(wiring, samples, steps, first, last, position, after, workspace)
            together = large and sent >= BUSY * (last - first)
            position = after
        for row in range(first, last):
            _run(wiring, samples, steps, row, row + 1, position, last_position, workspace)

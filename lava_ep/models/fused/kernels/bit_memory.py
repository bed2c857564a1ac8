"""Memory of networks of bits: parameters, samples, schedule, and workspaces of threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._integrate import Room, make_room
from lava_ep.dynamics.events import SIGN_BITS, event_lists

BLOCK = 1024
"""Neurons whose states, inputs and events stay in the fastest cache together."""


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
    """`SignMatrix.sums`, for each neuron; unused for those of the first layer."""
    backward: NDArray[np.uint64]
    """`SignMatrix.backward` of all populations, flat."""
    backward_at: NDArray[np.int64]
    backward_sums: NDArray[np.int32]
    """`SignMatrix.sums` of the population above, for each neuron; unused for the outputs."""
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
    """States at the end of the free phase; (0, 0) where nothing returns to them."""
    free_activation: NDArray[np.int8]
    first_activation: NDArray[np.int8]
    """Activations that the final ones are contrasted with; (0, 0) without learning."""
    first_total: NDArray[np.int32]
    """``forward_total`` at the same time; (0, 0) where nothing learns from it."""
    target: NDArray[np.int8]
    """(batch, outputs)."""
    pixels: NDArray[np.int32]
    """Pixel events that arrive in the next step, (batch, inputs); (0, 0) if there are none."""


class Steps(NamedTuple):
    """What happens at each position within a sample."""

    kind: NDArray[np.int8]
    """LOAD, SETTLE or RESTORE."""
    beta: NDArray[np.float32]
    counter: NDArray[np.int8]
    """Where events are counted: 0 in the free phase, 1 in nudged phases."""
    same_until: NDArray[np.int64]
    """Last position up to which the next steps are all of one kind and beta."""
    restored_from: int
    """Position of the free state that RESTORE returns to; -1 where nothing does."""
    first_end: int
    """Position of the state that the final one is contrasted with; -1 without learning."""


class Workspace(NamedTuple):
    """What one thread works with: lists, scratch arrays, and its counters."""

    space: NDArray[np.int32]
    """Lists of the events of one layer, for up to TOGETHER samples."""
    counts: NDArray[np.int64]
    pixels: NDArray[np.int32]
    """Lists of the pixel events."""
    pixel_counts: NDArray[np.int64]
    stale: NDArray[np.bool_]
    """Whether the input of a layer of a sample has changed, (TOGETHER, layers)."""
    block: NDArray[np.float32]
    """Currents of some neurons."""
    before: NDArray[np.float32]
    """States of a sample, to return to."""
    events: NDArray[np.int64]
    """Events of each layer of neurons in the free phase and in nudged phases, (layers, 2)."""
    operations: NDArray[np.int64]
    """Synaptic operations of the synapses that enter each layer, (layers, 2)."""
    arriving: NDArray[np.bool_]
    """Whether pixel events arrive in the next step, (1,)."""
    room: Room


TOGETHER = 16
"""Samples that take turns with the signs of the weights while many neurons fire."""


def make_workspace(sizes: Sequence[int], pixel_bits: int) -> Workspace:
    """Return what a thread needs for a network with these layers, pixels first.

    ``pixel_bits`` are the powers of two that pixel events are made of, see `list_events`.
    """
    layers, neurons, largest = len(sizes) - 1, sum(sizes[1:]), max(sizes[1:])
    sources, counts = event_lists(TOGETHER, largest, SIGN_BITS)
    pixels, pixel_counts = event_lists(TOGETHER, sizes[0], pixel_bits)
    return Workspace(
        space=sources.reshape(-1),
        counts=counts,
        pixels=pixels,
        pixel_counts=pixel_counts,
        stale=np.zeros((TOGETHER, layers), np.bool_),
        block=np.empty(BLOCK, np.float32),
        before=np.empty(neurons, np.float32),
        events=np.zeros((layers, 2), np.int64),
        operations=np.zeros((layers, 2), np.int64),
        arriving=np.zeros(1, np.bool_),
        room=make_room(TOGETHER),
    )

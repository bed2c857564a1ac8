"""What one sample costs: events and synaptic operations beside dense multiply-accumulates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lava_ep.analysis.picojoules import (
    ADDITION,
    ADDITION_OR_MULTIPLY_ACCUMULATE,
    CHIP_SYNAPTIC_OPERATION,
    LOIHI_NEURON_UPDATE,
    LOIHI_SYNAPTIC_OPERATION,
    MULTIPLY_ACCUMULATE,
    Energy,
)
from lava_ep.dynamics import Connection, Convolution
from lava_ep.spec import NetworkSpec

CAVEAT = (
    "Estimates: counted operations times published energies of single operations on other "
    "hardware, not measurements. Unless a source says otherwise they leave out static power, "
    "traffic to memories, input and output, and learning."
)
"""What every estimate of energy must be read with."""


def forward_macs(connections: Sequence[Connection]) -> int:
    r"""Count the multiply-accumulates of one forward pass without recurrence.

    .. math:: \sum_l m_l

    A dense connection takes :math:`m = n_\mathrm{pre} n_\mathrm{post}`, and a convolution of
    :math:`c` channels to a map of :math:`h \times w \times o`, before pooling,
    :math:`m = h w o \cdot k^2 c`. Zeros of the padding count as what they are multiplied like.

    Parameters
    ----------
    connections
        From the input upwards.
    """
    return sum(_macs(connection) for connection in connections)


def dense_macs(connections: Sequence[Connection], steps: int, *, input_once: bool = False) -> int:
    r"""Count the multiply-accumulates of the same network with products instead of events.

    .. math:: \mathrm{steps} \cdot \left(m_1 + 2 \sum_{l > 1} m_l\right)

    Every synapse is evaluated at every step: from the input upwards only, between layers of
    neurons in both directions; :math:`m` as in `forward_macs`.

    Parameters
    ----------
    connections
        From the input upwards.
    steps
        Number of time steps.
    input_once
        Count the product with the input a single time, as a program may that knows of the image
        standing still.
    """
    once = [_macs(connection) for connection in connections]
    return (1 if input_once else steps) * once[0] + steps * 2 * sum(once[1:])


def _macs(connection: Connection) -> int:
    sums = connection.n_post
    if isinstance(connection, Convolution):
        sums = math.prod(connection.sum_shape)
    return sums * connection.fan_in


def synaptic_arithmetic(network: NetworkSpec) -> Energy:
    """Return the energy of what one synaptic operation computes.

    Binary weights are signs, and events of all but graded neurons are, so an addition does; but
    pixels have values, and so have the events of graded and of resistive neurons.
    """
    if all(layer.binary for layer in network.layers):
        return ADDITION
    if network.neuron.constants.SENDS_VALUES:
        return MULTIPLY_ACCUMULATE
    return ADDITION_OR_MULTIPLY_ACCUMULATE


@dataclass(frozen=True)
class Account:
    """Operations of one sample, and what they may cost.

    Parameters
    ----------
    network
        The network that took them.
    steps
        Time steps in which neurons are updated.
    events, synaptic_operations
        Mean per sample. Operations caused by the input count, events of the input do not.
    """

    network: NetworkSpec
    steps: int
    events: float
    synaptic_operations: float

    @property
    def neurons(self) -> int:
        """Neurons of all layers."""
        return sum(self.network.sizes[1:])

    @property
    def events_per_neuron(self) -> float:
        """Mean events of a neuron."""
        return self.events / self.neurons

    @property
    def dense_macs(self) -> int:
        """See `dense_macs`."""
        return dense_macs(self.network.connections, self.steps)

    @property
    def dense_macs_input_once(self) -> int:
        """See `dense_macs`."""
        return dense_macs(self.network.connections, self.steps, input_once=True)

    @property
    def feedforward_macs(self) -> int:
        """See `forward_macs`."""
        return forward_macs(self.network.connections)

    @property
    def macs_per_operation(self) -> float | None:
        """Dense multiply-accumulates for each synaptic operation; None where there was none."""
        return self.dense_macs / self.synaptic_operations if self.synaptic_operations else None

    def energies(self) -> dict[str, Energy]:
        """Estimate energies, in pJ; see `CAVEAT`.

        Returns
        -------
        energies
            ``energy``: the synaptic operations on digital neuromorphic chips. ``loihi_energy``:
            the same on Loihi with the update of every neuron in every step; events of graded
            neurons are taken as spikes that carry no value. ``arithmetic_energy``: only what the
            synaptic operations compute, beside which ``dense_energy``,
            ``dense_energy_input_once`` and ``feedforward_energy`` are those of the
            multiply-accumulates in the same technology.
        """
        operations = self.synaptic_operations
        updates = LOIHI_NEURON_UPDATE.times(self.neurons * self.steps)
        return {
            "energy": CHIP_SYNAPTIC_OPERATION.times(operations),
            "loihi_energy": LOIHI_SYNAPTIC_OPERATION.times(operations) + updates,
            "arithmetic_energy": synaptic_arithmetic(self.network).times(operations),
            "dense_energy": MULTIPLY_ACCUMULATE.times(self.dense_macs),
            "dense_energy_input_once": MULTIPLY_ACCUMULATE.times(self.dense_macs_input_once),
            "feedforward_energy": MULTIPLY_ACCUMULATE.times(self.feedforward_macs),
        }

    def to_json(self) -> dict[str, Any]:
        """Return counts and estimates as plain data; names of energies end in ``_estimate_pj``."""
        counts = {
            "time_steps": self.steps,
            "neurons": self.neurons,
            "events": self.events,
            "events_per_neuron": self.events_per_neuron,
            "synaptic_operations": self.synaptic_operations,
            "dense_macs": self.dense_macs,
            "dense_macs_input_once": self.dense_macs_input_once,
            "feedforward_macs": self.feedforward_macs,
            "dense_macs_per_synaptic_operation": self.macs_per_operation,
        }
        found = self.energies().items()
        return counts | {f"{name}_estimate_pj": energy.to_json() for name, energy in found}


def phase_steps(network: NetworkSpec) -> dict[str, int]:
    """Return the time steps of a sample in free and in nudged phases."""
    phases = network.phases
    nudged = 2 if phases.schedule(0).two_sided else 1
    return {"free": phases.free_steps, "nudged": nudged * phases.nudged_steps}


def inference_account(network: NetworkSpec, *, events: float, operations: float) -> Account:
    """Account for an inference, which is a free phase.

    Parameters
    ----------
    network
        The network.
    events, operations
        Events and synaptic operations, mean per sample.
    """
    return Account(network, phase_steps(network)["free"], events, operations)


def training_account(network: NetworkSpec, metrics: Mapping[str, Any]) -> Account:
    """Account for a training sample: all its phases, without the changes of the weights.

    Parameters
    ----------
    network
        The network.
    metrics
        Line of ``metrics.jsonl`` of the epoch.
    """
    return Account(
        network,
        sum(phase_steps(network).values()),
        sum(metrics["events_per_sample"].values()),
        sum(metrics["synaptic_operations_per_sample"].values()),
    )


def efficiency_json(inference: Account, training: Account | None) -> dict[str, Any]:
    """Return what ``lava-ep evaluate --json`` says of efficiency."""
    return {
        "per_inference": inference.to_json(),
        "per_training_sample": None if training is None else training.to_json(),
        "note": CAVEAT,
    }

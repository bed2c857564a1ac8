"""The mathematics: neurons, synapses and learning rules as pure functions on arrays."""

from lava_ep.dynamics.bop import BOP, alpha_gradient, bop_update
from lava_ep.dynamics.events import count_events
from lava_ep.dynamics.neuron import binary_step, update_bias
from lava_ep.dynamics.readout import expand_target, group_mean
from lava_ep.dynamics.schedule import Nudging, Phase, PhaseSchedule
from lava_ep.dynamics.seeds import Stream, generator
from lava_ep.dynamics.signs import SignMatrix
from lava_ep.dynamics.synapse import (
    current,
    current_gain,
    initial_weights,
    integrate_events,
    scaling_factor,
)

__all__ = [
    "BOP",
    "Nudging",
    "Phase",
    "PhaseSchedule",
    "SignMatrix",
    "Stream",
    "alpha_gradient",
    "binary_step",
    "bop_update",
    "count_events",
    "current",
    "current_gain",
    "expand_target",
    "generator",
    "group_mean",
    "initial_weights",
    "integrate_events",
    "scaling_factor",
    "update_bias",
]

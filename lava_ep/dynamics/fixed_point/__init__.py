"""The same mathematics in integers, within the widths of Loihi 2 (`lava_ep.loihi2.formats`)."""

from lava_ep.dynamics.fixed_point.arithmetic import Factor, decayed, share, shifted
from lava_ep.dynamics.fixed_point.integrate_fire import IntegerLIF, decay_current, lif_step
from lava_ep.dynamics.fixed_point.learning import bop_update, move_at_random, move_weights
from lava_ep.dynamics.fixed_point.neuron import binary_step, sigma_delta_step
from lava_ep.dynamics.fixed_point.synapse import (
    SignMode,
    accumulated,
    follow_spikes,
    stored_weights,
    weight_limits,
    weight_step,
)

__all__ = [
    "Factor",
    "IntegerLIF",
    "SignMode",
    "accumulated",
    "binary_step",
    "bop_update",
    "decay_current",
    "decayed",
    "follow_spikes",
    "lif_step",
    "move_at_random",
    "move_weights",
    "share",
    "shifted",
    "sigma_delta_step",
    "stored_weights",
    "weight_limits",
    "weight_step",
]

"""The mathematics: neurons, synapses and learning rules as functions on arrays, in place."""

from lava_ep.dynamics.activation import Activation, activate, derivative
from lava_ep.dynamics.bop import BOP, alpha_gradient, bop_contrast_update, bop_update
from lava_ep.dynamics.connection import Connection, Currents, Dense
from lava_ep.dynamics.constants import Constants, NeuronConstants, constant
from lava_ep.dynamics.convolution import Convolution, Pooling
from lava_ep.dynamics.encoding import Code, Encoding, Latency, Rate, Reading
from lava_ep.dynamics.events import count_events
from lava_ep.dynamics.graded import Graded, graded_step
from lava_ep.dynamics.integrate_fire import LIF, Reset, SpikeTrace, follow_spikes, lif_step
from lava_ep.dynamics.neuron import Binary, binary_step, update_bias
from lava_ep.dynamics.noise import Noise
from lava_ep.dynamics.readout import check_labels, expand_target, group_mean
from lava_ep.dynamics.schedule import Nudging, Phase, PhaseSchedule, Updates
from lava_ep.dynamics.seeds import Stream, generator
from lava_ep.dynamics.sgd import SGD, add_multiple
from lava_ep.dynamics.sigma_delta import SigmaDelta, StepSize, sigma_delta_step
from lava_ep.dynamics.signs import SignMatrix
from lava_ep.dynamics.stock import StockLayer, StockLIF
from lava_ep.dynamics.synapse import (
    current,
    current_gain,
    initial_weights,
    integrate_events,
    scaling_factor,
)

__all__ = [
    "BOP",
    "LIF",
    "SGD",
    "Activation",
    "Binary",
    "Code",
    "Connection",
    "Constants",
    "Convolution",
    "Currents",
    "Dense",
    "Encoding",
    "Graded",
    "Latency",
    "NeuronConstants",
    "Noise",
    "Nudging",
    "Phase",
    "PhaseSchedule",
    "Pooling",
    "Rate",
    "Reading",
    "Reset",
    "SigmaDelta",
    "SignMatrix",
    "SpikeTrace",
    "StepSize",
    "StockLIF",
    "StockLayer",
    "Stream",
    "Updates",
    "activate",
    "add_multiple",
    "alpha_gradient",
    "binary_step",
    "bop_contrast_update",
    "bop_update",
    "check_labels",
    "constant",
    "count_events",
    "current",
    "current_gain",
    "derivative",
    "expand_target",
    "follow_spikes",
    "generator",
    "graded_step",
    "group_mean",
    "initial_weights",
    "integrate_events",
    "lif_step",
    "scaling_factor",
    "sigma_delta_step",
    "update_bias",
]

"""Message-passing models of neurons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from numpy.typing import NDArray

from lava_ep import kinds
from lava_ep._lava_private import is_connected
from lava_ep.arrays import as_integers, as_reals
from lava_ep.models.discovery import cpu_model
from lava_ep.models.message_passing.base import PopulationModel, VarTypes
from lava_ep.models.messages import SummingInPort
from lava_ep.populations import NeuronPopulation
from lava_ep.processes.neuron import BinaryNeuron, GradedNeuron, LIFNeuron, SigmaDeltaNeuron


class NeuronModel(PopulationModel):
    """Update the states from the currents of a step and send what changed.

    Subclasses say what they send; the registry knows the population of their kind.
    """

    a_in: SummingInPort = LavaPyType(SummingInPort, np.float32)
    target_in: SummingInPort = LavaPyType(SummingInPort, np.int8)
    state_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    VARS: ClassVar[VarTypes] = {"state": np.float32, "bias": np.float32, "events": np.int64}
    ENTRY: ClassVar[str] = "population"
    """Entry of the registry that is called with the options."""

    def make_population(self, proc_params: Mapping[str, Any]) -> NeuronPopulation:
        """Return the neurons."""
        population = kinds.find(proc_params["neuron"].kind, self.ENTRY)
        shape, biases = proc_params["shape"], proc_params["biases"]
        made: NeuronPopulation = population(shape, biases, **self.options(proc_params))
        return made

    def options(self, proc_params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keyword arguments of the population."""
        return {name: proc_params[name] for name in ("neuron", "bias_rate", "noise")}

    def step(self) -> None:
        """Take a time step."""
        current = self.read_current(self.a_in.recv())
        nudgeable = is_connected(self.target_in)
        target = as_integers(self.target_in.recv(), np.int8) if nudgeable else None
        self.population.step(self.clock, current, target)
        self.s_out.send(self.population.change)
        self.state_out.send(self.population.readout)

    def read_current(self, message: NDArray[Any]) -> NDArray[Any]:
        """Return the currents that were received, as the population computes with them."""
        return as_reals(message)


@cpu_model(BinaryNeuron, "floating_pt")
class PyBinaryNeuronModelFloat(NeuronModel):
    """Float32 states, int8 events."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    VARS: ClassVar[VarTypes] = {"activation": np.int8}


@cpu_model(GradedNeuron, "floating_pt")
class PyGradedNeuronModelFloat(NeuronModel):
    """Float32 states and events."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    VARS: ClassVar[VarTypes] = {"activation": np.float32}


@cpu_model(SigmaDeltaNeuron, "floating_pt")
class PySigmaDeltaNeuronModelFloat(NeuronModel):
    """Float32 states, int8 spikes."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    VARS: ClassVar[VarTypes] = {"activation": np.float32}


@cpu_model(LIFNeuron, "floating_pt")
class PyLIFNeuronModelFloat(NeuronModel):
    """Float32 potentials and traces, int8 spikes."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    VARS: ClassVar[VarTypes] = {"activation": np.float32, "synaptic": np.float32}

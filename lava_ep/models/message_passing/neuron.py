"""Message-passing models of neurons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from numpy.typing import NDArray

from lava_ep._lava_private import is_connected
from lava_ep.arrays import as_integers, as_reals
from lava_ep.models.discovery import cpu_model
from lava_ep.models.message_passing.base import PopulationModel, VarTypes
from lava_ep.models.messages import SummingInPort
from lava_ep.populations import (
    BinaryPopulation,
    GradedPopulation,
    LIFPopulation,
    SigmaDeltaPopulation,
)
from lava_ep.processes.neuron import BinaryNeuron, GradedNeuron
from lava_ep.processes.spiking import LIFNeuron, SigmaDeltaNeuron


def noise_of(proc_params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the measurement noise of a Process of neurons as an option of its population."""
    return {"noise": proc_params["noise"]}


class NeuronModel(PopulationModel):
    """Update the states from the currents of a step and send what changed."""

    a_in: SummingInPort = LavaPyType(SummingInPort, np.float32)
    target_in: SummingInPort = LavaPyType(SummingInPort, np.int8)
    state_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    VARS: ClassVar[VarTypes] = {"state": np.float32, "bias": np.float32, "events": np.int64}

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

    def make_population(self, proc_params: Mapping[str, Any]) -> BinaryPopulation:
        """Return neurons with binary activation."""
        names = ("initial_state", "bias_rate", "filter_rate", "threshold")
        options = {name: proc_params[name] for name in names} | noise_of(proc_params)
        return BinaryPopulation(proc_params["shape"], proc_params["biases"], **options)


@cpu_model(GradedNeuron, "floating_pt")
class PyGradedNeuronModelFloat(NeuronModel):
    """Float32 states and events."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    VARS: ClassVar[VarTypes] = {"activation": np.float32}

    def make_population(self, proc_params: Mapping[str, Any]) -> GradedPopulation:
        """Return neurons with full-precision states."""
        names = ["initial_state", "bias_rate", "activation", "filter_rate", "time_step"]
        names += ["nudge_current", "event_threshold"]
        options = {name: proc_params[name] for name in names} | noise_of(proc_params)
        return GradedPopulation(proc_params["shape"], proc_params["biases"], **options)


@cpu_model(SigmaDeltaNeuron, "floating_pt")
class PySigmaDeltaNeuronModelFloat(NeuronModel):
    """Float32 states, int8 spikes."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    VARS: ClassVar[VarTypes] = {"activation": np.float32}

    def make_population(self, proc_params: Mapping[str, Any]) -> SigmaDeltaPopulation:
        """Return sigma-delta neurons."""
        names = ("bias_rate", "filter_rate", "step_size")
        options = {name: proc_params[name] for name in names} | noise_of(proc_params)
        return SigmaDeltaPopulation(proc_params["shape"], proc_params["biases"], **options)


@cpu_model(LIFNeuron, "floating_pt")
class PyLIFNeuronModelFloat(NeuronModel):
    """Float32 potentials and traces, int8 spikes."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    VARS: ClassVar[VarTypes] = {"activation": np.float32, "synaptic": np.float32}

    def make_population(self, proc_params: Mapping[str, Any]) -> LIFPopulation:
        """Return integrate-and-fire neurons."""
        return LIFPopulation(
            proc_params["shape"],
            proc_params["biases"],
            neuron=proc_params["neuron"],
            bias_rate=proc_params["bias_rate"],
            **noise_of(proc_params),
        )

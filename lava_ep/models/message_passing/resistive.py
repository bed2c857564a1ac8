"""Message-passing models of resistive networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType

from lava_ep._lava_private import is_connected
from lava_ep.arrays import as_reals
from lava_ep.models.discovery import cpu_model
from lava_ep.models.message_passing.base import VarTypes
from lava_ep.models.message_passing.neuron import NeuronModel
from lava_ep.models.message_passing.synapse import SynapseModel
from lava_ep.models.messages import SummingInPort
from lava_ep.populations import (
    ConductancePopulation,
    Conductances,
    MirroredReceiver,
)
from lava_ep.processes.resistive import ConductanceSynapse, ResistiveNeuron


@cpu_model(ResistiveNeuron, "floating_pt")
class PyResistiveNeuronModelFloat(NeuronModel):
    """Float32 voltages; messages are their changes."""

    g_in: SummingInPort = LavaPyType(SummingInPort, np.float32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    VARS: ClassVar[VarTypes] = {"activation": np.float32}

    def options(self, proc_params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keyword arguments of the population."""
        own = {name: proc_params[name] for name in ("layer", "diodes")}
        return super().options(proc_params) | own

    def step(self) -> None:
        """Take a time step."""
        self.population.conductance[...] = as_reals(self.g_in.recv())
        super().step()


@cpu_model(ConductanceSynapse, "floating_pt")
class PyConductanceSynapseModelFloat(SynapseModel):
    """Float32 conductances."""

    g_out_post: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    g_out_pre: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    VARS: ClassVar[VarTypes] = {"weights": np.float32}

    def make_population(self, proc_params: Mapping[str, Any]) -> ConductancePopulation:
        """Return conductances."""
        connection, batch = proc_params["connection"], proc_params["batch"]
        weights = Conductances(connection, proc_params["learning_rule"], binary=False)
        voltage, pre = proc_params["input_voltage"], None
        if voltage is not None:
            shape = batch, connection.n_pre
            pre = MirroredReceiver(shape, weights.dtype, proc_params["levels"], voltage)
        noises = proc_params["noises"]
        return ConductancePopulation(weights, batch=batch, pre=pre, noises=noises)

    def step(self) -> None:
        """Take a time step."""
        targets, sources = self.population.totals
        self.g_out_post.send(targets)
        if is_connected(self.g_out_pre):
            self.g_out_pre.send(sources)
        super().step()

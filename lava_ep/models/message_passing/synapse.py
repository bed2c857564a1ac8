"""Message-passing models of bidirectional synapses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType

from lava_ep._lava_private import is_connected
from lava_ep.dynamics import Phase
from lava_ep.models.discovery import cpu_model
from lava_ep.models.message_passing.base import PopulationModel, VarTypes, has_noise
from lava_ep.models.messages import SummingInPort
from lava_ep.populations import (
    BitSynapsePopulation,
    SynapsePopulation,
    Weights,
    levels_of,
    receiver,
)
from lava_ep.processes.synapse import BinarySynapse, ConvSynapse, RealSynapse

REAL_VARS: VarTypes = {"weights": np.float32, "feedback": np.float32}
BINARY_VARS: VarTypes = {"momentum": np.float32, "alpha": np.float64, "flips": np.int64}


class SynapseModel(PopulationModel):
    """Send the currents of the events received so far, then receive the new events."""

    s_in_pre: SummingInPort = LavaPyType(SummingInPort, np.float32)
    s_in_post: SummingInPort = LavaPyType(SummingInPort, np.float32)
    a_out_post: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    a_out_pre: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    VARS: ClassVar[VarTypes] = {"synaptic_operations": np.int64}

    def make_population(
        self, proc_params: Mapping[str, Any]
    ) -> BitSynapsePopulation | SynapsePopulation:
        """Return synapses of any kind."""
        connection, batch = proc_params["connection"], proc_params["batch"]
        source, target = proc_params["readings"]
        normalization = proc_params["normalization"]
        weights = Weights(
            connection,
            proc_params["learning_rule"],
            binary=proc_params["binary"],
            untied=proc_params["untied"],
            alpha_rate=proc_params["alpha_rate"],
            levels=proc_params["levels"] * levels_of(source),
            target_levels=levels_of(target),
            normalized=normalization is not None,
        )
        pre = receiver(
            (batch, connection.n_pre),
            weights.dtype,
            source,
            levels=proc_params["levels"],
            normalization=normalization,
        )
        post = receiver((batch, connection.n_post), weights.dtype, target)
        noises = proc_params["noises"]
        return SynapsePopulation(weights, batch=batch, pre=pre, post=post, noises=noises)

    def step(self) -> None:
        """Take a time step."""
        population = self.population
        population.backward = is_connected(self.a_out_pre)
        if self.clock.phase is Phase.LOAD:
            population.reset()
        self.a_out_post.send(population.current_post)
        if population.backward:
            self.a_out_pre.send(population.current_pre)
        population.step(self.clock, self.s_in_pre.recv(), self.s_in_post.recv())


@cpu_model(RealSynapse, "floating_pt")
class PyRealSynapseModelFloat(SynapseModel):
    """Float32 weights."""

    VARS: ClassVar[VarTypes] = REAL_VARS


@cpu_model(ConvSynapse, "floating_pt")
class PyConvSynapseModelFloat(SynapseModel):
    """Float32 weights, or float32 signs times alpha."""

    VARS: ClassVar[VarTypes] = {**REAL_VARS, **BINARY_VARS}


@cpu_model(BinarySynapse, "floating_pt")
class PyBinarySynapseModelFloat(SynapseModel):
    """Integer sums of events between binary neurons, float32 sums otherwise."""

    VARS: ClassVar[VarTypes] = {"weights": np.int8, **BINARY_VARS}

    def make_population(
        self, proc_params: Mapping[str, Any]
    ) -> BitSynapsePopulation | SynapsePopulation:
        """Return synapses that count bits, if the messages and the updates allow it."""
        counted = proc_params["readings"] == (None, None) and not proc_params["graded"]
        if not counted or proc_params["schedule"].continual or has_noise(proc_params):
            return super().make_population(proc_params)
        connection = proc_params["connection"]
        return BitSynapsePopulation(
            connection.weight_shape,
            batch=proc_params["batch"],
            rule=proc_params["learning_rule"],
            alpha_rate=proc_params["alpha_rate"],
            levels=proc_params["levels"],
        )

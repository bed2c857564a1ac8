"""Message-passing models of neurons, synapses and networks whose numbers are integers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from numpy.typing import NDArray

from lava_ep.arrays import as_integers
from lava_ep.errors import InputError
from lava_ep.models.discovery import cpu_model, sub_model
from lava_ep.models.fixed_point import neuron  # noqa: F401  (registers the populations)
from lava_ep.models.fixed_point.conversion import convert
from lava_ep.models.fixed_point.synapse import FixedSynapsePopulation, FixedWeights
from lava_ep.models.message_passing.base import VarTypes, has_noise
from lava_ep.models.message_passing.network import NetworkOfProcesses
from lava_ep.models.message_passing.neuron import NeuronModel
from lava_ep.models.message_passing.synapse import BINARY_VARS, REAL_VARS, SynapseModel
from lava_ep.models.messages import SummingInPort
from lava_ep.populations import levels_of
from lava_ep.processes.network import EPNetwork
from lava_ep.processes.neuron import BinaryNeuron, LIFNeuron, SigmaDeltaNeuron
from lava_ep.processes.synapse import BinarySynapse, ConvSynapse, RealSynapse

TAGS = ("fixed_pt", "bit_accurate_loihi")


def format_of(proc_params: Mapping[str, Any], kind: str) -> Any:
    """Return the format that a Process was given.

    Raises
    ------
    InputError
        If it was not given any, or is to measure with noise.
    """
    if has_noise(proc_params):
        raise InputError(
            "measurement noise: expected none in fixed point, where rules see integers; use a "
            "model of tag floating_pt"
        )
    found = proc_params["fixed_point"]
    if found is None:
        raise InputError(
            f"fixed_point is missing: expected a {kind}, such as "
            "lava_ep.models.fixed_point.convert returns for each layer; EPNetwork passes them on "
            "by itself"
        )
    return found


class FixedNeuronModel(NeuronModel):
    """Update the states from the currents of a step and send what changed."""

    a_in: SummingInPort = LavaPyType(SummingInPort, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    ENTRY: ClassVar[str] = "fixed_population"

    def read_current(self, message: NDArray[Any]) -> NDArray[Any]:
        """Return the currents that were received."""
        return as_integers(message, np.int32)

    def options(self, proc_params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keyword arguments of the population."""
        found = {name: proc_params[name] for name in ("neuron", "bias_rate")}
        return found | {"format": format_of(proc_params, "NeuronFormat")}


@cpu_model(BinaryNeuron, *TAGS)
class PyBinaryNeuronModelFixed(FixedNeuronModel):
    """Binary neurons with states of 24 bits."""

    VARS: ClassVar[VarTypes] = {"activation": np.int8}


@cpu_model(SigmaDeltaNeuron, *TAGS)
class PySigmaDeltaNeuronModelFixed(FixedNeuronModel):
    """Sigma-delta neurons with states of 24 bits."""

    VARS: ClassVar[VarTypes] = {"activation": np.float32}


@cpu_model(LIFNeuron, *TAGS)
class PyLIFNeuronModelFixed(FixedNeuronModel):
    """Integrate-and-fire neurons with currents and voltages of 24 bits."""

    VARS: ClassVar[VarTypes] = {"activation": np.float32, "synaptic": np.float32}


class FixedSynapseModel(SynapseModel):
    """Send currents of 16 bits."""

    a_out_post: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    a_out_pre: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def make_population(self, proc_params: Mapping[str, Any]) -> FixedSynapsePopulation:
        """Return synapses of any kind."""
        readings = proc_params["readings"]
        weights = FixedWeights(
            proc_params["connection"],
            proc_params["learning_rule"],
            format=format_of(proc_params, "SynapseFormat"),
            schedule=proc_params["schedule"],
            samples=proc_params["batch"],
            first_batch=proc_params["first_batch"],
            binary=proc_params["binary"],
            levels=proc_params["levels"] * levels_of(readings[0]),
            target_levels=levels_of(readings[1]),
        )
        return FixedSynapsePopulation(weights, batch=proc_params["batch"], readings=readings)


@cpu_model(RealSynapse, *TAGS)
class PyRealSynapseModelFixed(FixedSynapseModel):
    """Weights of 8 bits."""

    VARS: ClassVar[VarTypes] = REAL_VARS


@cpu_model(BinarySynapse, *TAGS)
class PyBinarySynapseModelFixed(FixedSynapseModel):
    """Signs with momenta of 9 bits."""

    VARS: ClassVar[VarTypes] = {"weights": np.int8, **BINARY_VARS}


@cpu_model(ConvSynapse, *TAGS)
class PyConvSynapseModelFixed(FixedSynapseModel):
    """Kernels of 8 bits, or of signs with momenta of 9 bits."""

    VARS: ClassVar[VarTypes] = {**REAL_VARS, **BINARY_VARS}


@sub_model(EPNetwork, *TAGS)
class SubEPNetworkModelFixed(NetworkOfProcesses):
    """Of Processes that compute with integers."""

    def further_arguments(self, proc: EPNetwork) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return the formats of each layer."""
        found = convert(proc.proc_params["spec"], proc.proc_params["parameters"])
        return [
            ({"fixed_point": layer.neurons}, {"fixed_point": layer.synapses})
            for layer in found.layers
        ]

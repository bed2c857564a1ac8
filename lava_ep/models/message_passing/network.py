"""The message-passing network: every layer and every synapse population a Process of its own."""

from __future__ import annotations

from typing import Any

from lava.magma.core.model.sub.model import AbstractSubProcessModel

from lava_ep import kinds
from lava_ep.dynamics import Convolution
from lava_ep.errors import InputError
from lava_ep.models.discovery import sub_model
from lava_ep.parameters import NetworkParameters
from lava_ep.processes.network import EPNetwork
from lava_ep.processes.neuron import Neuron
from lava_ep.processes.readout import Target
from lava_ep.processes.resistive import ConductanceSynapse
from lava_ep.processes.synapse import BinarySynapse, ConvSynapse, RealSynapse, Synapse
from lava_ep.spec import NetworkSpec, ResistiveNeuronSpec

NEURON_VARS = ("bias", "state", "activation", "events")


class NetworkOfProcesses(AbstractSubProcessModel):
    """Wire the Processes of neurons, synapses and `Target` to a layered network."""

    def __init__(self, proc: EPNetwork) -> None:
        spec: NetworkSpec = proc.proc_params["spec"]
        further = self.further_arguments(proc)
        synapses = [_synapse(proc, index, more) for index, (_, more) in enumerate(further)]
        neurons = [_neuron(proc, index, more) for index, (more, _) in enumerate(further)]
        sources = [proc.s_in, *(neuron.s_out for neuron in neurons[:-1])]
        for source, synapse, neuron in zip(sources, synapses, neurons, strict=True):
            source.connect(synapse.s_in_pre)
            synapse.a_out_post.connect(neuron.a_in)
            neuron.s_out.connect(synapse.s_in_post)
        for below, synapse in zip(neurons[:-1], synapses[1:], strict=True):
            synapse.a_out_pre.connect(below.a_in)
        if spec.resistive:
            for synapse, neuron in zip(synapses, neurons, strict=True):
                synapse.g_out_post.connect(neuron.g_in)
            for below, synapse in zip(neurons[:-1], synapses[1:], strict=True):
                synapse.g_out_pre.connect(below.g_in)
        labeled = proc.label_in.in_connections or proc.label_in.external_pipe_flag
        if proc.proc_params["learning"] and not labeled:
            raise InputError(
                f"{proc.name}: label_in is not connected, so there is nothing to learn from; "
                "connect it or set learning=False"
            )
        if labeled:
            shape = (proc.proc_params["batch"], spec.sizes[-1])
            self.target = Target(shape=shape, classes=spec.classes, name="target")
            proc.label_in.connect(self.target.label_in)
            self.target.target_out.connect(neurons[-1].target_in)
        neurons[-1].s_out.connect(proc.s_out)
        neurons[-1].state_out.connect(proc.state_out)
        for name, synapse, neuron in zip(spec.layer_names, synapses, neurons, strict=True):
            # Lava finds the sub-Processes of a model among its attributes.
            setattr(self, f"{name}_synapse", synapse)
            setattr(self, name, neuron)
            for part, names in ((neuron, NEURON_VARS), (synapse, synapse.vars.member_names)):
                for var in names:
                    proc.layer_var(name, var).alias(getattr(part, var))

    def further_arguments(self, proc: EPNetwork) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return what neurons and synapses of each layer are told beside what all models need."""
        return [({}, {}) for _ in proc.proc_params["spec"].layers]


@sub_model(EPNetwork, "floating_pt")
class SubEPNetworkModel(NetworkOfProcesses):
    """Of Processes that compute with floating-point numbers."""


def _common(proc: EPNetwork) -> dict[str, Any]:
    """Return what every scheduled Process of the network gets a copy of."""
    spec: NetworkSpec = proc.proc_params["spec"]
    parameters: NetworkParameters = proc.proc_params["parameters"]
    return {
        "schedule": spec.schedule(proc.proc_params["seed"]),
        "learning": proc.proc_params["learning"],
        "first_batch": parameters.batch,
    }


def _synapse(proc: EPNetwork, index: int, further: dict[str, Any]) -> Synapse:
    """Build the synapses that enter a layer."""
    spec: NetworkSpec = proc.proc_params["spec"]
    layer, values = spec.layers[index], proc.proc_params["parameters"].layers[index]
    connection = spec.connections[index]
    options: dict[str, Any] = {
        "weights": values.weights,
        "batch": proc.proc_params["batch"],
        "levels": spec.input_encoding.input_levels if index == 0 else 1,
        "normalization": spec.normalization.arrays if spec.normalization and index == 0 else None,
        "readings": (spec.spikes if index else spec.input_encoding.reading, spec.spikes),
        "learning_rule": layer.rule(proc.proc_params["decay"], proc.proc_params["epoch_batches"]),
        "name": f"{spec.layer_names[index]}_synapse",
        **_common(proc),
        **further,
    }
    if spec.noise.sigma:
        below = spec.noise.of_layer(index - 1) if index else None
        options["noises"] = below, spec.noise.of_layer(index)
    if isinstance(spec.neuron, ResistiveNeuronSpec):
        for name in ("normalization", "readings"):
            del options[name]
        voltage = spec.neuron.input_voltage if index == 0 else None
        return ConductanceSynapse(input_voltage=voltage, **options)
    if layer.binary:
        options |= {
            "momentum": values.momentum,
            "alpha": float(values.alpha[0]),
            "alpha_rate": layer.alpha_rate,
        }
    if isinstance(connection, Convolution):
        return ConvSynapse(connection=connection, feedback=values.feedback, **options)
    if layer.binary:
        return BinarySynapse(graded=not spec.bits_suffice, **options)
    return RealSynapse(feedback=values.feedback, **options)


def _neuron(proc: EPNetwork, index: int, further: dict[str, Any]) -> Neuron:
    """Build the neurons of a layer."""
    spec: NetworkSpec = proc.proc_params["spec"]
    layer, values = spec.layers[index], proc.proc_params["parameters"].layers[index]
    options: dict[str, Any] = {
        "shape": (proc.proc_params["batch"], spec.connections[index].n_post),
        "bias": values.bias,
        "bias_rate": layer.bias_rate,
        "name": spec.layer_names[index],
        **_common(proc),
        **further,
    }
    if spec.noise.sigma:
        options["noise"] = spec.noise.of_layer(index)
    if spec.resistive:
        options |= {"layer": index + 1, "diodes": index + 1 < len(spec.layers)}
    process: type[Neuron] = kinds.find(spec.neuron.kind, "process")
    return process(neuron=spec.neuron.constants, **options)

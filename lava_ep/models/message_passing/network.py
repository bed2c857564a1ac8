"""The message-passing network: every layer and every synapse population a Process of its own."""

from __future__ import annotations

from lava.magma.core.model.sub.model import AbstractSubProcessModel

from lava_ep.dynamics import BOP
from lava_ep.models.discovery import cpu_sub_model
from lava_ep.parameters import NetworkParameters
from lava_ep.processes.network import EPNetwork
from lava_ep.processes.neuron import BinaryNeuron
from lava_ep.processes.readout import Target
from lava_ep.processes.synapse import BinarySynapse
from lava_ep.spec import NetworkSpec

SYNAPSE_VARS = ("weights", "momentum", "alpha", "synaptic_operations", "flips")
NEURON_VARS = ("bias", "state", "activation", "events")


@cpu_sub_model(EPNetwork, "floating_pt")
class SubEPNetworkModel(AbstractSubProcessModel):
    """Wire `BinaryNeuron`, `BinarySynapse` and `Target` Processes to a layered network."""

    def __init__(self, proc: EPNetwork) -> None:
        spec: NetworkSpec = proc.proc_params["spec"]
        parameters: NetworkParameters = proc.proc_params["parameters"]
        batch: int = proc.proc_params["batch"]
        learning: bool = proc.proc_params["learning"]
        schedule = spec.phases.schedule(proc.proc_params["seed"])
        common = {
            "schedule": schedule,
            "learning": learning,
            "first_batch": parameters.batch,
        }
        below = proc.s_in
        synapse_below: BinarySynapse | None = None
        for index, (name, layer, values) in enumerate(
            zip(spec.layer_names, spec.layers, parameters.layers, strict=True)
        ):
            rule = BOP(
                layer.gamma, layer.theta, proc.proc_params["bop_decay"],
                proc.proc_params["epoch_batches"],
            )
            synapse = BinarySynapse(
                weights=values.weights,
                momentum=values.momentum,
                alpha=values.alpha,
                alpha_rate=0.0 if layer.frozen else layer.alpha_rate,
                batch=batch,
                levels=spec.input_levels if index == 0 else 1,
                learning_rule=None if layer.frozen else rule,
                name=f"{name}_synapse",
                **common,
            )
            neuron = BinaryNeuron(
                shape=(batch, layer.neurons),
                bias=values.bias,
                filter_rate=spec.neuron.filter_rate,
                threshold=spec.neuron.threshold,
                initial_state=spec.neuron.initial_state,
                bias_rate=layer.bias_rate,
                name=name,
                **common,
            )
            below.connect(synapse.s_in_pre)
            synapse.a_out_post.connect(neuron.a_in)
            neuron.s_out.connect(synapse.s_in_post)
            if index > 0:
                synapse.a_out_pre.connect(previous.a_in)
            for var in SYNAPSE_VARS:
                proc.layer_var(name, var).alias(getattr(synapse, var))
            for var in NEURON_VARS:
                proc.layer_var(name, var).alias(getattr(neuron, var))
            setattr(self, f"{name}_synapse", synapse)
            setattr(self, name, neuron)
            previous, below = neuron, neuron.s_out
        if learning:
            self.target = Target(shape=(batch, spec.sizes[-1]), classes=spec.classes, name="target")
            proc.label_in.connect(self.target.label_in)
            self.target.target_out.connect(previous.target_in)
        previous.s_out.connect(proc.s_out)
        previous.state_out.connect(proc.state_out)

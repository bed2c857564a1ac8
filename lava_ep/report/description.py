"""The network and its training in words, for the report."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lava_ep.dynamics import Code, Connection, Convolution, Nudging, Pooling
from lava_ep.figures.text import count, plural
from lava_ep.report.content import ReportContent
from lava_ep.spec import (
    ExperimentSpec,
    LayerSpec,
    NetworkSpec,
    StockLIFNeuronSpec,
)

TIMES = "\N{THIN SPACE}\N{MULTIPLICATION SIGN}\N{THIN SPACE}"

_NUDGING = {
    Nudging.POSITIVE: "+β",
    Nudging.RANDOM_SIGN: "+β or −β, drawn for every batch",
    Nudging.SYMMETRIC: "+β, then −β from the same free state",
    Nudging.SWING: "+β, then −β from where that has led",
}


@dataclass(frozen=True)
class LayerRow:
    """One layer of neurons with the synapses that enter it, in words.

    Parameters
    ----------
    name
        Name of the layer.
    connection
        How it is connected to the layer below.
    neurons, weights
        How many there are, and of which kind or shape.
    learning
        What changes the weights and biases.
    """

    name: str
    connection: str
    neurons: str
    weights: str
    learning: str


def layer_rows(content: ReportContent) -> list[LayerRow]:
    """Describe every layer, input side first."""
    network = content.experiment.ep_network
    return [
        LayerRow(
            name,
            _connection(connection),
            _neurons(connection),
            _weights(network, index, connection),
            _learning(layer),
        )
        for index, (name, layer, connection) in enumerate(
            zip(content.recording.layer_names, network.layers, network.connections, strict=True)
        )
    ]


def facts(content: ReportContent) -> dict[str, str]:
    """Describe neurons, phases and training."""
    experiment = content.experiment
    network, phases = experiment.ep_network, experiment.ep_network.phases
    found = {"Images": _images(content), "Neurons": network.neuron.description}
    if network.neuron.sending:
        found["Events"] = network.neuron.sending
    steps = "sweeps, each of two time steps" if network.resistive else "time steps"
    found["Phases"] = f"T = {phases.free_steps} free and K = {phases.nudged_steps} nudged {steps}"
    found["Nudging"] = f"β = {phases.beta:g}: {_NUDGING[phases.nudging]}{network.neuron.nudging}"
    found["Updates"] = _updates(network)
    if network.noise.sigma:
        found["Noise"] = (
            f"σ = {network.noise.sigma:g} of every measured activation, mean of "
            f"{plural(network.noise.samples, 'measurement')}"
        )
    if len(network.layers) > 1:
        found["Feedback"] = _feedback(network)
    found["Training"] = _training(experiment)
    return found


def learning_note(content: ReportContent) -> str:
    """Say how the weights that there are learn."""
    network = content.experiment.ep_network
    kinds = {layer.weights for layer in network.layers}
    between = (
        "one nudged time step and the next"
        if network.phases.schedule(0).continual
        else "the ends of two phases"
    )
    found = [
        f"All learning is local: a synapse contrasts what the two neurons it joins do at {between}."
    ]
    if "binary" in kinds:
        found.append(
            "A binary weight flips where the momentum of its contrasts exceeds θ against its sign."
        )
    if network.stock:
        found.append(
            "A weight moves by its rate times the contrast of the products of two traces of spikes."
        )
    elif "real" in kinds:
        found.append("A real weight moves by its rate times the contrast per unit of β.")
    elif "conductance" in kinds:
        found.append(
            "A conductance moves by its rate times the contrast of the power it takes per unit of "
            "β, but never below 0."
        )
    return " ".join(found)


def _images(content: ReportContent) -> str:
    network = content.experiment.ep_network
    height, width, *channels = content.image_shape
    recorded = network.input_encoding.frames_a_sample > 1
    colors = f", {plural(channels[0], 'channel')}" if channels else ""
    if recorded and channels == [2]:
        colors = ", 2 polarities"
    text = f"{height}{TIMES}{width} pixels{colors}, levels 0 to {network.input_levels}"
    if network.normalization is None:
        return text + _sent(network)
    numbers = (
        f"{name} " + ", ".join(f"{value:g}" for value in values)
        for name, values in (
            ("mean", network.normalization.mean),
            ("standard deviation", network.normalization.std),
        )
    )
    return f"{text}; normalized by {' and '.join(numbers)}"


def _sent(network: NetworkSpec) -> str:
    """Say how images are sent unless they are there all the time."""
    steps = plural(network.encoding.steps, "time step")
    return {
        Code.CONSTANT: ", sent as graded spikes in every time step" if network.stock else "",
        Code.LATENCY: f", sent as latencies over {steps}",
        Code.RATE: ", sent as random spikes in every time step, the more the brighter",
        Code.EVENTS: f", built up from recorded events within {steps}",
        Code.REPEATED_EVENTS: f", from recorded events played again every {steps}",
    }[network.encoding.code]


def _updates(network: NetworkSpec) -> str:
    if not network.phases.schedule(0).continual:
        return "two-phase: once a batch"
    if network.phases.nudging is Nudging.SWING:
        return "continual: in every time step of the second nudged phase"
    return "continual: in every nudged time step"


def _feedback(network: NetworkSpec) -> str:
    if network.feedback_angle is None:
        return "none" if network.stock else "through the forward weights"
    text = (
        f"through weights of its own, at first at {network.feedback_angle:g}° to the forward ones"
    )
    fixed = isinstance(network.neuron, StockLIFNeuronSpec) and network.neuron.feedback == "fixed"
    return f"{text}, that do not learn" if fixed else text


def _training(experiment: ExperimentSpec) -> str:
    training = experiment.training
    found = [f"batches of {training.batch_size}"]
    if training.augmentation != "none":
        found.append("images cropped and mirrored at random")
    if training.decay < 1:
        found.append(f"decay {training.decay:g} an epoch")
    return ", ".join(found)


def _connection(connection: Connection) -> str:
    if not isinstance(connection, Convolution):
        return "dense"
    found = [f"{connection.kernel}{TIMES}{connection.kernel} convolution"]
    if connection.padding:
        found.append(f"padding {connection.padding}")
    if connection.pool > 1:
        kind = "max" if connection.pooling is Pooling.MAX else "average"
        found.append(f"{connection.pool}{TIMES}{connection.pool} {kind} pooling")
    return ", ".join(found)


def _neurons(connection: Connection) -> str:
    if not isinstance(connection, Convolution):
        return count(connection.n_post)
    return f"{TIMES.join(map(str, connection.out_shape))} = {count(connection.n_post)}"


def _weights(network: NetworkSpec, index: int, connection: Connection) -> str:
    number = math.prod(connection.weight_shape)
    apart = network.feedback_angle is not None and index > 0
    copies = f"2{TIMES}" if apart else ""
    return f"{copies}{count(number)} {network.layers[index].weights}"


def _learning(layer: LayerSpec) -> str:
    found = []
    if layer.frozen:
        found.append("frozen")
    elif layer.theta is not None:
        found.append(f"BOP, γ = {layer.gamma:g}, θ = {layer.theta:.3g}")
    else:
        found.append(f"rate {layer.rate or 0:g}")
    if layer.alpha_rate and not layer.frozen:
        found.append(f"α rate {layer.alpha_rate:g}")
    if layer.bias_rate:
        found.append(f"bias rate {layer.bias_rate:g}")
    return ", ".join(found)

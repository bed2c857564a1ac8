"""Run a NIR file in Norse: python simulate_nir.py NETWORK.nir IMAGES.npy PREDICTIONS.npy.

Needs an environment of its own (requirements-nir.txt) and nothing of lava_ep. Integrate-and-fire
neurons go through Norse's own importer. That knows no leaky integrators, so graphs of these are run
by NIRTorch, with Norse's cells for the states and PyTorch's layers for the synapses, and what the
metadata adds: activations, bounds of states, and the step that a synapse takes.
"""

import sys
import warnings

import nir
import nirtorch
import numpy as np
import torch
from nirtorch.graph_executor import GraphExecutorState
from nirtorch.nir_interpreter import DEFAULT_MAP
from norse.torch import LIBoxCell, from_nir
from norse.torch.functional.leaky_integrator_box import LIBoxParameters, LIBoxState
from norse.torch.functional.lif_box import LIFBoxFeedForwardState
from norse.torch.functional.reset import reset_subtract, reset_value
from norse.torch.functional.threshold import threshold

TIME_STEP = 1e-3
RESETS = {"subtract": reset_subtract, "zero": reset_value}
ACTIVATIONS = {
    "hard-sigmoid": lambda x: x.clamp(0, 1),
    "shifted-sigmoid": lambda x: torch.sigmoid(4 * (x - 0.5)),
    "tanh": torch.tanh,
    "relu": torch.relu,
}


def run_spiking(graph, images, steps, trace_rate):
    """Return the traces of the output spikes at the end."""
    neurons = {name: n for name, n in graph.nodes.items() if isinstance(n, nir.CubaLIF)}
    reset = RESETS[next(iter(neurons.values())).metadata["reset"]]
    network = from_nir(graph, ignore_warnings=True, reset_method=reset, dt=TIME_STEP)
    state = GraphExecutorState()
    for name, node in neurons.items():
        current, potential = (
            torch.from_numpy(node.metadata[f"initial_{what}"]).expand(len(images), -1)
            for what in ("current", "potential")
        )
        state.state[name] = [(LIBoxState(current), LIFBoxFeedForwardState(potential))]
    for name, node in graph.nodes.items():
        if name.endswith("_feedback"):
            state.cache[name] = torch.zeros(len(images), len(node.weight))
    trace = 0
    for _ in range(steps):
        spikes, state = network(images, state)
        trace = trace + trace_rate * (spikes - trace)
    return trace


class State(torch.nn.Module):
    """Leaky integrators, with what metadata adds."""

    def __init__(self, node):
        super().__init__()
        tau, leak = torch.from_numpy(node.tau), torch.from_numpy(node.v_leak)
        self.cell = LIBoxCell(LIBoxParameters(tau_mem_inv=1 / tau, v_leak=leak), dt=TIME_STEP)
        self.activation = ACTIVATIONS.get(node.metadata.get("activation"))
        self.bounds = [node.metadata.get(end) for end in ("least", "most")]

    def forward(self, x, state=None):
        v, _ = self.cell(self.activation(x) if self.activation else x, state)
        if not self.activation:
            v = v.clamp(*self.bounds)
        return v, LIBoxState(v)


class Threshold(torch.nn.Module):
    """What others see of a state."""

    def __init__(self, node):
        super().__init__()
        # Norse fires above the threshold, lava_ep at it.
        self.threshold = torch.nextafter(torch.from_numpy(node.threshold), torch.tensor(-1.0))

    def forward(self, x):
        return threshold(x - self.threshold, "heaviside", 1.0)


class Delayed(torch.nn.Module):
    """A module whose result comes a step later."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x, state=None):
        return state, self.module(x)


def synapses(node):
    """NIRTorch itself delays what leads back."""
    module = DEFAULT_MAP[type(node)](node)
    if isinstance(node, nir.Affine):
        # NIRTorch 2.6 leaves a random bias.
        module.bias.data = torch.from_numpy(node.bias)
    return Delayed(module) if node.metadata["direction"] == "forward" else module


def run_states(graph, images, steps):
    """Return the states of the output at the end."""
    kinds = dict.fromkeys((nir.Affine, nir.Linear, nir.Conv2d), synapses)
    network = nirtorch.nir_to_torch(graph, {**kinds, nir.LI: State, nir.Threshold: Threshold})
    before = {target: source for source, target in graph.edges if not source.endswith("_feedback")}
    sent = {"input": images}
    state = dict.fromkeys(graph.nodes)
    for name, node in graph.nodes.items():
        if isinstance(node, nir.LI):
            shape = (len(images), *node.tau.shape)
            sent[name] = torch.full(shape, float(node.metadata["initial_state"]))
            state[name] = LIBoxState(sent[name])
    for name, node in graph.nodes.items():
        if isinstance(node, nir.Threshold):
            sent[name] = getattr(network, name)(sent[before[name]])
    for name in graph.nodes:
        if name.endswith("_synapses"):
            state[name] = getattr(network, name).module(sent[before[name]])
        elif name.endswith("_feedback"):
            state[f"{name}_prev_output"] = getattr(network, name)(sent[before[name]])
    for _ in range(steps):
        found, state = network(images, state)
    return found


def main(network, images, predictions):
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    graph = nir.read(network)
    entry, readout = (graph.nodes[name] for name in ("input", "output"))
    classes, options = int(readout.metadata.pop("classes")), readout.metadata
    spiking = any(isinstance(node, nir.CubaLIF) for node in graph.nodes.values())
    with torch.inference_mode():
        pixels = torch.from_numpy(np.load(images) / entry.metadata["divide_by"]).float()
        shape = [int(size) for size in entry.input_type["input"]]
        run = run_spiking if spiking else run_states
        found = run(graph, pixels.reshape(-1, *shape), **options)
    np.save(predictions, found.reshape(len(pixels), classes, -1).mean(-1).argmax(-1).numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])

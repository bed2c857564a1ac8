r"""Networks as graphs of the Neuromorphic Intermediate Representation (NIR).

Pedersen et al., *Neuromorphic intermediate representation: a unified instruction set for
interoperable brain-inspired computing*, Nature Communications 2024. Every layer becomes a node of
synapses and one of neurons, and EP's way back an edge of its own, through a node with the
transposed weights:

.. code-block:: text

    input ─ hidden1_synapses ─ hidden1_neurons ─ output_synapses ─ output_neurons ─ output
                                  │                                     │
                                  └────────── hidden1_feedback ─────────┘

What NIR has no words for is metadata of the node it belongs to, and the spec as a whole metadata
of the graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep import kinds
from lava_ep.dynamics import Code, Connection, Convolution
from lava_ep.errors import InputError
from lava_ep.parameters import LayerParameters, NetworkParameters
from lava_ep.spec import (
    GradedNeuronSpec,
    LIFNeuronSpec,
    NetworkSpec,
    NeuronSpec,
    SigmaDeltaNeuronSpec,
)

Float32 = NDArray[np.float32]
Shape = tuple[int, ...]

TIME_STEP = 1e-3
"""Seconds that a time step is said to take; time constants of NIR are in seconds."""

NO_LEAK = 2.0**-20
"""Share of a membrane potential that leaks away in a time step where there is no leak at all.

NIR's neurons with a synaptic current have a time constant that is finite.
"""


def nir_package() -> ModuleType:
    """Return the package ``nir``.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        import nir
    except ImportError:
        raise InputError("NIR needs the package nir: pip install 'lava-ep[nir]'") from None
    module: ModuleType = nir
    return module


def to_graph(network: NetworkSpec, parameters: NetworkParameters) -> Any:
    """Return a network as an ``nir.NIRGraph``.

    Dense networks have nodes of one dimension. Where there are convolutions, all nodes have three,
    channels first, and dense layers are convolutions over all of the layer below: NIR cannot turn
    a vector back into an image, as feedback would have to.

    Raises
    ------
    InputError
        If the package is missing, or NIR has no node for a part of the network.
    """
    nir = nir_package()
    _check(network)
    layout = _Layout(nir, network)
    shapes = [layout.shape(index) for index in range(len(network.layers) + 1)]
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array(shapes[0])})}
    nodes["input"].metadata = _input_metadata(network)
    edges: list[tuple[str, str]] = []
    below = "input"
    names = network.layer_names
    of_neurons = kinds.find(network.neuron.kind, "nir_nodes")
    for index, (name, layer) in enumerate(zip(names, parameters.layers, strict=True)):
        chain = [f"{name}_synapses"]
        nodes[chain[0]] = layout.synapses(index, layer)
        connection = network.connections[index]
        if isinstance(connection, Convolution) and connection.pool > 1:
            chain.append(f"{name}_pool")
            nodes[chain[-1]] = _pool(nir, connection)
        for part, node in of_neurons(nir, network.neuron, shapes[index + 1], layer.bias):
            chain.append(f"{name}_{part}")
            nodes[chain[-1]] = node
        edges += zip([below, *chain], chain, strict=False)
        below = chain[-1]
    for index in range(1, len(names)):
        if layout.says_feedback(index):
            back = f"{names[index - 1]}_feedback"
            nodes[back] = layout.feedback(index, parameters.layers[index])
            edges += [(_sender(network, index), back), (back, f"{names[index - 1]}_neurons")]
    nodes["output"] = nir.Output({"output": np.array(shapes[-1])})
    nodes["output"].metadata = _readout_metadata(network)
    edges.append((_read_node(network), "output"))
    return nir.NIRGraph(nodes, edges)


def from_graph(graph: Any, network: NetworkSpec, *, batch: int, source: str) -> NetworkParameters:
    """Read what a network has learned from its graph.

    Parameters
    ----------
    graph
        As `to_graph` returns it.
    network
        The spec that it was made from.
    batch
        Batches it has learned from.
    source
        Where it comes from, for messages.

    Raises
    ------
    InputError
        If the graph is not the one that the spec makes, naming the first node and field that
        differ, or its parameters do not fit.
    """
    _check(network)
    layout = _Layout(nir_package(), network)
    arrays: dict[str, NDArray[Any]] = {"batch": np.array([batch], np.int64)}
    for index, name in enumerate(network.layer_names):
        node = graph.nodes.get(f"{name}_synapses")
        if node is None:
            raise InputError(f"{source}: node {name}_synapses is missing for a {network} network")
        for field, array in _learned(layout, graph, index, node, source).items():
            arrays[f"{name}.{field}"] = array
    parameters = NetworkParameters.from_arrays(arrays, network, source=source)
    _compare(to_graph(network, parameters), graph, source)
    return parameters


def _check(network: NetworkSpec) -> None:
    """Refuse what has no graph."""
    kinds.find(network.neuron.kind, "nir_nodes")
    if not _spatial(network):
        return
    for name, connection, below in zip(
        network.layer_names[1:], network.connections[1:], network.connections, strict=False
    ):
        if isinstance(connection, Convolution) or not isinstance(below, Convolution):
            continue
        height, width, _ = below.out_shape
        if height != width:
            raise InputError(
                f"layer {name} over {height} x {width} positions: NIR infers shapes of square "
                "kernels only; crop or pad the images to squares"
            )


def _spatial(network: NetworkSpec) -> bool:
    """Whether there are convolutions."""
    return any(isinstance(connection, Convolution) for connection in network.connections)


def _sender(network: NetworkSpec, index: int) -> str:
    """Name of the node that others hear of a layer."""
    part = "threshold" if isinstance(network.neuron, NeuronSpec) else "neurons"
    return f"{network.layer_names[index]}_{part}"


def _read_node(network: NetworkSpec) -> str:
    """Name of the node that predictions are read from: spikes, or states."""
    return f"{network.layer_names[-1]}_neurons"


@dataclass(frozen=True)
class _Layout:
    """How weights lie in the nodes of a network."""

    nir: ModuleType
    network: NetworkSpec

    def shape(self, index: int) -> Shape:
        """Return the shape of a layer's nodes, the image being layer 0."""
        if not _spatial(self.network):
            return (self.network.sizes[index],)
        height, width, channels = self._positions(index)
        return (channels, height, width)

    def _positions(self, index: int) -> tuple[int, int, int]:
        """Return (height, width, channels) of a layer; dense layers are one position."""
        connections = self.network.connections
        above = connections[index] if index < len(connections) else None
        if isinstance(above, Convolution):
            return above.in_shape
        below = connections[index - 1] if index else None
        if isinstance(below, Convolution):
            return below.out_shape
        return (1, 1, self.network.sizes[index])

    def says_feedback(self, index: int) -> bool:
        """Whether NIR can say the way back from a layer: it cannot undo pooling."""
        connection = self.network.connections[index]
        return not isinstance(connection, Convolution) or connection.pool == 1

    def synapses(self, index: int, layer: LayerParameters) -> Any:
        """Return the node of the synapses that enter a layer."""
        weights = self._to_node(index, _effective(layer))
        if not _spatial(self.network):
            node = self.nir.Affine(weights, layer.bias)
        else:
            padding = getattr(self.network.connections[index], "padding", 0)
            node = self._conv(weights, layer.bias, self.shape(index)[1:], (padding, padding))
        node.metadata = {
            "direction": "forward",
            "delay": TIME_STEP,
            **_learning_metadata(layer),
        }
        if layer.feedback is not None and not self.says_feedback(index):
            node.metadata["feedback"] = layer.feedback
        return node

    def feedback(self, index: int, layer: LayerParameters) -> Any:
        """Return the node of the way back from a layer."""
        weights = _effective(layer) if layer.feedback is None else layer.feedback
        turned = _turned(self._to_node(index, weights))
        if not _spatial(self.network):
            node = self.nir.Linear(turned)
        else:
            padding = getattr(self.network.connections[index], "padding", 0)
            back = (turned.shape[2] - 1 - padding, turned.shape[3] - 1 - padding)
            bias = np.zeros(len(turned), np.float32)
            node = self._conv(turned, bias, self.shape(index + 1)[1:], back)
        node.metadata = {"direction": "feedback", "delay": TIME_STEP}
        return node

    def _conv(self, weights: Float32, bias: Float32, shape: Shape, padding: Shape) -> Any:
        """Return a convolution of stride 1."""
        return self.nir.Conv2d(
            input_shape=shape,
            weight=weights,
            stride=(1, 1),
            padding=padding,
            dilation=(1, 1),
            groups=1,
            bias=bias,
        )

    def _to_node(self, index: int, weights: Float32) -> Float32:
        """Return weights of a connection in the order of its node."""
        if not _spatial(self.network) or weights.ndim == 4:
            return weights
        kernels = weights.reshape(len(weights), *self._positions(index))
        return np.ascontiguousarray(kernels.transpose(0, 3, 1, 2))

    def from_node(self, index: int, weights: NDArray[Any]) -> NDArray[Any]:
        """Return weights of a node in the order of its connection."""
        connection: Connection = self.network.connections[index]
        if weights.ndim == 4 and not isinstance(connection, Convolution):
            weights = weights.transpose(0, 2, 3, 1)
        if weights.size != np.prod(connection.weight_shape):
            return weights
        return np.ascontiguousarray(weights.reshape(connection.weight_shape))


def _turned(weights: NDArray[Any]) -> NDArray[Any]:
    """Return the weights of the way back, which is its own inverse."""
    if weights.ndim == 2:
        return np.ascontiguousarray(weights.T)
    return np.ascontiguousarray(weights[:, :, ::-1, ::-1].swapaxes(0, 1))


def _effective(layer: LayerParameters) -> Float32:
    """Return the weights that currents are made of: of binary ones alpha times the signs."""
    if layer.alpha is None:
        return layer.weights.astype(np.float32)
    weights: Float32 = (layer.alpha[0] * layer.weights).astype(np.float32)
    return weights


def _learning_metadata(layer: LayerParameters) -> dict[str, Any]:
    """Return what only learning needs."""
    found = {"alpha": layer.alpha, "momentum": layer.momentum}
    return {name: array for name, array in found.items() if array is not None}


def _learned(
    layout: _Layout, graph: Any, index: int, node: Any, source: str
) -> dict[str, NDArray[Any]]:
    """Return the arrays of one layer, by the names of `LayerParameters`."""
    network = layout.network
    weights = getattr(node, "weight", None)
    bias = getattr(node, "bias", None)
    if not isinstance(weights, np.ndarray) or not isinstance(bias, np.ndarray):
        kind = type(node).__name__
        raise InputError(
            f"{source}: node {network.layer_names[index]}_synapses is of type {kind}, expected "
            f"{'Conv2d' if _spatial(network) else 'Affine'}"
        )
    found = {"weights": layout.from_node(index, weights), "bias": bias}
    if network.layers[index].binary:
        found["weights"] = np.where(found["weights"] > 0, 1, -1).astype(np.int8)
        found |= {k: v for k, v in node.metadata.items() if k in ("alpha", "momentum")}
    if network.feedback_angle is not None and index > 0:
        back = graph.nodes.get(f"{network.layer_names[index - 1]}_feedback")
        if layout.says_feedback(index) and isinstance(getattr(back, "weight", None), np.ndarray):
            found["feedback"] = layout.from_node(index, _turned(back.weight))
        elif "feedback" in node.metadata:
            found["feedback"] = node.metadata["feedback"]
    return found


def _pool(nir: ModuleType, connection: Convolution) -> Any:
    """Return the node of pooling; NIR has no other than sums and means."""
    window = np.array([connection.pool, connection.pool])
    node = nir.AvgPool2d(kernel_size=window, stride=window, padding=np.array([0, 0]))
    node.metadata = {"pooling": connection.pooling.value}
    return node


Nodes = Iterator[tuple[str, Any]]


def _full(shape: Shape, value: float) -> Float32:
    return np.full(shape, value, np.float32)


@kinds.register("lif", "nir_nodes")
def _lif(nir: ModuleType, neuron: LIFNeuronSpec, shape: Shape, bias: Float32) -> Nodes:
    """Yield the nodes that are nearest to the neurons of a layer, in their order."""
    leak = neuron.dv or NO_LEAK
    node = nir.CubaLIF(
        tau_syn=_full(shape, TIME_STEP / neuron.du),
        tau_mem=_full(shape, TIME_STEP / leak),
        # Cancels the factor 1 / tau_mem, which Lava's neurons do without.
        r=_full(shape, 1 / leak),
        v_leak=_full(shape, 0),
        v_threshold=_full(shape, neuron.threshold),
        v_reset=_full(shape, 0),
        w_in=_full(shape, 1),
    )
    node.metadata = {
        "reset": neuron.reset.value,
        "refractory": neuron.refractory * TIME_STEP,
        "least_potential": -neuron.threshold,
        "initial_potential": neuron.constants.initial_membrane(bias.size),
        # The bias comes through the synapses' node, as if it had always been there.
        "initial_current": bias,
    }
    yield "neurons", node


def _leaky(nir: ModuleType, shape: Shape, rate: float, **metadata: Any) -> tuple[str, Any]:
    """Return a leaky integrator, and what it does not tell of a state."""
    tau, zero, one = (_full(shape, value) for value in (TIME_STEP / rate, 0, 1))
    node = nir.LI(tau=tau, r=one, v_leak=zero)
    node.metadata = metadata
    return "neurons", node


@kinds.register("graded", "nir_nodes")
def _graded(nir: ModuleType, neuron: GradedNeuronSpec, shape: Shape, bias: Float32) -> Nodes:
    yield _leaky(
        nir,
        shape,
        neuron.filter_rate if neuron.time_step is None else neuron.time_step,
        activation=neuron.activation.value,
        form="discrete" if neuron.time_step is None else "energy-based",
        initial_state=neuron.initial_state,
        event_threshold=neuron.event_threshold,
    )


@kinds.register("binary", "nir_nodes")
def _binary(nir: ModuleType, neuron: NeuronSpec, shape: Shape, bias: Float32) -> Nodes:
    yield _leaky(
        nir, shape, neuron.filter_rate, least=0.0, most=1.0, initial_state=neuron.initial_state
    )
    yield "threshold", nir.Threshold(_full(shape, neuron.threshold))


@kinds.register("sigma-delta", "nir_nodes")
def _sigma_delta(
    nir: ModuleType, neuron: SigmaDeltaNeuronSpec, shape: Shape, bias: Float32
) -> Nodes:
    size = neuron.step_size
    yield _leaky(
        nir,
        shape,
        neuron.filter_rate,
        least=0.0,
        most=1.0,
        initial_state=0.0,
        spikes="signed steps of the state",
        smallest_step=1 / size.levels,
        first_step=size.start / size.levels,
        step_decay=size.decay,
        adaptive_steps=int(size.adaptive),
    )


def _input_metadata(network: NetworkSpec) -> dict[str, Any]:
    """Return what pixels have to go through before they enter."""
    found: dict[str, Any] = {"divide_by": float(network.input_levels)}
    if network.normalization is not None:
        found["mean"], found["std"] = network.normalization.arrays
    if network.encoding.code is not Code.CONSTANT:
        found["code"] = network.encoding.code.value
    return found


def _readout_metadata(network: NetworkSpec) -> dict[str, Any]:
    """Return how classes are read from the output, and after how many steps."""
    found: dict[str, Any] = {"classes": network.classes, "steps": network.phases.free_steps}
    if isinstance(network.neuron, LIFNeuronSpec):
        found["trace_rate"] = network.neuron.trace_rate
    return found


def _compare(expected: Any, found: Any, source: str) -> None:
    """Demand that two graphs are the same but for metadata."""
    missing = sorted(expected.nodes.keys() ^ found.nodes.keys())
    if missing:
        where = "missing" if missing[0] in expected.nodes else "not known"
        raise InputError(f"{source}: node {missing[0]} is {where} in the network of its spec")
    edges = sorted({tuple(e) for e in expected.edges} ^ {tuple(e) for e in found.edges})
    if edges:
        where = "missing" if edges[0] in [tuple(e) for e in expected.edges] else "not known"
        raise InputError(f"{source}: edge {' to '.join(edges[0])} is {where}")
    for name, node in expected.nodes.items():
        other = found.nodes[name]
        if type(other) is not type(node):
            kinds = type(other).__name__, type(node).__name__
            raise InputError(f"{source}: node {name} is of type {kinds[0]}, expected {kinds[1]}")
        for field, value in node.to_dict().items():
            if field != "metadata" and not np.array_equal(value, getattr(other, field, value)):
                raise InputError(
                    f"{source}: {field} of node {name} is not what its spec says; parameters can "
                    "be changed, but the same way in a node of synapses and its feedback"
                )

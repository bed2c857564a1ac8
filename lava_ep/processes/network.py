"""A whole equilibrium-propagation network as one hierarchical Lava Process."""

from __future__ import annotations

from typing import Any

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from lava_ep.errors import InputError
from lava_ep.parameters import NetworkParameters, initial_parameters
from lava_ep.spec import NetworkSpec


class EPNetwork(AbstractProcess):
    """A layered network that settles, is nudged, and learns from the difference.

    Parameters
    ----------
    spec
        Sizes, dynamics and learning rules.
    batch
        Number of samples processed at the same time.
    seed
        Seed of the run: initial parameters (unless given) and random signs of beta.
    learning
        Whether samples have nudged phases and the network learns from them.
    parameters
        Parameters to start from; drawn from ``seed`` if not given.
    decay, epoch_batches
        BOP contributions and the rates of SGD shrink by ``decay`` every ``epoch_batches`` batches.
    threads
        Threads that a multi-threaded backend uses, by default one for each core. No result of a
        binary network depends on it, and others only by the rounding of sums over a batch.

    Attributes
    ----------
    s_in : InPort
        Pixel events, (batch, inputs) integers, every step. (With the ProcessModel of tag ``fused``
        a step carries a whole batch; what the ports then carry is told there.)
    label_in : InPort
        Labels, (batch,) integers, every step; has to be connected if ``learning``.
    s_out : OutPort
        Events of the output neurons, (batch, outputs), every step.
    state_out : OutPort
        Their pre-activations, (batch, outputs) float32, every step.
    hidden1_weights, …, output_weights : Var
        For each layer of ``spec.layer_names`` the Vars ``weights`` and ``synaptic_operations`` of
        the synapses that enter it, with ``momentum``, ``alpha`` and ``flips`` if they are binary
        and ``feedback`` if that is apart, and ``bias``, ``state``, ``activation`` and ``events`` of
        its neurons, joined by an underscore. See `BinarySynapse`, `RealSynapse`, `ConvSynapse`,
        `BinaryNeuron` and `GradedNeuron`.

    Raises
    ------
    InputError
        If ``batch`` or ``threads`` is below 1 or the parameters do not fit the spec.
    """

    def __init__(
        self,
        *,
        spec: NetworkSpec,
        batch: int = 1,
        seed: int = 0,
        learning: bool = True,
        parameters: NetworkParameters | None = None,
        decay: float = 1.0,
        epoch_batches: int = 1,
        threads: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if parameters is None:
            parameters = initial_parameters(spec, seed=seed)
        super().__init__(
            spec=spec,
            batch=batch,
            seed=seed,
            learning=learning,
            parameters=parameters,
            decay=decay,
            epoch_batches=epoch_batches,
            threads=threads,
            name=name,
            **kwargs,
        )
        if batch < 1:
            raise InputError(f"batch={batch}: expected at least 1")
        if threads is not None and threads < 1:
            raise InputError(f"threads={threads}: expected at least 1")
        sizes = spec.sizes
        shapes = [layer.weights.shape for layer in parameters.layers]
        if shapes != [connection.weight_shape for connection in spec.connections]:
            raise InputError(f"parameters of shapes {shapes} do not fit a {spec} network")
        self.s_in = InPort(shape=(batch, sizes[0]))
        self.label_in = InPort(shape=(batch,))
        self.s_out = OutPort(shape=(batch, sizes[-1]))
        self.state_out = OutPort(shape=(batch, sizes[-1]))
        for layer_name, size, layer in zip(
            spec.layer_names, sizes[1:], parameters.layers, strict=True
        ):
            for field, value in layer.arrays.items():
                setattr(self, f"{layer_name}_{field}", Var(shape=value.shape, init=value))
            for counter in spec.counters(layer_name):
                elements = 1 if counter == "flips" else 2
                setattr(self, f"{layer_name}_{counter}", Var(shape=(elements,), init=0))
            for field in ("state", "activation"):
                setattr(self, f"{layer_name}_{field}", Var(shape=(batch, size), init=0))

    def layer_var(self, layer_name: str, field: str) -> Var:
        """Return one of the per-layer Vars, e.g. ``layer_var("hidden1", "weights")``."""
        var: Var = getattr(self, f"{layer_name}_{field}")
        return var

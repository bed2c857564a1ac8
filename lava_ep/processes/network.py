"""A whole equilibrium-propagation network as one hierarchical Lava Process."""

from __future__ import annotations

from typing import Any

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.variable import Var

from lava_ep.dynamics import Nudging
from lava_ep.dynamics.resistive import check_nudging
from lava_ep.errors import DivergedError, InputError
from lava_ep.parameters import NetworkParameters, initial_parameters
from lava_ep.processes.arguments import EPProcess, as_count
from lava_ep.spec import NetworkSpec


class EPNetwork(EPProcess):
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
        If an argument is unknown, ``batch`` or ``threads`` is below 1, the
        parameters do not fit the spec, or the output of a resistive network has too little
        conductance to be nudged.

    Notes
    -----
    A network of Lava's own Processes (neurons of kind ``stock-lif``, see `lava_ep.models.loihi`)
    has ports as on a chip: no axis for a batch, ``s_in`` takes pixels as graded spikes in every
    step, ``label_in`` one-hot spikes of the class, (classes,), while the network is nudged,
    ``s_out`` sends spikes, and so do ``hidden1_out``, … for the hidden layers; there is no
    ``state_out``. Its Vars, ``weights``, ``feedback`` (transposed), ``bias`` and ``state`` (the
    membrane potential), hold what Lava's Processes hold.
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
        batch = as_count(batch, "batch")
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
        if threads is not None:
            as_count(threads, "threads")
        sizes = spec.sizes
        shapes = [layer.weights.shape for layer in parameters.layers]
        if shapes != [connection.weight_shape for connection in spec.connections]:
            raise InputError(f"parameters of shapes {shapes} do not fit a {spec} network")
        if spec.resistive and learning:
            lowest = 0.0 if spec.phases.nudging is Nudging.POSITIVE else -spec.phases.beta
            try:
                check_nudging(parameters.layers[-1].weights.sum(axis=1), lowest)
            except DivergedError as error:
                raise InputError(f"parameters: {error}") from None
        if spec.stock:
            self._have_what_a_chip_has(spec, parameters)
            return
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

    def _have_what_a_chip_has(self, spec: NetworkSpec, parameters: NetworkParameters) -> None:
        """Add the ports and Vars of a network of Lava's own Processes."""
        if self.proc_params["batch"] != 1:
            raise InputError(
                f"batch={self.proc_params['batch']} with neurons of kind {spec.neuron.kind}: "
                "expected 1"
            )
        self.s_in = InPort(shape=spec.sizes[:1])
        self.label_in = InPort(shape=(spec.classes,))
        self.s_out = OutPort(shape=spec.sizes[-1:])
        for name, size, layer in zip(
            spec.layer_names, spec.sizes[1:], parameters.layers, strict=True
        ):
            if name != spec.layer_names[-1]:
                setattr(self, f"{name}_out", OutPort(shape=(size,)))
            for field, value in layer.arrays.items():
                like_lavas = value.T if field == "feedback" else value
                setattr(self, f"{name}_{field}", Var(shape=like_lavas.shape, init=like_lavas))
            setattr(self, f"{name}_state", Var(shape=(size,), init=0))

    def spikes_of(self, layer_name: str) -> OutPort:
        """Return the port by which a layer of a network of Lava's own Processes sends spikes."""
        last = layer_name == self.proc_params["spec"].layer_names[-1]
        port: OutPort = self.s_out if last else getattr(self, f"{layer_name}_out")
        return port

    def layer_var(self, layer_name: str, field: str) -> Var:
        """Return one of the per-layer Vars, e.g. ``layer_var("hidden1", "weights")``."""
        var: Var = getattr(self, f"{layer_name}_{field}")
        return var

"""A whole equilibrium-propagation network as one hierarchical Lava Process."""

from __future__ import annotations

from typing import Any

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from lava_ep.errors import InputError
from lava_ep.parameters import LayerParameters, NetworkParameters, initial_parameters
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
    bop_decay, epoch_batches
        BOP contributions shrink by ``bop_decay`` every ``epoch_batches`` batches.
    threads
        Threads that a multi-threaded backend uses, by default one for each core; no result depends
        on it.

    Attributes
    ----------
    s_in : InPort
        Pixel events, (batch, inputs) integers, every step. (With the ProcessModel of tag ``fused``
        a step carries a whole batch; what the ports then carry is told there.)
    label_in : InPort
        Labels, (batch,) integers, every step; has to be connected if ``learning``.
    s_out : OutPort
        Events of the output neurons, (batch, outputs) int8, every step.
    state_out : OutPort
        Their pre-activations, (batch, outputs) float32, every step.
    hidden1_weights, …, output_weights : Var
        For each layer of ``spec.layer_names`` the Vars ``weights`` (n_post, n_pre), ``momentum``
        (n_post, n_pre), ``alpha`` (1,), ``synaptic_operations`` (2,) and ``flips`` (1,) of the
        synapses that enter it, and ``bias`` (n,), ``state`` (batch, n), ``activation`` (batch, n)
        and ``events`` (2,) of its neurons, joined by an underscore. See `BinarySynapse` and
        `BinaryNeuron`.

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
        bop_decay: float = 1.0,
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
            bop_decay=bop_decay,
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
        if shapes != list(zip(sizes[1:], sizes[:-1], strict=True)):
            raise InputError(f"parameters of shapes {shapes} do not fit a {spec} network")
        self.s_in = InPort(shape=(batch, sizes[0]))
        self.label_in = InPort(shape=(batch,))
        self.s_out = OutPort(shape=(batch, sizes[-1]))
        self.state_out = OutPort(shape=(batch, sizes[-1]))
        for layer_name, layer in zip(spec.layer_names, parameters.layers, strict=True):
            for field in LayerParameters.FIELDS:
                value = getattr(layer, field)
                setattr(self, f"{layer_name}_{field}", Var(shape=value.shape, init=value))
            setattr(self, f"{layer_name}_synaptic_operations", Var(shape=(2,), init=0))
            setattr(self, f"{layer_name}_flips", Var(shape=(1,), init=0))
            setattr(self, f"{layer_name}_events", Var(shape=(2,), init=0))
            neurons = (batch, *layer.bias.shape)
            for field in ("state", "activation"):
                setattr(self, f"{layer_name}_{field}", Var(shape=neurons, init=0))

    def layer_var(self, layer_name: str, field: str) -> Var:
        """Return one of the per-layer Vars, e.g. ``layer_var("hidden1", "weights")``."""
        var: Var = getattr(self, f"{layer_name}_{field}")
        return var

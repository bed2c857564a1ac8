"""What a network has learned: the numbers that a checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import Connection, Stream, generator, initial_weights, scaling_factor
from lava_ep.dynamics.resistive import initial_conductances
from lava_ep.errors import InputError
from lava_ep.spec import LayerSpec, NetworkSpec, layer_names


@dataclass(frozen=True)
class LayerParameters:
    """Learned state of one layer and of the synapses that enter it.

    Parameters
    ----------
    weights
        Signs of binary weights as int8, -1 or +1, or real weights as float32: (n_post, n_pre)
        if dense, (channels, channels below, kernel, kernel) if convolutional.
    bias
        (n_post,) float32, or (channels,).
    momentum
        Of binary weights only: BOP momenta, float32 of the shape of the weights, see
        `lava_ep.dynamics.bop_update`. Their unit is an integer contrast at the present ``batch``
        count, so they only mean something together with it and with the batch size, beta, nudging,
        levels and gamma they were learned with.
    alpha
        Of binary weights only: scaling factor, (1,) float64.
    feedback
        Of real weights with a feedback of their own only: float32 of the shape of the weights.
    """

    weights: NDArray[np.int8] | NDArray[np.float32]
    bias: NDArray[np.float32]
    momentum: NDArray[np.float32] | None = None
    alpha: NDArray[np.float64] | None = None
    feedback: NDArray[np.float32] | None = None

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that there are, by name."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: array for name, array in found.items() if array is not None}

    def for_inference(self) -> LayerParameters:
        """Return the same without the momenta."""
        if self.momentum is None:
            return self
        return replace(self, momentum=np.zeros(self.momentum.shape, np.float32))


@dataclass(frozen=True)
class NetworkParameters:
    """Learned state of a network; ``batch`` counts the batches it has learned from."""

    layers: tuple[LayerParameters, ...]
    batch: int = 0

    def for_inference(self) -> NetworkParameters:
        """Return the same without momenta, which take most of the memory."""
        return replace(self, layers=tuple(layer.for_inference() for layer in self.layers))

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Flatten to named arrays, such as ``hidden1.weights`` for a checkpoint."""
        found: dict[str, NDArray[np.generic]] = {
            f"{name}.{field}": array
            for name, layer in zip(layer_names(len(self.layers)), self.layers, strict=True)
            for field, array in layer.arrays.items()
        }
        found["batch"] = np.array([self.batch], np.int64)
        return found

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[np.generic]], network: NetworkSpec, *, source: str
    ) -> NetworkParameters:
        """Rebuild from named arrays, checked against the network they belong to.

        Raises
        ------
        InputError
            If an array is missing or unknown, has another shape or type than the network needs, or
            holds impossible values.
        """
        initial = initial_parameters(network, seed=0)
        reference = initial.to_arrays()
        unknown = sorted(arrays.keys() - reference.keys())
        if unknown:
            raise InputError(f"{source}: array {unknown[0]!r} has no place in a {network} network")
        for key, expected in reference.items():
            found = arrays.get(key)
            if found is None:
                raise InputError(f"{source}: array {key!r} is missing for a {network} network")
            if found.shape != expected.shape or found.dtype != expected.dtype:
                raise InputError(
                    f"{source}: array {key!r} is {found.dtype}{list(found.shape)}, expected "
                    f"{expected.dtype}{list(expected.shape)} for a {network} network"
                )
            signs = key.endswith(".weights") and expected.dtype == np.int8
            if signs and not np.isin(found, (-1, 1)).all():
                raise InputError(f"{source}: array {key!r} holds values other than -1 and +1")
            if not np.isfinite(found).all():
                raise InputError(f"{source}: array {key!r} holds values that are not finite")
            if key == "batch" and found[0] < 0:
                raise InputError(f"{source}: array {key!r} holds a count below 0")
            if network.resistive and key.endswith(".weights") and np.any(np.less(found, 0)):
                raise InputError(f"{source}: array {key!r} holds conductances below 0")
        layers = tuple(
            LayerParameters(**{field: arrays[f"{name}.{field}"] for field in layer.arrays})  # type: ignore[arg-type]
            for name, layer in zip(network.layer_names, initial.layers, strict=True)
        )
        return cls(layers, int(arrays["batch"][0]))


def initial_parameters(network: NetworkSpec, *, seed: int) -> NetworkParameters:
    r"""Draw the parameters that training starts from.

    Signs of binary weights are fair coins, :math:`\alpha = c/\sqrt{\mathrm{fan\,in}}`. Real weights
    are :math:`U(-u, u)` with :math:`u = c\sqrt{6/(\mathrm{fan\,in} + \mathrm{fan\,out})}` (Glorot
    and Bengio 2010). Biases are
    :math:`U(-1/\sqrt{\mathrm{fan\,in}}, 1/\sqrt{\mathrm{fan\,in}})` plus the layer's offset.
    Conductances are :math:`\max(U(-u, u), 0)` with :math:`u = c/\sqrt{\mathrm{fan\,in}}`, and the
    biases of resistive neurons just the offset (Scellier 2024). Feedback weights of their own are
    the forward ones, each with its sign changed with probability :math:`(1 - \cos\psi)/2`, which
    makes the expected angle between the two :math:`\psi` (Ernoult et al. 2020).
    """
    layers = []
    for index, (layer, connection) in enumerate(
        zip(network.layers, network.connections, strict=True)
    ):
        fan_in = connection.fan_in
        bias = generator(seed, Stream.BIASES, index).uniform(-1, 1, connection.biases)
        found = _initial_weights(layer, connection, generator(seed, Stream.WEIGHTS, index))
        if network.feedback_angle is not None and index > 0:
            forward = found["weights"]
            coins = generator(seed, Stream.FEEDBACK, index).random(forward.shape)
            changed = coins < (1 - np.cos(np.radians(network.feedback_angle))) / 2
            found["feedback"] = np.where(changed, -forward, forward)
        offset = np.float64(layer.bias_offset)
        if network.resistive:
            bias = np.zeros_like(bias)
        found["bias"] = (bias / np.sqrt(fan_in) + offset).astype(np.float32)
        layers.append(LayerParameters(**found))
    return NetworkParameters(tuple(layers))


def _initial_weights(
    layer: LayerSpec, connection: Connection, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Draw the weights of one layer, with what learning rule and scaling need."""
    shape = connection.weight_shape
    if layer.binary:
        return {
            "weights": initial_weights(shape, rng),
            "momentum": np.zeros(shape, np.float32),
            "alpha": np.array([scaling_factor(connection.fan_in, layer.scale)]),
        }
    if layer.weights == "conductance":
        return {"weights": initial_conductances(shape, layer.scale, rng)}
    bound = layer.scale * np.sqrt(6 / (connection.fan_in + connection.fan_out))
    return {"weights": rng.uniform(-bound, bound, shape).astype(np.float32)}

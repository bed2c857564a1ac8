"""What a network has learned: the numbers that a checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import Stream, generator, initial_weights, scaling_factor
from lava_ep.errors import InputError
from lava_ep.spec import NetworkSpec, layer_names


@dataclass(frozen=True)
class LayerParameters:
    """Learned state of one layer and of the synapses that enter it.

    Parameters
    ----------
    weights
        Signs of the binary weights, (n_post, n_pre) int8, -1 or +1.
    momentum
        BOP momenta, (n_post, n_pre) float32, see `lava_ep.dynamics.bop_update`. Their unit is an
        integer contrast at the present ``batch`` count, so they only mean something together with
        it and with the batch size, beta, nudging, levels and gamma they were learned with.
    alpha
        Scaling factor, (1,) float64.
    bias
        (n_post,) float32.
    """

    weights: NDArray[np.int8]
    momentum: NDArray[np.float32]
    alpha: NDArray[np.float64]
    bias: NDArray[np.float32]

    FIELDS = ("weights", "momentum", "alpha", "bias")


@dataclass(frozen=True)
class NetworkParameters:
    """Learned state of a network; ``batch`` counts the batches it has learned from."""

    layers: tuple[LayerParameters, ...]
    batch: int = 0

    def for_inference(self) -> NetworkParameters:
        """Return the same without momenta, which take most of the memory."""
        layers = tuple(
            replace(layer, momentum=np.zeros(layer.momentum.shape, np.float32))
            for layer in self.layers
        )
        return replace(self, layers=layers)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Flatten to named arrays, such as ``hidden1.weights`` for a checkpoint."""
        arrays: dict[str, NDArray[np.generic]] = {
            f"{name}.{field}": getattr(layer, field)
            for name, layer in zip(layer_names(len(self.layers)), self.layers, strict=True)
            for field in LayerParameters.FIELDS
        }
        arrays["batch"] = np.array([self.batch], np.int64)
        return arrays

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
        reference = initial_parameters(network, seed=0).to_arrays()
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
            if key.endswith(".weights") and not np.isin(found, (-1, 1)).all():
                raise InputError(f"{source}: array {key!r} holds values other than -1 and +1")
            if not np.isfinite(found).all():
                raise InputError(f"{source}: array {key!r} holds values that are not finite")
        layers = tuple(
            LayerParameters(*(arrays[f"{name}.{field}"] for field in LayerParameters.FIELDS))  # type: ignore[arg-type]
            for name in network.layer_names
        )
        return cls(layers, int(arrays["batch"][0]))


def initial_parameters(network: NetworkSpec, *, seed: int) -> NetworkParameters:
    r"""Draw the parameters that training starts from.

    Signs of the weights are fair coins, :math:`\alpha = c/\sqrt{\mathrm{fan\,in}}`, and biases are
    :math:`U(-1/\sqrt{\mathrm{fan\,in}}, 1/\sqrt{\mathrm{fan\,in}})` plus the layer's offset.
    """
    layers = []
    for index, (layer, fan_in) in enumerate(zip(network.layers, network.sizes, strict=False)):
        shape = (layer.neurons, fan_in)
        bias = generator(seed, Stream.BIASES, index).uniform(-1, 1, layer.neurons)
        layers.append(
            LayerParameters(
                weights=initial_weights(shape, generator(seed, Stream.WEIGHTS, index)),
                momentum=np.zeros(shape, np.float32),
                alpha=np.array([scaling_factor(fan_in, layer.scale)]),
                bias=(bias / np.sqrt(fan_in) + layer.bias_offset).astype(np.float32),
            )
        )
    return NetworkParameters(tuple(layers))

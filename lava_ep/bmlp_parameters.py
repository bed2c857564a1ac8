"""What a network of local binary errors has learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import Stream, generator
from lava_ep.dynamics.bmlp import (
    LayerRule,
    fixed_classifier,
    initial_hidden,
    median_thresholds,
    thermometer_thresholds,
)
from lava_ep.errors import InputError
from lava_ep.spec import BMLPLayerSpec, BMLPSpec


def rule_of(layer: BMLPLayerSpec) -> LayerRule:
    """Return the rule of a layer as the dynamics want it."""
    return LayerRule(
        group=layer.group,
        margin=layer.margin,
        reinforcement=layer.reinforcement,
        majority=layer.majority,
        frozen=layer.frozen,
        learned_classifier=layer.learned_classifier,
    )


@dataclass(frozen=True)
class BMLPLayerParameters:
    """Learned state of one layer.

    Parameters
    ----------
    hidden
        Hidden weights h, odd int32 (neurons, inputs); the weights are their signs.
    classifier
        rho transposed, odd int32 (classes, outputs): signs of a fixed one, hidden weights of one
        that learns.
    right
        (2,) int64: samples that the classifier had right in the last whole epoch, and in this one.
    """

    hidden: NDArray[np.int32]
    classifier: NDArray[np.int32]
    right: NDArray[np.int64]


@dataclass(frozen=True)
class BMLPParameters:
    """Learned state of a network.

    Parameters
    ----------
    thresholds
        Of the pixels, uint8 (pixels, bits a pixel), see `lava_ep.dynamics.bmlp.binarize`.
    layers
        From the input upwards.
    batch
        Batches learned from.
    """

    thresholds: NDArray[np.uint8]
    layers: tuple[BMLPLayerParameters, ...]
    batch: int = 0

    def for_inference(self) -> BMLPParameters:
        """Return the same: signs are read from the hidden weights."""
        return self

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Flatten to named arrays, such as ``layer1.hidden`` for a checkpoint."""
        found: dict[str, NDArray[Any]] = {"thresholds": self.thresholds}
        for number, layer in enumerate(self.layers, start=1):
            for field in ("hidden", "classifier", "right"):
                found[f"layer{number}.{field}"] = getattr(layer, field)
        found["batch"] = np.array([self.batch], np.int64)
        return found

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], network: BMLPSpec, *, source: str
    ) -> BMLPParameters:
        """Rebuild from named arrays, checked against the network they belong to.

        Raises
        ------
        InputError
            If an array is missing or unknown, has another shape or type than the network needs, or
            holds impossible values.
        """
        expected: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
            "thresholds": (np.uint8, (network.inputs, network.binarization.bits_a_pixel)),
            "batch": (np.int64, (1,)),
        }
        for number, (layer, inputs) in enumerate(
            zip(network.layers, network.sizes[:-1], strict=True), start=1
        ):
            expected[f"layer{number}.hidden"] = (np.int32, (layer.neurons, inputs))
            expected[f"layer{number}.classifier"] = (np.int32, (network.classes, layer.outputs))
            expected[f"layer{number}.right"] = (np.int64, (2,))
        unknown = sorted(arrays.keys() - expected.keys())
        if unknown:
            raise InputError(f"{source}: array {unknown[0]!r} has no place in a {network} network")
        for key, (kind, shape) in expected.items():
            found = arrays.get(key)
            if found is None:
                raise InputError(f"{source}: array {key!r} is missing for a {network} network")
            if found.shape != shape or found.dtype != kind:
                raise InputError(
                    f"{source}: array {key!r} is {found.dtype}{list(found.shape)}, expected "
                    f"{np.dtype(kind)}{list(shape)} for a {network} network"
                )
            if key.endswith((".hidden", ".classifier")) and not (found % 2 == 1).all():
                raise InputError(f"{source}: array {key!r} holds even numbers, expected odd ones")
            if key.endswith((".right", "batch")) and found.min() < 0:
                raise InputError(f"{source}: array {key!r} holds a count below 0")
        layers = tuple(
            BMLPLayerParameters(
                *(arrays[f"layer{number}.{field}"] for field in ("hidden", "classifier", "right"))
            )
            for number in range(1, len(network.layers) + 1)
        )
        return cls(arrays["thresholds"], layers, int(arrays["batch"][0]))


def initial_bmlp_parameters(
    network: BMLPSpec, *, seed: int, images: NDArray[np.uint8]
) -> BMLPParameters:
    """Draw the parameters that training starts from.

    Parameters
    ----------
    network
        Sizes and scales.
    seed
        Of the run.
    images
        Training images, (samples, pixels), which thresholds of kind median are taken from.
    """
    layers = []
    for index, (layer, inputs) in enumerate(zip(network.layers, network.sizes[:-1], strict=True)):
        hidden = initial_hidden(
            (layer.neurons, inputs),
            network.initial_scale,
            generator(seed, Stream.WEIGHTS, index),
        )
        rng = generator(seed, Stream.CLASSIFIERS, index)
        shape = (network.classes, layer.outputs)
        classifier = (
            initial_hidden(shape, network.initial_scale, rng)
            if layer.learned_classifier
            else fixed_classifier(shape, rng)
        )
        layers.append(BMLPLayerParameters(hidden, classifier, np.zeros(2, np.int64)))
    return BMLPParameters(_thresholds(network, images), tuple(layers))


def _thresholds(network: BMLPSpec, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the thresholds of all pixels."""
    kind = network.binarization
    if kind.kind == "median":
        return median_thresholds(images)
    if kind.kind == "thermometer":
        return thermometer_thresholds(network.inputs, kind.bits, network.input_levels)
    return np.tile(np.array(kind.thresholds, np.uint8), (network.inputs, 1))

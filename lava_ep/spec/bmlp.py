"""Perceptrons of bits that learn from local errors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lava_ep.spec.base import MOST_NEURONS, Spec
from lava_ep.spec.layers import EncodingSpec, layer_names


class BinarizationSpec(Spec):
    """What makes bits of pixels, see `lava_ep.dynamics.bmlp.binarize`."""

    kind: Literal["median", "thermometer", "thresholds"] = Field(
        "median",
        description="one bit per pixel, set above its median over the training set; bits evenly "
        "spaced over the levels; or thresholds that are given",
    )
    bits: int = Field(1, ge=1, le=255, description="bits per pixel of kind thermometer")
    thresholds: tuple[Annotated[int, Field(ge=0, le=254)], ...] = Field(
        (), description="of kind thresholds: pixel values above which a bit is set, one a bit"
    )

    @model_validator(mode="after")
    def _one_way(self) -> BinarizationSpec:
        if (self.kind == "thresholds") != bool(self.thresholds):
            raise ValueError(
                f"kind={self.kind} with thresholds={list(self.thresholds)}: expected at least one "
                "with kind thresholds and none with the others"
            )
        if self.kind != "thermometer" and self.bits != 1:
            raise ValueError(f"bits={self.bits} with kind={self.kind}: only thermometers have bits")
        return self

    @property
    def bits_a_pixel(self) -> int:
        """Bits that a pixel becomes."""
        return len(self.thresholds) or self.bits


class BMLPLayerSpec(Spec):
    """One layer of binary neurons that learns by itself, see `lava_ep.dynamics.bmlp`."""

    neurons: int = Field(ge=1, le=MOST_NEURONS, description="K: number of neurons")
    group: int = Field(1, ge=1, description="gamma: neurons of which at most one learns a sample")
    robustness: float = Field(
        0.25, ge=0, le=2, description="r: a margin below int(r times the outputs) is an error, too"
    )
    reinforcement: float = Field(
        0.0, ge=0, le=1, description="p_r: strength with which hidden weights move away from 0"
    )
    majority: bool = Field(
        False, description="groups pass on one bit, that of most of their neurons (CP+R)"
    )
    learned_classifier: bool = Field(False, description="rho learns, too, instead of being fixed")
    frozen: bool = Field(False, description="the hidden weights of this layer do not learn")

    @model_validator(mode="after")
    def _whole_groups(self) -> BMLPLayerSpec:
        if self.neurons % self.group:
            raise ValueError(
                f"group={self.group} with neurons={self.neurons}: expected a divisor of neurons"
            )
        return self

    @property
    def outputs(self) -> int:
        """Bits that the layer passes on."""
        return self.neurons // self.group if self.majority else self.neurons

    @property
    def margin(self) -> int:
        """Lead of the class over all others, in logits, that is no error."""
        return int(self.robustness * self.outputs)


class BMLPSpec(Spec):
    """A multi-layer perceptron of binary inputs, weights and activations with local errors."""

    kind: Literal["bmlp"]
    inputs: int = Field(ge=1, description="number of pixels, times channels")
    input_levels: int = Field(255, ge=1, le=255, description="largest pixel value")
    binarization: BinarizationSpec = Field(BinarizationSpec(), description="how pixels become bits")
    classes: int = Field(10, ge=2, description="number of classes")
    layers: tuple[BMLPLayerSpec, ...] = Field(min_length=1, description="from the input upwards")
    initial_scale: float = Field(
        64.0, gt=0, le=16384, description="standard deviation of initial hidden weights, in units"
    )

    @model_validator(mode="after")
    def _thresholds_below_levels(self) -> BMLPSpec:
        if any(value >= self.input_levels for value in self.binarization.thresholds):
            raise ValueError(
                f"binarization.thresholds={list(self.binarization.thresholds)}: expected values "
                f"below input_levels={self.input_levels}"
            )
        return self

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bits of the input, then those that each layer passes on."""
        return (
            self.inputs * self.binarization.bits_a_pixel,
            *(layer.outputs for layer in self.layers),
        )

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers: ``hidden1``, …, and ``output`` for the last one."""
        return layer_names(len(self.layers))

    @property
    def encoding(self) -> EncodingSpec:
        """How a sample is shown: all pixels at once."""
        return EncodingSpec()

    @property
    def executed_as(self) -> str:
        """Which backends can execute the network, see `lava_ep.models.Backend`."""
        return self.kind

    @property
    def subject(self) -> str:
        """What the network is, for errors of backends."""
        return f"networks of kind {self.kind}"

    def __str__(self) -> str:
        names = [
            f"{layer.neurons}({layer.outputs})" if layer.majority else str(layer.neurons)
            for layer in self.layers
        ]
        return "-".join([str(self.sizes[0]), *names])

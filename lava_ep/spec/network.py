"""A network that learns by equilibrium propagation."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from lava_ep.dynamics import (
    Code,
    Connection,
    Convolution,
    Dense,
    Encoding,
    PhaseSchedule,
    SpikeTrace,
    StepSize,
    Updates,
)
from lava_ep.spec.base import Spec, as_value_error
from lava_ep.spec.layers import (
    EncodingSpec,
    LayerSpec,
    NoiseSpec,
    NormalizationSpec,
    PhaseSpec,
    layer_names,
)
from lava_ep.spec.neurons import (
    AnyNeuronSpec,
    NeuronSpec,
    ResistiveNeuronSpec,
    StockLIFNeuronSpec,
)


class NetworkSpec(Spec):
    """A layered network: an image, hidden layers, and an output layer that is nudged."""

    kind: Literal["ep"] = "ep"
    inputs: int = Field(ge=1, description="number of pixels, times channels")
    image_shape: tuple[int, int] | tuple[int, int, int] | None = Field(
        None, description="height, width and channels of an image; needed for convolutions"
    )
    input_levels: int = Field(255, ge=1, le=255, description="pixel value that means 1.0")
    normalization: NormalizationSpec | None = Field(
        None, description="what is done with the pixels of each channel first"
    )
    encoding: EncodingSpec = Field(EncodingSpec(), description="how pixels are sent over time")
    classes: int = Field(10, ge=2, description="number of classes")
    layers: tuple[LayerSpec, ...] = Field(min_length=1, description="hidden layers, then output")
    neuron: AnyNeuronSpec = Field(NeuronSpec(), description="of all layers")
    phases: PhaseSpec = Field(PhaseSpec(), description="time steps and nudging")
    noise: NoiseSpec = Field(NoiseSpec(), description="of what learning measures")
    feedback_angle: float | None = Field(
        None,
        ge=0,
        le=180,
        description="angle psi in degrees between forward weights and feedback weights that start "
        "apart and learn apart (vector field); none: the same weights both ways",
    )

    @model_validator(mode="after")
    def _layers_fit(self) -> NetworkSpec:
        connections = self.connections
        outputs = connections[-1].n_post
        if not isinstance(connections[-1], Dense):
            raise ValueError("the output layer is convolutional: expected neurons")
        if outputs % self.classes:
            raise ValueError(
                f"{outputs} output neurons for {self.classes} classes: expected a multiple, "
                "since every class is read from a group of equal size"
            )
        if self.normalization and self.inputs % len(self.normalization.mean):
            raise ValueError(
                f"normalization of {len(self.normalization.mean)} channels does not fit "
                f"{self.inputs} inputs"
            )
        return self

    @model_validator(mode="after")
    def _encoding_fits(self) -> NetworkSpec:
        as_value_error(lambda: self.input_encoding)
        code = self.encoding.code
        if self.normalization and code is not Code.CONSTANT:
            raise ValueError(
                f"normalization with encoding.code={code.value}: expected constant pixels; spikes "
                "cannot be normalized"
            )
        if self.encoding.steps > self.phases.free_steps:
            raise ValueError(
                f"encoding.steps={self.encoding.steps}: expected at most phases.free_steps="
                f"{self.phases.free_steps}, as the network has to settle on the whole image"
            )
        if self.input_encoding.reading and self.layers[0].neurons is None:
            raise ValueError(
                f"encoding.code={code.value} with channels: expected a dense first layer"
            )
        return self

    @model_validator(mode="after")
    def _rules_fit(self) -> NetworkSpec:
        if self.phases.updates is Updates.CONTINUAL and any(x.alpha_rate for x in self.layers):
            raise ValueError("alpha_rate needs phases.updates=two-phase")
        if self.feedback_angle is not None and any(layer.binary for layer in self.layers):
            raise ValueError("feedback_angle is for real weights")
        return self

    @model_validator(mode="after")
    def _neurons_fit(self) -> NetworkSpec:
        for fault, found in self.neuron.faults(self).items():
            if found:
                raise ValueError(f"neurons of kind {self.neuron.kind} with {fault}")
        return self

    @model_validator(mode="after")
    def _noise_can_be_measured(self) -> NetworkSpec:
        if not self.noise.sigma:
            return self
        if self.phases.updates is Updates.CONTINUAL:
            raise ValueError(
                f"noise.sigma={self.noise.sigma} with phases.updates=continual: expected two-phase "
                "updates, which measure every neuron at the ends of two phases"
            )
        if any(layer.alpha_rate for layer in self.layers):
            raise ValueError(
                f"noise.sigma={self.noise.sigma} with alpha_rate: expected 0, as scaling factors "
                "learn from currents, which nobody measures"
            )
        return self

    @property
    def connections(self) -> tuple[Connection, ...]:
        """How each layer is connected to the one below."""
        shape: tuple[int, ...] = self.image_shape or (self.inputs,)
        if math.prod(shape) != self.inputs:
            raise ValueError(
                f"image_shape {shape} has {math.prod(shape)} pixels, not {self.inputs}"
            )
        found: list[Connection] = []
        # Conductances have no sign: there are two sources for each pixel.
        sources = 2 if self.resistive else 1
        for index, layer in enumerate(self.layers):
            if layer.neurons is not None:
                pre = math.prod(shape) * (1 if index else sources)
                found.append(Dense(pre, layer.neurons))
                shape = (layer.neurons,)
                continue
            if len(shape) == 1:
                raise ValueError(
                    f"layer {index} is convolutional: expected image_shape, and only convolutional "
                    "layers below"
                )
            height, width, *colors = shape
            in_shape = (height, width, colors[0] if colors else 1)
            convolution = Convolution(
                in_shape,
                layer.channels or 1,
                layer.kernel,
                layer.padding,
                layer.pool,
                layer.pooling,
            )
            found.append(convolution)
            shape = convolution.out_shape
        return tuple(found)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Layer sizes, input first."""
        return (self.inputs, *(connection.n_post for connection in self.connections))

    @property
    def input_encoding(self) -> Encoding:
        """How images are sent, and read."""
        return Encoding(self.encoding.code, self.input_levels, self.encoding.steps)

    @property
    def spikes(self) -> StepSize | SpikeTrace | None:
        """How the spikes of the neurons are read; ``None`` if they send changes instead."""
        found: StepSize | SpikeTrace | None = self.neuron.constants.reading
        return found

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers of neurons, such as ``hidden1`` and ``output``."""
        return layer_names(len(self.layers))

    def counters(self, layer_name: str) -> tuple[str, ...]:
        """Names of what is counted in a layer and the synapses that enter it."""
        if self.stock:
            return ()
        binary = self.layers[self.layer_names.index(layer_name)].binary
        return ("events", "synaptic_operations", *(["flips"] if binary else []))

    @property
    def stock(self) -> bool:
        """Whether the network is made of Lava's own Processes only."""
        return isinstance(self.neuron, StockLIFNeuronSpec)

    @property
    def executed_as(self) -> str:
        """Which backends can execute the network, see `lava_ep.models.Backend`."""
        return self.neuron.kind if self.stock else self.kind

    @property
    def subject(self) -> str:
        """What the network is, for errors of backends."""
        return f"neurons of kind {self.neuron.kind}"

    @property
    def resistive(self) -> bool:
        """Whether the network is a circuit of conductances and diodes."""
        return isinstance(self.neuron, ResistiveNeuronSpec)

    def schedule(self, seed: int) -> PhaseSchedule:
        """Return the phases in time steps; each sweep of a resistive network takes two."""
        return self.phases.schedule(seed, time_steps=2 if self.resistive else 1)

    @property
    def bits_suffice(self) -> bool:
        """Whether all is binary, dense, tied, and learns once a batch: what bit counting covers.

        Noise of measurements makes real numbers of bits.
        """
        return (
            isinstance(self.neuron, NeuronSpec)
            and all(layer.binary and layer.neurons is not None for layer in self.layers)
            and self.phases.updates is Updates.TWO_PHASE
            and self.normalization is None
            and self.input_encoding.reading is None
            and not self.noise.sigma
        )

    def __str__(self) -> str:
        names = [str(layer.neurons or f"{layer.channels}c{layer.kernel}") for layer in self.layers]
        return "-".join([str(self.inputs), *names])

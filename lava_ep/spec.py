"""The experiment as plain data: frozen, validated, JSON in and out."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from lava_ep.dynamics import (
    BOP,
    LIF,
    SGD,
    Activation,
    Code,
    Connection,
    Convolution,
    Dense,
    Encoding,
    Noise,
    Nudging,
    PhaseSchedule,
    Pooling,
    Reset,
    SpikeTrace,
    StepSize,
    Updates,
)
from lava_ep.errors import InputError
from lava_ep.files import read_json

MOST_NEURONS = 2**24
"""Of a layer."""


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NeuronSpec(_Spec):
    r"""Neurons with binary activation, see `lava_ep.dynamics.binary_step`."""

    kind: Literal["binary"] = "binary"
    filter_rate: float = Field(0.5, gt=0, le=1, description=r"gamma_n of the pre-activation filter")
    threshold: float = Field(0.5, gt=0, le=1, description="theta: b = [s >= theta]")
    initial_state: float = Field(1.0, ge=0, le=1, description="s at the start of every sample")

    @property
    def arguments(self) -> dict[str, Any]:
        """What a layer of them is made with, be it a Process or a part of an engine."""
        return self.model_dump(exclude={"kind"})


class GradedNeuronSpec(_Spec):
    r"""Neurons with full-precision states, see `lava_ep.dynamics.graded_step`."""

    kind: Literal["graded"] = "graded"
    activation: Activation = Field(Activation.SHIFTED_SIGMOID, description="rho")
    filter_rate: float = Field(
        1.0, gt=0, le=1, description="gamma of the filter of the states, in discrete time"
    )
    time_step: float | None = Field(
        None, gt=0, le=1, description="dt of the energy-based form; none: discrete time"
    )
    nudge: Literal["state", "current"] = Field(
        "state", description="add the nudge to the state after rho, as published, or to the current"
    )
    event_threshold: float = Field(
        0.0, ge=0, description="smallest change that is not sent; 0 sends every change"
    )
    initial_state: float = Field(0.0, description="s at the start of every sample")

    @model_validator(mode="after")
    def _one_nudge(self) -> GradedNeuronSpec:
        if self.time_step is not None and self.nudge == "current":
            raise ValueError("nudge=current is for discrete time; leave out nudge or time_step")
        if self.time_step is not None and self.filter_rate != 1:
            raise ValueError("filter_rate is for discrete time; leave out filter_rate or time_step")
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """What a layer of them is made with, be it a Process or a part of an engine."""
        same = self.model_dump(exclude={"kind", "nudge"})
        return {**same, "nudge_current": self.nudge == "current"}


class SigmaDeltaNeuronSpec(_Spec):
    r"""Neurons with signed unit spikes, see `lava_ep.dynamics.sigma_delta_step`."""

    kind: Literal["sigma-delta"] = "sigma-delta"
    filter_rate: float = Field(0.5, gt=0, le=1, description="epsilon of the filter of the state")
    levels: int = Field(5, description="L: the smallest step of a spike is 1 / L")
    start: int = Field(1, description="first step of a sample, in smallest steps")
    decay: float = Field(1.0, description="factor by which steps shrink in every time step")
    adaptive: bool = Field(False, description="each neuron adapts its steps to its own spikes")

    @model_validator(mode="after")
    def _steps_fit(self) -> SigmaDeltaNeuronSpec:
        _as_value_error(lambda: self.step_size)
        return self

    @property
    def step_size(self) -> StepSize:
        """How far a spike goes."""
        return StepSize(self.levels, self.start, self.decay, self.adaptive)

    @property
    def arguments(self) -> dict[str, Any]:
        """What a layer of them is made with, be it a Process or a part of an engine."""
        return {"filter_rate": self.filter_rate, "step_size": self.step_size}


class LIFNeuronSpec(_Spec):
    r"""Leaky integrate-and-fire neurons, see `lava_ep.dynamics.lif_step`."""

    kind: Literal["lif"] = "lif"
    du: float = Field(0.2, description="decay of the synaptic current")
    dv: float = Field(0.0, description="decay of the membrane potential; 0: no leak")
    threshold: float = Field(1.0, description="membrane potential that makes a spike")
    reset: Reset = Field(Reset.SUBTRACT, description="membrane potential after a spike")
    refractory: int = Field(0, description="time steps without spikes after a spike")
    trace_rate: float = Field(0.1, description="kappa of the spike traces")

    @model_validator(mode="after")
    def _constants_fit(self) -> LIFNeuronSpec:
        _as_value_error(lambda: self.constants)
        return self

    @property
    def constants(self) -> LIF:
        """The constants as the dynamics want them."""
        trace = SpikeTrace(self.trace_rate)
        return LIF(self.du, self.dv, self.threshold, self.reset, self.refractory, trace)

    @property
    def arguments(self) -> dict[str, Any]:
        """What a layer of them is made with, be it a Process or a part of an engine."""
        return {"neuron": self.constants}


class ResistiveNeuronSpec(_Spec):
    r"""Nodes of a resistive network, see `lava_ep.dynamics.resistive.settle_block`.

    Every phase is counted in sweeps over the network: a sweep is two time steps, one for the odd
    layers and one for the even ones.
    """

    kind: Literal["resistive"] = "resistive"
    input_voltage: float = Field(
        100.0, gt=0, le=1e6, description="A: pixels x are sources of voltage +A x and -A x"
    )


class StockLayerSpec(_Spec):
    """Constants of one layer of Lava's ``LIFReset`` and of the synapses into it, as Loihi has them.

    With ``floating_pt`` models decays are divided by 4096, all else means the same.
    """

    du: int = Field(ge=0, le=4095, description="decay of the current, in 1/4096")
    dv: int = Field(ge=0, le=4095, description="decay of the membrane potential, in 1/4096")
    vth: int = Field(ge=1, le=131_071, description="threshold of the membrane potential")
    impulse: int = Field(ge=1, le=127, description="what a spike adds to traces, 127 at most")
    weight_exp: int = Field(0, ge=-8, le=7, description="weights are integers times 2^weight_exp")
    feedback_exp: int = Field(
        0,
        ge=-8,
        le=7,
        description="the same of the feedback from this layer to the one below, whose integers "
        "start as those of the weights",
    )


class StockLIFNeuronSpec(_Spec):
    r"""Lava's own ``LIFReset`` neurons, see `lava_ep.models.loihi`; for the backends of Loihi."""

    kind: Literal["stock-lif"] = "stock-lif"
    layers: tuple[StockLayerSpec, ...] = Field(min_length=1, description="constants of each layer")
    trace_tau: int = Field(6, ge=1, le=127, description="time constant of the traces of spikes")
    pixel_tau: int = Field(4, ge=1, le=127, description="the same of the traces of pixels")
    learning_epoch: Literal[1, 2, 4, 8, 16, 32] = Field(
        1, description="time steps after which synapses look at spikes and clock"
    )
    payload: int = Field(240, ge=2, le=254, description="graded spike of the brightest pixel")
    excitation: int = Field(ge=1, le=32_767, description="current into nudged neurons of the class")
    inhibition: int = Field(ge=0, le=32_767, description="current that inhibits all other ones")
    feedback: Literal["learned", "fixed", "none"] = Field(
        "learned", description="whether feedback weights learn, by the mirrored rule, or exist"
    )


def _as_value_error(make: Callable[[], object]) -> None:
    """Turn an `InputError` into what pydantic collects."""
    try:
        make()
    except InputError as error:
        raise ValueError(str(error)) from None


_KINDS = {
    kind: f"{kind} neuron"
    for kind in ("binary", "graded", "sigma-delta", "lif", "resistive", "stock-lif")
}
"""Tags of the neurons, which no field is called by."""


def _neuron_tag(value: Any) -> str:
    kind = value.get("kind", "binary") if isinstance(value, dict) else getattr(value, "kind", "")
    return _KINDS.get(str(kind), str(kind))


AnyNeuronSpec = Annotated[
    Annotated[NeuronSpec, Tag(_KINDS["binary"])]
    | Annotated[GradedNeuronSpec, Tag(_KINDS["graded"])]
    | Annotated[SigmaDeltaNeuronSpec, Tag(_KINDS["sigma-delta"])]
    | Annotated[LIFNeuronSpec, Tag(_KINDS["lif"])]
    | Annotated[ResistiveNeuronSpec, Tag(_KINDS["resistive"])]
    | Annotated[StockLIFNeuronSpec, Tag(_KINDS["stock-lif"])],
    Discriminator(
        _neuron_tag,
        custom_error_type="kind",
        custom_error_message=f"expected kind {', '.join(_KINDS)}",
    ),
]


class PhaseSpec(_Spec):
    r"""Lengths and nudging of the phases, see `lava_ep.dynamics.PhaseSchedule`."""

    free_steps: int = Field(20, ge=1, description="T")
    nudged_steps: int = Field(10, ge=1, description="K")
    beta: float = Field(2.0, gt=0, description="nudging strength")
    nudging: Nudging = Field(Nudging.RANDOM_SIGN, description="choice of the sign of beta")
    updates: Updates = Field(Updates.TWO_PHASE, description="when parameters change")

    def schedule(self, seed: int, *, time_steps: int = 1) -> PhaseSchedule:
        """Return the schedule that every Process gets its own copy of.

        Parameters
        ----------
        seed
            Seed of the run.
        time_steps
            Time steps that each of the steps given here takes, see `NetworkSpec.schedule`.
        """
        steps = time_steps * self.free_steps, time_steps * self.nudged_steps
        return PhaseSchedule(*steps, self.beta, self.nudging, seed, self.updates)


def layer_names(layers: int) -> tuple[str, ...]:
    """Names of so many layers of neurons: ``hidden1``, ``hidden2``, …, ``output``."""
    return (*(f"hidden{i}" for i in range(1, layers)), "output")


class LayerSpec(_Spec):
    r"""One layer of neurons with the synapses that enter it from the layer below.

    A layer is dense if it has ``neurons``, convolutional if it has ``channels``. Binary weights
    learn by BOP and need ``theta``, the flip threshold on :math:`M = m/\gamma` (see
    `lava_ep.dynamics.BOP`); a published threshold :math:`\tau` on :math:`m` may be given as ``tau``
    instead and is stored as :math:`\theta = \tau/\gamma`. Real weights learn by SGD and need
    ``rate``, and so do conductances, which are never negative and belong to neurons of kind
    ``resistive``.
    """

    neurons: int | None = Field(None, ge=1, le=MOST_NEURONS, description="neurons of a dense layer")
    channels: int | None = Field(
        None, ge=1, le=MOST_NEURONS, description="channels of a convolutional layer"
    )
    kernel: int = Field(5, ge=1, description="side of the kernel")
    padding: int = Field(0, ge=0, description="zeros around the layer below")
    pool: int = Field(1, ge=1, le=15, description="side of the pooling windows; 1: none")
    pooling: Pooling = Field(Pooling.MAX, description="what is passed on of a window")
    weights: Literal["binary", "real", "conductance"] = Field(
        "binary", description="kind of weights"
    )
    scale: float = Field(
        gt=0,
        description="c of alpha = c / sqrt(fan_in) (binary, default 0.5), of the Glorot bound "
        "c sqrt(6 / (fan_in + fan_out)) (real, default 1), or of the upper bound c / sqrt(fan_in) "
        "(conductance, default 1)",
    )
    gamma: float = Field(0.0, ge=0, lt=1, description="BOP adaptivity")
    theta: float | None = Field(None, gt=0, description="BOP threshold on M = m / gamma")
    rate: float | None = Field(
        None, ge=0, description="learning rate of real weights and of conductances"
    )
    bias_offset: float = Field(
        0.0,
        description="added to the initial biases U(+-1/sqrt(fan_in)), or 0 of resistive neurons",
    )
    bias_rate: float = Field(0.0, ge=0, description="learning rate of the biases")
    alpha_rate: float = Field(0.0, ge=0, description="learning rate of alpha; 0 keeps it fixed")
    frozen: bool = Field(False, description="the synapses into this layer do not learn")

    @model_validator(mode="before")
    @classmethod
    def _defaults_by_kind(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = dict(data)
        data.setdefault("scale", 1.0 if data.get("weights") in ("real", "conductance") else 0.5)
        if "tau" not in data:
            return data
        tau = data.pop("tau")
        gamma = data.get("gamma", 0.0)
        if "theta" in data:
            raise ValueError("give either theta or tau, not both")
        if not isinstance(tau, int | float) or not isinstance(gamma, int | float) or not gamma > 0:
            raise ValueError(f"tau={tau} with gamma={gamma}: theta = tau / gamma needs gamma > 0")
        data["theta"] = tau / gamma
        return data

    @model_validator(mode="after")
    def _consistent(self) -> LayerSpec:
        if (self.neurons is None) == (self.channels is None):
            raise ValueError("give neurons for a dense layer or channels for a convolutional one")
        if self.neurons is not None and (self.padding or self.pool > 1):
            raise ValueError("padding and pool are for layers with channels")
        if self.weights == "binary" and self.theta is None:
            raise ValueError("binary weights need theta, the BOP threshold (or tau)")
        if self.weights == "binary" and self.rate is not None:
            raise ValueError("rate is for real weights; binary weights learn by gamma and theta")
        if not self.binary and self.rate is None:
            raise ValueError(f"{self.weights} weights need rate, the learning rate")
        if not self.binary and (self.theta or self.gamma or self.alpha_rate):
            raise ValueError("gamma, theta and alpha_rate are for binary weights; use rate")
        if self.weights == "conductance" and self.neurons is None:
            raise ValueError("weights=conductance with channels: expected neurons")
        return self

    @property
    def binary(self) -> bool:
        """Whether the weights are binary."""
        return self.weights == "binary"

    def rule(self, decay: float = 1.0, epoch_updates: int = 1) -> BOP | SGD | None:
        """Return the learning rule of the weights; ``None`` if they are frozen."""
        if self.frozen:
            return None
        if self.theta is not None:
            return BOP(self.gamma, self.theta, decay, epoch_updates)
        return SGD(self.rate or 0.0, decay, epoch_updates)


class NormalizationSpec(_Spec):
    """What is made of pixels p: (p / input_levels - mean) / std, for each channel."""

    mean: tuple[float, ...] = Field(min_length=1, description="subtracted from pixels of a channel")
    std: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        min_length=1, description="what they are then divided by"
    )

    @model_validator(mode="after")
    def _as_many(self) -> NormalizationSpec:
        if len(self.mean) != len(self.std):
            raise ValueError(f"{len(self.mean)} means and {len(self.std)} stds: expected as many")
        return self

    @property
    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Means and standard deviations."""
        return np.array(self.mean), np.array(self.std)


class NoiseSpec(_Spec):
    """Noise of what synapses and biases learn from, see `lava_ep.dynamics.Noise`."""

    sigma: float = Field(
        0.0, ge=0, description="standard deviation of a measured activation; 0: no noise"
    )
    samples: int = Field(1, ge=1, description="N: measurements that are averaged")

    def of_layer(self, layer: int) -> Noise | None:
        """Return the noise of a layer of neurons, the first one 0; none if there is none."""
        return Noise(self.sigma, self.samples, layer) if self.sigma else None


class EncodingSpec(_Spec):
    """How images are sent over time, see `lava_ep.dynamics.Encoding`."""

    code: Code = Field(Code.CONSTANT, description="how pixels are sent")
    steps: int = Field(1, ge=1, description="time steps over which latencies or events are spread")


class NetworkSpec(_Spec):
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
        _as_value_error(lambda: self.input_encoding)
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
        if isinstance(self.neuron, LIFNeuronSpec):
            if any(layer.neurons is None for layer in self.layers):
                raise ValueError(
                    "channels with neurons of kind lif: expected dense layers; convolutions are "
                    "for the other kinds, such as sigma-delta"
                )
            if any(layer.alpha_rate for layer in self.layers):
                raise ValueError("alpha_rate with neurons of kind lif: expected 0")
        return self

    @model_validator(mode="after")
    def _circuit_fits(self) -> NetworkSpec:
        kinds = {layer.weights for layer in self.layers}
        if not isinstance(self.neuron, ResistiveNeuronSpec):
            if "conductance" in kinds:
                raise ValueError(
                    f"weights=conductance with neurons of kind {self.neuron.kind}: expected kind "
                    "resistive"
                )
            return self
        hidden = [layer.neurons or 0 for layer in self.layers[:-1]]
        faults = {
            "layers of other weights: expected weights=conductance": kinds != {"conductance"},
            f"hidden layers of {hidden} neurons: expected even numbers, as the diodes of the first "
            "half point one way and those of the second half the other": any(
                neurons % 2 for neurons in hidden
            ),
            "normalization or encoding: expected none, as pixels are sources of voltage": (
                self.normalization is not None or self.encoding != EncodingSpec()
            ),
            "phases.updates=continual: expected two-phase, as the voltages of two moments are "
            "contrasted": self.phases.updates is Updates.CONTINUAL,
            "feedback_angle: expected none, as a conductor has the same conductance both ways": (
                self.feedback_angle is not None
            ),
        }
        for fault, found in faults.items():
            if found:
                raise ValueError(f"neurons of kind resistive with {fault}")
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

    @model_validator(mode="after")
    def _stock_processes_suffice(self) -> NetworkSpec:
        neuron, phases = self.neuron, self.phases
        if not isinstance(neuron, StockLIFNeuronSpec):
            return self
        faults = {
            f"{len(self.layers)} layers: expected constants of each in neuron.layers, which has "
            f"{len(neuron.layers)}": len(self.layers) != len(neuron.layers),
            "layers with channels or binary weights: expected neurons and weights=real": any(
                layer.neurons is None or layer.binary for layer in self.layers
            ),
            "bias_rate: expected 0, as the biases of LIFReset are not plastic": any(
                layer.bias_rate for layer in self.layers
            ),
            "normalization or encoding: expected none, as pixels are graded spikes": (
                self.normalization is not None or self.encoding != EncodingSpec()
            ),
            f"phases.free_steps={phases.free_steps}, phases.nudged_steps={phases.nudged_steps}: "
            f"expected the same product of neuron.learning_epoch={neuron.learning_epoch} and a "
            "power of 2 up to 512 for both, since plastic synapses are told the ends of phases by "
            "a dependency u_k, which is 1 in every 2^k-th learning epoch": (
                phases.free_steps != phases.nudged_steps
                or phases.free_steps not in [neuron.learning_epoch * 2**k for k in range(10)]
            ),
            f"phases.nudging={phases.nudging.value}, phases.updates={phases.updates.value}: "
            "expected positive and two-phase": (
                phases.nudging is not Nudging.POSITIVE or phases.updates is not Updates.TWO_PHASE
            ),
            f"noise.sigma={self.noise.sigma}: expected 0, as plastic synapses of Loihi learn from "
            "traces that they keep themselves": self.noise.sigma > 0,
            f"feedback_angle={self.feedback_angle} with neuron.feedback={neuron.feedback}: "
            "expected an angle, such as 0, of feedback that exists, and none of feedback=none": (
                (self.feedback_angle is None) != (neuron.feedback == "none")
            ),
        }
        for fault, found in faults.items():
            if found:
                raise ValueError(f"neurons of kind stock-lif with {fault}")
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
        if isinstance(self.neuron, SigmaDeltaNeuronSpec):
            return self.neuron.step_size
        if isinstance(self.neuron, StockLIFNeuronSpec):
            return SpikeTrace(1 - math.exp(-1 / self.neuron.trace_tau))
        return self.neuron.constants.trace if isinstance(self.neuron, LIFNeuronSpec) else None

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


class BinarizationSpec(_Spec):
    """What makes bits of pixels, see `lava_ep.dynamics.bmlp.binarize`."""

    kind: Literal["median", "thermometer", "thresholds"] = Field(
        "median",
        description="one bit a pixel, set above its median over the training set; bits evenly "
        "spaced over the levels; or thresholds that are given",
    )
    bits: int = Field(1, ge=1, le=255, description="bits a pixel of kind thermometer")
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


class BMLPLayerSpec(_Spec):
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


class BMLPSpec(_Spec):
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


_NETWORKS = {kind: f"{kind} network" for kind in ("ep", "bmlp")}
"""Tags of the networks, which no field is called by."""


def _network_tag(value: Any) -> str:
    kind = value.get("kind", "ep") if isinstance(value, dict) else getattr(value, "kind", "")
    return _NETWORKS.get(str(kind), str(kind))


AnyNetworkSpec = Annotated[
    Annotated[NetworkSpec, Tag(_NETWORKS["ep"])] | Annotated[BMLPSpec, Tag(_NETWORKS["bmlp"])],
    Discriminator(
        _network_tag,
        custom_error_type="kind",
        custom_error_message=f"expected kind {', '.join(_NETWORKS)}",
    ),
]
"""A network of any family; one without a kind is of equilibrium propagation."""


class TrainingSpec(_Spec):
    """How long and in which portions the network is trained."""

    epochs: int = Field(10, ge=1, description="passes over the training set")
    batch_size: int = Field(16, ge=1, description="samples that an update averages")
    seed: int = Field(0, ge=0, description="of everything random")
    decay: float = Field(
        1.0, gt=0, le=1, description="decay of BOP contributions and of SGD's rates an epoch"
    )
    augmentation: Literal["none", "crop-and-flip"] = Field(
        "none", description="random changes of the training images, see `lava_ep.data.augment`"
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="stop after this many epochs without a better validation accuracy, or test "
        "accuracy where there is no validation part, and keep the best epoch",
    )
    validation_fraction: float = Field(
        0.0, ge=0, lt=1, description="share of the training samples that only select the best epoch"
    )
    test_batch_size: int = Field(500, ge=1, description="upper limit of the batch for testing")


class EventsSpec(_Spec):
    """How images are made of event recordings; a field left out is as the data set has it.

    See `lava_ep.data.transformed` and `lava_ep.data.count_maps`.
    """

    window: tuple[Annotated[int, Field(ge=0)], int] | None = Field(
        None, description="start and end in microseconds after the first event"
    )
    denoise: int | None = Field(
        None, ge=1, description="drop events without another one beside them in so many us"
    )
    downsample: int | None = Field(
        None, ge=1, le=32, description="side of the square of pixels that become one"
    )
    merge_polarities: bool | None = Field(
        None, description="one channel for both polarities instead of one for each"
    )
    levels: int | None = Field(None, ge=1, le=255, description="number of events that means 1.0")

    @model_validator(mode="after")
    def _window_has_length(self) -> EventsSpec:
        if self.window is not None and self.window[0] >= self.window[1]:
            raise ValueError(f"window={list(self.window)}: expected the end above the start")
        return self


Side = Annotated[int, Field(ge=1, le=4096)]
"""Height or width of a picture in pixels."""


class DataSpec(_Spec):
    """Which samples are used."""

    name: str = Field("digits", description="data set, see `lava-ep info`, or a file or folder")
    limit_train: int | None = Field(
        None, ge=1, description="use the first so many training samples"
    )
    limit_test: int | None = Field(None, ge=1, description="use the first so many test samples")
    events: EventsSpec = Field(EventsSpec(), description="for sets of event recordings only")
    label: str | None = Field(
        None, description="column of a table that holds the labels; none: the last one"
    )
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="share of your own samples to test with, if they have no parts"
    )
    image_size: (
        tuple[Annotated[int, Field(ge=1, le=4096)], Annotated[int, Field(ge=1, le=4096)]] | None
    ) = Field(None, description="height and width that your own pictures are resized to")
    sensor_size: tuple[Side, Side] | None = Field(
        None,
        description="width and height of the camera of your own recordings; none: the smallest "
        "that all of them fit",
    )
    pixels_per_feature: int | None = Field(
        None, ge=1, le=1024, description="pixels per column of a table; none: 64 or more in all"
    )


class ExperimentSpec(_Spec):
    """Everything that decides the result of a run, apart from the backend, which does not."""

    network: AnyNetworkSpec
    training: TrainingSpec = TrainingSpec()
    data: DataSpec = DataSpec()

    @model_validator(mode="after")
    def _one_sample_at_a_time(self) -> ExperimentSpec:
        sizes = {
            "batch_size": self.training.batch_size,
            "test_batch_size": self.training.test_batch_size,
        }
        for name, size in sizes.items():
            if self.network.executed_as == "stock-lif" and size != 1:
                raise ValueError(
                    f"training.{name}={size} with neurons of kind stock-lif: expected 1, as on a "
                    "chip there is one network"
                )
        return self

    @property
    def ep_network(self) -> NetworkSpec:
        """The network, for what only networks of equilibrium propagation have.

        Raises
        ------
        InputError
            If it is of another family.
        """
        if not isinstance(self.network, NetworkSpec):
            raise InputError(
                f"network.kind={self.network.kind}: expected ep, as this is for networks that "
                "learn by equilibrium propagation; others can be trained, evaluated and reported on"
            )
        return self.network

    def with_frozen_input_layer(self) -> ExperimentSpec:
        """Return the baseline in which the synapses into the first layer never learn."""
        return override(self, ["network.layers.0.frozen=true"])


SpecType = TypeVar("SpecType", bound=_Spec)


def parse(kind: type[SpecType], data: Any, *, source: str) -> SpecType:
    """Validate plain data.

    Raises
    ------
    InputError
        Naming the source, and every field at fault with its value and what was expected.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        # A layer with a fault is also missing from the layers, which is no fault of its own.
        errors = [fault for fault in error.errors() if fault["type"] != "too_short"]
        faults = "; ".join(
            f"{'.'.join(_path(fault['loc'])) or 'spec'}{_shown(fault.get('input'))}: "
            f"{fault['msg'].removeprefix('Value error, ')}"
            for fault in errors or error.errors()
        )
        raise InputError(f"{source}: {faults}") from None


SHOWN = 80
"""Characters of a value in an error."""


def _shown(value: Any) -> str:
    """Return a value for an error; that of a large part of a spec would hide the reason."""
    long = isinstance(value, dict) and len(repr(value)) > SHOWN
    return "" if long else f"={value!r:.{SHOWN}}"


_TAGS = {*_KINDS.values(), *_NETWORKS.values()}


def _path(location: Iterable[int | str]) -> list[str]:
    """Names of a field and of those it lies in, without the tags of unions."""
    return [str(part) for part in location if part not in _TAGS]


def load_spec(path: Path) -> ExperimentSpec:
    """Read an experiment from a JSON file.

    Raises
    ------
    InputError
        If the file is missing, is not JSON, or does not describe an experiment.
    """
    return parse(ExperimentSpec, read_json(path), source=str(path))


def preset_names() -> list[str]:
    """Names of the presets that come with the package."""
    folder = resources.files("lava_ep") / "presets"
    return sorted(
        item.name.removesuffix(".json") for item in folder.iterdir() if item.name.endswith(".json")
    )


def load_preset(name: str) -> ExperimentSpec:
    """Return one of the presets that come with the package.

    Raises
    ------
    InputError
        If there is no preset of this name.
    """
    if name not in preset_names():
        close = difflib.get_close_matches(name, preset_names(), 1)
        hint = f"did you mean {close[0]}? Expected" if close else "expected"
        raise InputError(f"preset {name!r}: {hint} one of {', '.join(preset_names())}")
    text = (resources.files("lava_ep") / "presets" / f"{name}.json").read_text(encoding="utf-8")
    return parse(ExperimentSpec, json.loads(text), source=f"preset {name!r}")


def parse_value(text: str) -> Any:
    """Return the value that a text on the command line means: JSON, or else a string."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return text


def override(spec: ExperimentSpec, assignments: Iterable[str]) -> ExperimentSpec:
    """Change fields given as ``dotted.key=value``; values are JSON, or else strings.

    Examples
    --------
    >>> override(load_preset("binary-digits"), ["network.layers.0.neurons=256"])  # doctest: +SKIP

    Raises
    ------
    InputError
        If an assignment is malformed, names no field, or gives an impossible value.
    """
    assignments = list(assignments)
    data = spec.model_dump(mode="json")
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator or not key:
            raise InputError(
                f"--set {assignment!r}: expected KEY=VALUE, e.g. network.phases.free_steps=20"
            )
        value = parse_value(text)
        *parents, leaf = key.split(".")
        node = data
        for part in parents:
            node = _child(node, part, key)
        _child(node, leaf, key)
        if isinstance(node, list):
            node[int(leaf)] = value
        else:
            node[leaf] = value
    return parse(ExperimentSpec, data, source="--set " + " ".join(assignments))


def _child(node: Any, part: str, key: str) -> Any:
    """Step into a field or list item, or say which ones there are."""
    if isinstance(node, dict):
        if part in node:
            return node[part]
        names = ", ".join(node)
    elif isinstance(node, list):
        if part.isdecimal() and int(part) < len(node):
            return node[int(part)]
        names = f"0 to {len(node) - 1}"
    else:
        names = "nothing, it is a single value"
    raise InputError(f"--set {key}: there is no {part!r} here; expected one of: {names}")

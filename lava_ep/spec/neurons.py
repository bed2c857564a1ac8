"""The neurons of a network, by kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from lava_ep.dynamics import LIF, Activation, Reset, SpikeTrace, StepSize
from lava_ep.spec.base import Spec, as_value_error


class NeuronSpec(Spec):
    r"""Neurons with binary activation, see `lava_ep.dynamics.binary_step`."""

    kind: Literal["binary"] = "binary"
    filter_rate: float = Field(0.5, gt=0, le=1, description=r"gamma_n of the pre-activation filter")
    threshold: float = Field(0.5, gt=0, le=1, description="theta: b = [s >= theta]")
    initial_state: float = Field(1.0, ge=0, le=1, description="s at the start of every sample")

    @property
    def arguments(self) -> dict[str, Any]:
        """What a layer of them is made with, be it a Process or a part of an engine."""
        return self.model_dump(exclude={"kind"})


class GradedNeuronSpec(Spec):
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


class SigmaDeltaNeuronSpec(Spec):
    r"""Neurons with signed unit spikes, see `lava_ep.dynamics.sigma_delta_step`."""

    kind: Literal["sigma-delta"] = "sigma-delta"
    filter_rate: float = Field(0.5, gt=0, le=1, description="epsilon of the filter of the state")
    levels: int = Field(5, description="L: the smallest step of a spike is 1 / L")
    start: int = Field(1, description="first step of a sample, in smallest steps")
    decay: float = Field(1.0, description="factor by which steps shrink in every time step")
    adaptive: bool = Field(False, description="each neuron adapts its steps to its own spikes")

    @model_validator(mode="after")
    def _steps_fit(self) -> SigmaDeltaNeuronSpec:
        as_value_error(lambda: self.step_size)
        return self

    @property
    def step_size(self) -> StepSize:
        """How far a spike goes."""
        return StepSize(self.levels, self.start, self.decay, self.adaptive)

    @property
    def arguments(self) -> dict[str, Any]:
        """What a layer of them is made with, be it a Process or a part of an engine."""
        return {"filter_rate": self.filter_rate, "step_size": self.step_size}


class LIFNeuronSpec(Spec):
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
        as_value_error(lambda: self.constants)
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


class ResistiveNeuronSpec(Spec):
    r"""Nodes of a resistive network, see `lava_ep.dynamics.resistive.settle_block`.

    Every phase is counted in sweeps over the network: a sweep is two time steps, one for the odd
    layers and one for the even ones.
    """

    kind: Literal["resistive"] = "resistive"
    input_voltage: float = Field(
        100.0, gt=0, le=1e6, description="A: pixels x are sources of voltage +A x and -A x"
    )


class StockLayerSpec(Spec):
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


class StockLIFNeuronSpec(Spec):
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


NEURON_TAGS = {
    kind: f"{kind} neuron"
    for kind in ("binary", "graded", "sigma-delta", "lif", "resistive", "stock-lif")
}
"""Tags of the neurons, which no field is called by."""


def _neuron_tag(value: Any) -> str:
    kind = value.get("kind", "binary") if isinstance(value, dict) else getattr(value, "kind", "")
    return NEURON_TAGS.get(str(kind), str(kind))


AnyNeuronSpec = Annotated[
    Annotated[NeuronSpec, Tag(NEURON_TAGS["binary"])]
    | Annotated[GradedNeuronSpec, Tag(NEURON_TAGS["graded"])]
    | Annotated[SigmaDeltaNeuronSpec, Tag(NEURON_TAGS["sigma-delta"])]
    | Annotated[LIFNeuronSpec, Tag(NEURON_TAGS["lif"])]
    | Annotated[ResistiveNeuronSpec, Tag(NEURON_TAGS["resistive"])]
    | Annotated[StockLIFNeuronSpec, Tag(NEURON_TAGS["stock-lif"])],
    Discriminator(
        _neuron_tag,
        custom_error_type="kind",
        custom_error_message=f"expected kind {', '.join(NEURON_TAGS)}",
    ),
]

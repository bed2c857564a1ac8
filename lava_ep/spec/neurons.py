"""The neurons of a network, by kind."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

from pydantic import (
    SerializeAsAny,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from lava_ep import kinds
from lava_ep.dynamics import (
    LIF,
    Activation,
    Binary,
    Graded,
    NeuronConstants,
    Nudging,
    Reset,
    SigmaDelta,
    SpikeTrace,
    StepSize,
    StockLayer,
    StockLIF,
    Updates,
)
from lava_ep.dynamics.resistive import Resistive
from lava_ep.figures.text import plural
from lava_ep.spec.base import Spec, as_value_error, of
from lava_ep.spec.layers import EncodingSpec

if TYPE_CHECKING:
    from lava_ep.spec.network import NetworkSpec


class NeuronSpecBase(Spec):
    """Base of the neurons of a network.

    A subclass names its kind and the class of its ``CONSTANTS``, and has a field for each of
    these, made by `lava_ep.spec.of`; it is then a kind that networks may have.
    """

    CONSTANTS: ClassVar[type[NeuronConstants]]
    kind: str

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Register the kind."""
        super().__pydantic_init_subclass__(**options)
        kinds.register(cls.CONSTANTS.kind, "spec")(cls)
        kinds.register(cls.CONSTANTS.kind, "constants")(cls.CONSTANTS)

    @model_validator(mode="after")
    def _constants_fit(self) -> NeuronSpecBase:
        as_value_error(lambda: self.constants)
        return self

    @property
    def constants(self) -> NeuronConstants:
        """The constants as one value, which Processes, populations and engines carry."""
        names = (declared.name for declared in fields(self.CONSTANTS))
        return self.CONSTANTS(**{name: getattr(self, name) for name in names})

    def faults(self, network: NetworkSpec) -> dict[str, bool]:
        """Return what does not go with these neurons, and whether a network has it."""
        conductances = any(layer.weights == "conductance" for layer in network.layers)
        return {"weights=conductance: expected kind resistive": conductances}

    @property
    def description(self) -> str:
        """One line for reports."""
        return self.kind

    @property
    def sending(self) -> str:
        """When events are sent, for reports, where that has to be said."""
        return ""

    @property
    def nudging(self) -> str:
        """How the nudge differs from what all kinds do, for reports."""
        return ""


class NeuronSpec(NeuronSpecBase):
    r"""Neurons with binary activation, see `lava_ep.dynamics.binary_step`."""

    CONSTANTS = Binary
    kind: Literal["binary"] = "binary"
    filter_rate: float = of(Binary, "filter_rate")
    threshold: float = of(Binary, "threshold")
    initial_state: float = of(Binary, "initial_state")

    @property
    def description(self) -> str:
        """See `NeuronSpecBase.description`."""
        return (
            f"binary: on while the state is at least {self.threshold:g} (filter rate "
            f"{self.filter_rate:g})"
        )


class GradedNeuronSpec(NeuronSpecBase):
    r"""Neurons with full-precision states, see `lava_ep.dynamics.graded_step`."""

    CONSTANTS = Graded
    kind: Literal["graded"] = "graded"
    activation: Activation = of(Graded, "activation")
    filter_rate: float = of(Graded, "filter_rate")
    time_step: float | None = of(Graded, "time_step")
    nudge: Literal["state", "current"] = of(Graded, "nudge")
    event_threshold: float = of(Graded, "event_threshold")
    initial_state: float = of(Graded, "initial_state")

    @property
    def description(self) -> str:
        """See `NeuronSpecBase.description`."""
        form = "discrete time" if self.time_step is None else f"energy-based, dt = {self.time_step}"
        if self.filter_rate != 1:
            form += f", filter rate {self.filter_rate:g}"
        return f"graded, {self.activation.value.replace('-', ' ')}, {form}"

    @property
    def sending(self) -> str:
        """See `NeuronSpecBase.sending`."""
        if self.event_threshold == 0:
            return "every change of an activation is sent"
        return f"changes of an activation by more than {self.event_threshold:g} are sent"

    @property
    def nudging(self) -> str:
        """See `NeuronSpecBase.nudging`."""
        return ", added to the current" if self.nudge == "current" else ""


class SigmaDeltaNeuronSpec(NeuronSpecBase):
    r"""Neurons with signed unit spikes, see `lava_ep.dynamics.sigma_delta_step`."""

    CONSTANTS = SigmaDelta
    kind: Literal["sigma-delta"] = "sigma-delta"
    filter_rate: float = of(SigmaDelta, "filter_rate")
    levels: int = of(StepSize, "levels")
    start: int = of(StepSize, "start")
    decay: float = of(StepSize, "decay")
    adaptive: bool = of(StepSize, "adaptive")

    @property
    def step_size(self) -> StepSize:
        """How far a spike goes."""
        return StepSize(self.levels, self.start, self.decay, self.adaptive)

    @property
    def description(self) -> str:
        """See `NeuronSpecBase.description`."""
        steps = f"{1 / self.levels:.3g}"
        if self.start > 1:
            how = (
                "adapting to the spikes" if self.adaptive else f"shrinking by {self.decay:g} a step"
            )
            steps = f"{self.start / self.levels:.3g} at first, {how} down to {steps}"
        return (
            f"sigma-delta: a state in [0, 1] (filter rate {self.filter_rate:g}), and spikes of "
            f"either sign that move what receivers know of it by {steps}"
        )


class LIFNeuronSpec(NeuronSpecBase):
    r"""Leaky integrate-and-fire neurons, see `lava_ep.dynamics.lif_step`."""

    CONSTANTS = LIF
    kind: Literal["lif"] = "lif"
    du: float = of(LIF, "du")
    dv: float = of(LIF, "dv")
    threshold: float = of(LIF, "threshold")
    reset: Reset = of(LIF, "reset")
    refractory: int = of(LIF, "refractory")
    trace_rate: float = of(SpikeTrace, "rate")

    @property
    def trace(self) -> SpikeTrace:
        """The trace of a neuron's own spikes."""
        return SpikeTrace(self.trace_rate)

    @property
    def constants(self) -> LIF:
        """See `NeuronSpecBase.constants`."""
        return cast(LIF, super().constants)

    @property
    def description(self) -> str:
        """See `NeuronSpecBase.description`."""
        leak = f"a leak of {self.dv:g} a time step" if self.dv else "no leak"
        wait = f", {plural(self.refractory, 'refractory time step')}" if self.refractory else ""
        return (
            f"integrate-and-fire with {leak}, threshold {self.threshold:g}, reset "
            f"{self.reset.value}{wait}; traces follow the spikes by {self.trace_rate:g} a step"
        )

    def faults(self, network: NetworkSpec) -> dict[str, bool]:
        """See `NeuronSpecBase.faults`."""
        layers = network.layers
        return super().faults(network) | {
            "channels: expected dense layers; convolutions are for the other kinds, such as "
            "sigma-delta": any(layer.neurons is None for layer in layers),
            "alpha_rate: expected 0": any(layer.alpha_rate for layer in layers),
        }


class ResistiveNeuronSpec(NeuronSpecBase):
    r"""Nodes of a resistive network, see `lava_ep.dynamics.resistive.settle_block`.

    Every phase is counted in sweeps over the network: a sweep is two time steps, one for the odd
    layers and one for the even ones.
    """

    CONSTANTS = Resistive
    kind: Literal["resistive"] = "resistive"
    input_voltage: float = of(Resistive, "input_voltage")

    @property
    def description(self) -> str:
        """See `NeuronSpecBase.description`."""
        return (
            "resistive: nodes of a circuit at the voltages of lowest energy, kept by ideal diodes "
            "at or above 0 (the first half of each hidden layer) and at or below 0 (the second); "
            f"pixels are sources of \N{PLUS-MINUS SIGN}{self.input_voltage:g}"
        )

    def faults(self, network: NetworkSpec) -> dict[str, bool]:
        """See `NeuronSpecBase.faults`."""
        kinds = {layer.weights for layer in network.layers}
        hidden = [layer.neurons or 0 for layer in network.layers[:-1]]
        return {
            "layers of other weights: expected weights=conductance": kinds != {"conductance"},
            f"hidden layers of {hidden} neurons: expected even numbers, as the diodes of the first "
            "half point one way and those of the second half the other": any(
                neurons % 2 for neurons in hidden
            ),
            "normalization or encoding: expected none, as pixels are sources of voltage": (
                network.normalization is not None or network.encoding != EncodingSpec()
            ),
            "phases.updates=continual: expected two-phase, as the voltages of two moments are "
            "contrasted": network.phases.updates is Updates.CONTINUAL,
            "feedback_angle: expected none, as a conductor has the same conductance both ways": (
                network.feedback_angle is not None
            ),
        }


class StockLayerSpec(Spec):
    """Constants of one layer of Lava's ``LIFReset`` and of the synapses into it, as Loihi has them.

    With ``floating_pt`` models decays are divided by 4096, all else means the same.
    """

    du: int = of(StockLayer, "du")
    dv: int = of(StockLayer, "dv")
    vth: int = of(StockLayer, "vth")
    impulse: int = of(StockLayer, "impulse")
    weight_exp: int = of(StockLayer, "weight_exp")
    feedback_exp: int = of(StockLayer, "feedback_exp")


class StockLIFNeuronSpec(NeuronSpecBase):
    r"""Lava's own ``LIFReset`` neurons, see `lava_ep.models.loihi`; for the backends of Loihi."""

    CONSTANTS = StockLIF
    kind: Literal["stock-lif"] = "stock-lif"
    layers: tuple[StockLayerSpec, ...] = of(StockLIF, "layers", min_length=1)
    trace_tau: int = of(StockLIF, "trace_tau")
    pixel_tau: int = of(StockLIF, "pixel_tau")
    learning_epoch: Literal[1, 2, 4, 8, 16, 32] = of(StockLIF, "learning_epoch")
    payload: int = of(StockLIF, "payload")
    excitation: int = of(StockLIF, "excitation")
    inhibition: int = of(StockLIF, "inhibition")
    feedback: Literal["learned", "fixed", "none"] = of(StockLIF, "feedback")

    @property
    def constants(self) -> StockLIF:
        """See `NeuronSpecBase.constants`."""
        return replace(
            cast(StockLIF, super().constants),
            layers=tuple(StockLayer(**layer.model_dump()) for layer in self.layers),
        )

    @property
    def description(self) -> str:
        """See `NeuronSpecBase.description`."""
        return (
            "LIFReset, Lava's own leaky integrate-and-fire neurons, with the thresholds "
            f"{', '.join(f'{layer.vth}' for layer in self.layers)}; synapses learn from traces "
            f"of the spikes with a time constant of {plural(self.trace_tau, 'time step')}"
        )

    @property
    def nudging(self) -> str:
        """See `NeuronSpecBase.nudging`."""
        return (
            f", times currents of {self.excitation} into the neurons of the class and of "
            f"\N{MINUS SIGN}{self.inhibition} into the others"
        )

    def faults(self, network: NetworkSpec) -> dict[str, bool]:
        """See `NeuronSpecBase.faults`."""
        phases, layers = network.phases, network.layers
        return {
            f"{len(layers)} layers: expected constants of each in neuron.layers, which has "
            f"{len(self.layers)}": len(layers) != len(self.layers),
            "layers with channels or binary weights: expected neurons and weights=real": any(
                layer.neurons is None or layer.binary for layer in layers
            ),
            "bias_rate: expected 0, as the biases of LIFReset are not plastic": any(
                layer.bias_rate for layer in layers
            ),
            "normalization or encoding: expected none, as pixels are graded spikes": (
                network.normalization is not None or network.encoding != EncodingSpec()
            ),
            f"phases.free_steps={phases.free_steps}, phases.nudged_steps={phases.nudged_steps}: "
            f"expected the same product of neuron.learning_epoch={self.learning_epoch} and a "
            "power of 2 up to 512 for both, since plastic synapses are told the ends of phases by "
            "a dependency u_k, which is 1 in every 2^k-th learning epoch": (
                phases.free_steps != phases.nudged_steps
                or phases.free_steps not in [self.learning_epoch * 2**k for k in range(10)]
            ),
            f"phases.nudging={phases.nudging.value}, phases.updates={phases.updates.value}: "
            "expected positive and two-phase": (
                phases.nudging is not Nudging.POSITIVE or phases.updates is not Updates.TWO_PHASE
            ),
            f"noise.sigma={network.noise.sigma}: expected 0, as plastic synapses of Loihi learn "
            "from traces that they keep themselves": network.noise.sigma > 0,
            f"feedback_angle={network.feedback_angle} with neuron.feedback={self.feedback}: "
            "expected an angle, such as 0, of feedback that exists, and none of feedback=none": (
                (network.feedback_angle is None) != (self.feedback == "none")
            ),
        }


def _of_its_kind(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Validate neurons by the kind they name."""
    kind = value.get("kind", "binary") if isinstance(value, dict) else getattr(value, "kind", "")
    # Plugins are looked for only if they are needed.
    if not kinds.has(kind, "spec") and kind not in (known := kinds.kinds("spec")):
        raise PydanticCustomError("kind", "expected kind {kinds}", {"kinds": ", ".join(known)})
    if isinstance(value, dict):
        return kinds.find(kind, "spec").model_validate(value)
    return handler(value)


AnyNeuronSpec = Annotated[SerializeAsAny[NeuronSpecBase], WrapValidator(_of_its_kind)]
"""Neurons of any registered kind; without one they are binary."""

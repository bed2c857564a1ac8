"""The network of Lava's own Processes: neurons, plastic synapses up and down, and the nudge."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import numpy as np
from lava.magma.core.decorator import implements
from lava.magma.core.learning.constants import GradedSpikeCfg
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.process import Dense, LearningDense
from lava.proc.lif.process import LIFReset
from numpy.typing import NDArray

from lava_ep.dynamics import SGD, expand_target
from lava_ep.errors import InputError
from lava_ep.models.loihi.arithmetic import (
    FIXED_POINT,
    FLOATING_POINT,
    LARGEST_WEIGHT,
    UNIT_BITS,
    Arithmetic,
    SynapseScale,
    Timing,
    Traces,
)
from lava_ep.parameters import NetworkParameters
from lava_ep.processes.network import EPNetwork
from lava_ep.spec import NetworkSpec, StockLIFNeuronSpec

RESET_STEP = 2
"""Time step of a sample in which its first currents come; what is left of the last one goes."""

PIXEL_BITS = 8
"""Bits of the payload of a pixel."""


def forward_scale(neuron: StockLIFNeuronSpec, index: int) -> SynapseScale:
    """Scale of the weights into a layer; pixels of 1 are graded spikes of 128."""
    exponent = neuron.layers[index].weight_exp
    if index > 0:
        return SynapseScale(exponent, exponent)
    return SynapseScale(exponent + UNIT_BITS, exponent, graded=True)


def feedback_scale(neuron: StockLIFNeuronSpec, index: int) -> SynapseScale:
    """Scale of the feedback weights from a layer to the one below."""
    layer = neuron.layers[index]
    return SynapseScale(layer.weight_exp, layer.feedback_exp)


class StockNetworkModel(AbstractSubProcessModel):
    r"""Wire ``LIFReset``, ``Dense`` and ``LearningDense`` to a network that learns by EP.

    For every layer, the synapses from below and, above the first layer, the feedback to the layer
    below; both learn from the spikes of the two layers. Feedback is a ``LearningDense`` of its own
    with the mirrored rule: what is x of the one is y of the other, so both change alike. While the
    network is nudged, one-hot spikes of the class excite its output neurons and inhibit the others.

    Lava selects it where a RunConfig has it in ``exception_proc_model_map``, as those of
    `lava_ep.models.run_config` have.

    Attributes
    ----------
    arithmetic
        What the parameters of Lava's Processes are made of.

    Raises
    ------
    InputError
        If the network is not one of neurons of kind stock-lif, or cannot learn as asked.
    """

    arithmetic: ClassVar[Arithmetic]

    def __init__(self, proc: EPNetwork) -> None:
        # Not the Process: those among the attributes of a model are its sub-Processes to Lava.
        self._params = proc.proc_params
        spec: NetworkSpec = proc.proc_params["spec"]
        if not spec.stock:
            raise InputError(
                f"{proc.name}: has neurons of kind {spec.neuron.kind}, expected stock-lif; "
                "execute it on another backend"
            )
        self._spec, self._neuron = spec, cast(StockLIFNeuronSpec, spec.neuron)
        self._parameters: NetworkParameters = proc.proc_params["parameters"]
        self._learning: bool = proc.proc_params["learning"]
        neurons = [self._neurons(index) for index in range(len(spec.layers))]
        below: Any = None
        for index, (name, layer) in enumerate(zip(spec.layer_names, neurons, strict=True)):
            # Lava finds the sub-Processes of a model among its attributes.
            setattr(self, name, layer)
            source = below.s_out if below else proc.s_in
            synapses = self._forward(index)
            setattr(self, f"{name}_synapses", synapses)
            _join(source, synapses, layer)
            proc.layer_var(name, "weights").alias(synapses.weights)
            proc.layer_var(name, "bias").alias(layer.bias_mant)
            proc.layer_var(name, "state").alias(layer.v)
            layer.s_out.connect(proc.spikes_of(name))
            if below and self._neuron.feedback != "none":
                feedback = self._feedback(index)
                setattr(self, f"{name}_feedback", feedback)
                _join(layer.s_out, feedback, below)
                proc.layer_var(name, "feedback").alias(feedback.weights)
            below = layer
        if self._learning:
            self.nudge = self._nudge()
            proc.label_in.connect(self.nudge.s_in)
            self.nudge.a_out.connect(neurons[-1].a_in)

    @classmethod
    def check_rates(cls, spec: NetworkSpec, decay: float) -> None:
        """Check that learning rules can have the rates of a network times ``decay``.

        Raises
        ------
        InputError
            If one of them is too small or too large.
        """
        neuron = cast(StockLIFNeuronSpec, spec.neuron)
        for index, layer in enumerate(spec.layers):
            scales = [forward_scale(neuron, index)]
            if index > 0 and neuron.feedback == "learned":
                scales.append(feedback_scale(neuron, index))
            rule = layer.rule()
            if isinstance(rule, SGD) and rule.rate > 0:
                for scale in scales:
                    cls.arithmetic.rate_literal(decay * rule.rate, scale)

    def _neurons(self, index: int) -> LIFReset:
        """Build the neurons of a layer."""
        phases, size = self._spec.phases, self._spec.sizes[index + 1]
        period = phases.free_steps + (phases.nudged_steps if self._learning else 0)
        bias = self._parameters.layers[index].bias
        return LIFReset(
            shape=(size,),
            reset_interval=period,
            reset_offset=RESET_STEP,
            name=self._spec.layer_names[index],
            **self.arithmetic.neurons(self._neuron.layers[index], bias),
        )

    def _forward(self, index: int) -> Dense:
        """Build the synapses into a layer."""
        neuron = self._neuron
        traces: Traces = {
            "x1_tau": neuron.trace_tau if index else neuron.pixel_tau,
            "x1_impulse": neuron.layers[index - 1].impulse if index else 0,
            "y1_tau": neuron.trace_tau,
            "y1_impulse": neuron.layers[index].impulse,
        }
        values = self._parameters.layers[index].weights.astype(np.float32)
        return self._synapses(index, values, forward_scale(neuron, index), traces, "synapses")

    def _feedback(self, index: int) -> Dense:
        """Build the synapses from a layer to the one below."""
        neuron = self._neuron
        traces: Traces = {
            "x1_tau": neuron.trace_tau,
            "x1_impulse": neuron.layers[index].impulse,
            "y1_tau": neuron.trace_tau,
            "y1_impulse": neuron.layers[index - 1].impulse,
        }
        values = self._parameters.layers[index].feedback
        assert values is not None  # as the spec has an angle
        scale = feedback_scale(neuron, index)
        plastic = neuron.feedback == "learned"
        return self._synapses(index, values.T, scale, traces, "feedback", plastic=plastic)

    def _synapses(
        self,
        index: int,
        values: NDArray[np.float32],
        scale: SynapseScale,
        traces: Traces,
        kind: str,
        *,
        plastic: bool = True,
    ) -> Dense:
        """Build synapses, plastic ones if they are to learn."""
        options: dict[str, Any] = {
            "weights": self.arithmetic.weights(values, scale),
            "weight_exp": scale.exponent,
            "num_message_bits": PIXEL_BITS if scale.graded else 0,
            "name": f"{self._spec.layer_names[index]}_{kind}",
        }
        rate = self._rate(index)
        if not (self._learning and plastic and rate):
            return Dense(**options)
        return LearningDense(
            learning_rule=self.arithmetic.learning_rule(
                rate, scale, traces, self._timing(2 * index + (kind == "feedback"))
            ),
            graded_spike_cfg=(
                GradedSpikeCfg.OVERWRITE if scale.graded else GradedSpikeCfg.USE_REGULAR_IMPULSE
            ),
            **options,
        )

    def _rate(self, index: int) -> float:
        """Return the learning rate of a layer in this run."""
        decay, epoch = self._params["decay"], self._params["epoch_batches"]
        rule = self._spec.layers[index].rule(decay, epoch)
        return rule.step(self._parameters.batch) if isinstance(rule, SGD) else 0.0

    def _timing(self, synapses: int) -> Timing:
        """Tell synapses when to learn, with another seed in every run of a training."""
        key = (self._parameters.batch, synapses)
        sequence = np.random.SeedSequence(self._params["seed"], spawn_key=key)
        epoch = self._neuron.learning_epoch
        doubling = (self._spec.phases.free_steps // epoch).bit_length() - 1
        return Timing(epoch, doubling, int(sequence.generate_state(1)[0] >> 1))

    def _nudge(self) -> Dense:
        """Build the synapses from the one-hot target to the output neurons."""
        spec, neuron = self._spec, self._neuron
        classes = np.arange(spec.classes)
        own = expand_target(classes, spec.classes, spec.sizes[-1]).T.astype(np.float32)
        strength = np.float32(spec.phases.beta)
        currents = strength * (own * neuron.excitation - (1 - own) * neuron.inhibition)
        exponent = 0
        while np.abs(currents).max() / 2.0**exponent > LARGEST_WEIGHT:
            exponent += 1
        scale = SynapseScale(exponent, exponent)
        return Dense(
            weights=self.arithmetic.weights(currents, scale), weight_exp=exponent, name="nudge"
        )


def _join(source: Any, synapses: Dense, target: LIFReset) -> None:
    """Connect synapses with the spikes from below and the neurons that they reach."""
    source.connect(synapses.s_in)
    synapses.a_out.connect(target.a_in)
    if isinstance(synapses, LearningDense):
        # LearningLIF never sends on the ports it has for this.
        target.s_out.connect(synapses.s_in_bap)


@implements(proc=EPNetwork, protocol=LoihiProtocol)
class FixedStockNetworkModel(StockNetworkModel):
    """The network in Loihi's integers, for the CPU and for the chip."""

    arithmetic = FIXED_POINT


@implements(proc=EPNetwork, protocol=LoihiProtocol)
class FloatingStockNetworkModel(StockNetworkModel):
    """The network in real numbers, for the CPU."""

    arithmetic = FLOATING_POINT

"""Layers of neurons whose states are integers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import LIF, Binary, SigmaDelta, Stream, generator
from lava_ep.dynamics.fixed_point import (
    Factor,
    IntegerLIF,
    binary_step,
    lif_step,
    move_at_random,
    sigma_delta_step,
)
from lava_ep.kinds import register
from lava_ep.loihi2.formats import BIAS, DECAY, THRESHOLD, THRESHOLD_SHIFT
from lava_ep.models.fixed_point.format import NeuronFormat, Rounding
from lava_ep.populations import (
    BinaryPopulation,
    Clock,
    LIFPopulation,
    NeuronPopulation,
    SigmaDeltaPopulation,
    read_only,
)

Array = NDArray[Any]


def whole_decay(rate: float) -> int:
    """Return a rate in [0, 1] in units of 1/4096."""
    return round(rate * (1 << DECAY.bits))


def whole_threshold(value: float, one: int) -> int:
    """Return a threshold of states as 17 bits hold it."""
    return min(max(round(value * one / (1 << THRESHOLD_SHIFT)), 1), THRESHOLD.highest)


def whole_lif(neuron: LIF, one: int) -> IntegerLIF:
    """Return integer constants of LIF neurons; like those, they get no lower than -threshold."""
    threshold = whole_threshold(neuron.threshold, one)
    return IntegerLIF(
        du=max(whole_decay(neuron.du), 1) - 1,
        dv=whole_decay(neuron.dv),
        threshold=threshold,
        reset=neuron.reset,
        refractory=neuron.refractory,
        lowest=-(threshold << THRESHOLD_SHIFT),
    )


class FixedNeuronPopulation(NeuronPopulation):
    """What all integer neurons have in common.

    Arrays are integers; `get` and `set` speak of real numbers, as all other models do.

    Parameters
    ----------
    shape, biases
        See `NeuronPopulation`.
    format
        How real numbers are represented.
    options
        Of the neurons.
    """

    STATES: ClassVar[tuple[str, ...]] = ("state",)
    """Arrays in units of states."""

    def __init__(
        self, shape: tuple[int, int], biases: int, *, format: NeuronFormat, **options: Any
    ) -> None:
        super().__init__(shape, biases, dtype=np.int32, **options)
        self._format = format
        self._initial_state = round(self._initial_state * format.one)

    @property
    def readout(self) -> Array:
        """What the host makes of the states."""
        return self.get("state")

    def get(self, name: str) -> Array:
        """Return one of the arrays as real numbers, if that is what it means.

        These are copies, and read-only, as what is written to them would be lost.
        """
        found = super().get(name)
        if name in self.STATES:
            return read_only(found.astype(np.float32) / np.float32(self._format.one))
        if name == "bias":
            return read_only((self._shifted_bias / self._format.one).astype(np.float32))
        return found

    def set(self, name: str, value: Array) -> None:
        """Replace one of the arrays by the nearest integers."""
        one, exponent = self._format.one, self._format.bias_exponent
        if name in self.STATES:
            value = np.rint(np.multiply(value, one, dtype=np.float64))
        elif name == "bias":
            mantissas = np.rint(np.multiply(value, one, dtype=np.float64) / (1 << exponent))
            value = BIAS.saturated(mantissas.astype(np.int64))
        super().set(name, value)

    @property
    def _shifted_bias(self) -> Array:
        return self.bias << self._format.bias_exponent

    def _biases(self) -> Array:
        """Return the biases of all neurons in units of states."""
        return np.tile(self._shifted_bias, self.state.shape[1] // self.bias.size)

    def _move_bias(self, clock: Clock, first: Array, second: Array, sign: int) -> None:
        span = clock.schedule.contrast_span * self._levels * len(first)
        unit = self._format.one / (1 << self._format.bias_exponent)
        contrast = second.sum(axis=0, dtype=np.int64) - first.sum(axis=0, dtype=np.int64)
        address = (self._format.index, Rounding.BIASES, clock.batch)
        move_at_random(
            self.bias,
            contrast.reshape(-1, self.bias.size).sum(axis=0),
            Factor.nearest(sign * self._bias_rate * unit / span),
            BIAS,
            generator(clock.schedule.seed, Stream.ROUNDING, *address),
        )


@register(Binary.kind, "fixed_population")
class FixedBinaryPopulation(FixedNeuronPopulation, BinaryPopulation):
    """Binary neurons; see `lava_ep.dynamics.fixed_point.binary_step`."""

    def __init__(
        self,
        shape: tuple[int, int],
        biases: int,
        *,
        format: NeuronFormat,
        neuron: Binary,
        **common: Any,
    ) -> None:
        super().__init__(shape, biases, format=format, neuron=neuron, **common)
        self._whole_rate = whole_decay(neuron.filter_rate)
        self._whole_threshold = whole_threshold(neuron.threshold, format.one)

    def _initial_activation(self) -> float:
        return float(self._initial_state >= self._whole_threshold << THRESHOLD_SHIFT)

    def _settle(self, current: Array, target: Array | None, beta: float) -> int:
        return binary_step(
            self.state,
            self.activation,
            current,
            self._biases(),
            self.change,
            filter_rate=self._whole_rate,
            threshold=self._whole_threshold,
            one=self._format.one,
            target=target,
            nudge=Factor.nearest(beta),
        )


@register(SigmaDelta.kind, "fixed_population")
class FixedSigmaDeltaPopulation(FixedNeuronPopulation, SigmaDeltaPopulation):
    """Sigma-delta neurons; see `lava_ep.dynamics.fixed_point.sigma_delta_step`."""

    def __init__(
        self,
        shape: tuple[int, int],
        biases: int,
        *,
        format: NeuronFormat,
        neuron: SigmaDelta,
        **common: Any,
    ) -> None:
        common |= {"neuron": neuron, "activations": np.int32}
        super().__init__(shape, biases, format=format, **common)
        self._whole_rate = whole_decay(neuron.filter_rate)

    def _settle(self, current: Array, target: Array | None, beta: float) -> int:
        return sigma_delta_step(
            self.state,
            self.activation,
            current,
            self._biases(),
            self.change,
            filter_rate=self._whole_rate,
            step=self._format.one // self._levels,
            levels=self._levels,
            multiple=self._steps.multiple,
            target=target,
            nudge=Factor.nearest(beta),
        )


@register(LIF.kind, "fixed_population")
class FixedLIFPopulation(FixedNeuronPopulation, LIFPopulation):
    """Integrate-and-fire neurons; see `lava_ep.dynamics.fixed_point.lif_step`."""

    STATES = ("state", "activation", "synaptic")

    def __init__(
        self,
        shape: tuple[int, int],
        biases: int,
        *,
        format: NeuronFormat,
        neuron: LIF,
        **common: Any,
    ) -> None:
        super().__init__(shape, biases, format=format, neuron=neuron, levels=format.one, **common)
        self._constants = whole_lif(neuron, format.one)
        self._trace_rate = whole_decay(neuron.trace.rate)
        self._initial_membrane = np.rint(self._initial_membrane * float(format.one))

    @property
    def readout(self) -> Array:
        """What the host makes of the rates."""
        return self.get("activation")

    def steady(self, clock: Clock) -> bool:
        """Never: traces in the synapses go on fading, at random."""
        return False

    def _settle(self, current: Array, target: Array | None, beta: float) -> int:
        return lif_step(
            self.state,
            self.synaptic,
            self.activation,
            self.waiting,
            current,
            self._biases(),
            self.change,
            neuron=self._constants,
            trace_rate=self._trace_rate,
            one=self._format.one,
            target=target,
            nudge=Factor.nearest(beta),
        )

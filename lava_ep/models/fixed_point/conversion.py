"""From floating-point numbers to integers: the formats of a network, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep import kinds
from lava_ep.dynamics import Convolution, Pooling, Rate, SpikeTrace, Updates
from lava_ep.dynamics.fixed_point import Factor, weight_limits, weight_step
from lava_ep.errors import InputError
from lava_ep.loihi2.formats import (
    ACTIVATION,
    ACTIVATION_SHIFT,
    BIAS,
    BIAS_EXPONENT,
    DECAY,
    THRESHOLD_SHIFT,
    TRACE,
    WEIGHT_BITS,
    WEIGHT_EXPONENT,
)
from lava_ep.models.fixed_point.format import (
    Direction,
    LayerFormat,
    NeuronFormat,
    SynapseFormat,
    TraceFormat,
)
from lava_ep.models.fixed_point.losses import Clipped, Conversion, Entry, InputRange
from lava_ep.models.fixed_point.neuron import whole_decay, whole_threshold
from lava_ep.models.fixed_point.synapse import nearest_weights
from lava_ep.parameters import NetworkParameters
from lava_ep.populations import levels_of
from lava_ep.spec import LayerSpec, LIFNeuronSpec, NetworkSpec

ONE = 1 << 18
"""State that means 1.0, or a little less: currents may then be up to 8 times as large."""

WEIGHT_ROOM = 4.0
"""Real weights may grow to as many times the largest that a network starts with."""

BIAS_ROOM = 1.0
"""Biases that learn may grow to this magnitude at least."""


def check_covered(spec: NetworkSpec) -> None:
    """Check that there are integer models for all that a network has.

    Raises
    ------
    InputError
        Naming the first field that there are none for, and what is covered.
    """
    faults: list[tuple[bool, str, str]] = [
        (
            not kinds.has(spec.neuron.kind, "fixed_population"),
            f"neuron.kind={spec.neuron.kind}",
            " or ".join(", ".join(kinds.kinds("fixed_population")).rsplit(", ", 1)),
        ),
        (
            spec.noise.sigma > 0,
            f"noise.sigma={spec.noise.sigma}",
            "0: measurements with noise are no integers",
        ),
        (spec.normalization is not None, "normalization", "none: pixels have to be integers"),
        (
            isinstance(spec.input_encoding.reading, Rate),
            f"encoding.code={spec.encoding.code.value}",
            "constant, latency or events; means of spikes are no integers",
        ),
        (
            spec.phases.updates is Updates.CONTINUAL,
            f"phases.updates={spec.phases.updates.value}",
            "two-phase",
        ),
        (
            spec.feedback_angle is not None,
            f"feedback_angle={spec.feedback_angle}",
            "none: the same weights both ways",
        ),
    ]
    for index, (layer, connection) in enumerate(zip(spec.layers, spec.connections, strict=True)):
        averages = isinstance(connection, Convolution) and (
            connection.pool > 1 and connection.pooling is not Pooling.MAX
        )
        place = f"layers.{index}"
        faults += [
            (averages, f"{place}.pooling={layer.pooling.value}", "max; averages are no integers"),
            (layer.alpha_rate > 0, f"{place}.alpha_rate={layer.alpha_rate}", "0"),
        ]
    for wrong, field, covered in faults:
        if wrong:
            raise InputError(f"network.{field}: fixed point covers {covered}")


def convert(spec: NetworkSpec, parameters: NetworkParameters) -> Conversion:
    r"""Choose the formats of a network.

    States get close to 18 bits below 1.0 (`ONE`), so that accumulated input of 16 bits, aligned by
    6, reaches 8 times as far. Where all weights are binary, each layer has a unit of its own,
    chosen so that the magnitudes of the weights into it, from below and from above, come close to
    ones of 8 bits. Real weights share one unit, so that weights of both directions have the same
    integers; their exponents leave them room to grow (`WEIGHT_ROOM`). Weights into
    integrate-and-fire neurons are multiplied by du, as Loihi does not multiply their input.

    The result depends on the spec and, as far as they are larger than it lets expect, on the
    weights and biases.

    Parameters
    ----------
    spec, parameters
        The network.

    Raises
    ------
    InputError
        If fixed point does not cover the network, see `check_covered`, or weights are too small or
        too large for any exponent.
    """
    check_covered(spec)
    return _Converter(spec, parameters).conversion()


class _Converter:
    def __init__(self, spec: NetworkSpec, parameters: NetworkParameters) -> None:
        self._spec = spec
        self._parameters = parameters
        # Levels that activations are counted in by synapses; 1.0 has to be a multiple of them.
        self._levels = levels_of(spec.spikes)
        self._whole = self._levels << int(math.log2(ONE / self._levels))
        self._input_share = 1.0
        if isinstance(spec.neuron, LIFNeuronSpec):
            self._input_share = max(whole_decay(spec.neuron.du), 1) / (1 << DECAY.bits)
        self._ones = self._choose_ones()
        self._entries: list[Entry] = []

    def conversion(self) -> Conversion:
        """Convert all layers."""
        layers = tuple(self._layer(index) for index in range(len(self._spec.layers)))
        inputs = tuple(self._input_range(index, layers) for index in range(len(layers)))
        return Conversion(layers, tuple(self._entries), inputs)

    def _current_unit(self, one: int, levels: int) -> float:
        """Return the accumulated input that a real weight of 1.0 makes of an activation of 1."""
        return self._input_share * one / (levels << ACTIVATION_SHIFT)

    def _source_levels(self, index: int) -> int:
        return self._levels if index else self._spec.input_encoding.input_levels

    def _choose_ones(self) -> list[int]:
        """Return what means 1.0 in each layer."""
        if not all(layer.binary for layer in self._spec.layers):
            return [self._whole] * len(self._spec.layers)
        return [self._choose_one(index) for index in range(len(self._spec.layers))]

    def _choose_one(self, index: int) -> int:
        """Return a multiple of the levels, at most `ONE`, that suits the binary weights."""
        units = [self._alpha(index) * self._current_unit(1, self._source_levels(index))]
        if index + 1 < len(self._spec.layers):
            units.append(self._alpha(index + 1) * self._current_unit(1, self._levels))
        ones = {
            self._levels * round(math.ldexp(factor, exponent) / unit / self._levels)
            for unit in units
            for factor in range(weight_step(), weight_limits()[1] + 1, weight_step())
            if (exponent := math.floor(math.log2(ONE * unit / factor))) >= WEIGHT_EXPONENT.lowest
        }

        def error(one: int) -> tuple[float, int]:
            # What comes from below counts more, as it is what there is to settle on.
            below, *above = (_direction_error(unit * one) for unit in units)
            return 2 * below + sum(above) + self._threshold_error(one), -one

        # Weights too small for any factor are refused where they are converted.
        return min((one for one in ones if one <= ONE), key=error, default=self._whole)

    def _threshold_error(self, one: int) -> float:
        """Return the relative error of the threshold."""
        threshold = getattr(self._spec.neuron, "threshold", None)
        if threshold is None:
            return 0.0
        kept = whole_threshold(threshold, one) << THRESHOLD_SHIFT
        return abs(kept / (float(threshold) * one) - 1)

    def _alpha(self, index: int) -> float:
        alpha = self._parameters.layers[index].alpha
        if alpha is None:
            raise ValueError(f"layer {index} has no binary weights")
        return float(alpha[0])

    def _layer(self, index: int) -> LayerFormat:
        self._report_constants(index)
        return LayerFormat(self._neurons(index), self._synapses(index))

    def _neurons(self, index: int) -> NeuronFormat:
        layer = self._spec.layers[index]
        bias = self._parameters.layers[index].bias.astype(np.float64)
        one = self._ones[index]
        room = BIAS_ROOM if layer.bias_rate else 0.0
        needed = _shared_exponent(bias, room, one, (BIAS.lowest, BIAS.highest))
        exponent = min(max(needed, BIAS_EXPONENT.lowest), BIAS_EXPONENT.highest)
        step = (1 << exponent) / one
        kept = np.clip(np.rint(bias / step), BIAS.lowest, BIAS.highest) * step
        self._report(index, "bias", bias, kept, step, exponent)
        return NeuronFormat(index, one, exponent)

    def _synapses(self, index: int) -> SynapseFormat:
        spec, values = self._spec, self._parameters.layers[index]
        levels = self._source_levels(index)
        up = self._current_unit(self._ones[index], levels)
        down = self._current_unit(self._ones[index - 1], self._levels) if index else 0.0
        if spec.layers[index].binary:
            unit = self._alpha(index)
            forward = self._report_alpha(index, "alpha", unit, up)
            backward = self._report_alpha(index, "alpha back", unit, down) if index else forward
        else:
            room = 0.0 if spec.layers[index].frozen else _room(spec, index)
            needed = _shared_exponent(values.weights, room, up, weight_limits())
            exponent = max(needed, WEIGHT_EXPONENT.lowest)
            largest = max(room, float(np.abs(values.weights).max()))
            _check_exponent(exponent, f"layers.{index}.weights", largest)
            unit = math.ldexp(1.0, exponent) / up
            forward = Direction(1, exponent)
            backward = Direction(1, exponent)
            kept = nearest_weights(values.weights, unit) * unit
            self._report(index, "weights", values.weights, kept, unit * weight_step(), exponent)
        pixel_shift = 0 if index else max(levels.bit_length() - TRACE.bits, 0)
        trace = None
        pre_one, post_one = levels / (1 << pixel_shift), float(self._levels)
        if isinstance(spec.spikes, SpikeTrace):
            trace = _trace(spec.spikes)
            post_one = trace.impulse / trace.decay.value
            pre_one = post_one if index else pre_one
        return SynapseFormat(index, unit, forward, backward, pre_one, post_one, pixel_shift, trace)

    def _report_alpha(self, index: int, what: str, alpha: float, unit: float) -> Direction:
        found = _direction(alpha * unit)
        _check_exponent(found.exponent, f"layers.{index}.scale", alpha)
        if found.factor == 0:
            raise InputError(
                f"network.layers.{index}.scale: binary weights of {alpha:g} are too small for "
                f"{WEIGHT_BITS} bits with the exponent {found.exponent}; make them larger"
            )
        step = math.ldexp(weight_step(), found.exponent) / unit
        kept = math.ldexp(found.factor, found.exponent) / unit
        self._report(index, what, np.array(alpha), np.array(kept), step, found.exponent)
        return found

    def _report_constants(self, index: int) -> None:
        """Report on what all layers have in common, and on rates of learning."""
        spec, layer, one = self._spec, self._spec.layers[index], self._ones[index]
        neuron: Any = spec.neuron
        decay_step = 1 / (1 << DECAY.bits)
        for name in ("filter_rate", "du", "dv", "trace_rate"):
            rate = getattr(neuron, name, None)
            if rate is not None:
                self._number(index, name, rate, whole_decay(rate) * decay_step, decay_step)
        threshold = getattr(neuron, "threshold", None)
        if threshold is not None:
            step = (1 << THRESHOLD_SHIFT) / one
            self._number(
                index, "threshold", threshold, whole_threshold(threshold, one) * step, step
            )
        factors = {"beta": spec.phases.beta} if index + 1 == len(spec.layers) else {}
        if layer.bias_rate:
            factors["bias_rate"] = layer.bias_rate
        if not layer.frozen:
            # Momenta are scaled to the threshold, so the share that an update makes of it counts.
            learned = {"1 / theta": 1 / layer.theta} if layer.theta else {"rate": layer.rate or 0.0}
            factors |= learned | ({"gamma": layer.gamma} if layer.gamma else {})
        for name, value in factors.items():
            factor = Factor.nearest(value)
            self._number(index, name, value, factor.value, math.ldexp(1.0, -factor.shift))

    def _number(self, index: int, what: str, value: float, kept: float, step: float) -> None:
        self._report(index, what, np.array(value), np.array(kept), step, None)

    def _report(
        self,
        index: int,
        what: str,
        values: NDArray[Any],
        kept: NDArray[Any],
        step: float,
        exponent: int | None,
    ) -> None:
        wanted = np.asarray(values, np.float64)
        error = np.abs(kept - wanted)
        # Rounding is off by half a step; whatever is off by more was clipped.
        beyond = error > step * (0.5 + 1e-6)
        scale = float(np.sqrt(np.mean(wanted**2)))
        entry = Entry(
            self._spec.layer_names[index],
            what,
            int(wanted.size),
            exponent,
            float(step),
            float(error.max()),
            float(np.sqrt(np.mean(error**2))) / scale if scale else 0.0,
            tuple(
                Clipped(tuple(int(i) for i in at), float(wanted[tuple(at)]), float(kept[tuple(at)]))
                for at in np.argwhere(beyond)
            ),
        )
        self._entries.append(entry)

    def _input_range(self, index: int, layers: Sequence[LayerFormat]) -> InputRange:
        """Tell how large the input of a layer can get, with all sources at their largest."""
        spec, values = self._spec, self._parameters.layers
        limit = (ACTIVATION.highest << ACTIVATION_SHIFT) / self._ones[index]
        largest = _largest_sum(values[index].weights, layers[index].synapses.unit, axis=0)
        if index + 1 < len(layers):
            above = layers[index + 1].synapses.unit
            largest += _largest_sum(values[index + 1].weights, above, axis=1)
        return InputRange(spec.layer_names[index], limit, self._input_share * largest)


def _largest_sum(weights: NDArray[Any], unit: float, *, axis: int) -> float:
    """Return the largest sum of magnitudes of the weights into a target, or out of a source."""
    magnitudes = np.abs(weights.astype(np.float64)) * (unit if weights.dtype == np.int8 else 1.0)
    return float(np.moveaxis(magnitudes, axis, 0).reshape(weights.shape[axis], -1).sum(1).max())


def _room(spec: NetworkSpec, index: int) -> float:
    """Return how large real weights may get: see `lava_ep.parameters.initial_parameters`."""
    layer: LayerSpec = spec.layers[index]
    connection = spec.connections[index]
    return WEIGHT_ROOM * layer.scale * math.sqrt(6 / (connection.fan_in + connection.fan_out))


def _shared_exponent(
    values: NDArray[Any], room: float, unit: float, limits: tuple[int, int]
) -> int:
    """Return the smallest exponent with which integers within limits reach all values.

    Parameters
    ----------
    values
        What there is.
    room
        Magnitude that is to be reached, too.
    unit
        Integer that 1.0 is with the exponent 0.
    limits
        The smallest and the largest integer.
    """
    lowest, highest = limits
    needed = max(room, float(values.max())) * unit / highest, float(values.min()) * unit / lowest
    # Values that were read from integers may be larger by the rounding of float32.
    return math.ceil(math.log2(max(*needed, 2.0**-99)) - 1e-6)


def _direction(value: float) -> Direction:
    """Return the weight of 8 bits and the exponent nearest to the magnitude of binary weights."""
    highest, step = weight_limits()[1], weight_step()
    exponent = max(math.ceil(math.log2(value / (highest + step / 2))), WEIGHT_EXPONENT.lowest)
    return Direction(min(step * round(math.ldexp(value, -exponent) / step), highest), exponent)


def _direction_error(value: float) -> float:
    """Return the relative error of `_direction`."""
    found = _direction(value)
    return abs(math.ldexp(found.factor, found.exponent) / value - 1)


def _check_exponent(exponent: int, field: str, value: float) -> None:
    if exponent > WEIGHT_EXPONENT.highest:
        raise InputError(
            f"network.{field}: weights up to {value:g} need the exponent {exponent}; expected at "
            f"most {WEIGHT_EXPONENT.highest}, make them smaller"
        )


def _trace(trace: SpikeTrace) -> TraceFormat:
    """Return the trace of 7 bits that comes closest to saturation with a spike in every step."""
    decay = Factor.nearest(trace.rate)
    return TraceFormat(max(int(TRACE.highest * decay.value), 1), decay)

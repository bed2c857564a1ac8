"""One network in two arithmetics: Loihi's integers, and real numbers that mean the same.

A parameter of the network is a real number. The current that a spike makes by a weight is compared
with the threshold of the membrane potential, an integer of Loihi, in both arithmetics. Traces and
graded spikes are integers of Loihi, or these divided by `UNIT`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from lava.magma.core.learning.learning_rule import Loihi2FLearningRule
from numpy.typing import NDArray

from lava_ep.errors import InputError
from lava_ep.spec import StockLayerSpec

UNIT_BITS = 7
UNIT = 1 << UNIT_BITS
"""Trace, or graded spike, that stands for the real number 1; the widths of traces in Lava's
``magma/core/learning/constants.py``."""

LARGEST_WEIGHT = 254
"""Of weights of either sign, which are even where they do not learn: 8 bits, times 2."""

SHIFT = 6
"""Bits by which Lava's ``LIF`` shifts currents and thresholds, but not biases."""

LARGEST_BIAS = 4095
"""Mantissa of a bias, 13 bits with its sign."""

CLOCK_BITS = 6
"""The synaptic delay is ``2**CLOCK_BITS`` in the nudged phase, and 0 in the free phase."""

PRODUCT_SHIFT = 12
"""Bits by which Lava shifts x1 y1 d to the right: 7 + 7 + 9 of the factors, less 11."""

EXPONENTS = range(-7, 9)
"""Exponents that a product of Lava's learning rules can have: 4 bits."""

LARGEST_MANTISSA = 7
"""Mantissa of a product that can have either sign: 4 bits."""


@dataclass(frozen=True)
class Timing:
    """When plastic synapses learn.

    Parameters
    ----------
    epoch
        Time steps of a learning epoch, at the end of which a synapse looks at its traces.
    doubling
        Both phases have ``epoch * 2**doubling`` steps.
    seed
        Seed of the random numbers by which traces are rounded, where they are integers.
    """

    epoch: int
    doubling: int
    seed: int

    @property
    def options(self) -> dict[str, int]:
        """What Lava's learning rules are told of it."""
        return {"t_epoch": self.epoch, "rng_seed": self.seed}

    @property
    def phase_end(self) -> str:
        """Dependency that is 1 at the end of a phase only, otherwise 0."""
        return f"u{self.doubling}"


Traces = dict[str, float]
"""Time constants and impulses of traces, by the names that Lava's learning rules give them."""


@dataclass(frozen=True)
class SynapseScale:
    """What the weights of one ``Dense`` Process stand for.

    Parameters
    ----------
    unit
        A parameter of the network is an integer weight times ``2**unit``.
    exponent
        A spike makes a current of an integer weight times ``2**exponent``.
    graded
        Whether spikes carry a payload, which the weight is multiplied by.
    """

    unit: int
    exponent: int
    graded: bool = False

    @property
    def gain(self) -> float:
        """Current that a spike of real value 1 makes by a parameter of value 1."""
        return 2.0 ** (self.exponent + UNIT_BITS * self.graded - self.unit)


class Arithmetic(ABC):
    """How parameters of a network become those of Lava's Processes, and back.

    Attributes
    ----------
    tag
        Tag of the ProcessModels of Lava.
    """

    tag: str

    @abstractmethod
    def weights(self, parameters: NDArray[np.float32], scale: SynapseScale) -> NDArray[Any]:
        """Return the weights of a ``Dense`` Process."""

    @abstractmethod
    def parameters(self, weights: NDArray[Any], scale: SynapseScale) -> NDArray[np.float32]:
        """Return the parameters that weights of a ``Dense`` Process stand for."""

    @abstractmethod
    def neurons(self, layer: StockLayerSpec, bias: NDArray[np.float32]) -> dict[str, Any]:
        """Return the arguments of a ``LIFReset`` Process."""

    @abstractmethod
    def threshold(self, layer: StockLayerSpec) -> int:
        """Return the threshold in the unit of the membrane potential."""

    @abstractmethod
    def payloads(self, pixels: NDArray[np.integer[Any]], brightest: float) -> NDArray[Any]:
        """Return graded spikes: pixels times ``brightest``, the payload of a pixel of value 1."""

    @abstractmethod
    def rate_literal(self, rate: float, scale: SynapseScale) -> tuple[int, int]:
        """Return mantissa and exponent of the products that change weights.

        Raises
        ------
        InputError
            If no exponent fits the rate.
        """

    @abstractmethod
    def learning_rule(
        self, rate: float, scale: SynapseScale, traces: Traces, timing: Timing
    ) -> Loihi2FLearningRule:
        r"""Return the rule of equilibrium propagation on traces, in sum-of-products form.

        .. math:: w \leftarrow w + \eta \left(x^\beta y^\beta - x^0 y^0\right)

        x and y are the traces of the spikes of both neurons at the end of a phase. The product
        at the end of the free phase waits in the synaptic tag t. Which phase ends is told by the
        synaptic delay d, which is 0 in the free phase and C in the nudged phase, as u is 1 in the
        last step of both:

        .. math::
            \Delta d &= C u - 2 u d \\
            \Delta t &= a u x y - u t \\
            \Delta w &= b u x y d - \tfrac{b}{a} u t d

        with constants a, b such that :math:`b C = \eta`.

        Parameters
        ----------
        rate
            Learning rate :math:`\eta` of the parameters, if a trace of `UNIT` is 1. It is rounded
            to a mantissa of `LARGEST_MANTISSA` at most.
        scale
            Of the weights that learn.
        traces
            ``x1_tau``, ``x1_impulse``, ``y1_tau`` and ``y1_impulse``, as integers of Loihi.
        timing
            When they learn.

        Raises
        ------
        InputError
            If no exponent fits the rate.
        """


def _literal(rate: float, factor: float, exponents: range) -> tuple[int, int]:
    """Return mantissa and exponent of ``factor * rate``, to go into a product of a rule."""
    exponent = max(math.floor(math.log2(factor * rate)) - 2, exponents[0])
    mantissa = round(factor * rate / 2.0**exponent)
    if mantissa == 0:
        raise _no_exponent_for(rate, factor, exponents)
    while mantissa % 2 == 0 or mantissa > LARGEST_MANTISSA:
        mantissa, exponent = round(mantissa / 2), exponent + 1
    while exponent > exponents[-1] and 2 * mantissa <= LARGEST_MANTISSA:
        mantissa, exponent = 2 * mantissa, exponent - 1
    if exponent not in exponents:
        raise _no_exponent_for(rate, factor, exponents)
    return mantissa, exponent


def _no_exponent_for(rate: float, factor: float, exponents: range) -> InputError:
    low, high = 2.0 ** exponents[0] / factor, LARGEST_MANTISSA * 2.0 ** exponents[-1] / factor
    return InputError(
        f"rate={rate:g} of plastic synapses: expected {low:g} to {high:g} in all epochs, since "
        f"products of Loihi's learning rules have exponents of {EXPONENTS[0]} to {EXPONENTS[-1]}; "
        "mind training.decay"
    )


class FloatingPoint(Arithmetic):
    """Real numbers, without any limits; Lava's models of the tag ``floating_pt``."""

    tag = "floating_pt"

    def weights(self, parameters: NDArray[np.float32], scale: SynapseScale) -> NDArray[Any]:
        """Return the current that a spike of value 1 makes."""
        return parameters.astype(np.float64) * scale.gain

    def parameters(self, weights: NDArray[Any], scale: SynapseScale) -> NDArray[np.float32]:
        """Take the gain out again."""
        return (weights / scale.gain).astype(np.float32)

    def neurons(self, layer: StockLayerSpec, bias: NDArray[np.float32]) -> dict[str, Any]:
        """Return decays as fractions."""
        return {
            "du": layer.du / 4096,
            "dv": layer.dv / 4096,
            "vth": layer.vth,
            "bias_mant": bias.astype(np.float64),
        }

    def threshold(self, layer: StockLayerSpec) -> int:
        """Return it as it is."""
        return layer.vth

    def payloads(self, pixels: NDArray[np.integer[Any]], brightest: float) -> NDArray[Any]:
        """Return payloads in units of `UNIT`."""
        payloads: NDArray[Any] = pixels * (brightest / UNIT)
        return payloads

    def rate_literal(self, rate: float, scale: SynapseScale) -> tuple[int, int]:
        """Return those of the rate times the gain of the weights."""
        return _literal(rate, scale.gain, EXPONENTS)

    def learning_rule(
        self, rate: float, scale: SynapseScale, traces: Traces, timing: Timing
    ) -> Loihi2FLearningRule:
        """Return the rule with C = a = 1."""
        mantissa, exponent = self.rate_literal(rate, scale)
        u = timing.phase_end
        impulses = {name: traces[name] / UNIT for name in ("x1_impulse", "y1_impulse")}
        return Loihi2FLearningRule(
            dd=f"-2*{u}*d + {u}",
            dt=f"-{u}*t + {u}*x1*y1",
            dw=f"{mantissa}*2^{exponent}*{u}*x1*y1*d - {mantissa}*2^{exponent}*{u}*t*d",
            **{**traces, **impulses},
            **timing.options,
        )


class FixedPoint(Arithmetic):
    """Loihi's integers; Lava's models of the tag ``fixed_pt``."""

    tag = "fixed_pt"

    def weights(self, parameters: NDArray[np.float32], scale: SynapseScale) -> NDArray[Any]:
        """Return the nearest even integers that a synapse of either sign can store."""
        even = 2 * np.rint(parameters / 2.0 ** (scale.unit + 1))
        weights: NDArray[Any] = np.clip(even, -LARGEST_WEIGHT, LARGEST_WEIGHT).astype(np.int32)
        return weights

    def parameters(self, weights: NDArray[Any], scale: SynapseScale) -> NDArray[np.float32]:
        """Multiply by the unit."""
        return (weights * 2.0**scale.unit).astype(np.float32)

    def neurons(self, layer: StockLayerSpec, bias: NDArray[np.float32]) -> dict[str, Any]:
        """Return decays in 1/4096, and biases of 13 bits."""
        mantissas = np.clip(np.rint(bias), -LARGEST_BIAS, LARGEST_BIAS).astype(np.int32)
        return {
            "du": layer.du,
            "dv": layer.dv,
            "vth": layer.vth,
            "bias_mant": mantissas,
            "bias_exp": SHIFT,
        }

    def threshold(self, layer: StockLayerSpec) -> int:
        """Return it shifted as Lava does."""
        return layer.vth << SHIFT

    def payloads(self, pixels: NDArray[np.integer[Any]], brightest: float) -> NDArray[Any]:
        """Return the nearest integers."""
        payloads: NDArray[Any] = np.rint(pixels * brightest).astype(np.int32)
        return payloads

    def rate_literal(self, rate: float, scale: SynapseScale) -> tuple[int, int]:
        """Return those of the first product; the exponent of the second is larger by 1."""
        product_bits = 2 * UNIT_BITS + CLOCK_BITS - PRODUCT_SHIFT
        return _literal(rate, 2.0 ** (-scale.unit - product_bits), EXPONENTS[:-1])

    def learning_rule(
        self, rate: float, scale: SynapseScale, traces: Traces, timing: Timing
    ) -> Loihi2FLearningRule:
        """Return the rule with C = 64.

        Lava shifts a product of factors to the right by their widths together, less 11: x1 and y1
        have 7 bits, d and t have 9. With C = 64 it makes x y d into x y / 64, keeps x y / 64 in t
        (which has room for it, 8 bits), and makes t d into t / 2.
        """
        mantissa, exponent = self.rate_literal(rate, scale)
        u = timing.phase_end
        return Loihi2FLearningRule(
            dd=f"-2*{u}*d + 2^{CLOCK_BITS}*{u}",
            dt=f"-{u}*t + 2^-3*{u}*x1*y1",
            dw=f"{mantissa}*2^{exponent}*{u}*x1*y1*d - {mantissa}*2^{exponent + 1}*{u}*t*d",
            **traces,
            **timing.options,
        )


FIXED_POINT = FixedPoint()
FLOATING_POINT = FloatingPoint()

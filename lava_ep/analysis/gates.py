r"""Boolean gates that a network of local binary errors takes, beside those of real arithmetic.

Counted are gates of two inputs. Adding up :math:`n` bits takes a tree of adders, of which each full
adder makes a sum and a carry of three bits of one weight. With :math:`n_0 = n` and
:math:`n_{i+1} = \lfloor n_i / 2 \rfloor` bits of weight :math:`2^i`,

.. math::

    F(n) = \sum_i \left\lfloor \frac{n_i - 1}{2} \right\rfloor \text{ full adders}, \qquad
    H(n) = \#\{i : n_i \text{ even}, n_i > 0\} \text{ half adders}

leave one bit of each weight. A full adder is 5 gates (two XOR, two AND, one OR), a half adder 2
(XOR, AND), an XNOR 1. Comparing two numbers of :math:`b` bits is a subtraction of which only the
carry is used, :math:`b` full adders. A hidden weight of :math:`b` bits that counts up or down is
:math:`b` half adders, and :math:`b` XNOR for the direction. What draws random numbers, moves
data or stores them is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from lava_ep.spec import BMLPSpec

XNOR, HALF_ADDER, FULL_ADDER = 1, 2, 5
"""Gates of two inputs that each takes."""

HIDDEN_BITS = 16
"""Width at which hidden weights are taken to count; they are kept in 32 bits here."""

SIGNIFICAND, EXPONENT = 24, 8
"""Bits of a real number in single precision, IEEE 754; the leading one is not stored."""

SOURCE = (
    "Estimate from the structure of the circuits, after B. Parhami, Computer Arithmetic, 2nd ed., "
    "chapters 11 (array multipliers) and 18 (floating-point operations): 24 x 24 AND gates and "
    "22 x 24 full and 24 half adders for the significands, an adder of the exponents; for the sum "
    "a subtraction of exponents, an adder, and two barrel shifters of 5 stages of 24 multiplexers "
    "of 3 gates. Rounding, signs and exceptions are left out, so real hardware takes more."
)
"""Where the gates of a real multiply-accumulate come from."""


def popcount_adders(n: int) -> tuple[int, int]:
    """Full and half adders that add up n bits; see the module for the equation."""
    full = half = 0
    while n > 0:
        full += (n - 1) // 2
        half += n % 2 == 0
        n //= 2
    return full, half


def popcount_gates(n: int) -> int:
    """Gates that add up n bits."""
    full, half = popcount_adders(n)
    return FULL_ADDER * full + HALF_ADDER * half


def real_mac_gates() -> int:
    """Gates of a multiply-accumulate in single precision; see `SOURCE`."""
    s, e = SIGNIFICAND, EXPONENT
    product = s * s + FULL_ADDER * s * (s - 2) + HALF_ADDER * s + FULL_ADDER * e
    shifters = 2 * 3 * s * (s - 1).bit_length()
    total = FULL_ADDER * e + shifters + FULL_ADDER * s
    return product + total


@dataclass(frozen=True)
class GateCount:
    """Operations of one sample, and the gates they take.

    Parameters
    ----------
    xnor
        Products of two bits.
    full_adders, half_adders
        Of the popcounts, those of majorities included.
    comparisons
        Comparisons of two numbers.
    steps
        Increments and decrements of hidden weights.
    gates
        Gates of all of them.
    real_macs, real_gates
        Multiply-accumulates of a full-precision perceptron of the same layers, and their gates.
    """

    xnor: int
    full_adders: int
    half_adders: int
    comparisons: int
    steps: float
    gates: float
    real_macs: int
    real_gates: int

    @property
    def ratio(self) -> float:
        """Gates of the full-precision perceptron for each one here."""
        return self.real_gates / self.gates


def _products(terms: list[tuple[int, int]]) -> tuple[int, int, int, int]:
    """XNORs, full adders, half adders and gates of ``rows`` products of n bits each."""
    found = [0, 0, 0, 0]
    for rows, n in terms:
        full, half = popcount_adders(n)
        counts = (n, full, half, XNOR * n + popcount_gates(n))
        for place, number in enumerate(counts):
            found[place] += rows * number
    return found[0], found[1], found[2], found[3]


def _matrices(network: BMLPSpec) -> list[tuple[int, int]]:
    """Neurons and inputs of every layer."""
    return [
        (layer.neurons, inputs)
        for layer, inputs in zip(network.layers, network.sizes[:-1], strict=True)
    ]


def inference_gates(network: BMLPSpec) -> GateCount:
    r"""Count what a prediction takes.

    Every layer :math:`KN` XNORs, :math:`K` popcounts of :math:`N` bits and :math:`K` comparisons
    with :math:`N / 2`, those of a majority once more for each group; the classifier of the last
    layer :math:`C` popcounts of its :math:`K` bits, and :math:`C - 1` comparisons.
    """
    comparisons = gates = full = half = 0
    for layer, (neurons, inputs) in zip(network.layers, _matrices(network), strict=True):
        comparisons += neurons
        gates += FULL_ADDER * neurons * inputs.bit_length()
        if layer.majority:
            comparisons += layer.outputs
            gates += FULL_ADDER * layer.outputs * layer.group.bit_length()
            adders = popcount_adders(layer.group)
            full += layer.outputs * adders[0]
            half += layer.outputs * adders[1]
    comparisons += network.classes - 1
    last = network.sizes[-1]
    gates += FULL_ADDER * (network.classes - 1) * last.bit_length()
    gates += FULL_ADDER * full + HALF_ADDER * half
    xnor, *adders_of_products, products = _products([*_matrices(network), (network.classes, last)])
    full, half = full + adders_of_products[0], half + adders_of_products[1]
    macs = _real_forward(network)
    return GateCount(
        xnor, full, half, comparisons, 0.0, gates + products, macs, macs * real_mac_gates()
    )


def training_gates(network: BMLPSpec, entry: Mapping[str, Any]) -> GateCount:
    r"""Count what learning from a sample takes, as a mean over an epoch.

    A prediction; the classifiers of the other layers, and :math:`2(C - 1)` comparisons at each,
    for the lead of the class; of every wrong sample :math:`K` comparisons for the
    smallest :math:`|z|` of the groups; and for each neuron that learns a step of its :math:`N`
    hidden weights, beside those that are reinforced. What a classifier that learns takes is left
    out. The full-precision perceptron learns by stochastic gradient descent: a forward pass, the
    products for its weights, and those for all errors but the input's.

    Parameters
    ----------
    network
        The network.
    entry
        Line of ``metrics.jsonl`` of the epoch.
    """
    forward = inference_gates(network)
    others = [(network.classes, outputs) for outputs in network.sizes[1:-1]]
    xnor, full, half, gates = _products(others)
    comparisons = float(forward.comparisons)
    searched = steps = compared = 0.0
    layers = zip(
        network.layers,
        _matrices(network),
        entry["wrong_at_layer"],
        entry["updates_per_sample"],
        entry["reinforced_per_sample"],
        strict=True,
    )
    for layer, (neurons, inputs), wrong, updates, reinforced in layers:
        lead = 2 * (network.classes - 1) * FULL_ADDER * layer.outputs.bit_length()
        compared += lead
        if not layer.frozen:
            searched += wrong * neurons * FULL_ADDER * inputs.bit_length()
        comparisons += 2 * (network.classes - 1) + (0 if layer.frozen else wrong * neurons)
        steps += updates * inputs + reinforced
    step_gates = HIDDEN_BITS * (HALF_ADDER + XNOR)
    macs = 3 * forward.real_macs - network.inputs * network.sizes[1]
    return GateCount(
        forward.xnor + xnor,
        forward.full_adders + full,
        forward.half_adders + half,
        round(comparisons),
        steps,
        forward.gates + gates + compared + searched + steps * step_gates,
        macs,
        macs * real_mac_gates(),
    )


def _real_forward(network: BMLPSpec) -> int:
    """Multiply-accumulates of a perceptron with the same layers and an output for each class.

    Its inputs are the pixels, once each.
    """
    sizes = [network.inputs, *network.sizes[1:], network.classes]
    return sum(a * b for a, b in pairwise(sizes))


@dataclass(frozen=True)
class GateAccount:
    """What an inference and, if known, a training sample take."""

    inference: GateCount
    training: GateCount | None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        counts = {"per_inference": self.inference, "per_training_sample": self.training}
        return {
            **{
                name: None
                if count is None
                else {**asdict(count), "real_gates_per_gate": count.ratio}
                for name, count in counts.items()
            },
            "gates_of_a_real_multiply_accumulate": real_mac_gates(),
            "hidden_bits": HIDDEN_BITS,
            "source": SOURCE,
        }


def account(network: BMLPSpec, entry: Mapping[str, Any] | None) -> GateAccount:
    """Count both, the latter from the line of ``metrics.jsonl`` of an epoch."""
    learning = None if entry is None else training_gates(network, entry)
    return GateAccount(inference_gates(network), learning)

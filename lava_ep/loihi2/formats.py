"""Number formats of Loihi 2: how many bits everything has, and what happens at their ends.

Intel has published few of them for Loihi 2; those of Loihi, which Lava's bit-accurate models and
nengo-loihi's emulator use, are taken where there is nothing newer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAVIES = "Davies et al., Loihi, IEEE Micro 38(1), 2018"
ORCHARD = "Orchard et al., Efficient Neuromorphic Signal Processing with Loihi 2, arXiv 2111.03746"
BRIEF = "Intel Labs, Taking Neuromorphic Computing to the Next Level with Loihi 2, 2021"
LAVA_LIF = "lava-nc 0.10, lava/proc/lif/models.py"
LAVA_DENSE = "lava-nc 0.10, lava/proc/dense/models.py and lava/utils/weightutils.py"
LAVA_LEARNING = "lava-nc 0.10, lava/magma/core/learning/constants.py"
NENGO_LOIHI = "nengo-loihi 1.1, nengo_loihi/builder/discretize.py"

Array = NDArray[Any]


@dataclass(frozen=True)
class Format:
    """Integers of a number of bits.

    Parameters
    ----------
    bits
        Width, with the sign if there is one.
    signed
        Whether there is one; negative numbers are two's complements.
    source
        Where the width is published.
    """

    bits: int
    signed: bool
    source: str

    @property
    def lowest(self) -> int:
        """The smallest number."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """The largest number."""
        return self.lowest + (1 << self.bits) - 1

    def holds(self, values: Array) -> bool:
        """Whether all values are of this format."""
        return bool(np.all((values >= self.lowest) & (values <= self.highest)))

    def saturated(self, values: Array) -> Array:
        """Return the nearest numbers that there are."""
        return np.clip(values, self.lowest, self.highest)

    def wrapped(self, values: Array) -> Array:
        """Return the lowest bits of wider numbers."""
        mask = (1 << self.bits) - 1
        found: Array = ((values - self.lowest) & mask) + self.lowest
        return found


STATE = Format(24, True, f"{LAVA_LIF} (u, v); {NENGO_LOIHI} (U_BITS)")
"""State variables of neurons; those of neuron programs saturate, the current of LIF wraps."""

ACTIVATION = Format(16, True, f"{LAVA_LIF} (a_in); with the shift the 22 bits of {NENGO_LOIHI}")
"""Input that a neuron accumulates in a time step; it wraps, as Q_BITS of nengo-loihi's emulator."""

ACTIVATION_SHIFT = 6
"""Accumulated input is shifted left by as many bits to align it with states (the same source)."""

DECAY = Format(12, False, f"{LAVA_LIF} (du, dv); {DAVIES}")
"""Decays in units of 1/4096; products are rounded towards zero. Factors of programs have as many.
"""

THRESHOLD = Format(17, False, f"{LAVA_LIF} (vth); {NENGO_LOIHI} (VTH_MAN_MAX)")
"""Thresholds of states."""

THRESHOLD_SHIFT = 6
"""Thresholds are shifted left by as many bits to align them with states (the same source)."""

BIAS = Format(13, True, f"{LAVA_LIF} (bias_mant); {NENGO_LOIHI} (BIAS_MAN_MAX)")
"""Mantissas of biases; they saturate."""

BIAS_EXPONENT = Format(3, False, f"{LAVA_LIF} (bias_exp); {NENGO_LOIHI} (BIAS_EXP_MAX)")
"""Exponents of biases, shared by a layer."""

WEIGHT_BITS = 8
"""Bits of a synaptic weight (lava-nc 0.10, Dense; Davies et al. 2018: 1 to 9 with the sign).

Of weights of both signs one bit is the sign: they are even numbers from -256 to 254.
"""

WEIGHT_EXPONENT = Format(4, True, f"{LAVA_DENSE} (weight_exp); {NENGO_LOIHI}: 4 bits")
"""Exponents of weights, shared by a synapse population."""

TRACE = Format(7, False, f"{LAVA_LEARNING} (W_TRACE); {DAVIES}")
"""Traces that synapses learn from; they saturate."""

TAG = Format(9, True, f"{LAVA_LEARNING} (W_TAG_1_S)")
"""Tag of a plastic synapse, its second variable beside the weight; it saturates."""

PAYLOAD = Format(32, True, f"{BRIEF}; {ORCHARD}: graded spikes carry integers of up to 32 bits")
"""What a graded spike carries."""

FORMATS = {
    "state": STATE,
    "activation": ACTIVATION,
    "decay": DECAY,
    "threshold": THRESHOLD,
    "bias": BIAS,
    "bias exponent": BIAS_EXPONENT,
    "weight exponent": WEIGHT_EXPONENT,
    "trace": TRACE,
    "tag": TAG,
    "payload": PAYLOAD,
}
"""All formats by name."""

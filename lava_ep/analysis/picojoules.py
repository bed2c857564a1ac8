"""Published energies of single operations, in picojoules, with their sources.

Every figure holds for one chip or one technology under the conditions of its source, so what is
computed from them is an estimate. They leave out static power, traffic to memories apart from the
chip's own, input and output, and learning. For Loihi 2 no energy of a single operation has been
published that we know of.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Energy:
    """A range of energies.

    Parameters
    ----------
    low, high
        Ends of the range, in pJ.
    source
        Where it is from: authors, title, venue, year, and what it holds for.
    """

    low: float
    high: float
    source: str

    def times(self, operations: float) -> Energy:
        """Return the energy of so many operations."""
        return Energy(self.low * operations, self.high * operations, self.source)

    def __add__(self, other: Energy) -> Energy:
        source = self.source if other.source == self.source else f"{self.source}; {other.source}"
        return Energy(self.low + other.low, self.high + other.high, source)

    def to_json(self) -> dict[str, float | str]:
        """Return the range and its source as plain data."""
        return {"low": self.low, "high": self.high, "source": self.source}


DAVIES_2018 = (
    "Davies et al., Loihi: A Neuromorphic Manycore Processor with On-Chip Learning, IEEE Micro "
    "38(1), 2018, Table 2: 14 nm, simulated before the chip was made"
)
FRENKEL_2019 = (
    "Frenkel et al., A 0.086-mm² 12.7-pJ/SOP 64k-Synapse 256-Neuron Online-Learning Digital "
    "Spiking Neuromorphic Processor in 28-nm CMOS, IEEE Trans. Biomed. Circuits Syst. 13(1), 2019: "
    "measured minimum at 0.55 V"
)
MEROLLA_2014 = (
    "Merolla et al., A million spiking-neuron integrated circuit with a scalable communication "
    "network and interface, Science 345(6197), 2014: measured at 20 Hz and 128 synapses a neuron, "
    "all power of the chip, static power, too"
)
HOROWITZ_2014 = (
    "Horowitz, Computing's Energy Problem (and what we can do about it), ISSCC 2014, Fig. 1.1.9: "
    "45 nm, 0.9 V, arithmetic only"
)

ODIN_SYNAPTIC_OPERATION_PJ = 12.7
"""One synaptic operation on ODIN (Frenkel et al. 2019)."""
LOIHI_SYNAPTIC_OPERATION_PJ = 23.6
"""One synaptic operation on Loihi, the least (Davies et al. 2018)."""
TRUENORTH_SYNAPTIC_EVENT_PJ = 26.0
"""All power of TrueNorth for each synaptic event (Merolla et al. 2014)."""
LOIHI_IDLE_NEURON_UPDATE_PJ, LOIHI_ACTIVE_NEURON_UPDATE_PJ = 52.0, 81.0
"""One neuron in one time step on Loihi, inactive and active (Davies et al. 2018)."""

INT8_ADD_PJ, INT8_MULTIPLY_PJ = 0.03, 0.2
"""Arithmetic of 8-bit integers (Horowitz 2014)."""
FP32_ADD_PJ, FP32_MULTIPLY_PJ = 0.9, 3.7
"""Arithmetic of 32-bit floating-point numbers (Horowitz 2014)."""

CHIP_SYNAPTIC_OPERATION = Energy(
    ODIN_SYNAPTIC_OPERATION_PJ,
    TRUENORTH_SYNAPTIC_EVENT_PJ,
    f"low: {FRENKEL_2019}; high: {MEROLLA_2014}; between them Loihi with 23.6 pJ",
)
"""One synaptic operation on digital neuromorphic chips."""
LOIHI_SYNAPTIC_OPERATION = Energy(
    LOIHI_SYNAPTIC_OPERATION_PJ, LOIHI_SYNAPTIC_OPERATION_PJ, DAVIES_2018
)
"""One synaptic operation on Loihi; the source gives no upper end."""
LOIHI_NEURON_UPDATE = Energy(
    LOIHI_IDLE_NEURON_UPDATE_PJ, LOIHI_ACTIVE_NEURON_UPDATE_PJ, DAVIES_2018
)
"""One neuron in one time step on Loihi, from inactive to active."""
ADDITION = Energy(INT8_ADD_PJ, FP32_ADD_PJ, f"{HOROWITZ_2014}; low: int8, high: fp32")
"""One addition: all that a synaptic operation needs if either of its factors is -1 or +1."""
MULTIPLY_ACCUMULATE = Energy(
    INT8_ADD_PJ + INT8_MULTIPLY_PJ,
    FP32_ADD_PJ + FP32_MULTIPLY_PJ,
    f"{HOROWITZ_2014}; low: int8, high: fp32",
)
"""One multiply-accumulate."""
ADDITION_OR_MULTIPLY_ACCUMULATE = Energy(ADDITION.low, MULTIPLY_ACCUMULATE.high, ADDITION.source)
"""For networks whose neurons send unit events, while pixels have values."""

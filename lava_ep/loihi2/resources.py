"""What Loihi 2 has room for: figures with their public sources, and the systems made of it.

Intel has published few limits of Loihi 2. Where there is none, the figure is that of Loihi, the
chip before it, or an estimate; its `Figure.assumption` says so, and every report repeats it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from lava_ep.errors import InputError

BRIEF = (
    "Intel Labs, Taking Neuromorphic Computing to the Next Level with Loihi 2, technology brief, "
    "2021"
)
WIKICHIP = "WikiChip, Loihi 2 - Intel"
NENGO_LOIHI = "nengo-loihi 1.1 (nengo_loihi/block.py), of Loihi"
LAVA = "lava-nc 0.10 (lava/magma/core/learning/constants.py)"
HALA_POINT = "Intel, press release and fact sheet of Hala Point, April 2024"


@dataclass(frozen=True)
class Figure:
    """A number about the chip.

    Parameters
    ----------
    value, unit
        The number.
    source
        Where it was published.
    assumption
        Why it may not hold for Loihi 2; empty if the source says it of Loihi 2.
    """

    value: int
    unit: str
    source: str
    assumption: str = ""


CORES_PER_CHIP = Figure(128, "cores", f"{BRIEF}; {WIKICHIP}")
NEURONS_PER_CORE = Figure(8192, "neurons", f"{BRIEF}; {WIKICHIP}: 1,048,576 in 128 cores")
SYNAPSES_PER_CHIP = Figure(120_000_000, "synapses", f"{BRIEF}; {WIKICHIP}")
CORE_MEMORY = Figure(
    192 * 1024,
    "bytes",
    f"{BRIEF}, table 1: 192 KB a core, allocated as needed",
    "not checked against a second source; that axon tables and microcode lie elsewhere is assumed",
)
INPUT_AXONS = Figure(
    4096,
    "input axons",
    NENGO_LOIHI,
    "the size of Loihi's table; none is published for Loihi 2",
)
OUTPUT_AXONS = Figure(
    4096,
    "output axons",
    NENGO_LOIHI,
    "the size of Loihi's table; none is published for Loihi 2",
)
PAYLOAD_BITS = Figure(32, "bits", f"{BRIEF}: graded spikes of up to 32 bits")

WEIGHT_BITS = Figure(8, "bits", "lava-nc 0.10, Dense: num_weight_bits is at most 8")
BINARY_WEIGHT_BITS = Figure(
    2,
    "bits",
    "lava-nc 0.10, Dense: num_weight_bits=2 with mixed signs holds two weights of opposite sign",
    "the fewest bits that hold both signs in Lava's fixed-point Dense",
)
LEARNING_SYNAPSE_BITS = Figure(
    24,
    "bits",
    f"{LAVA}: a weight and two tags of 8 bits each",
    "that a learning synapse always has both tags; BOP's momentum and the contrast of EP need them",
)
LIST_HEADER_BITS = Figure(
    10,
    "bits",
    f"{NENGO_LOIHI}: format and number of synapses, before each 64 of them",
    "Loihi's layout; that of Loihi 2 is not published",
)
LIST_SYNAPSES = Figure(64, "synapses", f"{NENGO_LOIHI}: 6 bits tell how many follow a header")
MEMORY_WORD_BITS = Figure(64, "bits", f"{NENGO_LOIHI}: lists are rounded up to whole words")
PRE_TRACE_BYTES = Figure(
    2,
    "bytes",
    f"{LAVA}: traces x1 and x2 of 7 bits for each input axon",
    "one byte a trace",
)
POST_TRACE_BYTES = Figure(
    3,
    "bytes",
    f"{LAVA}: traces y1, y2 and y3 of 7 bits for each neuron",
    "one byte a trace",
)
STATE_BYTES = Figure(
    4,
    "bytes",
    f"{BRIEF}, table 1: 0 to 4096 bytes a neuron, as its model needs",
    "a word of 32 bits for each variable of 24 bits",
)
GRADED_BITS = Figure(24, "bits", "lava-nc 0.10, GradedVec: messages of 24 bits")


@dataclass(frozen=True)
class Limits:
    """The limits that a network can break, by name; see `FIGURES` for units and sources.

    Whoever knows better than the public figures sets other values.
    """

    neurons_per_core: int = NEURONS_PER_CORE.value
    core_memory: int = CORE_MEMORY.value
    input_axons: int = INPUT_AXONS.value
    output_axons: int = OUTPUT_AXONS.value
    payload_bits: int = PAYLOAD_BITS.value

    def override(self, assignments: Iterable[str]) -> Limits:
        """Change limits given as ``name=value``.

        Raises
        ------
        InputError
            If there is no such limit, or the value is not a positive integer.
        """
        changed = self
        names = [field.name for field in fields(self)]
        for assignment in assignments:
            name, _, value = assignment.partition("=")
            if name not in names:
                raise InputError(f"--limit {assignment}: expected one of {', '.join(names)}")
            if not value.isdecimal() or int(value) < 1:
                raise InputError(f"--limit {assignment}: expected a whole number of at least 1")
            changed = replace(changed, **{name: int(value)})
        return changed


FIGURES = {
    "neurons_per_core": NEURONS_PER_CORE,
    "core_memory": CORE_MEMORY,
    "input_axons": INPUT_AXONS,
    "output_axons": OUTPUT_AXONS,
    "payload_bits": PAYLOAD_BITS,
    "cores": CORES_PER_CHIP,
    "synapses": SYNAPSES_PER_CHIP,
    "weight": WEIGHT_BITS,
    "binary weight": BINARY_WEIGHT_BITS,
    "learning synapse": LEARNING_SYNAPSE_BITS,
    "header of a list of synapses": LIST_HEADER_BITS,
    "synapses in a list": LIST_SYNAPSES,
    "memory word": MEMORY_WORD_BITS,
    "pre-traces of an input axon": PRE_TRACE_BYTES,
    "post-traces of a neuron": POST_TRACE_BYTES,
    "variable of a neuron": STATE_BYTES,
    "full-precision message": GRADED_BITS,
}
"""All figures that a placement depends on, by what they are called in reports."""


@dataclass(frozen=True)
class System:
    """A machine made of Loihi 2 chips.

    Parameters
    ----------
    name, title
        What it is called on the command line, and in text.
    chips, cores, synapses
        What all of it has.
    source
        Where that was published.
    """

    name: str
    title: str
    chips: int
    cores: int
    synapses: int
    source: str

    @property
    def cores_per_chip(self) -> int:
        """Neuron cores of a chip that can be used."""
        return self.cores // self.chips


SYSTEMS = (
    System(
        "single-chip",
        "single chip (Oheo Gulch)",
        1,
        CORES_PER_CHIP.value,
        SYNAPSES_PER_CHIP.value,
        BRIEF,
    ),
    System(
        "kapoho-point",
        "Kapoho Point",
        8,
        8 * CORES_PER_CHIP.value,
        8 * SYNAPSES_PER_CHIP.value,
        f"{BRIEF}: eight chips, stackable (lava-nc's class KapohoPoint speaks of four)",
    ),
    System(
        "hala-point",
        "Hala Point",
        1152,
        140_544,
        128_000_000_000,
        f"{HALA_POINT}: 1,152 chips, 140,544 cores (122 a chip), 128 billion synapses",
    ),
)
"""Systems of Loihi 2 with public figures, the smallest first."""


def find_system(name: str) -> System:
    """Return a system by its name.

    Raises
    ------
    InputError
        If there is none.
    """
    for system in SYSTEMS:
        if system.name == name:
            return system
    names = ", ".join(system.name for system in SYSTEMS)
    raise InputError(f"system {name!r}: expected one of {names}")

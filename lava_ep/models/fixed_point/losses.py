"""What conversion to integers has cost a network: rounding, clipped values, ranges of input."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lava_ep.models.fixed_point.format import (
    LayerFormat,
)


@dataclass(frozen=True)
class Clipped:
    """A value beyond the largest of its format.

    Parameters
    ----------
    index
        Where it is in its array; empty for single numbers.
    value, kept
        What it was, and what is kept of it.
    """

    index: tuple[int, ...]
    value: float
    kept: float


@dataclass(frozen=True)
class Entry:
    """What conversion has done to one array or number.

    Parameters
    ----------
    layer
        Name of the layer.
    what
        Name of the quantity.
    values
        How many numbers there are.
    exponent
        Of their shared factor of two; ``None`` if there is none.
    step
        Distance of the numbers that can be represented, in units of the quantity.
    largest_error, relative_error
        The largest error, and the root of the mean squared one as a share of that of the values.
    clipped
        All values that were clipped.
    """

    layer: str
    what: str
    values: int
    exponent: int | None
    step: float
    largest_error: float
    relative_error: float
    clipped: tuple[Clipped, ...]

    def __str__(self) -> str:
        exponent = "" if self.exponent is None else f", exponent {self.exponent}"
        text = (
            f"{self.what}: {self.values} in steps of {self.step:.3g}{exponent}; error up to "
            f"{self.largest_error:.2e}, {100 * self.relative_error:.2g} %"
        )
        clips = [
            f"    clipped: {list(clip.index) or ''} {clip.value:g} to {clip.kept:g}"
            for clip in self.clipped
        ]
        return "\n".join([text, *clips])


@dataclass(frozen=True)
class InputRange:
    """What the input that neurons accumulate can be.

    Parameters
    ----------
    layer
        Name of the layer.
    limit
        Input, as a multiple of the state 1.0, beyond which 16 bits wrap.
    largest
        The largest input that any activity can make.
    """

    layer: str
    limit: float
    largest: float

    @property
    def safe(self) -> bool:
        """Whether no activity makes it wrap."""
        return self.largest <= self.limit


@dataclass(frozen=True)
class Conversion:
    """The formats of a network, and a report on what was lost.

    Parameters
    ----------
    layers
        Formats of the layers, input side first.
    entries
        One for each array and number that was converted.
    inputs
        Ranges of accumulated input, one a layer.
    """

    layers: tuple[LayerFormat, ...]
    entries: tuple[Entry, ...]
    inputs: tuple[InputRange, ...]

    @property
    def clipped(self) -> int:
        """Number of clipped values."""
        return sum(len(entry.clipped) for entry in self.entries)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            "layers": [asdict(layer) for layer in self.layers],
            "entries": [asdict(entry) for entry in self.entries],
            "inputs": [asdict(found) | {"safe": found.safe} for found in self.inputs],
            "clipped": self.clipped,
        }

    def __str__(self) -> str:
        lines = []
        for found, layer in zip(self.inputs, self.layers, strict=True):
            lines.append(f"{found.layer}: 1.0 is {layer.neurons.one}")
            lines += [f"  {entry}" for entry in self.entries if entry.layer == found.layer]
            wraps = "never wraps" if found.safe else f"wraps beyond {found.limit:.3g}"
            lines.append(f"  input: at most {found.largest:.3g} times 1.0; {wraps}")
        lines.append(f"clipped values: {self.clipped}")
        return "\n".join(lines)

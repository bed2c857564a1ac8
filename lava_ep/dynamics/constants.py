"""Constants of models: each is declared once, with its default, its range and what it means."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar

from lava_ep.errors import InputError
from lava_ep.loihi2.resources import GRADED_BITS

_LIMITS = {"gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le}


def constant(default: Any = MISSING, description: str = "", **limits: float) -> Any:
    """Declare a field of `Constants`.

    Parameters
    ----------
    default
        Its default, if it has one.
    description
        What it means, for the page of all fields.
    limits
        ``gt``, ``ge``, ``lt``, ``le``: the values that it may have.
    """
    return field(default=default, metadata={"description": description, **limits})


@dataclass(frozen=True)
class Constants:
    """Base of the constants of a model, which travel as one value from the spec to the kernel.

    Raises
    ------
    InputError
        If a value is out of its range.
    """

    def __post_init__(self) -> None:
        for declared in fields(self):
            value, limits = getattr(self, declared.name), declared.metadata
            if value is None and declared.default is None:
                continue
            if not all(_LIMITS[key](value, limits[key]) for key in limits if key in _LIMITS):
                optional = ", or None" if declared.default is None else ""
                raise InputError(
                    f"{type(self).__name__} {declared.name}={value}: expected "
                    f"{_in_words(limits)}{optional}"
                )


def _in_words(limits: Mapping[str, Any]) -> str:
    low, high = limits.get("gt", limits.get("ge")), limits.get("lt", limits.get("le"))
    if high is None:
        return f"a value above {low:g}" if "gt" in limits else f"at least {low:g}"
    opening, closing = "(" if "gt" in limits else "[", ")" if "lt" in limits else "]"
    return f"a value in {opening}{low:g}, {high:g}{closing}"


@dataclass(frozen=True)
class NeuronConstants(Constants):
    """Base of the constants of a kind of neurons."""

    kind: ClassVar[str]
    """Name of the kind, in specs and in the registry `lava_ep.kinds`."""

    SENDS_VALUES: ClassVar[bool] = False
    """Whether events have values, so that a synaptic operation multiplies."""
    WHOLE: ClassVar[bool] = False
    """Whether activations are whole numbers, so that their sums are exact in any order."""

    @property
    def reading(self) -> Any:
        """How synapses read what the neurons send; ``None`` if these are changes that add up."""
        return None

    @property
    def payload_bits(self) -> int:
        """Bits of a message; 0 if it says only that it happened."""
        return GRADED_BITS.value

    @property
    def state_words(self) -> tuple[int, int]:
        """Variables of a neuron: always, and in addition if it learns.

        By default a state, a bias, what was sent last and the sum of the changes received.
        Learning keeps the free state to return to, and the activation that the last one is
        contrasted with.
        """
        return 4, 2 + 1

"""What a backend is tried with: a Process or a small network, its stimuli, and the golden trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import (
    BOP,
    LIF,
    SGD,
    Convolution,
    Dense,
    Encoding,
    Latency,
    PhaseSchedule,
    Rate,
    SpikeTrace,
    StepSize,
)
from lava_ep.dynamics.fixed_point import Factor
from lava_ep.errors import InputError
from lava_ep.models.fixed_point import Direction, NeuronFormat, SynapseFormat, TraceFormat
from lava_ep.parameters import LayerParameters, NetworkParameters
from lava_ep.spec import NetworkSpec, parse

Array = NDArray[Any]

FLOATING, FIXED = "floating_pt", "fixed_pt"
ARITHMETICS = (FLOATING, FIXED)
"""Arithmetics that a trace can be in, called as Lava's tags."""

NETWORK = "EPNetwork"
"""Subject of the cases that are whole networks."""

ARGUMENT_KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        BOP,
        LIF,
        SGD,
        Convolution,
        Dense,
        Direction,
        Encoding,
        Factor,
        Latency,
        NeuronFormat,
        PhaseSchedule,
        Rate,
        SpikeTrace,
        StepSize,
        SynapseFormat,
        TraceFormat,
    )
}
"""Classes that arguments of Processes may be made of."""


@dataclass(frozen=True)
class Case:
    """One Process or network, what it is fed, and what is asked of it.

    Parameters
    ----------
    name
        What it is called in reports and files.
    subject
        Name of a class of `lava_ep.processes`.
    arithmetic
        One of `ARITHMETICS`.
    arguments
        Plain data: the keyword arguments of a Process, with ``{"kind": ..., ...}`` for objects such
        as a `PhaseSchedule`; ``spec``, ``batch`` and ``seed`` of a network.
    steps
        Number of time steps.
    outputs
        Ports whose messages are asked for; ``LAYER.state`` and ``LAYER.activation`` of a network.
    after
        Vars that are asked for at the end; ``LAYER.FIELD`` and ``scores`` of a network. The momenta
        of BOP are not among them: how they are stored is the backend's choice, and the weights
        tell whether they are right.
    initial
        Arrays that the Process starts from, by the names of its arguments; parameters of a network
        by ``LAYER.FIELD``.
    inputs
        One message for each time step and port, (steps, ...). A network is shown ``images``
        (batches, batch, pixels) with ``labels`` (batches, batch).
    tolerance
        Largest difference that still counts as agreement, as a share of the largest value of an
        array; 0 where all sums are integers.
    """

    name: str
    subject: str
    arithmetic: str
    arguments: Mapping[str, Any]
    steps: int
    outputs: tuple[str, ...]
    after: tuple[str, ...] = ()
    initial: Mapping[str, Array] = field(default_factory=dict)
    inputs: Mapping[str, Array] = field(default_factory=dict)
    tolerance: float = 0.0

    @property
    def is_network(self) -> bool:
        """Whether this is a whole network instead of one Process."""
        return self.subject == NETWORK


@dataclass(frozen=True)
class Trace:
    """What a backend answers to a case.

    Parameters
    ----------
    outputs
        What was sent, or states, one row for each time step, (steps, ...).
    after
        Vars at the end; ``scores`` are (batches, batch, classes).
    execution
        How Processes were executed, one of `lava_ep.models.EXECUTIONS`; empty if not by Lava.
    """

    outputs: Mapping[str, Array]
    after: Mapping[str, Array]
    execution: str = ""


def to_plain(value: Any, kinds: Mapping[str, type] = ARGUMENT_KINDS) -> Any:
    """Turn an argument of a Process into plain data that JSON can hold.

    Raises
    ------
    InputError
        If it is made of something that is not among ``kinds``.
    """
    if is_dataclass(value):
        kind = type(value).__name__
        if kind not in kinds:
            raise InputError(f"argument of type {kind}: expected one of {', '.join(kinds)}")
        content = {f.name: to_plain(getattr(value, f.name), kinds) for f in fields(value) if f.init}
        return {"kind": kind, **content}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [to_plain(part, kinds) for part in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def from_plain(value: Any, kinds: Mapping[str, type] = ARGUMENT_KINDS) -> Any:
    """Turn plain data back into an argument of a Process; lists become tuples.

    Raises
    ------
    InputError
        If it names a kind that is not among ``kinds``, or that refuses its values.
    """
    if isinstance(value, list):
        return tuple(from_plain(part, kinds) for part in value)
    if not isinstance(value, dict):
        return value
    content = {name: from_plain(part, kinds) for name, part in value.items() if name != "kind"}
    kind = str(value.get("kind"))
    if kind not in kinds:
        raise InputError(f"argument of kind {kind!r}: expected one of {', '.join(kinds)}")
    try:
        return kinds[kind](**content)
    except TypeError as error:
        raise InputError(f"argument of kind {kind}: {error}") from error


def network_of(case: Case) -> tuple[NetworkSpec, NetworkParameters]:
    """Return the network of a case and the parameters that it starts from."""
    spec = parse(NetworkSpec, dict(case.arguments["spec"]), source=case.name)
    layers = []
    for layer in spec.layer_names:
        found = {
            name.removeprefix(f"{layer}."): values
            for name, values in case.initial.items()
            if name.startswith(f"{layer}.")
        }
        layers.append(LayerParameters(**found))
    return spec, NetworkParameters(tuple(layers))

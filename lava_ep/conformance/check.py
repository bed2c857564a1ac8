"""A backend against the golden traces: one verdict for each case."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

import numpy as np

from lava_ep.conformance.adapter import Adapter, NotCovered
from lava_ep.conformance.case import Array, Case, Trace
from lava_ep.conformance.kit import Entry
from lava_ep.errors import InputError


class Outcome(str, Enum):
    """How a case came out."""

    IDENTICAL = "identical"
    WITHIN_TOLERANCE = "within tolerance"
    DIVERGES = "diverges"
    FAILED = "failed"
    NOT_COVERED = "not covered"


@dataclass(frozen=True)
class Divergence:
    """The first event, state or parameter that is not as it should be.

    Parameters
    ----------
    array
        Name of the port, or of the Var at the end.
    step
        Time step, from 0; ``None`` for Vars at the end.
    index
        Element: sample and neuron, or the place in a Var.
    expected, found
        The two values.
    """

    array: str
    step: int | None
    index: tuple[int, ...]
    expected: Any
    found: Any

    def __str__(self) -> str:
        when = "at the end" if self.step is None else f"step {self.step}"
        return (
            f"{when}, {self.array}{list(self.index)}: expected {self.expected}, found {self.found}"
        )


@dataclass(frozen=True)
class Verdict:
    """What came of one case.

    Parameters
    ----------
    case
        Which one.
    outcome
        How it came out.
    largest
        Largest difference, as a share of the largest value of an array.
    divergence
        The first one beyond the tolerance, if the case diverges.
    note
        Why it is not covered or has failed, or what was not seen.
    traceback
        Where an exception of the adapter came from.
    execution
        How Processes were executed, as the adapter says; empty if it does not.
    """

    case: Case
    outcome: Outcome
    largest: float = 0.0
    divergence: Divergence | None = None
    note: str = ""
    traceback: str = ""
    execution: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing diverges or fails."""
        return self.outcome not in (Outcome.DIVERGES, Outcome.FAILED)

    @property
    def in_part(self) -> bool:
        """Whether what was seen agrees, but not all was seen."""
        return bool(self.note) and self.outcome in (Outcome.IDENTICAL, Outcome.WITHIN_TOLERANCE)

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        return {
            "case": self.case.name,
            "process": self.case.subject,
            "verdict": self.outcome.value,
            "execution": self.execution or None,
            "largest_difference": self.largest,
            "divergence": asdict(self.divergence) if self.divergence else None,
            "note": self.note,
        }


def summary(verdicts: Iterable[Verdict]) -> str:
    """Return how many cases came out how, such as ``6 identical (2 in part), 2 not covered``."""
    found = list(verdicts)
    parts = []
    for outcome in Outcome:
        those = [verdict for verdict in found if verdict.outcome is outcome]
        if those:
            in_part = sum(verdict.in_part for verdict in those)
            more = f" ({in_part} in part)" if in_part else ""
            parts.append(f"{len(those)} {outcome.value}{more}")
    return ", ".join(parts)


def check(entries: Iterable[Entry], adapter: Adapter) -> Iterator[Verdict]:
    """Yield a verdict for each case in the arithmetic of the backend.

    A case fails if the adapter raises an exception, or answers with arrays that were not asked for,
    that have another shape, or with none at all; the others are checked nevertheless.

    Raises
    ------
    InputError
        If there is no case in that arithmetic.
    """
    entries = list(entries)
    others = [e.case.name for e in entries if e.case.arithmetic != adapter.arithmetic]
    if len(others) == len(entries):
        raise InputError(
            f"backend {adapter.name} is held against {adapter.arithmetic}, but none of the cases "
            f"is in it ({', '.join(others[:3])}{', …' * (len(others) > 3)}): choose others"
        )
    for entry in entries:
        if entry.case.arithmetic == adapter.arithmetic:
            yield check_case(entry, adapter)


def check_case(entry: Entry, adapter: Adapter) -> Verdict:
    """Return the verdict for one case; see `check`."""
    case, golden = entry.case, entry.golden
    try:
        found = adapter.run(case)
    except NotCovered as reason:
        return Verdict(case, Outcome.NOT_COVERED, note=str(reason))
    except Exception as error:  # whatever a backend raises, the other cases go on
        note = f"{type(error).__name__}: {error}"
        return Verdict(case, Outcome.FAILED, note=note, traceback=traceback.format_exc())
    fault = _fault(case, golden, found)
    if fault:
        execution = getattr(found, "execution", "")  # a trace of another kind is such a fault
        return Verdict(case, Outcome.FAILED, note=fault, execution=execution)
    hidden = [name for name in case.outputs if name not in found.outputs]
    hidden += [name for name in case.after if name not in found.after]
    note = f"not seen: {', '.join(hidden)}" if hidden else ""
    largest, same = 0.0, True
    for _, expected, got in _pairs(golden, found):
        share, equal = _difference(expected, got)
        largest, same = max(largest, share), same and equal
    if same:
        return Verdict(case, Outcome.IDENTICAL, note=note, execution=found.execution)
    divergence = _first_divergence(case, golden, found)
    outcome = Outcome.WITHIN_TOLERANCE if divergence is None else Outcome.DIVERGES
    return Verdict(case, outcome, largest, divergence, note, execution=found.execution)


def _pairs(golden: Trace, found: Trace) -> Iterator[tuple[str, Array, Array]]:
    for expected, got in ((golden.outputs, found.outputs), (golden.after, found.after)):
        for name, values in expected.items():
            if name in got:
                yield name, values, np.asarray(got[name])


def _fault(case: Case, golden: Trace, found: Trace) -> str:
    """Tell why a trace cannot be compared, or nothing if it can."""
    if not isinstance(found, Trace):
        return f"run() returned {type(found).__name__}, expected a Trace"
    asked = {*case.outputs, *case.after}
    unknown = [name for name in (*found.outputs, *found.after) if name not in asked]
    if unknown:
        return f"{unknown[0]} was not asked for; expected {', '.join(sorted(asked))}"
    pairs = list(_pairs(golden, found))
    if not pairs:
        return f"none of the arrays asked for: {', '.join(sorted(asked))}"
    for name, expected, got in pairs:
        if got.shape != expected.shape:
            return f"{name} has shape {got.shape}, expected {expected.shape}"
    return ""


def _difference(expected: Array, found: Array) -> tuple[float, bool]:
    """Return the largest difference as a share of the largest value, and whether there is none."""
    if np.array_equal(expected, found):
        return 0.0, True
    unit = float(np.abs(expected).max(initial=0)) or 1.0
    distance = np.abs(found.astype(np.float64) - expected.astype(np.float64)) / unit
    return float(np.nan_to_num(distance, nan=np.inf).max()), False


def _wrong(expected: Array, found: Array, unit: float, tolerance: float) -> Array:
    distance: Array = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    agrees: Array = distance <= tolerance * unit
    return ~agrees  # NaN is wrong, too


def _first_divergence(case: Case, golden: Trace, found: Trace) -> Divergence | None:
    """Return what differs first in time, Vars at the end last."""
    units = {
        name: float(np.abs(expected).max(initial=0)) or 1.0
        for name, expected, _ in _pairs(golden, found)
    }
    for step in range(case.steps):
        rows = [
            (name, values[step], np.asarray(found.outputs[name])[step])
            for name, values in golden.outputs.items()
            if name in found.outputs
        ]
        first = _first(rows, step, units, case.tolerance)
        if first is not None:
            return first
    rest = [
        (name, values, np.asarray(found.after[name]))
        for name, values in golden.after.items()
        if name in found.after
    ]
    return _first(rest, None, units, case.tolerance)


def _first(
    rows: list[tuple[str, Array, Array]],
    step: int | None,
    units: Mapping[str, float],
    tolerance: float,
) -> Divergence | None:
    for name, expected, found in rows:
        wrong = _wrong(expected, found, units[name], tolerance)
        if wrong.any():
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            return Divergence(name, step, index, expected[index].item(), found[index].item())
    return None

"""A backend against the golden traces: one verdict for each case."""

from __future__ import annotations

from collections import Counter
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
        Why it is not covered, or what was not compared.
    """

    case: Case
    outcome: Outcome
    largest: float = 0.0
    divergence: Divergence | None = None
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing diverges."""
        return self.outcome is not Outcome.DIVERGES

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        return {
            "case": self.case.name,
            "process": self.case.subject,
            "verdict": self.outcome.value,
            "largest_difference": self.largest,
            "divergence": asdict(self.divergence) if self.divergence else None,
            "note": self.note,
        }


def summary(verdicts: Iterable[Verdict]) -> str:
    """Return how many cases came out how, such as ``6 identical, 2 not covered``."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    return ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])


def check(entries: Iterable[Entry], adapter: Adapter) -> Iterator[Verdict]:
    """Yield a verdict for each case in the arithmetic of the backend.

    Raises
    ------
    InputError
        If the backend answers with an array of another shape than asked for, or with none of those
        asked for.
    """
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
    _check_shapes(case, golden, found)
    hidden = [name for name in case.outputs if name not in found.outputs]
    hidden += [name for name in case.after if name not in found.after]
    note = f"not seen: {', '.join(hidden)}" if hidden else ""
    largest, same = 0.0, True
    for _, expected, got in _pairs(golden, found):
        share, equal = _difference(expected, got)
        largest, same = max(largest, share), same and equal
    if same:
        return Verdict(case, Outcome.IDENTICAL, note=note)
    divergence = _first_divergence(case, golden, found)
    outcome = Outcome.WITHIN_TOLERANCE if divergence is None else Outcome.DIVERGES
    return Verdict(case, outcome, largest, divergence, note)


def _pairs(golden: Trace, found: Trace) -> Iterator[tuple[str, Array, Array]]:
    for expected, got in ((golden.outputs, found.outputs), (golden.after, found.after)):
        for name, values in expected.items():
            if name in got:
                yield name, values, np.asarray(got[name])


def _check_shapes(case: Case, golden: Trace, found: Trace) -> None:
    pairs = list(_pairs(golden, found))
    if not pairs:
        asked = ", ".join((*case.outputs, *case.after))
        raise InputError(f"{case.name}: the adapter returned none of the arrays asked for: {asked}")
    for name, expected, got in pairs:
        if got.shape != expected.shape:
            raise InputError(
                f"{case.name}: the adapter returned {name} of shape {got.shape}, expected "
                f"{expected.shape}"
            )


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

"""Recordings of event cameras: what they are, and how a network can be shown one.

Equilibrium propagation compares two fixed points of the network, that of the free and that of the
nudged phase, and takes their difference for the effect of the nudge. So the input has to be static:
one that changed between the two would change the states by itself, and its change would be learned
as if it were an error. A recording is therefore shown in one of three ways that let the network
settle: as a picture (`count_maps`), played in a loop that the receivers low-pass filter
(`repeated_events`), or integrated into a picture that is then held (`integrated_events`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lava_ep.errors import InputError
from lava_ep.spec import EventsSpec

EVENT = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])
"""An event: column, row, time in microseconds, polarity (True: brighter); tonic's own layout."""

SensorSize: TypeAlias = tuple[int, int, int]
"""Width and height of a sensor in pixels, and its number of polarities (1 or 2), as in tonic."""


DEFAULTS = EventsSpec(downsample=1, merge_polarities=False, levels=8)
"""How images are made where neither the data set nor the user says otherwise."""


MOST_PIXELS = 2**15 - 1
"""Longest side of a sensor: columns and rows of `EVENT` have 16 bits."""

MICROSECONDS: Mapping[str, Fraction] = MappingProxyType(
    {
        "W": Fraction(7 * 24 * 3600 * 10**6),
        "D": Fraction(24 * 3600 * 10**6),
        "h": Fraction(3600 * 10**6),
        "m": Fraction(60 * 10**6),
        "s": Fraction(10**6),
        "ms": Fraction(10**3),
        "us": Fraction(1),
        "ns": Fraction(1, 10**3),
        "ps": Fraction(1, 10**6),
        "fs": Fraction(1, 10**9),
        "as": Fraction(1, 10**12),
    }
)
"""Microseconds in each of NumPy's units of time that have a fixed length."""


def checked_size(sensor_size: Sequence[int], where: str) -> SensorSize:
    """Return width, height and polarities of a sensor, having checked them.

    Parameters
    ----------
    sensor_size : sequence of int
        Width, height and number of polarities. Without the last, there are two.
    where : str
        What the sensor belongs to, for error messages.

    Raises
    ------
    InputError
        If these are not two or three integers, or one is out of range.
    """
    try:
        numbers = tuple(map(operator.index, sensor_size))
    except TypeError:
        numbers = ()
    if len(numbers) == 2:
        numbers = (*numbers, 2)
    if (
        len(numbers) != 3
        or not all(1 <= side <= MOST_PIXELS for side in numbers[:2])
        or numbers[2] not in (1, 2)
    ):
        raise InputError(
            f"{where}: sensor_size={sensor_size!r}: expected width and height in 1..{MOST_PIXELS}, "
            "and 1 or 2 polarities (2 if left out), such as (128, 128, 2)."
        )
    width, height, polarities = numbers
    return width, height, polarities


def checked_events(
    events: NDArray[Any],
    sensor_size: Sequence[int] | None,
    where: str,
    *,
    allow_empty: bool = False,
) -> NDArray[np.void]:
    """Return events in the layout `EVENT`, having checked every one.

    Times are integers in microseconds, or of type ``timedelta64``, whose unit counts. Floating
    point times are refused, even whole ones: they may be seconds as well as microseconds. Columns,
    rows and polarities are whole numbers of any type. Polarities are 0 and 1, or -1 and 1; a
    recording in which only 1 occurs means the same in both.

    Parameters
    ----------
    events : numpy.ndarray, shape (events,)
        Structured array with the fields ``x``, ``t`` and ``p``, and ``y`` unless the sensor is a
        line, in any order.
    sensor_size : sequence of int, or None
        Width, height and polarities, see `checked_size`; None if it is not known: any up to
        32767 x 32767 x 2.
    where : str
        What holds the events, for error messages.
    allow_empty : bool
        Whether a recording without events will do.

    Returns
    -------
    numpy.ndarray of `EVENT`, shape (events,)
        The events in the same order, in new memory. Polarities of a sensor with one polarity are
        False.

    Raises
    ------
    InputError
        If a field is missing or of another type, there are no events, one is no whole number or
        lies outside the sensor, or the times are not in order.
    """
    names = getattr(getattr(events, "dtype", None), "names", None) or ()
    if missing := {"x", "t", "p"} - set(names):
        hint = " (of a data frame: frame.to_records(index=False))"
        raise InputError(
            f"{where}: foreign events: expected the fields x, y, t, p, found "
            f"{', '.join(names) or 'no fields'} (without {', '.join(sorted(missing))}). "
            f"Give a structured array as tonic's readers return it{hint if not names else ''}."
        )
    if events.ndim != 1:
        raise InputError(
            f"{where}: events of shape {events.shape}: expected one dimension, (events,). Flatten "
            "the array, or give one recording."
        )
    if len(events) == 0 and not allow_empty:
        raise InputError(
            f"{where}: empty recording: expected at least one event. Remove it or replace it."
        )
    unknown = (MOST_PIXELS, MOST_PIXELS, 2)
    size = unknown if sensor_size is None else checked_size(sensor_size, where)
    width, height, polarities = size
    y = events["y"] if "y" in names else np.zeros(len(events), np.int16)
    checked = np.empty(len(events), EVENT)
    for name, values, limit in (("x", events["x"], width), ("y", y, height)):
        _check_whole(name, values, where)
        wrong = np.flatnonzero((values < 0) | (values >= limit))
        if wrong.size:
            raise InputError(
                f"{where}: event {wrong[0]} (counted from 0) is outside the sensor: expected "
                f"{name} in 0..{limit - 1}, found {values[wrong[0]]}. The file is damaged, or from "
                "another camera; replace it."
            )
        checked[name] = values
    on = _polarities(events["p"], where)
    if polarities == 1 and on.any() and not on.all():
        raise InputError(
            f"{where}: events of both polarities: expected one, as sensor_size={size} says. Give a "
            "sensor of 2 polarities, and merge_polarities to make them one."
        )
    # The one polarity of a line sensor is numbered 0 by some publishers and 1 by others.
    checked["p"] = on if polarities == 2 else False
    checked["t"] = t = _microseconds(events["t"], where)
    backwards = np.flatnonzero(t[1:] < t[:-1])
    if backwards.size:
        late = int(backwards[0])
        raise InputError(
            f"{where}: times are not in order: expected event {late + 1} (counted from 0) at "
            f"{t[late]} us or later, found {t[late + 1]} us. Sort the events, or replace the file."
        )
    return checked


def _check_whole(name: str, values: NDArray[Any], where: str) -> None:
    """Raise InputError unless a field of events holds whole numbers."""
    kind = values.dtype.kind
    if kind in "iu" and values.ndim == 1:
        return
    if kind != "f" or values.ndim != 1:
        raise InputError(
            f"{where}: {name} of type {values.dtype}"
            f"{'' if values.ndim == 1 else f' and shape {values.shape}'}: expected an integer for "
            f"each event. Convert the field, for one by {name}.astype(np.int64)."
        )
    wrong = np.flatnonzero(~np.isfinite(values) | (values != np.rint(values)))
    if wrong.size:
        raise InputError(
            f"{where}: event {wrong[0]} (counted from 0) has {name} {values[wrong[0]]}: expected a "
            "whole number. Round the values, or remove the event."
        )


def _polarities(p: NDArray[Any], where: str) -> NDArray[np.bool_]:
    """Return which events are those of becoming brighter."""
    if p.dtype.kind == "b" and p.ndim == 1:
        return p
    _check_whole("p", p, where)
    wrong = np.flatnonzero((p < -1) | (p > 1))
    if wrong.size:
        found = p[wrong[0]]
        way = "p == 2" if found == 2 else "p > 0"
        raise InputError(
            f"{where}: event {wrong[0]} (counted from 0) has polarity {found}: expected 0 and 1, "
            f"or -1 and 1. Convert them: {way}, if that is where it becomes brighter."
        )
    darker = p < 0
    if darker.any() and (p == 0).any():
        event = int(np.flatnonzero(p == 0)[0])
        raise InputError(
            f"{where}: polarities -1 as well as 0 (event {event}, counted from 0): expected 0 and "
            "1, or -1 and 1. Convert them: p > 0, or p >= 0, whichever becomes brighter."
        )
    brighter: NDArray[np.bool_] = p > 0
    return brighter


def _microseconds(t: NDArray[Any], where: str) -> NDArray[np.int64]:
    """Return times in microseconds."""
    kind = t.dtype.kind
    if t.ndim != 1 or kind not in "iumMf":
        raise InputError(
            f"{where}: times of type {t.dtype}"
            f"{'' if t.ndim == 1 else f' and shape {t.shape}'}: expected integers in microseconds. "
            "Convert them, for one by t.astype(np.int64)."
        )
    if kind == "m":
        return _of_timedeltas(t, where)
    if kind == "M":
        raise InputError(
            f"{where}: times of day ({t.dtype}): expected integers in microseconds, or "
            "timedelta64. Subtract the start: t - t[0]."
        )
    if kind == "f":
        wrong = np.flatnonzero(~np.isfinite(t))
        if wrong.size:
            raise InputError(
                f"{where}: event {wrong[0]} (counted from 0) has time {t[wrong[0]]}: expected "
                "integers in microseconds. Remove the event."
            )
        example = f", such as {t[np.argmax(t != 0)]}" if t.size else ""
        raise InputError(
            f"{where}: times of type {t.dtype}{example}: expected integers in microseconds. "
            "Convert them: (t * 1e6).round().astype(np.int64) if they are seconds, "
            "t.round().astype(np.int64) if they are microseconds already."
        )
    large = np.flatnonzero(t > np.iinfo(np.int64).max) if t.dtype == np.uint64 else t[:0]
    if large.size:
        raise InputError(
            f"{where}: event {large[0]} (counted from 0) has time {t[large[0]]}: expected at most "
            f"{np.iinfo(np.int64).max} us. The times are damaged; replace the file."
        )
    return t.astype(np.int64)


def _of_timedeltas(t: NDArray[Any], where: str) -> NDArray[np.int64]:
    """Return time differences in microseconds, exactly."""
    unit, count = np.datetime_data(t.dtype)
    if unit not in MICROSECONDS:
        raise InputError(
            f"{where}: times of type {t.dtype}: expected a unit of fixed length, such as "
            "timedelta64[us]. Convert them: t.astype('timedelta64[us]')."
        )
    scale = MICROSECONDS[unit] * count
    numbers = t.astype(np.int64)
    largest = np.iinfo(np.int64).max // scale.numerator
    wrong = np.flatnonzero(np.isnat(t) | (numbers > largest) | (numbers < -largest))
    if wrong.size:
        raise InputError(
            f"{where}: event {wrong[0]} (counted from 0) has time {t[wrong[0]]}: expected a time "
            "that fits into 64 bits of microseconds. Remove the event, or replace the file."
        )
    numbers *= scale.numerator
    found, rest = np.divmod(numbers, scale.denominator)
    wrong = np.flatnonzero(rest)
    if wrong.size:
        raise InputError(
            f"{where}: event {wrong[0]} (counted from 0) has time {t[wrong[0]]}: expected whole "
            "microseconds. Round them: t.astype('timedelta64[us]')."
        )
    return found


@dataclass(frozen=True, eq=False)
class Recordings:
    """Labelled recordings that are read when they are asked for.

    ``recordings[k]`` is ``(events, label)``, as in tonic's data sets, so that tonic's tools take
    them; ``tonic.MemoryCachedDataset(recordings)``, for one, reads every recording only once.

    Parameters
    ----------
    labels : numpy.ndarray of int64, shape (recordings,)
        Class of each recording; read-only.
    read : callable
        Returns the events of recording ``k``, the same at every call.
    sensor_size : tuple of int
        Width, height and polarities; see `checked_size`.
    where : callable
        Names recording ``k`` in error messages: its file, for one.
    allow_empty : bool
        Whether there may be recordings without events, as transforms leave some.
    """

    labels: NDArray[np.int64] = field(repr=False)
    read: Callable[[int], NDArray[Any]] = field(repr=False)
    sensor_size: SensorSize
    where: Callable[[int], str] = field(repr=False)
    allow_empty: bool = False

    def __post_init__(self) -> None:
        """Check the labels and make them read-only."""
        found = np.asarray(self.labels)
        if found.ndim != 1 or (found.size and found.dtype.kind not in "iub"):
            raise InputError(
                f"labels of type {found.dtype} and shape {found.shape}: expected one integer for "
                "each recording. Number the classes."
            )
        labels = found.astype(np.int64, copy=False).view()
        labels.flags.writeable = False
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "sensor_size", checked_size(self.sensor_size, "recordings"))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[NDArray[np.void], int]:
        """Return the checked events of a recording and its label."""
        # An error of this kind ends iteration.
        if not 0 <= operator.index(index) < len(self):
            raise IndexError(f"recording {index}: expected 0..{len(self) - 1}")
        events = checked_events(
            self.read(index), self.sensor_size, self.where(index), allow_empty=self.allow_empty
        )
        return events, int(self.labels[index])

    def first(self, number: int) -> Recordings:
        """Return the first so many recordings, which stay what they are."""
        return replace(self, labels=self.labels[:number])


def completed(options: EventsSpec) -> EventsSpec:
    """Return options in which what was left out is as in `DEFAULTS`."""
    return DEFAULTS.model_copy(update=options.model_dump(exclude_none=True))


@dataclass(frozen=True, eq=False)
class EventDataset:
    """Labelled recordings of an event camera, split into a training and a test part.

    Parameters
    ----------
    name : str
        Name of the data set.
    train, test : Recordings
        The recordings of each part, always in the same order.
    sensor_size : tuple of int
        Width, height and polarities.
    class_names : tuple of str
        Name of each class, for reports.
    defaults : EventsSpec
        How images are made of the recordings unless said otherwise.
    published : tuple of int, or None
        Training and test recordings of the whole set, where these may be a part of it.
    fingerprint : str or None
        What tells these recordings from any others, for the disk cache; None: never cached.

    Raises
    ------
    InputError
        If a part is empty, or a label is not the index of a class.
    """

    name: str
    train: Recordings
    test: Recordings
    sensor_size: SensorSize
    class_names: tuple[str, ...]
    defaults: EventsSpec = DEFAULTS
    published: tuple[int, int] | None = None
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        """Check that labels and classes fit together."""
        object.__setattr__(self, "sensor_size", checked_size(self.sensor_size, self.name))
        for part, recordings in (("train", self.train), ("test", self.test)):
            if len(recordings) == 0:
                raise InputError(
                    f"{self.name}: no {part} recordings: expected at least one. Add some."
                )
            wrong = np.flatnonzero(
                (recordings.labels < 0) | (recordings.labels >= len(self.class_names))
            )
            if wrong.size:
                raise InputError(
                    f"{recordings.where(int(wrong[0]))}: label {recordings.labels[wrong[0]]}: "
                    f"expected a class in 0..{len(self.class_names) - 1}. Correct the label."
                )

    def __str__(self) -> str:
        """Say what is there, and what it is a part of."""
        width, height, polarities = self.sensor_size
        part = ""
        if self.published and self.published != (len(self.train), len(self.test)):
            part = " (of {} + {})".format(*self.published)
        return (
            f"{self.name}: {len(self.train)} + {len(self.test)} recordings{part}, {width} x "
            f"{height} pixels, {polarities} {'polarities' if polarities > 1 else 'polarity'}"
        )

    def options(self, options: EventsSpec | None = None) -> EventsSpec:
        """Return options in which what was left out is as this data set has it."""
        given = {} if options is None else options.model_dump(exclude_none=True)
        return completed(self.defaults.model_copy(update=given))

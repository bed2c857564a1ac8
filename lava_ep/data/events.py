"""Recordings of event cameras: what they are, and how a network is shown one.

Equilibrium propagation compares two fixed points of the network, that of the free and that of the
nudged phase, and takes their difference for the effect of the nudge. So the input has to be static:
one that changed between the two would change the states by itself, and its change would be learned
as if it were an error. A recording is therefore shown in one of three ways that let the network
settle: as a picture (`count_maps`), played in a loop that the receivers low-pass filter
(`repeated_events`), or integrated into a picture that is then held (`integrated_events`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.dataset import Dataset
from lava_ep.data.download import cache_dir
from lava_ep.dynamics import Code
from lava_ep.errors import InputError
from lava_ep.spec import EncodingSpec, EventsSpec

EVENT = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])
"""An event: column, row, time in microseconds, polarity (True: brighter); tonic's own layout."""

SensorSize: TypeAlias = tuple[int, int, int]
"""Width and height of a sensor in pixels, and its number of polarities (1 or 2), as in tonic."""

DEFAULTS = EventsSpec(downsample=1, merge_polarities=False, levels=8)
"""How images are made where neither the data set nor the user says otherwise."""

FRAME_EVENTS = 32767
"""Events that tonic counts in one frame, whose pixels are 16-bit integers."""

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

CACHED_PIXELS = 64 * 64
"""Recordings of larger sensors are long, and count maps of them are kept on disk."""


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


def completed(options: EventsSpec) -> EventsSpec:
    """Return options in which what was left out is as in `DEFAULTS`."""
    return DEFAULTS.model_copy(update=options.model_dump(exclude_none=True))


def transformed(dataset: EventDataset, options: EventsSpec | None = None) -> EventDataset:
    """Return a data set whose recordings went through tonic's transforms.

    Times are counted from the first event on. Then, each left out where the options do not ask for
    it: the time window ``start <= t < end`` (``CropTime``), ``Denoise``, ``Downsample`` to
    ``x // downsample``, ``y // downsample``, and ``MergePolarities``.

    Parameters
    ----------
    dataset : EventDataset
        The recordings.
    options : EventsSpec or None
        What to do; what is left out is as the data set has it.

    Returns
    -------
    EventDataset
        The same recordings, transformed when they are read, with the sensor they then fit;
        one may have become empty.

    References
    ----------
    G. Lenz et al., "Tonic: event-based datasets and transformations", 2021,
    doi:10.5281/zenodo.5079802.
    """
    options = dataset.options(options)
    size = _size_after(dataset.sensor_size, options)
    transform = _transform(options)

    def part(recordings: Recordings) -> Recordings:
        return replace(
            recordings,
            read=lambda index: transform(recordings[index][0]),
            sensor_size=size,
            allow_empty=True,
        )

    return replace(dataset, train=part(dataset.train), test=part(dataset.test), sensor_size=size)


def _size_after(sensor_size: SensorSize, options: EventsSpec) -> SensorSize:
    """Return the sensor that events fit after their transforms."""
    width, height, polarities = sensor_size
    factor = options.downsample or 1
    merged = 1 if options.merge_polarities else polarities
    return -(-width // factor), -(-height // factor), merged


def _transform(options: EventsSpec) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return what counts times from the first event on, in place, and tonic's transforms."""
    # Imported here because the data sets of images do without it.
    from tonic import transforms

    steps: list[Callable[[NDArray[Any]], NDArray[Any]]] = []
    if options.window is not None:
        start, end = options.window
        steps.append(transforms.CropTime(min=start, max=end - 1))
    if options.denoise is not None:
        steps.append(transforms.Denoise(filter_time=options.denoise))
    if options.downsample and options.downsample > 1:
        steps.append(transforms.Downsample(spatial_factor=1 / options.downsample))
    if options.merge_polarities:
        steps.append(transforms.MergePolarities())
    compose: Callable[[NDArray[Any]], NDArray[Any]] = transforms.Compose(steps)

    def transform(events: NDArray[Any]) -> NDArray[Any]:
        # tonic's TimeAlignment takes far longer.
        events["t"] -= events["t"][:1]
        return compose(events)

    return transform


def picture(
    events: NDArray[Any],
    sensor_size: Sequence[int],
    options: EventsSpec,
    encoding: EncodingSpec,
    where: str,
) -> NDArray[np.uint8]:
    """Return the row of pixels that one recording becomes in `count_maps` or `movies`.

    Parameters
    ----------
    events : numpy.ndarray, shape (events,)
        The recording; see `checked_events`.
    sensor_size : sequence of int
        Width, height and polarities of the sensor of the data set.
    options : EventsSpec
        As `EventDataset.options` returns it; what is left out is as in `DEFAULTS`.
    encoding : EncodingSpec
        How the network is shown pixels; it decides between `count_maps` and `movies`.
    where : str
        What holds the events, for error messages.

    Returns
    -------
    numpy.ndarray of uint8, shape (features,) or (steps * features,)
        The pixels, in ``0..levels``; all are 0 if the transforms leave no event.

    Raises
    ------
    InputError
        If the events are unusable or do not fit the sensor.
    """
    options = completed(options)
    size = checked_size(sensor_size, where)
    after = _size_after(size, options)
    left = _transform(options)(checked_events(events, size, where))
    left = checked_events(left, after, where, allow_empty=True)
    if encoding.code in (Code.EVENTS, Code.REPEATED_EVENTS):
        repeated = encoding.code is Code.REPEATED_EVENTS
        return _movie(left, after, options, steps=encoding.steps, repeated=repeated)
    return _count_map(left, after, options.levels or 1).reshape(-1)


def count_map(
    events: NDArray[Any], sensor_size: Sequence[int], *, levels: int
) -> NDArray[np.uint8]:
    r"""Return the picture that a recording adds up to.

    :math:`p_{yxc} = \min(n_{yxc}, \text{levels})`, where :math:`n_{yxc}` is the number of events
    of pixel :math:`(x, y)` with polarity :math:`c`, counted by tonic's ``ToFrame``.

    Parameters
    ----------
    events : numpy.ndarray, shape (events,)
        A recording, which may be empty; see `checked_events`.
    sensor_size : sequence of int
        Width, height and polarities, which all events fit; see `checked_size`.
    levels : int
        Number of events that means 1.0, from 1 to 255.

    Returns
    -------
    numpy.ndarray of uint8, shape (height, width, polarities)
        The pixels, in ``0..levels``.

    Raises
    ------
    InputError
        If the events are unusable or do not fit the sensor, or `levels` is out of range.
    """
    _check_number("levels", levels, 1, 255)
    size = checked_size(sensor_size, "count map")
    return _count_map(checked_events(events, size, "events", allow_empty=True), size, levels)


def _count_map(events: NDArray[np.void], sensor_size: SensorSize, levels: int) -> NDArray[np.uint8]:
    """Return `count_map` of events that are checked."""
    from tonic.transforms import ToFrame

    width, height, polarities = sensor_size
    if len(events) == 0:
        return np.zeros((height, width, polarities), np.uint8)
    # By number, not by time: tonic leaves the last event out of slices of time.
    to_frames = ToFrame(sensor_size, event_count=FRAME_EVENTS, include_incomplete=True)
    counts = to_frames(events).sum(axis=0, dtype=np.int64)
    clipped: NDArray[np.uint8] = np.minimum(counts, levels).astype(np.uint8).transpose(1, 2, 0)
    return clipped


def count_maps(
    dataset: EventDataset, options: EventsSpec | None = None, *, cache: bool | None = None
) -> Dataset:
    """Make the images that a network is trained with from recordings.

    Each image is the `count_map` of a recording after the transforms of `transformed`.

    Parameters
    ----------
    dataset : EventDataset
        The recordings.
    options : EventsSpec or None
        Time window, denoising, down-sampling, polarities and levels; what is left out is as the
        data set has it.
    cache : bool or None
        Whether to keep the images in the user's cache by ``tonic.DiskCachedDataset``; None: where
        it saves time, that is for large sensors and with denoising. The files are HDF5 with plain
        numbers, which cannot run anything when they are read; one that is damaged or does not fit
        is passed over, and so is a cache that cannot be written.

    Returns
    -------
    Dataset
        Images of shape (height, width, polarities), or (height, width) with one polarity.

    Raises
    ------
    InputError
        If a recording is unusable, or no event of a part is left after the transforms.
    """
    options = dataset.options(options)
    levels = options.levels or 1
    after = transformed(dataset, options)
    width, height, polarities = after.sensor_size
    large = dataset.sensor_size[0] * dataset.sensor_size[1] > CACHED_PIXELS
    if cache is None:
        cache = large or options.denoise is not None
    images = {}
    for part, recordings in (("train", after.train), ("test", after.test)):
        maps = _CountMaps(recordings, levels)
        folder = _cache_folder(dataset, options, part) if cache and dataset.fingerprint else None
        stack = np.stack(list(_read_maps(maps, folder)))
        if not stack.any():
            raise InputError(
                f"{dataset.name}: no event of the {part} part is left: expected some after "
                f"{options.model_dump(exclude_none=True)}. Widen the window or denoise less."
            )
        images[part] = stack.reshape(len(maps), -1)
    return Dataset(
        name=dataset.name,
        x_train=images["train"],
        y_train=dataset.train.labels,
        x_test=images["test"],
        y_test=dataset.test.labels,
        levels=levels,
        image_shape=(height, width) if polarities == 1 else (height, width, polarities),
        class_names=dataset.class_names,
    )


def movies(
    dataset: EventDataset, options: EventsSpec | None = None, *, steps: int, repeated: bool = False
) -> Dataset:
    """Make of recordings what a network is shown step by step, as spikes at their own times.

    Parameters
    ----------
    dataset, options
        See `count_maps`.
    steps : int
        Time steps in which a recording is played once.
    repeated : bool
        Whether it is played over and over again, see `repeated_events`; else the images add up to
        the count map, see `integrated_events`.

    Returns
    -------
    Dataset
        With so many `steps`; what is above `levels` in one of them is clipped.

    Raises
    ------
    InputError
        If a recording is unusable.
    """
    options = dataset.options(options)
    after = transformed(dataset, options)
    width, height, polarities = after.sensor_size
    train, test = (
        np.stack(
            [
                _movie(
                    recordings[index][0], after.sensor_size, options, steps=steps, repeated=repeated
                )
                for index in range(len(recordings))
            ]
        )
        for recordings in (after.train, after.test)
    )
    return Dataset(
        name=dataset.name,
        x_train=train,
        y_train=dataset.train.labels,
        x_test=test,
        y_test=dataset.test.labels,
        levels=options.levels or 1,
        image_shape=(height, width) if polarities == 1 else (height, width, polarities),
        class_names=dataset.class_names,
        steps=steps,
    )


def _movie(
    events: NDArray[np.void],
    sensor_size: SensorSize,
    options: EventsSpec,
    *,
    steps: int,
    repeated: bool,
) -> NDArray[np.uint8]:
    """Return the spikes of all time steps of a recording after its transforms, in one row."""
    levels = options.levels or 1
    window = None
    if options.window is not None:
        events["t"] -= options.window[0]
        window = (0, options.window[1] - options.window[0])
    _check_number("steps", steps, 1)
    sent = _binned(events, sensor_size, steps=steps, window=window)
    if not repeated:
        sent = _integrated(sent, levels)
    return np.minimum(sent, levels).astype(np.uint8).reshape(-1)


@dataclass(frozen=True)
class _CountMaps:
    """The count maps of recordings, as a data set that tonic's disk cache takes."""

    recordings: Recordings
    levels: int

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], int]:
        events, label = self.recordings[index]
        return _count_map(events, self.recordings.sensor_size, self.levels), label

    def holds(self, index: int, image: object) -> bool:
        """Tell whether an image out of a cache can be that of recording `index`."""
        width, height, polarities = self.recordings.sensor_size
        return (
            isinstance(image, np.ndarray)
            and image.dtype == np.uint8
            and image.shape == (height, width, polarities)
            and bool(image.max() <= self.levels)
        )


def _read_maps(maps: _CountMaps, folder: str | None) -> Iterator[NDArray[np.uint8]]:
    """Yield the count maps, out of the cache in `folder` where it can be used."""
    cached = None
    if folder is not None:
        from tonic import DiskCachedDataset

        with contextlib.suppress(OSError):
            cached = DiskCachedDataset(maps, folder)
    for index in range(len(maps)):
        if cached is not None:
            # A file that is no HDF5 is made again by tonic; what else may be wrong is foreign.
            with contextlib.suppress(OSError, KeyError, AttributeError, TypeError, ValueError):
                image, label = cached[index]
                if maps.holds(index, image) and label == maps.recordings.labels[index]:
                    yield image
                    continue
        yield maps[index][0]


def _cache_folder(dataset: EventDataset, options: EventsSpec, part: str) -> str:
    """Return the folder of the count maps that exactly these recordings and options give."""
    import tonic

    key = [dataset.name, dataset.fingerprint, options.model_dump(), tonic.__version__]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    name = re.sub(r"[^\w.+-]", "-", dataset.name)[-60:]
    return str(cache_dir("event-maps") / f"{name}-{digest}" / part)


def binned_events(
    events: NDArray[Any],
    sensor_size: Sequence[int],
    *,
    steps: int,
    window: tuple[int, int] | None = None,
) -> NDArray[np.int32]:
    r"""Return the events of each of a number of equal slices of time.

    An event at time :math:`t` falls into slice
    :math:`\lfloor (t - t_0)\,\text{steps} / (t_1 - t_0) \rfloor`.

    Parameters
    ----------
    events : numpy.ndarray, shape (events,)
        A recording, which may be empty; see `checked_events`.
    sensor_size : sequence of int
        Width, height and polarities, which all events fit; see `checked_size`.
    steps : int
        Number of slices.
    window : tuple of int, or None
        :math:`t_0` and :math:`t_1` in microseconds; events outside :math:`t_0 \le t < t_1` are left
        out. None: from the first event to the last, with both. Slices last equally long in all
        recordings only with a window.

    Returns
    -------
    numpy.ndarray of int32, shape (steps, features)
        Number of events in each slice; features in the order of the images of `count_maps`: height,
        width, polarity. The sum over the slices is the unclipped count map.

    Raises
    ------
    InputError
        If there is no slice, the window ends before it starts, or the events are unusable or do
        not fit the sensor.
    """
    _check_number("steps", steps, 1)
    size = checked_size(sensor_size, "events")
    checked = checked_events(events, size, "events", allow_empty=True)
    return _binned(checked, size, steps=steps, window=window)


def _binned(
    events: NDArray[np.void],
    sensor_size: SensorSize,
    *,
    steps: int,
    window: tuple[int, int] | None,
) -> NDArray[np.int32]:
    """Return `binned_events` of events that are checked."""
    width, height, polarities = sensor_size
    features = width * height * polarities
    if window is None:
        window = (int(events["t"][0]), int(events["t"][-1]) + 1) if len(events) else (0, 1)
    try:
        start, end = map(operator.index, window)
    except (TypeError, ValueError):
        raise InputError(
            f"window={window!r}: expected two integers, start and end in microseconds."
        ) from None
    if start >= end:
        raise InputError(
            f"window={window}: expected the end above the start. Exchange the two times."
        )
    inside = events[(events["t"] >= start) & (events["t"] < end)]
    step = (inside["t"] - start) * steps // (end - start)
    place = (inside["y"].astype(np.int64) * width + inside["x"]) * polarities
    if polarities == 2:
        place += inside["p"]
    counts = np.bincount(step * features + place, minlength=steps * features)
    return counts.astype(np.int32).reshape(steps, features)


def repeated_events(
    events: NDArray[Any],
    sensor_size: Sequence[int],
    *,
    steps: int,
    period: int,
    window: tuple[int, int] | None = None,
) -> NDArray[np.int32]:
    """Return the events of each time step while a recording is played in a loop.

    Step ``t`` shows slice ``t % period`` of `binned_events`. The receiver integrates the events
    with a trace, whose time constant should be about a period or longer; once the trace has
    forgotten how it began, it is periodic, and the same in the last step of the free and of the
    nudged phase if both last whole periods. That is as static as a loop can be.

    Parameters
    ----------
    events, sensor_size, window
        As for `binned_events`.
    steps : int
        Number of time steps: those of both phases, since the loop goes on in the nudged phase.
    period : int
        Time steps in which the recording is played once.

    Returns
    -------
    numpy.ndarray of int32, shape (steps, features)
        Number of events in each time step. Any `period` of them add up to the unclipped count map.

    Raises
    ------
    InputError
        If `steps` or `period` is below 1, or the window ends before it starts.
    """
    _check_number("steps", steps, 1)
    _check_number("period", period, 1)
    bins = binned_events(events, sensor_size, steps=period, window=window)
    looped: NDArray[np.int32] = bins[np.arange(steps) % period]
    return looped


def integrated_events(
    events: NDArray[Any],
    sensor_size: Sequence[int],
    *,
    steps: int,
    build_steps: int,
    levels: int,
    window: tuple[int, int] | None = None,
) -> NDArray[np.int32]:
    """Return the events of each time step while a recording is integrated and then held.

    The recording is played once in the first `build_steps` steps. Each event adds 1/`levels` to its
    pixel at the receiver, until the pixel is full; later events of a full pixel are not sent. From
    then on nothing is sent and the picture stays, through the rest of the free phase, which must
    be long enough to settle, and through the nudged phase: both phases end with the same input.

    Parameters
    ----------
    events, sensor_size, window
        As for `binned_events`.
    steps : int
        Number of time steps.
    build_steps : int
        Time steps in which the picture builds up, at most `steps`.
    levels : int
        Number of events that means 1.0.

    Returns
    -------
    numpy.ndarray of int32, shape (steps, features)
        Number of events to be added in each time step. Their sum is exactly the `count_map` of the
        events in the window.

    Raises
    ------
    InputError
        If a number is out of range, or the window ends before it starts.
    """
    _check_number("steps", steps, 1)
    _check_number("build_steps", build_steps, 1, steps)
    _check_number("levels", levels, 1, 255)
    bins = binned_events(events, sensor_size, steps=build_steps, window=window)
    sent = np.zeros((steps, bins.shape[1]), np.int32)
    sent[:build_steps] = _integrated(bins, levels)
    return sent


def _integrated(bins: NDArray[np.int32], levels: int) -> NDArray[np.int32]:
    """Return the events of each time step without those of full pixels."""
    full = np.minimum(np.cumsum(bins, axis=0), levels)
    sent: NDArray[np.int32] = np.diff(full, axis=0, prepend=0).astype(np.int32)
    return sent


def _check_number(name: str, value: int, low: int, high: int | None = None) -> None:
    """Raise InputError unless `value` is an integer in ``low..high``."""
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if number < low or (high is not None and number > high):
        upper = f"of at least {low}" if high is None else f"in {low}..{high}"
        raise InputError(f"{name}={value!r}: expected an integer {upper}.")

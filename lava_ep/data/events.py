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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.dataset import Dataset
from lava_ep.data.download import cache_dir
from lava_ep.errors import InputError
from lava_ep.spec import EventsSpec

EVENT = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])
"""An event: column, row, time in microseconds, polarity (True: brighter); tonic's own layout."""

SensorSize: TypeAlias = tuple[int, int, int]
"""Width and height of a sensor in pixels, and its number of polarities (1 or 2), as in tonic."""

DEFAULTS = EventsSpec(downsample=1, merge_polarities=False, levels=8)
"""How images are made where neither the data set nor the user says otherwise."""

FRAME_EVENTS = 32767
"""Events that tonic counts in one frame, whose pixels are 16-bit integers."""

CACHED_PIXELS = 64 * 64
"""Recordings of larger sensors are long, and count maps of them are kept on disk."""


def checked_events(
    events: NDArray[Any], sensor_size: SensorSize | None, where: str, *, allow_empty: bool = False
) -> NDArray[np.void]:
    """Return events in the layout `EVENT`, having checked every one.

    Parameters
    ----------
    events : numpy.ndarray, shape (events,)
        Structured array of integers with the fields ``x``, ``t`` and ``p``, and ``y`` unless the
        sensor is a line, in any order.
    sensor_size : tuple of int or None
        Width, height and polarities; None if it is not known: any up to 32767 x 32767 x 2.
    where : str
        What holds the events, for error messages.
    allow_empty : bool
        Whether a recording without events will do.

    Returns
    -------
    numpy.ndarray of `EVENT`, shape (events,)
        The events in the same order. Polarities of a sensor with one polarity are False.

    Raises
    ------
    InputError
        If a field is missing, there are no events, one lies outside the sensor, or the times are
        not in order.
    """
    names = getattr(events.dtype, "names", None) or ()
    if missing := {"x", "t", "p"} - set(names):
        raise InputError(
            f"{where}: foreign events: expected the fields x, y, t, p, found "
            f"{', '.join(names) or 'no fields'} (without {', '.join(sorted(missing))}). "
            "Give a structured array as tonic's readers return it."
        )
    if len(events) == 0 and not allow_empty:
        raise InputError(
            f"{where}: empty recording: expected at least one event. Remove it or replace it."
        )
    width, height, polarities = sensor_size or (2**15 - 1, 2**15 - 1, 2)
    y = events["y"] if "y" in names else np.zeros(len(events), np.int16)
    # The one polarity of a line sensor is numbered 0 by some publishers and 1 by others.
    for name, values, limit in (("x", events["x"], width), ("y", y, height), ("p", events["p"], 2)):
        wrong = np.flatnonzero((values < 0) | (values >= limit))
        if wrong.size:
            raise InputError(
                f"{where}: event {wrong[0]} (counted from 0) is outside the sensor: expected "
                f"{name} in 0..{limit - 1}, found {values[wrong[0]]}. The file is damaged, or from "
                "another camera; replace it."
            )
    t = events["t"].astype(np.int64)
    backwards = np.flatnonzero(t[1:] < t[:-1])
    if backwards.size:
        late = int(backwards[0])
        raise InputError(
            f"{where}: times are not in order: expected event {late + 1} (counted from 0) at "
            f"{t[late]} us or later, found {t[late + 1]} us. Sort the events, or replace the file."
        )
    checked = np.empty(len(events), EVENT)
    checked["x"], checked["y"], checked["t"] = events["x"], y, t
    checked["p"] = events["p"] if polarities == 2 else False
    return checked


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
        Width, height and polarities.
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
        """Make the labels read-only."""
        labels = np.asarray(self.labels, dtype=np.int64).view()
        labels.flags.writeable = False
        object.__setattr__(self, "labels", labels)

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
        return DEFAULTS.model_copy(update=self.defaults.model_dump(exclude_none=True) | given)


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
    width, height, polarities = dataset.sensor_size
    factor = options.downsample or 1
    size = (
        -(-width // factor),
        -(-height // factor),
        1 if options.merge_polarities else polarities,
    )
    transform = _transform(options)

    def part(recordings: Recordings) -> Recordings:
        def read(index: int) -> NDArray[Any]:
            # A copy of its own, checked just before; tonic's TimeAlignment takes far longer.
            events = recordings[index][0]
            events["t"] -= events["t"][:1]
            return transform(events)

        return replace(recordings, read=read, sensor_size=size, allow_empty=True)

    return replace(dataset, train=part(dataset.train), test=part(dataset.test), sensor_size=size)


def _transform(options: EventsSpec) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return tonic's transforms of one recording in the layout `EVENT`."""
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
    return compose


def count_map(
    events: NDArray[np.void], sensor_size: SensorSize, *, levels: int
) -> NDArray[np.uint8]:
    r"""Return the picture that a recording adds up to.

    :math:`p_{yxc} = \min(n_{yxc}, \text{levels})`, where :math:`n_{yxc}` is the number of events
    of pixel :math:`(x, y)` with polarity :math:`c`, counted by tonic's ``ToFrame``.

    Parameters
    ----------
    events : numpy.ndarray of `EVENT`, shape (events,)
        A recording, which may be empty; not changed.
    sensor_size : tuple of int
        Width, height and polarities, which all events fit.
    levels : int
        Number of events that means 1.0, from 1 to 255.

    Returns
    -------
    numpy.ndarray of uint8, shape (height, width, polarities)
        The pixels, in ``0..levels``.
    """
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
    levels = options.levels or 1
    after = transformed(dataset, options)
    width, height, polarities = after.sensor_size
    window = None if options.window is None else (0, options.window[1] - options.window[0])

    def movie(events: NDArray[np.void]) -> NDArray[np.uint8]:
        if options.window is not None:
            events["t"] -= options.window[0]
        size = after.sensor_size
        if repeated:
            sent = binned_events(events, size, steps=steps, window=window)
        else:
            sent = integrated_events(
                events, size, steps=steps, build_steps=steps, levels=levels, window=window
            )
        return np.minimum(sent, levels).astype(np.uint8).reshape(-1)

    train, test = (
        np.stack([movie(recordings[index][0]) for index in range(len(recordings))])
        for recordings in (after.train, after.test)
    )
    return Dataset(
        name=dataset.name,
        x_train=train,
        y_train=dataset.train.labels,
        x_test=test,
        y_test=dataset.test.labels,
        levels=levels,
        image_shape=(height, width) if polarities == 1 else (height, width, polarities),
        class_names=dataset.class_names,
        steps=steps,
    )


@dataclass(frozen=True)
class _CountMaps:
    """The count maps of recordings, as a data set that tonic's disk cache takes."""

    recordings: Recordings
    levels: int

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], int]:
        events, label = self.recordings[index]
        return count_map(events, self.recordings.sensor_size, levels=self.levels), label

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
    name = dataset.name.replace(":", "-")
    return str(cache_dir("event-maps") / f"{name}-{digest}" / part)


def binned_events(
    events: NDArray[np.void],
    sensor_size: SensorSize,
    *,
    steps: int,
    window: tuple[int, int] | None = None,
) -> NDArray[np.int32]:
    r"""Return the events of each of a number of equal slices of time.

    An event at time :math:`t` falls into slice
    :math:`\lfloor (t - t_0)\,\text{steps} / (t_1 - t_0) \rfloor`.

    Parameters
    ----------
    events : numpy.ndarray of `EVENT`, shape (events,)
        A recording.
    sensor_size : tuple of int
        Width, height and polarities, which all events fit.
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
        If there is no slice, or the window ends before it starts.
    """
    width, height, polarities = sensor_size
    features = width * height * polarities
    _check_number("steps", steps, 1)
    if window is None:
        window = (int(events["t"][0]), int(events["t"][-1]) + 1) if len(events) else (0, 1)
    start, end = window
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
    events: NDArray[np.void],
    sensor_size: SensorSize,
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
    events: NDArray[np.void],
    sensor_size: SensorSize,
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
    picture = np.minimum(np.cumsum(bins, axis=0), levels)
    sent = np.zeros((steps, bins.shape[1]), np.int32)
    sent[:build_steps] = np.diff(picture, axis=0, prepend=0)
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

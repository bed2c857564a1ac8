"""Images of recordings: events that are transformed, counted per pixel, and cached on disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.dataset import Dataset
from lava_ep.data.download import cache_dir
from lava_ep.data.event_steps import binned, check_number, integrated
from lava_ep.data.events import (
    EventDataset,
    Recordings,
    SensorSize,
    checked_events,
    checked_size,
    completed,
)
from lava_ep.dynamics import Code
from lava_ep.errors import InputError
from lava_ep.spec import EncodingSpec, EventsSpec

FRAME_EVENTS = 32767
"""Events that tonic counts in one frame, whose pixels are 16-bit integers."""


CACHED_PIXELS = 64 * 64
"""Recordings of larger sensors are long, and count maps of them are kept on disk."""


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
    check_number("levels", levels, 1, 255)
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
        With `steps` frames; what is above `levels` in one of them is clipped.

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
    check_number("steps", steps, 1)
    sent = binned(events, sensor_size, steps=steps, window=window)
    if not repeated:
        sent = integrated(sent, levels)
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

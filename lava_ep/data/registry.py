"""Names of the data sets and the one function that loads any of them."""

from __future__ import annotations

import dataclasses
import operator
import os
from importlib import import_module
from pathlib import Path
from typing import Any

from lava_ep.data.dataset import Dataset
from lava_ep.data.event_images import count_maps, movies
from lava_ep.data.events import EventDataset
from lava_ep.data.files import is_readable_folder
from lava_ep.data.own.loading import (
    OwnOptions,
    is_recordings,
    load_own,
    load_own_with,
    own_recordings,
    own_recordings_with,
)
from lava_ep.data.own.preprocessing import Preprocessing
from lava_ep.data.own.reading import is_own
from lava_ep.data.sources import DATASETS, Source, source_of
from lava_ep.dynamics import Code
from lava_ep.errors import InputError
from lava_ep.spec import EncodingSpec, EventsSpec, ExperimentSpec

IN_TIME = (Code.EVENTS, Code.REPEATED_EVENTS)
"""Encodings that show recordings in time steps."""

MODULES = (
    "digits",
    "mnist",
    "cifar10",
    "prototypes",
    "features",
    "event_digits",
    "nmnist",
    "tonic_sets",
)
"""Modules of the data sets that come with the package."""

for _module in MODULES:
    import_module(f"lava_ep.data.{_module}")


def _event_sets() -> str:
    """Return the names of the sets of event recordings that are no families."""
    return ", ".join(name for name in DATASETS if has_events(name) and ":" not in name)


def has_events(name: str) -> bool:
    """Tell whether a data set consists of event recordings, of which images are made.

    Parameters
    ----------
    name : str
        Name of a data set, known or not.

    Returns
    -------
    bool
        True for the names that `load_events` takes.
    """
    source = source_of(name)
    return source is not None and source.events


def is_own_data(name: str) -> bool:
    """Return whether a name means a user's own file or folder instead of a data set by its name.

    Parameters
    ----------
    name : str
        Name of a data set, or path.
    """
    return source_of(name) is None and is_own(name, DATASETS)


def load_dataset(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    limit_train: int | None = None,
    limit_test: int | None = None,
    events: EventsSpec | None = None,
    encoding: EncodingSpec | None = None,
    own: OwnOptions | None = None,
    preprocessing: Preprocessing | None = None,
) -> Dataset:
    """Load a data set by name, or a user's own file or folder.

    ``digits`` comes with scikit-learn. The other sets of images are read from their published
    files (four IDX files, or the batches of CIFAR-10), found in `data_dir`; without it in the
    folder named by the environment variable ``LAVA_EP_DATA``; and if they are not there, downloaded
    once into the user's cache and verified by checksum. Sets of event recordings are loaded as by
    `load_events`, and images are made of them by `count_maps`.

    A path is the user's own data: ``.npz`` or ``.csv`` files, folders of IDX files, and folders of
    class folders with pictures or event recordings; see the page "Your own data".

    Parameters
    ----------
    name : str
        A key of `DATASETS`, one that begins like a key there (``tonic:`` and the name of a class
        of tonic, ``prototypes:`` and a probability, ``features:`` and the name of a file), or a
        path.
    data_dir : path or None
        Folder that holds the files, itself or in a sub-folder named after the set.
    limit_train, limit_test : int or None
        Keep only the first so many training or test samples; None keeps all.
    events : EventsSpec or None
        How images are made of event recordings; None: as the data set has it.
    encoding : EncodingSpec or None
        Whether recordings are wanted as such, in time steps; see `movies`.
    own : OwnOptions or None
        How the user's own data are read and split.
    preprocessing : Preprocessing or None
        Scaling and classes of a trained network that the user's own data are read for; None: they
        follow from the data.

    Returns
    -------
    Dataset
        The images and labels, always in the same order.

    Raises
    ------
    InputError
        If the name is unknown, `data_dir` does not exist or lacks the set, a limit is below 1 or
        above the number of samples, a file is unusable, a download fails, or `events` or an
        `encoding` of events is given for a set of images.
    """
    limits = _checked_limits(limit_train, limit_test)
    path = Path(name).expanduser() if is_own_data(name) else None
    if has_events(name) or (path is not None and is_recordings(path)):
        recordings, notes = _recordings(name, path, data_dir, own or OwnOptions(), preprocessing)
        for part, limit in limits.items():
            recordings = _first_recordings(recordings, part, limit)
        if preprocessing is not None and preprocessing.recordings is not None:
            events = preprocessing.recordings.events
        dataset = _shown(recordings, events, encoding)
        pixels = Preprocessing.of_pixels(dataset.class_names, dataset.levels, dataset.image_shape)
        return dataclasses.replace(
            dataset,
            notes=notes,
            preprocessing=pixels.for_recordings(recordings.sensor_size, recordings.options(events)),
        )
    if path is None:
        _known(name)
        if own is not None and own.label is not None:
            raise InputError(
                f"--label {own.label}: expected with a table of your own, not with {name}. Leave "
                "it out."
            )
    if events is not None and events != EventsSpec():
        raise InputError(
            f"data.events={events.model_dump(exclude_none=True)}: {name} is a set of images, not "
            f"of event recordings as {_event_sets()}. Leave it out."
        )
    if encoding is not None and encoding.code in IN_TIME:
        raise InputError(
            f"network.encoding.code=events: {name} is a set of images, not of event recordings as "
            f"{_event_sets()}. Choose code constant, rate or latency."
        )
    if path is None:
        dataset = _load(name, _checked_folder(data_dir))
    elif preprocessing is not None:
        dataset = load_own_with(path, preprocessing, own or OwnOptions())
    else:
        dataset = load_own(path, own or OwnOptions())
    kept: dict[str, Any] = {}
    for part, limit in limits.items():
        if limit is None:
            continue
        x, y = getattr(dataset, f"x_{part}"), getattr(dataset, f"y_{part}")
        _check_enough(name, part, limit, len(x))
        kept[f"x_{part}"], kept[f"y_{part}"] = x[:limit], y[:limit]
    return dataclasses.replace(dataset, **kept)


def load_experiment(
    experiment: ExperimentSpec,
    *,
    name: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    limit_test: int | None = None,
    preprocessing: Preprocessing | None = None,
) -> Dataset:
    """Load the data set of an experiment, in the form that its network takes.

    Parameters
    ----------
    experiment : ExperimentSpec
        The experiment.
    name : str or None
        Data set, if not its own; what the experiment says of event recordings holds for it if it
        has any.
    data_dir : path or None
        See `load_dataset`.
    limit_test : int or None
        Number of test samples, if not that of the experiment.
    preprocessing : Preprocessing or None
        See `load_dataset`.

    Raises
    ------
    InputError
        As `load_dataset` does.
    """
    data = experiment.data
    foreign = name is not None and name != data.name and not has_events(name)
    return load_dataset(
        name or data.name,
        data_dir=data_dir,
        limit_train=data.limit_train,
        limit_test=data.limit_test if limit_test is None else limit_test,
        events=None if foreign else data.events,
        encoding=experiment.network.encoding,
        own=own_options(experiment),
        preprocessing=preprocessing,
    )


def own_options(experiment: ExperimentSpec) -> OwnOptions:
    """Return how an experiment reads a user's own data."""
    data = experiment.data
    return OwnOptions(
        label=data.label,
        test_fraction=data.test_fraction,
        image_size=data.image_size,
        sensor_size=data.sensor_size,
        pixels_per_feature=data.pixels_per_feature,
        seed=experiment.training.seed,
    )


def load_events(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    limit_train: int | None = None,
    limit_test: int | None = None,
) -> EventDataset:
    """Load the recordings of a data set of an event camera by name.

    ``event-digits`` is simulated. The others are searched in `data_dir`; without it in the folder
    named by the environment variable ``LAVA_EP_DATA``; and if they are not there, downloaded by
    tonic into the user's cache.

    Parameters
    ----------
    name : str
        ``event-digits``, ``nmnist``, ``dvs-gesture``, or ``tonic:`` and a class of tonic's.
    data_dir : path or None
        Folder that holds the files, itself or in a sub-folder named after the set.
    limit_train, limit_test : int or None
        Keep only the first so many training or test recordings; None keeps all.

    Returns
    -------
    EventDataset
        The recordings, always in the same order; most are read when they are asked for.

    Raises
    ------
    InputError
        If the name is unknown or that of a set of images, `data_dir` does not exist or lacks the
        set, a limit is below 1 or above the number of recordings, or a download fails.
    """
    if not has_events(name):
        _known(name)
        raise InputError(
            f"data set {name!r}: consists of images: expected one of event recordings, "
            f"{_event_sets()} or tonic:NAME."
        )
    limits = _checked_limits(limit_train, limit_test)
    dataset: EventDataset = _load(name, _checked_folder(data_dir))
    for part, limit in limits.items():
        dataset = _first_recordings(dataset, part, limit)
    return dataset


def _first_recordings(dataset: EventDataset, part: str, limit: int | None) -> EventDataset:
    """Return a data set that has only the first recordings of a part."""
    if limit is None:
        return dataset
    recordings = getattr(dataset, part)
    _check_enough(dataset.name, part, limit, len(recordings))
    return dataclasses.replace(dataset, **{part: recordings.first(limit)})


def _recordings(
    name: str,
    path: Path | None,
    data_dir: str | os.PathLike[str] | None,
    own: OwnOptions,
    preprocessing: Preprocessing | None,
) -> tuple[EventDataset, tuple[str, ...]]:
    """Return the recordings of a data set or of a user's folder, and lines for the user."""
    if path is None:
        return _load(name, _checked_folder(data_dir)), ()
    if preprocessing is not None:
        return own_recordings_with(path, preprocessing), ()
    return own_recordings(path, own)


def _shown(
    recordings: EventDataset, events: EventsSpec | None, encoding: EncodingSpec | None
) -> Dataset:
    """Return recordings as a network with this encoding takes them: as images or in time steps."""
    if encoding is None or encoding.code not in IN_TIME:
        return count_maps(recordings, events)
    repeated = encoding.code is Code.REPEATED_EVENTS
    return movies(recordings, events, steps=encoding.steps, repeated=repeated)


def _load(name: str, folder: Path | None) -> Any:
    """Return all samples or recordings of the data set `name`."""
    return _known(name).load(name, folder)


def _known(name: str) -> Source:
    """Return the source of a data set, or raise InputError if there is none of this name."""
    source = source_of(name)
    if source is None:
        raise InputError(f"unknown data set {name!r}: expected one of {', '.join(DATASETS)}.")
    return source


def _checked_folder(data_dir: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder of the user's, or raise InputError if it cannot be read."""
    folder = None if data_dir is None else Path(data_dir).expanduser()
    if folder is not None and not is_readable_folder(folder):
        raise InputError(
            f"--data-dir {data_dir}: expected an existing, readable folder, found none there. "
            "Correct the path."
        )
    return folder


def _check_enough(name: str, part: str, limit: int, available: int) -> None:
    """Raise InputError if a part has fewer samples than are to be kept."""
    if limit > available:
        raise InputError(
            f"--limit-{part} {limit}: expected at most {available}, the number of {part} samples "
            f"in {name}. Give a smaller number or leave it out."
        )


def _checked_limits(train: int | None, test: int | None) -> dict[str, int | None]:
    """Return the two limits by the names of their parts."""
    return {
        "train": _checked_limit("--limit-train", train),
        "test": _checked_limit("--limit-test", test),
    }


def _checked_limit(option: str, limit: int | None) -> int | None:
    """Return `limit` as a plain int, or raise InputError if it is not an integer above 0."""
    if limit is None:
        return None
    try:
        number = operator.index(limit)
    except TypeError:
        number = 0
    if number < 1:
        raise InputError(
            f"{option} {limit!r}: expected an integer of at least 1. "
            "Give a larger number or leave it out to keep all samples."
        )
    return number

"""A data set from a user's own file or folder."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.dataset import Dataset
from lava_ep.data.events import EventDataset
from lava_ep.data.own.preprocessing import LEVELS, Preprocessing
from lava_ep.data.own.reading import kind_of, read_samples
from lava_ep.data.own.recordings import find_recordings, load_recordings
from lava_ep.data.own.samples import RawData, RawPart
from lava_ep.data.own.split import stratified_split
from lava_ep.errors import InputError


@dataclass(frozen=True)
class OwnOptions:
    """How a user's file is read.

    Parameters
    ----------
    label : str or None
        Column of a table that holds the labels; None: the last one.
    test_fraction : float
        Share of the samples that become the test part where the file has none.
    image_size : tuple of int or None
        Height and width that pictures are resized to.
    sensor_size : tuple of int or None
        Width and height of the camera; None: the smallest that all recordings fit.
    pixels_per_feature : int or None
        See `Preprocessing.fit`.
    seed : int
        Seed of the split.
    """

    label: str | None = None
    test_fraction: float = 0.2
    image_size: tuple[int, int] | None = None
    sensor_size: tuple[int, int] | None = None
    pixels_per_feature: int | None = None
    seed: int = 0


def load_own(path: Path, options: OwnOptions) -> Dataset:
    """Read a table, arrays, pictures or IDX files, and make pixels of the features.

    Parameters
    ----------
    path : pathlib.Path
        The file or folder.
    options : OwnOptions
        How to read it. A file without a test part is split at random, stratified by class.

    Raises
    ------
    InputError
        If the file is unusable, naming where and why.
    """
    raw = read_samples(path, label=options.label, image_size=options.image_size)
    notes = []
    if raw.label_name is not None and options.label is None:
        notes.append(f"labels: column {raw.label_name!r}, the last one (--label names another)")
    if raw.test is None and raw.train is not None and raw.train.y is not None:
        train, test = stratified_split(raw.train.y, options.test_fraction, options.seed)
        notes.append(split_note(len(train), len(test), options.seed))
        raw = dataclasses.replace(
            raw, train=_chosen(raw.train, train), test=_chosen(raw.train, test)
        )
    raw, line = _brightened(raw, path)
    preprocessing = Preprocessing.fit(
        raw,
        pixels_per_feature=options.pixels_per_feature,
        resized=options.image_size is not None,
    )
    return _dataset(raw, preprocessing, [*notes, *line])


def load_own_with(path: Path, preprocessing: Preprocessing, options: OwnOptions) -> Dataset:
    """Read samples to test a trained network with, scaled as those of its training were.

    A file that has only one part is the training and the test part of the data set, so that all
    of its samples are tested.

    Parameters
    ----------
    path : pathlib.Path
        The file or folder.
    preprocessing : Preprocessing
        That of the training.
    options : OwnOptions
        How to read the file.

    Raises
    ------
    InputError
        If the file is unusable, or its features or labels are not those of the training.
    """
    return _dataset(read_for(path, preprocessing, label=options.label), preprocessing, [])


def read_for(
    path: Path, preprocessing: Preprocessing, *, label: str | None = None, labelled: bool = True
) -> RawData:
    """Read samples for a trained network: the same columns, or pictures of the same size.

    Parameters
    ----------
    path : pathlib.Path
        The file or folder.
    preprocessing : Preprocessing
        That of the training.
    label : str or None
        Column of a table that holds the labels; None: that of the training.
    labelled : bool
        Whether samples need labels.

    Returns
    -------
    RawData
        The samples; the columns of a table with names are those of the training, in its order.

    Raises
    ------
    InputError
        If the file is unusable or lacks a column.
    """
    options: dict[str, Any] = {"labelled": labelled}
    kind, shape = kind_of(path), preprocessing.picture_shape
    if kind == "csv":
        names = preprocessing.feature_names
        # Of samples to predict, columns that the training did not know are left out anyway.
        column = label or preprocessing.label_name if labelled else label
        options |= {"label": column, "known": names}
    elif kind == "pictures" and shape is not None:
        options["channels"] = (*shape, 1)[2]
        options["image_size"] = shape[:2] if preprocessing.resized else None
        options["shape"] = shape[:2]
    raw = read_samples(path, **options)
    names = preprocessing.feature_names
    if not (names and raw.feature_names) or names == raw.feature_names:
        return raw
    if missing := [name for name in names if name not in raw.feature_names]:
        raise InputError(
            f"{path}: no column {', '.join(map(repr, missing[:8]))}: expected the columns of the "
            f"training, {', '.join(map(repr, names[:8]))}{', …' if len(names) > 8 else ''}"
        )
    order = [raw.feature_names.index(name) for name in names]
    parts: dict[str, Any] = {
        name: None if part is None else dataclasses.replace(part, x=part.x[:, order])
        for name, part in (("train", raw.train), ("test", raw.test))
    }
    return dataclasses.replace(raw, feature_names=names, **parts)


def own_recordings(path: Path, options: OwnOptions) -> tuple[EventDataset, tuple[str, ...]]:
    """Find the recordings in a folder of class folders, and report how they were split.

    Parameters
    ----------
    path : pathlib.Path
        The folder.
    options : OwnOptions
        How to split a folder that has no test part.

    Returns
    -------
    EventDataset
        The recordings.
    tuple of str
        Lines to show to the user.

    Raises
    ------
    InputError
        If the folder is unusable, naming where and why.
    """
    found = find_recordings(path)
    notes: tuple[str, ...] = ()
    if found.test:
        dataset = load_recordings(found, sensor_size=options.sensor_size)
    else:
        labels = np.array(found.train_labels)
        train, test = stratified_split(labels, options.test_fraction, options.seed)
        notes = (split_note(len(train), len(test), options.seed),)
        dataset = load_recordings(found, train=train, test=test, sensor_size=options.sensor_size)
    width, height, polarities = dataset.sensor_size
    line = f"sensor: {width} x {height} pixels, {polarities} polarities"
    if options.sensor_size is None:
        line += f", as all recordings fit (--set data.sensor_size=[{width},{height}] sets others)"
    if (factor := dataset.options().downsample or 1) > 1:
        line += f"; squares of {factor} x {factor} pixels become one"
    return dataset, (*notes, line)


def own_recordings_with(path: Path, preprocessing: Preprocessing) -> EventDataset:
    """Find recordings to test a trained network with; one part serves as both.

    Raises
    ------
    InputError
        If the folder is unusable, or its classes are not those of the training.
    """
    found = find_recordings(path)
    intake = preprocessing.recordings
    if intake is None:
        raise InputError(f"{path}: event recordings: expected features as in training")
    found = dataclasses.replace(
        found,
        test=found.test or found.train,
        test_labels=found.test_labels or found.train_labels,
    )
    return load_recordings(
        found,
        sensor_size=intake.sensor_size,
        class_names=tuple(str(label) for label in preprocessing.classes),
    )


def is_recordings(path: Path) -> bool:
    """Return whether a user's folder holds event recordings."""
    return kind_of(path) == "recordings"


def _brightened(raw: RawData, path: Path) -> tuple[RawData, list[str]]:
    """Have bytes that stay in the dark scaled by their range: 16 may mean white, not 255."""
    part = raw.train
    if raw.full_scale != LEVELS or part is None or kind_of(path) == "pictures":
        return raw, []
    largest = int(part.x.max())
    if largest > LEVELS // 2:
        return raw, []
    line = f"values go up to {largest} only and are scaled to their range, instead of 0 to {LEVELS}"
    return dataclasses.replace(raw, full_scale=None), [line]


def split_note(train: int, test: int, seed: int) -> str:
    """Return the line that says how samples were split."""
    return (
        f"no test part: {train} samples to learn from and {test} to test with, drawn by class "
        f"with seed {seed}"
    )


def _chosen(part: RawPart, indices: NDArray[np.int64]) -> RawPart:
    labels = None if part.y is None else part.y[indices]
    names = tuple(part.names[index] for index in indices) if part.names else ()
    return RawPart(part.x[indices], labels, names)


def _dataset(raw: RawData, preprocessing: Preprocessing, notes: list[str]) -> Dataset:
    train, test = raw.train or raw.test, raw.test or raw.train
    if train is None or test is None:
        raise InputError(f"{raw.source}: no samples")
    arrays: dict[str, Any] = {}
    for part, samples in (("train", train), ("test", test)):
        if samples.y is None:
            raise InputError(f"{raw.source}: the {part} part has no labels")
        where = raw.source if train is test else f"{raw.source}, {part} part"
        arrays[f"x_{part}"] = preprocessing.pixels(samples.x, where)
        arrays[f"y_{part}"] = preprocessing.labels(samples.y, where)
    return Dataset(
        name=Path(raw.source).name,
        levels=preprocessing.levels,
        image_shape=preprocessing.image_shape,
        class_names=tuple(str(label) for label in preprocessing.classes),
        preprocessing=preprocessing,
        notes=tuple(notes),
        **arrays,
    )

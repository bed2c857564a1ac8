"""Event recordings in a user's own folder of class folders."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.event_files import READERS, is_litter, read_events
from lava_ep.data.event_images import picture
from lava_ep.data.events import EventDataset, Recordings, SensorSize, checked_size
from lava_ep.data.files import read_bytes
from lava_ep.errors import InputError
from lava_ep.spec import EncodingSpec, EventsSpec

TRAIN = ("train", "training")
"""Names of the folder of the training part, in any case."""

TEST = ("test", "testing")
"""Names of the folder of the test part, in any case."""

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
"""Endings of archives, which have to be unpacked first."""

LAYOUT = (
    f"class folders of recordings ({', '.join(READERS)}), as in cats/1.bin, or the same in folders "
    "train and test, as in train/cats/1.bin"
)
"""The folders that are understood, for error messages."""

LARGEST_PICTURE = 64
"""Pixels of the longer side of the images, unless the user chooses otherwise."""

LARGEST_FACTOR = 32
"""Largest downsampling that `EventsSpec` allows."""


@dataclass(frozen=True)
class FoundRecordings:
    """Files of recordings, with the class that the folder of each is named after.

    Parameters
    ----------
    source : str
        The folder, for messages.
    train, test : tuple of pathlib.Path
        Files of each part, sorted by class folder and path. The test part may be empty.
    train_labels, test_labels : tuple of str
        Class of each file.
    """

    source: str
    train: tuple[Path, ...] = field(repr=False)
    train_labels: tuple[str, ...] = field(repr=False)
    test: tuple[Path, ...] = field(default=(), repr=False)
    test_labels: tuple[str, ...] = field(default=(), repr=False)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes of both parts, sorted."""
        return tuple(sorted({*self.train_labels, *self.test_labels}))


def find_recordings(path: Path) -> FoundRecordings:
    """Find the recordings in a folder of class folders.

    These are in `path`, or in its folders ``train`` and, optionally, ``test`` (also ``training``
    and ``testing``, in any case). Class folders may have folders of their own, and may be links.
    Hidden files, and those that operating systems leave behind, are passed over.

    Parameters
    ----------
    path : pathlib.Path
        The folder.

    Returns
    -------
    FoundRecordings
        The files; none of them is opened.

    Raises
    ------
    InputError
        If the folder has another layout, has files that are no recordings, or cannot be read.
    """
    path = Path(path).expanduser()
    _check_folder(path)
    strange: list[Path] = []
    with_names = [(child, _class_name(child).lower()) for child in _children(path)]
    named = [child for child, name in with_names if child.is_dir() and name in TRAIN + TEST]
    others = [child for child, _ in with_names if child not in named]
    # A class may be called "train", as long as there are others.
    if others and named and all(_holds_recordings(folder) for folder in named):
        named = []
    if not named:
        train, train_labels = _classes(path, strange)
        _refuse(strange, path)
        return FoundRecordings(str(path), train, train_labels)
    if others:
        raise InputError(
            f"{others[0]}: beside the folder {named[0].name}: expected {LAYOUT}, not both. Move it "
            "away, or into one of the parts."
        )
    parts: dict[tuple[str, ...], Path] = {}
    for folder in named:
        names = TRAIN if folder.name.lower() in TRAIN else TEST
        if names in parts:
            raise InputError(
                f"{path}: both {parts[names].name} and {folder.name}: expected one folder for each "
                "part. Merge them, or move one away."
            )
        parts[names] = folder
    if TRAIN not in parts:
        raise InputError(
            f"{path}: only the part {named[0].name}: expected {LAYOUT}. Add the training part, or "
            f"give {named[0]} to have it split."
        )
    train, train_labels = _classes(parts[TRAIN], strange)
    test: tuple[tuple[Path, ...], tuple[str, ...]] = ((), ())
    if TEST in parts:
        test = _classes(parts[TEST], strange)
    _refuse(strange, path)
    return FoundRecordings(str(path), train, train_labels, *test)


def find_unlabelled(path: Path) -> tuple[Path, ...]:
    """Find recordings without regard to classes.

    Parameters
    ----------
    path : pathlib.Path
        One file, or a folder with files at any depth.

    Returns
    -------
    tuple of pathlib.Path
        The files, sorted by path; none of them is opened.

    Raises
    ------
    InputError
        If there are none, a file is no recording, or a folder cannot be read.
    """
    path = Path(path).expanduser()
    if path.is_file() and path.suffix.lower() in READERS:
        return (path,)
    if not path.is_dir():
        found = "a file of another kind" if path.exists() else "no such file or folder"
        raise InputError(
            f"{path}: {found}: expected a recording ({', '.join(READERS)}) or a folder of "
            f"recordings.{_unpack(path)}"
        )
    strange: list[Path] = []
    recordings = sorted(_below(path, strange))
    _refuse(strange, path)
    if not recordings:
        raise InputError(
            f"{path}: no recordings: expected files that end in {', '.join(READERS)}. Add some."
        )
    return tuple(recordings)


def load_recordings(
    found: FoundRecordings,
    *,
    train: NDArray[np.int64] | None = None,
    test: NDArray[np.int64] | None = None,
    sensor_size: Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
) -> EventDataset:
    """Make a data set of recordings, which are read when they are asked for.

    Parameters
    ----------
    found : FoundRecordings
        The files.
    train, test : numpy.ndarray of int64, or None
        Positions of the recordings of each part. Those of `test` are in ``found.test``, or in
        ``found.train`` if that is empty. None: all of ``found.train`` or ``found.test``.
    sensor_size : sequence of int, or None
        Width, height and, unless 2, polarities. None: all recordings are read once to find the
        smallest sensor with two polarities that they fit. There are two even where only one occurs,
        as a later recording with the other one would be mistaken for it.
    class_names : sequence of str, or None
        Names of the classes in their order, of a training before this; None: those of the training
        part, sorted.

    Returns
    -------
    EventDataset
        The recordings; the classes take turns, so that the first N are a fair sample. Images are
        made without downsampling if the longer side has at most 64 pixels, or else with the
        smallest factor that leaves at most 64.

    Raises
    ------
    InputError
        If there is no test part, positions do not fit, there are fewer than two classes, one of
        them is not known, or, without `sensor_size`, a recording is unusable.
    """
    names = tuple(sorted(set(found.train_labels)) if class_names is None else class_names)
    if class_names is None and len(names) < 2:
        raise InputError(
            f"{found.source}: one class only, {names[0]!r}: expected at least two class folders. "
            "Add others, or give the folder that holds the class folders."
        )
    whole = found.test or found.train
    whole_labels = found.test_labels if found.test else found.train_labels
    if not found.test and test is None:
        raise InputError(
            f"{found.source}: no test part: expected a folder test beside train, or the positions "
            "of the test recordings. Split the recordings."
        )
    if not found.test and train is not None and test is not None:
        common = np.intersect1d(train, test)
        if common.size:
            raise InputError(
                f"{found.train[int(common[0])]}: in the training and in the test part: expected "
                "parts without common recordings. Correct the positions."
            )
    if not found.test and train is None and test is not None:
        train = np.setdiff1d(np.arange(len(found.train)), test)
    if sensor_size is None:
        size = _smallest_sensor((*found.train, *found.test))
    else:
        size = checked_size(sensor_size, found.source)
    parts = [
        _part("train", found.train, found.train_labels, train, names, size),
        _part("test", whole, whole_labels, test, names, size),
    ]
    about = [
        [
            [int(label), *_content(Path(recordings.where(index)))]
            for index, label in enumerate(recordings.labels)
        ]
        for recordings in parts
    ]
    return EventDataset(
        name=Path(found.source).resolve().name or "recordings",
        train=parts[0],
        test=parts[1],
        sensor_size=size,
        class_names=names,
        defaults=EventsSpec(downsample=_factor(size)),
        fingerprint=hashlib.sha256(json.dumps(about).encode()).hexdigest(),
    )


def recording_row(
    events: NDArray[Any],
    sensor_size: Sequence[int],
    options: EventsSpec,
    encoding: EncodingSpec,
    *,
    where: str = "recording",
) -> NDArray[np.uint8]:
    """Return the row of pixels that one recording becomes, as it does within a data set.

    Parameters
    ----------
    events : numpy.ndarray, shape (events,)
        The recording; see `lava_ep.data.checked_events`.
    sensor_size : sequence of int
        Sensor of the data set that the network was trained with.
    options : EventsSpec
        Those of the training, as `EventDataset.options` returns them.
    encoding : EncodingSpec
        How the network is shown pixels.
    where : str
        The file, for error messages.

    Returns
    -------
    numpy.ndarray of uint8, shape (features,) or (steps * features,)
        The pixels, the same as a row of `lava_ep.data.count_maps` or `lava_ep.data.movies`.

    Raises
    ------
    InputError
        If the events are unusable or do not fit the sensor.
    """
    return picture(events, sensor_size, options, encoding, where)


def _check_folder(path: Path) -> None:
    """Raise InputError unless `path` is a folder."""
    if path.is_dir():
        return
    if not path.exists():
        raise InputError(f"{path}: no such folder: expected {LAYOUT}. Correct the path.")
    raise InputError(f"{path}: a file: expected a folder with {LAYOUT}.{_unpack(path)}")


def _unpack(path: Path) -> str:
    """Return a hint for archives."""
    return " Unpack the archive first." if path.suffix.lower() in ARCHIVES else ""


def _class_name(folder: Path) -> str:
    """Return the name of a folder in one normal form, as file systems differ in it."""
    return unicodedata.normalize("NFC", folder.name)


def _children(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted, without what operating systems leave behind."""
    try:
        return sorted(child for child in folder.iterdir() if not is_litter(child.name))
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be read: expected a readable folder, found: {error.strerror}. Check "
            "its permissions."
        ) from error


def _is_recording(path: Path) -> bool:
    """Whether a path is a file, by its ending of events."""
    return path.suffix.lower() in READERS and path.is_file()


def _holds_recordings(folder: Path) -> bool:
    """Whether recordings lie directly in a folder."""
    return any(_is_recording(child) for child in _children(folder))


def _below(
    folder: Path, strange: list[Path], above: frozenset[tuple[int, int]] = frozenset()
) -> list[Path]:
    """Return the recordings in a folder at any depth, and add all other files to `strange`."""
    about = folder.stat()
    place = (about.st_dev, about.st_ino)
    if place in above:
        raise InputError(
            f"{folder}: a link to a folder that it lies in: expected folders that end. Remove it."
        )
    found: list[Path] = []
    for child in _children(folder):
        if child.is_dir():
            found += _below(child, strange, above | {place})
        else:
            (found if _is_recording(child) else strange).append(child)
    return found


def _classes(root: Path, strange: list[Path]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the recordings in class folders with their classes, and add what else there is."""
    children = _children(root)
    folders = [child for child in children if child.is_dir()]
    loose = [child for child in children if _is_recording(child)]
    if loose:
        found = "beside class folders" if folders else "without class folders"
        raise InputError(
            f"{loose[0]}: a recording {found} ({len(loose)} of this kind): expected {LAYOUT}. Move "
            "each into the folder of its class."
        )
    strange += [child for child in children if child not in folders]
    about = root.stat()
    place = frozenset({(about.st_dev, about.st_ino)})
    recordings: list[Path] = []
    labels: list[str] = []
    for folder in folders:
        for child in _children(folder):
            if child.is_dir() and child.name.lower() in TRAIN + TEST:
                raise InputError(
                    f"{child}: a part within a class: expected {LAYOUT}. Exchange the two levels: "
                    f"{Path(child.name) / folder.name}."
                )
        before = len(strange)
        of_class = _below(folder, strange, place)
        if not of_class and len(strange) == before:
            raise InputError(
                f"{folder}: a class without recordings: expected files that end in "
                f"{', '.join(READERS)}. Add some, or remove the folder."
            )
        recordings += of_class
        labels += [_class_name(folder)] * len(of_class)
    if not recordings and not strange:
        raise InputError(f"{root}: empty folder: expected {LAYOUT}. Add recordings.")
    return tuple(recordings), tuple(labels)


def _refuse(strange: Sequence[Path], root: Path) -> None:
    """Raise InputError if there are files that are no recordings."""
    if strange:
        others = f" and {len(strange) - 1} other files" if len(strange) > 1 else ""
        raise InputError(
            f"{strange[0]}{others}: no recordings: expected only files that end in "
            f"{', '.join(READERS)} in {root}. Move the rest away.{_unpack(strange[0])}"
        )


def _positions(part: str, chosen: Any, number: int) -> NDArray[np.int64]:
    """Return checked positions among so many recordings."""
    if chosen is None:
        return np.arange(number)
    positions = np.asarray(chosen)
    if positions.ndim != 1 or (positions.size and positions.dtype.kind not in "iu"):
        raise InputError(
            f"{part}={chosen!r:.60}: expected a list of integers, the positions of recordings."
        )
    wrong = np.flatnonzero((positions < 0) | (positions >= number))
    if wrong.size:
        raise InputError(
            f"{part}: position {positions[wrong[0]]}: expected 0..{number - 1}, as there are "
            f"{number} recordings."
        )
    unique, counts = np.unique(positions, return_counts=True)
    if unique.size < positions.size:
        raise InputError(
            f"{part}: position {unique[counts > 1][0]} more than once: expected each at most once."
        )
    return positions.astype(np.int64)


def _part(
    part: str,
    paths: Sequence[Path],
    labels: Sequence[str],
    chosen: NDArray[np.int64] | None,
    class_names: Sequence[str],
    size: SensorSize,
) -> Recordings:
    """Return recordings in an order in which the classes take turns."""
    number = {name: index for index, name in enumerate(class_names)}
    seen: dict[str, int] = {}
    turns = []
    for position in _positions(part, chosen, len(paths)).tolist():
        name = labels[position]
        if name not in number:
            known = ", ".join(map(repr, class_names))
            raise InputError(
                f"{paths[position]}: class {name!r} is not a class of the training: expected one "
                f"of {known:.300}. Rename the folder, or move it away."
            )
        seen[name] = seen.get(name, 0) + 1
        turns.append((seen[name], number[name], position))
    ordered = [(paths[position], label) for _, label, position in sorted(turns)]

    def where(index: int) -> str:
        return str(ordered[index][0])

    def read(index: int) -> NDArray[Any]:
        path = ordered[index][0]
        return READERS[path.suffix.lower()](path)

    return Recordings(np.array([label for _, label in ordered], np.int64), read, size, where)


def _smallest_sensor(paths: Sequence[Path]) -> SensorSize:
    """Return the smallest sensor of two polarities that all recordings fit."""
    width = height = 1
    for path in paths:
        events = read_events(path)
        width = max(width, int(events["x"].max()) + 1)
        height = max(height, int(events["y"].max()) + 1)
    return width, height, 2


def _factor(size: SensorSize) -> int:
    """Return the smallest downsampling that leaves images of at most `LARGEST_PICTURE` pixels."""
    return min(-(-max(size[:2]) // LARGEST_PICTURE), LARGEST_FACTOR)


def _content(path: Path) -> tuple[int, str]:
    """Return the length and the checksum of a file."""
    content = read_bytes(path)
    return len(content), hashlib.sha256(content).hexdigest()

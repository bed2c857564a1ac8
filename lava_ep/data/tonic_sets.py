"""Labelled data sets of tonic by name, among them DVS128 Gesture."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import operator
import socket
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.download import TIMEOUT, cache_dir
from lava_ep.data.event_files import is_litter
from lava_ep.data.events import EventDataset, Recordings, SensorSize
from lava_ep.data.files import MEND, Files, Layout, folders_named, locate, plain
from lava_ep.data.sources import register_dataset
from lava_ep.errors import InputError
from lava_ep.spec import EventsSpec

PREFIX = "tonic:"
"""What the name of any data set of tonic begins with."""

GESTURE = "dvs-gesture"
"""Name of DVS128 Gesture."""

LABELLED = (
    "ASLDVS",
    "CIFAR10DVS",
    "DVSGesture",
    "DVSLip",
    "NMNIST",
    "POKERDVS",
    "SHD",
    "SMNIST",
    "SSC",
)
"""Classes of tonic whose items are the events of a sensor of one size, and a class."""

FOLDERS: Mapping[str, str] = MappingProxyType({"SMNIST": "smnist"})
"""Folders of tonic's that are not called by the name of the class."""

DEFAULTS: Mapping[str, EventsSpec] = MappingProxyType(
    {"DVSGesture": EventsSpec(window=(0, 1_000_000), downsample=4, levels=64)}
)
"""How images are made of the recordings of a class of tonic."""

TEST_SHARE = 10
"""One in so many recordings of each class is for testing in sets that are published in one part."""

TRAIN_AND_TEST: Mapping[str, tuple[Any, Any]] = MappingProxyType(
    {"train": (True, False), "split": ("train", "test")}
)
"""The argument by which a class of tonic chooses a part, with its two values."""


@register_dataset(
    f"{PREFIX}NAME", "any labelled data set of tonic by the name of its class", events=True
)
@register_dataset(
    GESTURE, "events of gestures, 128x128x2, 11 classes, 1077 + 264 recordings", events=True
)
def load_tonic(name: str, data_dir: Path | None) -> EventDataset:
    """Load a labelled data set by its class in ``tonic.datasets``.

    Its folder, as tonic makes it, is searched in `data_dir`; without it in the folder that the
    environment variable ``LAVA_EP_DATA`` names, and if it is not there, tonic downloads the set
    into the user's cache. It may be in these folders or in a sub-folder named after the set.

    Parameters
    ----------
    name : str
        ``dvs-gesture``, or ``tonic:`` and a name in `LABELLED`.
    data_dir : pathlib.Path or None
        Existing folder to search. A set that is not there is an error, never a download.

    Returns
    -------
    EventDataset
        The recordings, read by tonic when they are asked for. The classes take turns, so that the
        first N are a fair sample. In a set that is published in one part, the last tenth of each
        class is for testing.

    Raises
    ------
    InputError
        If tonic has no such class, cannot read the set, or cannot download it.

    References
    ----------
    G. Lenz et al., "Tonic: event-based datasets and transformations", 2021,
    doi:10.5281/zenodo.5079802. A. Amir et al., "A low power, fully event-based gesture recognition
    system", CVPR 2017.
    """
    title = "DVSGesture" if name == GESTURE else name.removeprefix(PREFIX)
    if title not in LABELLED:
        raise InputError(
            f"unknown data set {name!r}: expected {PREFIX} and one of {', '.join(LABELLED)}, the "
            "labelled sets of tonic."
        )
    files = locate(
        name,
        data_dir,
        search=partial(_search, name, title),
        download=lambda searched: Files(Layout(searched, ()), (cache_dir("tonic"),)),
        expected=f"a folder {title} as tonic.datasets.{title} makes it, in a sub-folder named "
        f"{plain(name)}, or directly there",
    )
    (folder,) = files.paths
    searched = None if files.layout is LOCAL else files.layout.description
    choice = _choice(title)
    parts = [
        open_tonic(title, folder, arguments, searched=searched)
        for arguments in ([{choice: v} for v in TRAIN_AND_TEST[choice]] if choice else [{}])
    ]
    return _event_dataset(name, title, parts)


LOCAL = Layout("a folder of tonic's", ())
"""A folder of the user's, which tonic must only read."""


def open_tonic(
    title: str, folder: Path, arguments: Mapping[str, Any], *, searched: str | None = None
) -> Any:
    """Return a data set of tonic.

    Parameters
    ----------
    title : str
        Name of its class in ``tonic.datasets``.
    folder : pathlib.Path
        Folder in which tonic keeps the set in a folder of its own.
    arguments : mapping
        Further arguments of the class.
    searched : str or None
        Where the set was searched before it is downloaded into `folder`; None: it must be there.

    Returns
    -------
    object
        The data set; its items are events and a label.

    Raises
    ------
    InputError
        If the set is not there, or cannot be downloaded or read.
    """
    import tonic

    original = getattr(tonic.datasets, title, None)
    if original is None:
        raise InputError(
            f"{title}: tonic {tonic.__version__} does not have it: expected a newer one. Update it."
        )

    def check_exists(self: Any) -> bool:
        # Where this is false, tonic would download, unpack or remove something.
        if not original._check_exists(self):
            raise InputError(
                f"{folder / title}: incomplete: expected the archive and the unpacked files that "
                f"tonic.datasets.{title} leaves there. Add what is missing."
            )
        return True

    reading = type(title, (original,), {"_check_exists": check_exists})
    kind = original if searched is not None else reading
    timeout = socket.getdefaulttimeout()
    # tonic waits for ever, and reports on standard output, which is for results.
    socket.setdefaulttimeout(TIMEOUT[1])
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return kind(str(folder), **arguments)
    except InputError:
        raise
    # tonic has no errors of its own, and one class ends the program.
    except (Exception, SystemExit) as error:
        found = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
        if searched is None:
            raise InputError(
                f"{folder}: tonic.datasets.{title} cannot read it: expected the set as tonic "
                f"leaves it, found: {found}. {MEND}"
            ) from error
        raise InputError(
            f"{title} is not at hand: searched {searched}, the cache {folder}; downloading it by "
            f"tonic failed: {found}. Mend the connection, or pass a folder that holds the set as "
            "--data-dir, in Python data_dir."
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)


def _search(name: str, title: str, root: Path) -> Files | None:
    """Return the folder in which tonic's folder of a set is, or None if there is none."""
    own = FOLDERS.get(title, title)
    for place in (root, *folders_named(name, root), *folders_named(title, root)):
        if (place / own).is_dir():
            return Files(LOCAL, (place,))
    if root.resolve().name == own:
        return Files(LOCAL, (root.resolve().parent,))
    return None


def _choice(title: str) -> str | None:
    """Return the argument by which a class chooses a part, or None if there is one part only."""
    import tonic

    parameters = inspect.signature(getattr(tonic.datasets, title, object)).parameters
    return next((argument for argument in TRAIN_AND_TEST if argument in parameters), None)


def _event_dataset(name: str, title: str, parts: Sequence[Any]) -> EventDataset:
    """Return the recordings of one or two data sets of tonic."""
    labels = [_labels(name, part) for part in parts]
    turns = [_in_turn(part, of) for part, of in zip(parts, labels, strict=True)]
    if len(parts) == 1:
        parts, labels = [parts[0]] * 2, labels * 2
        turns = _split(turns[0], labels[0])
    size: SensorSize = tuple(map(int, parts[0].sensor_size))  # type: ignore[assignment]
    recordings = [
        _recordings(name, part, of[turn], turn, size)
        for part, of, turn in zip(parts, labels, turns, strict=True)
    ]
    classes = getattr(parts[0], "classes", None)
    if classes is None:
        classes = range(1 + max(int(of.max(initial=0)) for of in labels))
    about = [_about(item) for part in parts for item in part.data]
    return EventDataset(
        name=name,
        train=recordings[0],
        test=recordings[1],
        sensor_size=size,
        class_names=tuple(c.decode() if isinstance(c, bytes) else str(c) for c in classes),
        defaults=DEFAULTS.get(title, EventsSpec()),
        fingerprint=hashlib.sha256(repr(about).encode()).hexdigest() if about else None,
    )


def _labels(name: str, dataset: Any) -> NDArray[np.int64]:
    """Return the class of each recording."""
    labels = dataset.targets
    if len(labels) != len(dataset):
        labels = [dataset[index][1] for index in range(len(dataset))]
    try:
        return np.array([operator.index(label) for label in labels], dtype=np.int64)
    except TypeError:
        raise InputError(
            f"{name}: labels such as {labels[0]!r}: expected integers. Choose another set."
        ) from None


def _about(item: Any) -> str:
    """Return what tells a recording from any other: its file and when it changed, or its bytes."""
    if isinstance(item, str):
        path = Path(item)
        return f"{item} {path.stat().st_size} {path.stat().st_mtime_ns}"
    return hashlib.sha256(np.ascontiguousarray(item).tobytes()).hexdigest()


def _in_turn(dataset: Any, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the recordings in an order in which the classes take turns.

    Files come in the order of their paths, as tonic has them as the file system does. Those that
    operating systems leave behind are left out.
    """
    paths = dataset.data if all(isinstance(item, str) for item in dataset.data) else []
    order = sorted(range(len(labels)), key=paths.__getitem__) if paths else range(len(labels))
    if paths:
        # tonic takes them by their ending alone.
        order = [index for index in order if not is_litter(Path(paths[index]).name)]
    seen: dict[int, int] = {}
    turns = []
    for index in order:
        label = int(labels[index])
        seen[label] = seen.get(label, 0) + 1
        turns.append((seen[label], label, index))
    return np.array([index for _, _, index in sorted(turns)], dtype=np.int64)


def _split(order: NDArray[np.int64], labels: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the recordings for training and the last tenth of each class, at least one."""
    test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        of_class = order[labels[order] == label]
        test[of_class[-max(1, len(of_class) // TEST_SHARE) :]] = True
    return [order[~test[order]], order[test[order]]]


def _recordings(
    name: str, dataset: Any, labels: NDArray[np.int64], order: NDArray[np.int64], size: SensorSize
) -> Recordings:
    """Return the recordings of a data set of tonic in this order."""

    def where(index: int) -> str:
        item = dataset.data[order[index]] if len(dataset.data) == len(dataset) else None
        return item if isinstance(item, str) else f"{name}: recording {order[index]}"

    def read(index: int) -> NDArray[Any]:
        try:
            events: NDArray[Any] = dataset[int(order[index])][0]
        # tonic raises whatever the damage makes it stumble over.
        except Exception as error:
            found = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
            raise InputError(
                f"{where(index)}: damaged recording: expected one that tonic can read, found: "
                f"{found}. {MEND}"
            ) from error
        # ASLDVS has a column of events.
        return events.reshape(-1)

    return Recordings(labels, read, size, where)

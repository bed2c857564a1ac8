"""N-MNIST, whole or in part, from a folder or a zip file."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.download import cache_dir
from lava_ep.data.event_files import decode_nmnist, is_litter
from lava_ep.data.events import EventDataset, Recordings, SensorSize
from lava_ep.data.files import MEND, Files, Layout, folders_named, locate, read_bytes
from lava_ep.data.sources import register_dataset
from lava_ep.errors import InputError
from lava_ep.spec import EventsSpec

NAME = "nmnist"
"""Name of the data set."""

SENSOR_SIZE: SensorSize = (34, 34, 2)
"""Width, height and polarities of the recordings."""

PUBLISHED = (60000, 10000)
"""Training and test recordings of the whole set."""

PARTS = ("Train", "Test")
"""Folders of the two parts, each with a folder for every digit."""

ZIP_NAMES = ("nmnist_small.zip", "nmnist.zip", "N-MNIST.zip")
"""Names of a zip file that holds both parts."""

FOLDER = Layout("Train/DIGIT/NUMBER.bin and Test/DIGIT/NUMBER.bin", (PARTS,))
ZIP = Layout(f"the same in {' or '.join(ZIP_NAMES)}", (ZIP_NAMES,))

RECORDING = re.compile(r"[0-9]/[0-9]{1,9}\.bin")
"""Path of a recording in the folder of its part: its digit and its number in MNIST."""

Members: TypeAlias = dict[str, tuple[int, int]]
"""Size, and time of the last change or checksum, of each file by its path."""

Reader: TypeAlias = Callable[[str], bytes]
"""Returns the content of a file."""


@register_dataset(
    "nmnist",
    "events of moved digits, 34x34x2, 10 classes, 60000 + 10000 recordings or a part",
    events=True,
)
def load_nmnist(data_dir: Path | None) -> EventDataset:
    """Load N-MNIST, or the part of it that is there, or else download it by tonic.

    It is searched in `data_dir`; without it in the folder that the environment variable
    ``LAVA_EP_DATA`` names, and if it is not there, in the user's cache, into which
    ``tonic.datasets.NMNIST`` downloads it when needed. A folder may hold the folders ``Train`` and
    ``Test`` or a zip file of them itself, or in a sub-folder named ``nmnist`` or ``nmnist_small``
    (in any spelling). A zip file is read where it is; nothing is unpacked.

    Parameters
    ----------
    data_dir : pathlib.Path or None
        Existing folder to search. A set that is not there is an error, never a download.

    Returns
    -------
    EventDataset
        The recordings in the order of their numbers, which is that of MNIST; how many there are is
        shown by ``str``. Recordings in a folder are read when they are asked for.

    Raises
    ------
    InputError
        If a part is missing, or there is a file that is no recording.

    References
    ----------
    G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor, "Converting static image datasets to spiking
    neuromorphic datasets using saccades", Frontiers in Neuroscience 9:437, 2015.
    """
    files = locate(
        NAME,
        data_dir,
        search=_search,
        download=_download,
        expected=f"{FOLDER.description}, or {ZIP.description}; directly there, or in a sub-folder "
        "named nmnist or nmnist_small",
    )
    (root,) = files.paths
    members, read = _open_zip(root) if files.layout is ZIP else _open_folder(root)
    train, test = (_recordings(root, part, members, read) for part in PARTS)
    return EventDataset(
        name=NAME,
        train=train,
        test=test,
        sensor_size=SENSOR_SIZE,
        class_names=tuple("0123456789"),
        # The first saccade: over the way there and back, both polarities count the same.
        defaults=EventsSpec(window=(0, 100_000), levels=4),
        published=PUBLISHED,
        fingerprint=hashlib.sha256(f"{sorted(members.items())}".encode()).hexdigest(),
    )


def _search(root: Path) -> Files | None:
    """Return the folder or zip file of the set below `root`, or None if there is none."""
    incomplete: InputError | None = None
    for named in (*folders_named(NAME, root), *folders_named(f"{NAME}_small", root), root):
        for place in (named, named / "NMNIST"):
            found = [part for part in PARTS if _has_digits(place / part)]
            if len(found) == len(PARTS):
                return Files(FOLDER, (place,))
            if zipped := next((z for z in ZIP_NAMES if (place / z).is_file()), None):
                return Files(ZIP, (place / zipped,))
            if found and incomplete is None:
                incomplete = InputError(
                    f"{NAME}: incomplete folder {place}: expected {FOLDER.description}, found only "
                    f"{found[0]}. Add what is missing."
                )
    if incomplete is not None:
        raise incomplete
    return None


def _has_digits(folder: Path) -> bool:
    """Tell whether a folder has folders named after digits."""
    return any((folder / str(digit)).is_dir() for digit in range(10))


def _download(searched: str) -> Files:
    """Return tonic's folder in the user's cache, downloading the set if it is not there."""
    from lava_ep.data.tonic_sets import open_tonic  # which takes its place after this one

    folder = cache_dir(NAME)
    for train, number in zip((True, False), PUBLISHED, strict=True):
        found = len(open_tonic("NMNIST", folder, {"train": train}, searched=searched))
        if found != number:
            raise InputError(
                f"{folder / 'NMNIST'}: incomplete cache: expected {number} recordings, found "
                f"{found}. Delete the folder, so that it is downloaded again."
            )
    return Files(FOLDER, (folder / "NMNIST",))


def _open_folder(root: Path) -> tuple[Members, Reader]:
    """Return the files below a folder, and what reads one."""
    members: Members = {}
    for part in PARTS:
        digits = sorted((root / part).iterdir())
        # Folders that are links are searched only from themselves on.
        for path in (path for digit in digits for path in (digit, *sorted(digit.rglob("*")))):
            name = path.relative_to(root)
            if path.is_file() and not any(map(is_litter, name.parts)):
                about = path.stat()
                members[name.as_posix()] = (about.st_size, about.st_mtime_ns)
    return members, lambda name: read_bytes(root / name)


def _open_zip(path: Path) -> tuple[Members, Reader]:
    """Return the files in a zip file, and what reads one."""
    try:
        # In memory, so that no file stays open.
        archive = zipfile.ZipFile(io.BytesIO(read_bytes(path)))
    except zipfile.BadZipFile as error:
        raise InputError(
            f"{path}: damaged zip file: expected a whole one, found: {error}. {MEND}"
        ) from error

    entries = {
        PurePosixPath(entry.filename): entry
        for entry in archive.infolist()
        if not entry.is_dir() and not any(map(is_litter, PurePosixPath(entry.filename).parts))
    }
    # Archives of a folder have that folder before all names.
    tops = {name.parts[0] for name in entries}
    if len(tops) == 1 and not tops & set(PARTS):
        entries = {PurePosixPath(*name.parts[1:]): entry for name, entry in entries.items()}
    by_name = {name.as_posix(): entry for name, entry in entries.items()}

    def read(name: str) -> bytes:
        try:
            return archive.read(by_name[name])
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as e:
            raise InputError(
                f"{path}: damaged member {name}: expected intact data, found: {e}. {MEND}"
            ) from e

    return {name: (entry.file_size, entry.CRC) for name, entry in by_name.items()}, read


def _recordings(root: Path, part: str, members: Iterable[str], read: Reader) -> Recordings:
    """Return the recordings of a part in the order of their numbers."""
    found = []
    for name in members:
        place = PurePosixPath(name)
        if place.parts[:1] != (part,):
            continue
        if not RECORDING.fullmatch("/".join(place.parts[1:])):
            raise InputError(
                f"{root / name}: foreign file: expected only recordings, {part}/DIGIT/NUMBER.bin, "
                "there. Take it away."
            )
        found.append((int(place.stem), int(place.parent.name), name))
    found.sort()
    labels = np.array([label for _, label, _ in found], dtype=np.int64)

    def where(index: int) -> str:
        return str(root / found[index][2])

    def events(index: int) -> NDArray[Any]:
        return decode_nmnist(read(found[index][2]), where(index))

    return Recordings(labels, events, SENSOR_SIZE, where)

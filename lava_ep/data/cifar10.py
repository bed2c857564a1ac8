"""CIFAR-10 from its standard batches or from a lossless re-coding of them."""

from __future__ import annotations

import contextlib
import io
import operator
import pickle
import reprlib
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.dataset import Dataset
from lava_ep.data.download import cache_dir, download
from lava_ep.data.files import (
    MEND,
    Files,
    Layout,
    checked_labels,
    first_complete,
    folders_named,
    locate,
    read_bytes,
)
from lava_ep.data.sources import register_dataset
from lava_ep.errors import InputError

NAME = "cifar10"
"""Name of the data set."""

BASE_URL = "https://www.cs.toronto.edu/~kriz/"
"""Address to which the name of the archive is appended."""

CHECKSUM = "md5:c58f30108f718f92721af3b95e74349a"
"""Checksum of the archive, as its publisher gives it."""

CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

IMAGE_SHAPE = (32, 32, 3)
"""Height, width and channels (red, green, blue) of an image."""

FEATURES = 32 * 32 * 3
"""Pixels of an image, each channel counted."""

BATCH_SAMPLES = 10000
"""Images in each of the six standard batches, five of which are for training."""

BATCHES = (
    "data_batch_1",
    "data_batch_2",
    "data_batch_3",
    "data_batch_4",
    "data_batch_5",
    "test_batch",
)
"""Names of the six batches, the test batch last; ``.bin`` follows in the binary version."""

PYTHON_FOLDER = "cifar-10-batches-py"
BINARY_FOLDER = "cifar-10-batches-bin"
"""Standard names of the folders that hold the six batches of either version."""

PYTHON = Layout(
    description=f"{', '.join(BATCHES)} (python batches)",
    names=tuple((name,) for name in BATCHES),
)
BINARY = Layout(
    description=f"{', '.join(f'{name}.bin' for name in BATCHES)} (binary batches)",
    names=tuple((f"{name}.bin",) for name in BATCHES),
)
RECODED = Layout(description="cifar10.npz", names=(("cifar10.npz",),))
ARCHIVE = Layout(description="cifar-10-python.tar.gz", names=(("cifar-10-python.tar.gz",),))
LAYOUTS = (PYTHON, BINARY, RECODED, ARCHIVE)
"""The forms in which the set is searched in each folder, in this order."""

Part: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Images, one flattened image a row in the order of height, width, channels; and their labels."""


@register_dataset("cifar10", "photographs in colour, 32x32x3, 10 classes, 50000 + 10000 images")
def load_cifar10(data_dir: Path | None) -> Dataset:
    """Load CIFAR-10 from a local folder, or else by download.

    The set is searched in `data_dir`; without it in the folder that the environment variable
    ``LAVA_EP_DATA`` names, and if it is not there, in the user's cache, into which the archive of
    the python batches is downloaded when needed. A folder may hold the files itself, in a
    sub-folder named after the set (``cifar10``, ``CIFAR-10``, …), or in a folder
    ``cifar-10-batches-py`` or ``cifar-10-batches-bin`` inside one of these. The files are one of
    the following; those in a folder of the user's may differ from the published ones.

    * The six python batches, ``data_batch_1`` to ``data_batch_5`` and ``test_batch``. These are
      pickles, but they are read without calling anything that a pickle names.
    * The six binary batches, ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin``.
    * ``cifar10.npz``, which holds the same pixels as differences modulo 256: of red and blue to
      green, and then along the height and the width of the image.
    * ``cifar-10-python.tar.gz``, the published archive of the python batches. It is unpacked in
      memory only, so no damaged or hostile archive can write anything.

    Parameters
    ----------
    data_dir : pathlib.Path or None
        Existing folder to search. A set that is not there is an error, never a download.

    Returns
    -------
    Dataset
        The images in the order of the files, with ``levels`` 255.

    Raises
    ------
    InputError
        If a file is missing, unreadable, truncated, damaged or not what it should be.

    References
    ----------
    A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    files = locate(
        NAME,
        data_dir,
        search=_search,
        download=_download,
        expected=f"{'; or '.join(layout.description for layout in LAYOUTS)}; directly there, in a "
        f"sub-folder named {NAME}, or in {PYTHON_FOLDER} or {BINARY_FOLDER} inside one of these",
    )
    (x_train, y_train), (x_test, y_test) = READERS[files.layout](files.paths)
    return Dataset(
        name=NAME,
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        levels=255,
        image_shape=IMAGE_SHAPE,
        class_names=CLASS_NAMES,
    )


def _search(root: Path) -> Files | None:
    """Return the files of the set below `root`, or None if none of them is there."""
    return first_complete(NAME, _folders(root), LAYOUTS)


def _folders(root: Path) -> Iterator[Path]:
    """Yield the folders that may hold the files: those named after the set first."""
    for place in (*folders_named(NAME, root), root):
        yield place
        yield place / PYTHON_FOLDER
        yield place / BINARY_FOLDER


def _download(searched: str) -> Files:
    """Return the archive in the user's cache, downloading it if it is not there."""
    ((name,),) = ARCHIVE.names
    paths = download(BASE_URL, {name: CHECKSUM}, cache_dir(NAME), searched=[searched])
    return Files(ARCHIVE, (paths[name],))


def _read_python(paths: Sequence[Path]) -> tuple[Part, Part]:
    """Read the six python batches."""
    return _joined([_unpickled(read_bytes(path), str(path)) for path in paths])


def _read_binary(paths: Sequence[Path]) -> tuple[Part, Part]:
    """Read the six binary batches."""
    return _joined([_read_records(path) for path in paths])


def _read_archive(paths: Sequence[Path]) -> tuple[Part, Part]:
    """Read the six python batches out of their archive, without unpacking it on the disk."""
    (path,) = paths
    members = _members(path)
    return _joined([_unpickled(members[name], f"{path}: {name}") for name in BATCHES])


def _read_recoded(paths: Sequence[Path]) -> tuple[Part, Part]:
    """Read the lossless re-coding."""
    (path,) = paths
    train, test = 5 * BATCH_SAMPLES, BATCH_SAMPLES
    arrays = _recoded_arrays(
        path,
        {
            "train_coded": (3, train, 32, 32),
            "train_labels": (train,),
            "test_coded": (3, test, 32, 32),
            "test_labels": (test,),
        },
    )
    y_train, y_test = (
        checked_labels(arrays[name], f"{path}: {name}") for name in ("train_labels", "test_labels")
    )
    return (_decoded(arrays["train_coded"]), y_train), (_decoded(arrays["test_coded"]), y_test)


READERS: Mapping[Layout, Callable[[Sequence[Path]], tuple[Part, Part]]] = MappingProxyType(
    {
        PYTHON: _read_python,
        BINARY: _read_binary,
        RECODED: _read_recoded,
        ARCHIVE: _read_archive,
    }
)
"""What reads the training and the test part from the files of each layout."""


def _joined(batches: Sequence[Part]) -> tuple[Part, Part]:
    """Return the training batches as one, and the test batch, which is the last."""
    *train, test = batches
    images, labels = zip(*train, strict=True)
    return (np.concatenate(images), np.concatenate(labels)), test


def _interleaved(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images of three planes a row with the channels of each pixel side by side."""
    height, width, channels = IMAGE_SHAPE
    images = planes.reshape(-1, channels, height, width)
    return images.transpose(0, 2, 3, 1).reshape(len(planes), FEATURES)


def _read_records(path: Path) -> Part:
    """Read a binary batch: for each image a byte for the label, then its three planes."""
    content = read_bytes(path)
    expected = BATCH_SAMPLES * (1 + FEATURES)
    if len(content) != expected:
        flaw = "truncated binary batch" if len(content) < expected else "trailing bytes"
        raise InputError(
            f"{path}: {flaw}: expected {expected} bytes for {BATCH_SAMPLES} images, "
            f"found {len(content)}. {MEND}"
        )
    records = np.frombuffer(content, np.uint8).reshape(BATCH_SAMPLES, 1 + FEATURES)
    return _interleaved(records[:, 1:]), checked_labels(records[:, 0], str(path))


def _members(path: Path) -> dict[str, bytes]:
    """Return the content of the six batches in an archive, by their names."""
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(read_bytes(path)), mode="r:") as archive:
            for name in BATCHES:
                # Links are not followed: they have no content of their own.
                member = archive.getmember(f"{PYTHON_FOLDER}/{name}")
                file = archive.extractfile(member) if member.isreg() else None
                if file is None:
                    raise InputError(
                        f"{path}: wrong member {member.name}: expected a regular file, found a "
                        "link or a folder. Replace it by the published archive."
                    )
                members[name] = file.read()
    except tarfile.TarError as error:
        raise InputError(
            f"{path}: damaged archive: expected a whole tar archive, found: {error}. {MEND}"
        ) from error
    except KeyError as error:
        raise InputError(
            f"{path}: incomplete archive: expected the members {', '.join(BATCHES)} in "
            f"{PYTHON_FOLDER}, found: {error.args[0]}. Replace it by the published archive."
        ) from error
    return members


def _recoded_arrays(
    path: Path, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[np.uint8]]:
    """Return the arrays of uint8 with these names and shapes in an ``.npz`` file."""
    content = io.BytesIO(read_bytes(path))
    try:
        with np.load(content, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in shapes}
    # NumPy and zipfile raise whatever the damage makes them stumble over.
    except Exception as error:
        raise InputError(
            f"{path}: damaged file: expected an .npz file with the arrays {', '.join(shapes)}, "
            f"found: {_in_one_line(error)}. {MEND}"
        ) from error
    for name, shape in shapes.items():
        if arrays[name].dtype != np.uint8 or arrays[name].shape != shape:
            raise InputError(
                f"{path}: wrong array {name}: expected uint8 of shape {shape}, "
                f"found {arrays[name].dtype} of shape {arrays[name].shape}. {MEND}"
            )
    return arrays


def _decoded(coded: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return flattened images from differences modulo 256, shape (3, samples, 32, 32)."""
    along_height = np.cumsum(coded, axis=2, dtype=np.uint8)
    planes = np.cumsum(along_height, axis=3, dtype=np.uint8)
    planes[1:] += planes[0]
    green, red, blue = planes
    images: NDArray[np.uint8] = np.stack([red, green, blue], axis=-1)
    return images.reshape(-1, FEATURES)


class _StandIn:
    """Keeps what a pickle says of a NumPy object.

    NumPy's own functions for unpickling trust what they are given and could be made to treat
    bytes as objects; so none of them is called.
    """

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        """Keep the state: the unpickler calls this instead of filling in attributes."""
        self.state = state


HARMLESS: Mapping[tuple[str, str], Any] = MappingProxyType(
    {
        ("numpy.core.multiarray", "_reconstruct"): _StandIn,
        ("numpy._core.multiarray", "_reconstruct"): _StandIn,
        ("numpy", "ndarray"): _StandIn,
        ("numpy", "dtype"): _StandIn,
        # Python 3 writes bytes this way where it must be readable by Python 2.
        ("_codecs", "encode"): str.encode,
    }
)
"""What a pickled batch may name, as module and global, and what stands in for it."""


class _Unpickler(pickle.Unpickler):
    """Unpickler of lists, numbers, bytes and arrays that calls nothing a pickle names."""

    def __init__(self, content: bytes, where: str) -> None:
        # The published batches come from Python 2, whose strings are bytes.
        super().__init__(io.BytesIO(content), encoding="bytes")
        self._where = where

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Return the stand-in of a harmless global, and refuse any other."""
        if (module_name, global_name) not in HARMLESS:
            raise self._refusal(f"the global {module_name}.{global_name}")
        return HARMLESS[module_name, global_name]

    def persistent_load(self, pid: Any, /) -> Any:
        """Refuse an object that is kept outside the pickle."""
        raise self._refusal(f"the persistent object {_brief(pid)}")

    def _refusal(self, found: str) -> InputError:
        """Return the error for a pickle that asks for more than an array."""
        return InputError(
            f"{self._where}: forbidden content: expected a pickle of plain lists and arrays, "
            f"found {found}, and nothing of it was called. "
            "Do not trust the file; replace it by the published one."
        )


def _unpickled(content: bytes, where: str) -> Part:
    """Read a python batch: a pickled dictionary with the planes and labels of its images."""
    try:
        batch = _Unpickler(content, where).load()
    except InputError:
        raise
    # The unpickler raises whatever the damage makes it stumble over.
    except Exception as error:
        raise InputError(
            f"{where}: damaged pickle: expected a whole batch, found: {_in_one_line(error)}. {MEND}"
        ) from error
    if not isinstance(batch, dict) or not {b"data", b"labels"} <= batch.keys():
        found = _brief(list(batch)) if isinstance(batch, dict) else type(batch).__name__
        raise InputError(
            f"{where}: wrong content: expected a dictionary with the keys b'data' and b'labels', "
            f"found {found}. {MEND}"
        )
    planes = _pickled_planes(batch[b"data"], where)
    return _interleaved(planes), _pickled_labels(batch[b"labels"], where)


def _pickled_planes(array: object, where: str) -> NDArray[np.uint8]:
    """Return the pixels of a batch, one image of three planes a row."""
    wanted = (BATCH_SAMPLES, FEATURES)
    found = type(array).__name__
    match array:
        case _StandIn(state=(_, shape, _StandIn(arguments=(code, *_)), fortran, bytes(raw))):
            if code in (b"u1", "u1") and shape == wanted and len(raw) == BATCH_SAMPLES * FEATURES:
                return np.frombuffer(raw, np.uint8).reshape(wanted, order="F" if fortran else "C")
            found = f"{_brief(code)} of shape {_brief(shape)} in {len(raw)} bytes"
    raise InputError(
        f"{where}: wrong pixels: expected b'data' to be an array of b'u1' of shape {wanted}, "
        f"found {found}. {MEND}"
    )


def _pickled_labels(labels: object, where: str) -> NDArray[np.int64]:
    """Return the labels of a batch."""
    found = type(labels).__name__
    if isinstance(labels, list):
        found = f"list of length {len(labels)} ({_brief(labels)})"
        if len(labels) == BATCH_SAMPLES:
            # A label that is no integer, or one too large, is reported below.
            with contextlib.suppress(TypeError, OverflowError):
                numbers = [operator.index(label) for label in labels]
                return checked_labels(np.array(numbers, dtype=np.int64), where)
    raise InputError(
        f"{where}: wrong labels: expected b'labels' to be a list of {BATCH_SAMPLES} integers, "
        f"found {found}. {MEND}"
    )


def _brief(value: object) -> str:
    """Show a value out of a pickle in a few characters."""
    try:
        return reprlib.repr(value)
    except ValueError:  # an integer of thousands of digits
        return type(value).__name__


def _in_one_line(error: Exception) -> str:
    """Say on one line what was raised."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")

"""A user's samples in NumPy files, ``.npz`` and ``.npy``."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.dataset import ImageShape
from lava_ep.data.own.samples import RawData, RawPart
from lava_ep.errors import InputError

WANTED = "x_train, y_train and, if there is a test part, x_test, y_test; or x, y"
"""Arrays of a labelled file, for error messages."""

SAMPLES = ("x", "x_test", "x_train")
LABELS = ("y", "y_test", "y_train")
TEST = ("x_test", "y_test")

PLANES = (1, 3, 4)
"""Numbers of channels that images commonly have."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a NumPy file, and name it in the error for whatever is wrong inside.

    Yields
    ------
    numpy.lib.npyio.NpzFile or numpy.ndarray
        The arrays by name, or the array. Nothing in the file is executed.

    Raises
    ------
    InputError
        If the file is unreadable or damaged, or holds objects.
    """
    try:
        # NumPy leaves a file that it cannot read open.
        with path.open("rb") as file:
            content = np.load(file, allow_pickle=False)
            if isinstance(content, np.ndarray):
                yield content
                return
            with content:
                yield content
    except InputError:
        raise
    # NumPy, zipfile and zlib raise whatever the damage makes them stumble over.
    except Exception as error:
        found = " ".join(str(error).split()) or type(error).__name__
        way_out = "Write it with numpy.savez, without objects."
        if isinstance(error, OSError) and error.strerror:
            found, way_out = error.strerror, "Check its path, its permissions and the disk."
        elif isinstance(error, zipfile.BadZipFile):
            way_out = "Replace it by a whole copy."
        raise InputError(
            f"{path}: cannot be read: expected a NumPy file of plain arrays, found: {found}. "
            f"{way_out}"
        ) from None


def read_npz(path: Path, *, labelled: bool) -> RawData:
    """Read the arrays of an ``.npz`` file.

    Upper and lower case do not matter in the names of the arrays. Arrays with other names are
    ignored.

    Parameters
    ----------
    path : pathlib.Path
        The file. It has ``x_train`` and ``y_train`` and may have ``x_test`` and ``y_test``, or it
        has ``x`` and ``y``; to test a trained network, ``x_test`` and ``y_test`` will do.
    labelled : bool
        False: there is one array of samples, ``x``, ``x_test`` or ``x_train``, or one array of any
        name; labels are ignored.

    Raises
    ------
    InputError
        If an array is missing, superfluous or unusable.
    """
    with opened(path) as content:
        if isinstance(content, np.ndarray):
            raise InputError(
                f"{path}: wrong format: expected an .npz file, found that of .npy. Rename it."
            )
        names = _by_lower_case(path, content.files)
        if not labelled:
            name = _only_samples(path, names)
            x, shape = checked_samples(content[name], f"{path}: {name}")
            return RawData(str(path), RawPart(x), image_shape=shape, full_scale=full_scale(x))
        pairs = _labelled_pairs(path, names)
        arrays = [tuple(content[names[name]] for name in pair) for pair in pairs]
    parts, shapes = [], []
    for (x_name, y_name), (x, y) in zip(pairs, arrays, strict=True):
        x, shape = checked_samples(x, f"{path}: {names[x_name]}")
        y = checked_labels(y, f"{path}: {names[y_name]}", len(x))
        parts.append(RawPart(x, y))
        shapes.append(shape or x.shape[1:])
    if pairs == [TEST]:
        return RawData(
            str(path), None, parts[0], image_shape=shape, full_scale=full_scale(parts[0].x)
        )
    train, test = parts[0], parts[1] if len(parts) > 1 else None
    if test is not None:
        if shapes[0] != shapes[1]:
            raise InputError(
                f"{path}: {names['x_test']} has samples of shape {shapes[1]}: expected "
                f"{shapes[0]} as in {names['x_train']}. Take both from the same source."
            )
        if full_scale(train.x) != full_scale(test.x):
            raise InputError(
                f"{path}: {names['x_test']} is {test.x.dtype}: expected {train.x.dtype} as in "
                f"{names['x_train']}, since each type is scaled differently. Convert "
                "one of them."
            )
    return RawData(
        str(path),
        train,
        test,
        image_shape=shape,
        full_scale=full_scale(train.x),
    )


def read_npy(path: Path, *, labelled: bool) -> RawData:
    """Read the samples in an ``.npy`` file.

    Raises
    ------
    InputError
        If labels are wanted, which it does not have, or the array is unusable.
    """
    if labelled:
        raise InputError(
            f"{path}: no labels: expected an .npz file with {WANTED}; an .npy file holds one "
            "array. Write numpy.savez(FILE, x=..., y=...)."
        )
    with opened(path) as content:
        if not isinstance(content, np.ndarray):
            raise InputError(
                f"{path}: wrong format: expected an .npy file, found that of .npz. Rename it."
            )
        x, shape = checked_samples(content, str(path))
    return RawData(str(path), RawPart(x), image_shape=shape, full_scale=full_scale(x))


def full_scale(x: NDArray[Any]) -> int | None:
    """Return the value that means 1.0 if the type of the values says it, else None."""
    if x.dtype == np.uint8:
        return 255
    return 1 if x.dtype == np.bool_ else None


def checked_samples(x: NDArray[Any], where: str) -> tuple[NDArray[Any], ImageShape | None]:
    """Return samples flattened, and the shape of an image.

    Parameters
    ----------
    x : numpy.ndarray
        A table (samples, features), or images (samples, height, width) with or without
        (channels) after it.
    where : str
        The array, for error messages.

    Returns
    -------
    x : numpy.ndarray, shape (samples, features)
        The values in the byte order of this machine.
    image_shape : tuple of int or None
        Height, width and, if there are several, channels; None for a table.

    Raises
    ------
    InputError
        If the shape, the type or a value is unusable.
    """
    if x.dtype.kind not in "buif":
        raise InputError(
            f"{where} is {x.dtype}: expected booleans, integers or floating-point numbers. "
            "Convert it with astype."
        )
    if x.ndim not in (2, 3, 4):
        hint = f"{where.rpartition(' ')[2]}.reshape(-1, 1)" if x.ndim == 1 else "reshape"
        raise InputError(
            f"{where} has shape {x.shape}: expected (samples, features), (samples, height, width) "
            f"or (samples, height, width, channels). Use {hint}."
        )
    if 0 in x.shape:
        raise InputError(
            f"{where} has shape {x.shape}: expected at least one sample with one value. Fill it."
        )
    if x.ndim == 4 and x.shape[1] in PLANES and x.shape[3] not in PLANES:
        raise InputError(
            f"{where} has shape {x.shape}: expected the channels last, (samples, height, width, "
            "channels), found them first. Use transpose(0, 2, 3, 1)."
        )
    if x.dtype.kind == "f":
        refuse_not_finite(x, where)
    shape: ImageShape | None = None
    if x.ndim >= 3:
        height, width = x.shape[1:3]
        shape = (height, width)
        if x.ndim == 4 and x.shape[3] > 1:
            shape = (height, width, x.shape[3])
    flat = np.ascontiguousarray(x, x.dtype.newbyteorder("="))
    return flat.reshape(len(x), math.prod(x.shape[1:])), shape


def refuse_not_finite(x: NDArray[Any], where: str) -> None:
    """Raise InputError if a value is infinite or not a number, naming its position."""
    wrong = ~np.isfinite(x)
    if wrong.any():
        place = np.unravel_index(int(wrong.argmax()), x.shape)
        raise InputError(
            f"{where}[{', '.join(map(str, place))}] is {x[place]}: expected a finite number. "
            "Remove the sample or put a number there."
        )


def checked_labels(y: NDArray[Any], where: str, samples: int) -> NDArray[Any]:
    """Return labels as int64, bool or str.

    Parameters
    ----------
    y : numpy.ndarray
        Integers, booleans, text, or floating-point numbers that are whole.
    where : str
        The array, for error messages.
    samples : int
        Number of samples that have these labels.

    Raises
    ------
    InputError
        If the shape, the type or a value is unusable.
    """
    if y.ndim != 1:
        hint = "Write one label per sample."
        if y.ndim == 2 and y.shape[1] == 1:
            hint = "Use .ravel()."
        elif y.ndim == 2:
            hint = "If each row marks one class (one-hot), use .argmax(axis=1)."
        raise InputError(f"{where} has shape {y.shape}: expected (samples,). {hint}")
    if len(y) != samples:
        raise InputError(
            f"{where} has {len(y)} labels: expected {samples}, one for each sample. Add or remove "
            "labels or samples."
        )
    if y.dtype.kind == "b":
        return y.astype(np.bool_)
    if y.dtype.kind in "SU":
        return _text(y, where)
    if y.dtype.kind not in "iuf":
        raise InputError(
            f"{where} is {y.dtype}: expected text, integers or booleans. Convert it with astype."
        )
    if y.dtype.kind == "f":
        refuse_not_finite(y, where)
    limits = np.iinfo(np.int64)
    with np.errstate(invalid="ignore"):
        whole = y.astype(np.int64)
    # A number beyond int64 comes back as another one, or with another sign.
    wrong = (whole != y) | (y > limits.max) | ((whole < 0) != (y < 0))
    if wrong.any():
        place = int(wrong.argmax())
        raise InputError(
            f"{where}[{place}] is {y[place]}: expected classes as text, integers or booleans. "
            "If these are measured values, group them into classes."
        )
    return whole


def refuse_unknown_classes(train: NDArray[Any], test: NDArray[Any], where: str) -> None:
    """Raise InputError if a label of the test part is not in the training part."""
    if (train.dtype.kind == "U") == (test.dtype.kind == "U"):
        unknown = ~np.isin(test, train)
    else:
        unknown = np.ones(len(test), bool)
    if unknown.any():
        place = int(unknown.argmax())
        raise InputError(
            f"{where}: test sample {place} (counted from 0) has the label "
            f"{test[place].item()!r}: expected one of the training part, such as "
            f"{train[0].item()!r}. Add training samples of this class, or remove those for testing."
        )


def _text(y: NDArray[Any], where: str) -> NDArray[np.str_]:
    """Return labels of text or bytes as text."""
    if y.dtype.kind == "S":
        try:
            y = np.char.decode(y, "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{where} holds bytes that are no UTF-8 ({error.reason}): expected text. "
                "Convert it with numpy.char.decode."
            ) from None
    empty = np.char.str_len(np.char.strip(y)) == 0
    if empty.any():
        raise InputError(
            f"{where}[{int(empty.argmax())}] is empty: expected a label. Name the class, or remove "
            "the sample."
        )
    return y.astype(np.str_)


def _by_lower_case(path: Path, files: Iterable[str]) -> dict[str, str]:
    """Return the name of each array by itself in lower case."""
    names: dict[str, str] = {}
    for name in files:
        if name.lower() in names:
            raise InputError(
                f"{path}: arrays {names[name.lower()]} and {name}: expected one of them. Remove "
                "the other."
            )
        names[name.lower()] = name
    if not names:
        raise InputError(f"{path}: no arrays: expected {WANTED}. Fill it.")
    return names


def _only_samples(path: Path, names: Mapping[str, str]) -> str:
    """Return the name of the one array of samples."""
    known = [names[name] for name in SAMPLES if name in names]
    found = known or [name for lower, name in names.items() if lower not in LABELS]
    if len(found) == 1:
        return found[0]
    raise InputError(
        f"{path}: {'several arrays' if found else 'no array'} of samples: expected one, x, found "
        f"{', '.join(names.values())}. Write those to be predicted alone: numpy.savez(FILE, x=...)."
    )


def _labelled_pairs(path: Path, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the names, in lower case, of the arrays of each part: samples and labels."""
    parts = [("x_train", "y_train"), TEST]
    whole = [name for name in ("x", "y") if name in names]
    split = [name for pair in parts for name in pair if name in names]
    found = ", ".join(names.values())
    if whole and split:
        raise InputError(
            f"{path}: {names[whole[0]]} besides {names[split[0]]}: expected {WANTED}, found "
            f"{found}. Remove one kind."
        )
    if whole:
        parts = [("x", "y")]
    elif split and not set(TEST) & names.keys():
        parts = parts[:1]
    elif split == [*TEST]:
        parts = [TEST]
    missing = [name for pair in parts for name in pair if name not in names]
    if not whole and not split:
        raise InputError(
            f"{path}: no array x_train: expected {WANTED}, found {found}. Rename the arrays: "
            "numpy.savez(FILE, x_train=..., y_train=...)."
        )
    if missing:
        way_out = "Add the missing arrays."
        if missing == ["y_test"]:
            way_out = (
                f"Add the labels of {names['x_test']}, or remove it: then part of "
                f"{names['x_train']} is kept for testing."
            )
        elif missing == ["x_test"]:
            way_out = f"Add the samples of {names['y_test']}, or remove it."
        raise InputError(
            f"{path}: no array {' and '.join(missing)}: expected {WANTED}, found {found}. {way_out}"
        )
    return parts

"""Samples from a user's own file or folder of any kind."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeAlias

from lava_ep.data.own import pictures
from lava_ep.data.own.arrays import read_npy, read_npz, refuse_unknown_classes
from lava_ep.data.own.idx_set import holds_sets, is_idx_name, read_idx_images, read_idx_set
from lava_ep.data.own.samples import RawData
from lava_ep.data.own.table import read_table
from lava_ep.errors import InputError

Kind: TypeAlias = Literal["npz", "npy", "csv", "pictures", "idx", "recordings"]
"""Kinds of files and folders: ``csv`` for all tables, ``idx`` for the format of MNIST."""

TABLES = (".csv", ".tsv", ".txt", ".data")

RECORDINGS = (".bin", ".aedat4", ".dat")
"""Endings of event recordings."""

TO_NUMPY = "Convert it to .npz: numpy.savez(FILE, x_train=..., y_train=...)"
TO_CSV = "Save it as .csv"

FOREIGN = {
    ".arrow": TO_CSV,
    ".feather": TO_CSV,
    ".ods": TO_CSV,
    ".parquet": TO_CSV,
    ".xls": TO_CSV,
    ".xlsx": TO_CSV,
    ".arff": TO_CSV,
    ".json": TO_CSV,
    ".h5": TO_NUMPY,
    ".hdf5": TO_NUMPY,
    ".joblib": TO_NUMPY,
    ".mat": TO_NUMPY,
    ".pickle": TO_NUMPY,
    ".pkl": TO_NUMPY,
    ".pt": TO_NUMPY,
    ".pth": TO_NUMPY,
    ".7z": "Unpack it and give the folder",
    ".rar": "Unpack it and give the folder",
    ".tar": "Unpack it and give the folder",
    ".tgz": "Unpack it and give the folder",
    ".zip": "Unpack it and give the folder",
}
"""Endings of files that are not read, and the way out for each."""

EXPECTED = (
    f"{', '.join(TABLES)}, .npz, .npy, a picture, an IDX file, or a folder of class folders of "
    f"pictures or recordings ({', '.join(RECORDINGS)}), or of IDX files"
)


def is_own(name: str, known: Iterable[str]) -> bool:
    """Return whether a value of ``--data`` means a user's file or folder.

    Parameters
    ----------
    name : str
        The value.
    known : iterable of str
        Names of data sets, such as ``mnist``; of ``tonic:NAME`` only the part before the colon
        matters.

    Returns
    -------
    bool
        False for the names of data sets, even if there is a file of this name; else True for
        whatever exists, has a separator of paths, or the ending of a file.
    """
    names = set(known)
    prefixes = tuple(f"{entry.partition(':')[0]}:" for entry in names if ":" in entry)
    if name in names or name.startswith(prefixes) or not name:
        return False
    if os.sep in name or (os.altsep is not None and os.altsep in name):
        return True
    ending = _ending(name)
    known_endings = (".npz", ".npy", *TABLES, *RECORDINGS, *FOREIGN, *pictures.ENDINGS)
    return ending in known_endings or is_idx_name(name) or Path(name).exists()


def kind_of(path: Path) -> Kind:
    """Determine the kind of a file or folder.

    Parameters
    ----------
    path : pathlib.Path
        The file or folder; ``FOLDER/PREFIX`` for one of several IDX sets in a folder.

    Returns
    -------
    str
        The kind, by the ending of the file, or of the files in the folder.

    Raises
    ------
    InputError
        If there is nothing there, or nothing that can be read, or several kinds.
    """
    path = path.expanduser()
    try:
        if path.is_dir():
            return _kind_of_folder(path)
        if not path.exists():
            if holds_sets(path.parent, path.name):
                return "idx"
            raise InputError(f"{path}: no such file or folder. Correct the path.")
        if not path.is_file():
            raise InputError(f"{path}: expected a file or folder, found a device or pipe.")
        kind = _kind_of_name(path.name)
        if kind is None and _has_idx_header(path):
            return "idx"
    except OSError as error:
        raise InputError(
            f"{error.filename or path}: cannot be read: {error.strerror or error}. Check its "
            "permissions and the disk."
        ) from error
    if kind is not None:
        return kind
    ending = _ending(path.name)
    way_out = FOREIGN.get(ending, "Convert it, or correct its ending")
    found = ending or "no ending"
    raise InputError(f"{path}: unknown kind of file ({found}): expected {EXPECTED}. {way_out}.")


def read_samples(
    path: Path,
    *,
    label: str | None = None,
    labelled: bool = True,
    image_size: tuple[int, int] | None = None,
    channels: Literal[1, 3] | None = None,
    shape: tuple[int, int] | None = None,
    known: tuple[str, ...] = (),
) -> RawData:
    """Read a user's samples, whatever the kind of file.

    Parameters
    ----------
    path : pathlib.Path
        A table (``.csv``, ``.tsv``, ``.txt``, ``.data``), arrays (``.npz``), a folder of class
        folders of pictures, or a folder of IDX files. Without labels also ``.npy``, a picture, a
        folder of pictures, or a file of IDX images.
    label : str or None
        Name of the column of a table that holds the labels, or its number, counted from 1; None:
        the last column.
    labelled : bool
        False: samples to be predicted, which need no labels; labels in the file are ignored. A
        column named `label` is left out of the features of a table.
    image_size : tuple of int or None
        Height and width that pictures are resized to; None: all must have the same.
    channels : {1, 3} or None
        Whether pictures have to be grey or in colour. Grey ones become coloured where 3 is
        demanded; coloured ones are an error where 1 is. None: as they are.
    shape : tuple of int or None
        Height and width that pictures must have, as those of a training before this had.
    known : tuple of str
        Names of the columns of a training, see `read_table`.

    Returns
    -------
    RawData
        The samples in the order of the file; pictures in the order of their names.

    Raises
    ------
    InputError
        If the file is missing, damaged, of another kind, or a value in it is unusable.
    """
    path = path.expanduser()
    kind = kind_of(path)
    if kind not in ("csv",) and label is not None and labelled:
        raise InputError(
            f"--label {label}: {path} is no table, expected one of {', '.join(TABLES)}. Leave it "
            "out."
        )
    if kind != "pictures" and image_size is not None:
        raise InputError(
            f"data.image_size={list(image_size)}: {path} holds no picture files, which alone are "
            "resized. Leave it out."
        )
    if kind == "recordings":
        raise InputError(f"{path}: event recordings: expected samples of features or pixels.")
    if kind == "csv":
        data = read_table(path, label=label, labelled=labelled, known=known)
    elif kind == "npz":
        data = read_npz(path, labelled=labelled)
    elif kind == "npy":
        data = read_npy(path, labelled=labelled)
    elif kind == "idx":
        data = read_idx_set(path) if labelled else read_idx_images(path)
    elif labelled:
        data = pictures.read_classes(path, image_size=image_size, channels=channels, shape=shape)
    else:
        data = pictures.read_pictures(path, image_size=image_size, channels=channels, shape=shape)
    train, test = data.train, data.test
    if train is not None and test is not None and train.y is not None and test.y is not None:
        refuse_unknown_classes(train.y, test.y, str(path))
    return data


def _ending(name: str) -> str:
    """Return the ending in lower case, without that of compression."""
    return Path(re.sub(r"(?<=\w)\.gz$", "", name.lower())).suffix


def _kind_of_name(name: str) -> Kind | None:
    """Return the kind of a file by its name, or None."""
    ending = _ending(name)
    if is_idx_name(name):
        return "idx"
    if ending in TABLES:
        return "csv"
    if name.lower().endswith((".npz", ".npy")):
        return "npz" if name.lower().endswith(".npz") else "npy"
    if name.lower().endswith(pictures.ENDINGS):
        return "pictures"
    return "recordings" if name.lower().endswith(RECORDINGS) else None


def _has_idx_header(path: Path) -> bool:
    """Return whether a file without an ending begins as IDX images of bytes do."""
    if path.suffix:
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\0\0\x08\x03"


def _kind_of_folder(folder: Path) -> Kind:
    """Return the kind of a folder by the files in it, at any depth."""
    if holds_sets(folder):
        return "idx"
    found: dict[Kind, Path] = {}
    example: Path | None = None
    for path in pictures.visible_files(folder):
        kind = _kind_of_name(path.name)
        if kind is None:
            example = example or path
        else:
            found.setdefault(kind, path)
    both = [kind for kind in ("pictures", "recordings") if kind in found]
    if len(both) == 2:
        raise InputError(
            f"{folder}: pictures and recordings ({found['pictures'].relative_to(folder)}, "
            f"{found['recordings'].relative_to(folder)}): expected one kind. Move one away."
        )
    if "pictures" in found:
        return "pictures"
    if "recordings" in found:
        return "recordings"
    if found:
        path = next(iter(found.values()))
        raise InputError(
            f"{folder}: no class folders of pictures or recordings, found "
            f"{path.relative_to(folder)}. To use this file, give its path: {path}."
        )
    if example is not None:
        raise InputError(
            f"{folder}: no samples: expected {EXPECTED}, found {example.relative_to(folder)}."
        )
    raise InputError(f"{folder}: empty folder: expected {EXPECTED}.")

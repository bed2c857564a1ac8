"""Where the files of a data set are searched, and what all their readers refuse alike."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.errors import InputError

ENVIRONMENT_VARIABLE = "LAVA_EP_DATA"
"""Environment variable that names the folder to search when no folder is given."""

MEND = "Replace it by a whole copy."
"""How to mend a damaged file, for error messages."""


@dataclass(frozen=True)
class Layout:
    """One form in which a data set is kept in a folder.

    Parameters
    ----------
    description : str
        The files in words, for error messages.
    names : tuple of tuple of str
        For each file its name, followed by the names that will do instead.
    spelling : callable or None
        Reduces a file name to a form that all its spellings share; without it, only the names
        themselves will do.
    """

    description: str
    names: tuple[tuple[str, ...], ...]
    spelling: Callable[[str], str] | None = None


@dataclass(frozen=True)
class Files:
    """The files of a data set that were found.

    Parameters
    ----------
    layout : Layout
        The form in which the set was found.
    paths : tuple of pathlib.Path
        The path of each file, in the order of ``layout.names``.
    """

    layout: Layout
    paths: tuple[Path, ...]


def locate(
    name: str,
    data_dir: Path | None,
    *,
    search: Callable[[Path], Files | None],
    download: Callable[[str], Files],
    expected: str,
    way_out: str = "Put them there, or leave --data-dir out to download them.",
) -> Files:
    """Find the files of a data set in a local folder, or else download them.

    Parameters
    ----------
    name : str
        Name of the data set.
    data_dir : pathlib.Path or None
        Existing folder to search. A set that is not there is an error, never a download. Without
        it, the folder that the environment variable ``LAVA_EP_DATA`` names is searched, and if
        the set is not there, it is downloaded.
    search : callable
        Returns the files in or below a folder, or None if none of them is there.
    download : callable
        Returns the files from the user's cache or from the publisher; it is told what was
        searched before, for its error message.
    expected : str
        The files that are searched and their places, for error messages.
    way_out : str
        Advice about files that are not in `data_dir`, for the error message.

    Returns
    -------
    Files
        All files of the set.

    Raises
    ------
    InputError
        If the set is not in `data_dir`, or a file or folder cannot be read.
    """
    if data_dir is not None:
        files = _searched(search, data_dir)
        if files is None:
            raise InputError(
                f"{name}: no files in --data-dir {data_dir}: expected {expected}. {way_out}"
            )
        return files
    searched = f"{ENVIRONMENT_VARIABLE} (not set)"
    folder = os.environ.get(ENVIRONMENT_VARIABLE)
    if folder:
        root = Path(folder).expanduser()
        searched = f"{ENVIRONMENT_VARIABLE}={folder}"
        if not is_readable_folder(root):
            searched += " (no readable folder)"
        elif (files := _searched(search, root)) is not None:
            return files
    return download(searched)


def first_complete(name: str, folders: Iterable[Path], layouts: Sequence[Layout]) -> Files | None:
    """Return the files of the first folder that holds all those of a layout.

    Parameters
    ----------
    name : str
        Name of the data set, for error messages.
    folders : iterable of pathlib.Path
        Where to look, in this order; folders that do not exist are passed over.
    layouts : sequence of Layout
        What to look for in each folder, in this order.

    Returns
    -------
    Files or None
        None if no folder holds any of the files.

    Raises
    ------
    InputError
        If files were found, but nowhere all those of a layout.
    """
    incomplete: InputError | None = None
    for folder in folders:
        for layout in layouts:
            paths = [_first_file(folder, names, layout.spelling) for names in layout.names]
            found = tuple(path for path in paths if path is not None)
            if len(found) == len(paths):
                return Files(layout, found)
            if found and incomplete is None:
                lacking = zip(layout.names, paths, strict=True)
                missing = [str(folder / names[0]) for names, path in lacking if path is None]
                incomplete = InputError(
                    f"{name}: missing {' and '.join(missing)}: expected {layout.description}, "
                    f"found only {', '.join(path.name for path in found)}. Add what is missing."
                )
    if incomplete is not None:
        raise incomplete
    return None


def folders_named(name: str, root: Path) -> list[Path]:
    """Return the sub-folders of `root` that are named after the data set `name`."""
    below = sorted(path for path in root.iterdir() if path.is_dir())
    return [path for path in below if plain(path.name) == plain(name)]


def plain(folder_name: str) -> str:
    """Reduce a name to lower-case letters and digits, so that spellings compare equal."""
    return re.sub("[^a-z0-9]", "", folder_name.lower())


def is_readable_folder(path: Path) -> bool:
    """Tell whether `path` is a folder whose entries can be listed and opened."""
    # The access check goes first: is_dir raises where a folder above cannot be entered.
    return os.access(path, os.R_OK | os.X_OK) and path.is_dir()


def read_bytes(path: Path) -> bytes:
    """Return the whole content of a file, decompressed and verified if it is gzipped.

    Parameters
    ----------
    path : pathlib.Path
        The file; it is gzipped if its name ends in ``.gz``.

    Returns
    -------
    bytes
        The content.

    Raises
    ------
    InputError
        If the file cannot be read, or its compressed data are truncated or corrupt.
    """
    try:
        if path.suffix.lower() != ".gz":
            return path.read_bytes()
        with gzip.open(path) as file:
            return file.read()
    except EOFError as error:
        raise InputError(
            f"{path}: truncated gzip file: expected an end-of-stream mark, "
            f"found the end of the file. {MEND}"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path}: corrupt gzip file: expected intact gzip data, found: {error}. {MEND}"
        ) from error
    except OSError as error:
        raise _unreadable(path, error, "a readable file") from error


def checked_labels(
    labels: NDArray[Any], where: str, way_out: str = "Correct the labels."
) -> NDArray[np.int64]:
    """Return the labels of ten classes as int64.

    Parameters
    ----------
    labels : numpy.ndarray, shape (samples,)
        Integers of any type.
    where : str
        The file that holds them, for the error message.
    way_out : str
        Advice about other labels, for the error message.

    Returns
    -------
    numpy.ndarray of int64, shape (samples,)
        The same labels.

    Raises
    ------
    InputError
        If a label is not in 0..9.
    """
    wrong = np.flatnonzero((labels < 0) | (labels > 9))
    if wrong.size:
        raise InputError(
            f"{where}: wrong label: expected 0..9, found {labels[wrong[0]]} at position "
            f"{wrong[0]} (counted from 0). {way_out}"
        )
    return labels.astype(np.int64)


def _first_file(
    folder: Path, names: Sequence[str], spelling: Callable[[str], str] | None
) -> Path | None:
    """Return the path of the first of the names that is a file in `folder`.

    Raises
    ------
    InputError
        If there are several files of other spellings, none of which goes before the others.
    """
    exact = next((path for name in names if (path := folder / name).is_file()), None)
    if exact is not None or spelling is None or not folder.is_dir():
        return exact
    wanted = {spelling(name) for name in names}
    found = [path for path in sorted(folder.iterdir()) if spelling(path.name) in wanted]
    return only_file([path for path in found if path.is_file()], names[0])


def only_file(paths: Sequence[Path], name: str) -> Path | None:
    """Return the only one of several files that may be meant by a name, or None if there is none.

    Raises
    ------
    InputError
        If there are several.
    """
    if len(paths) > 1:
        raise InputError(
            f"{paths[0].parent}: several files for {name}: expected one of them, found "
            f"{', '.join(path.name for path in paths)}. Take the others away."
        )
    return paths[0] if paths else None


def _searched(search: Callable[[Path], Files | None], root: Path) -> Files | None:
    """Return what `search` finds below `root`, naming what it cannot read."""
    try:
        return search(root)
    except OSError as error:
        raise _unreadable(error.filename, error, "a readable file or folder") from error


def _unreadable(path: Path | str, error: OSError, expected: str) -> InputError:
    """Return the error that says why `path` cannot be read."""
    return InputError(
        f"{path}: cannot be read: expected {expected}, found: {error.strerror or error}. "
        "Check its permissions and the disk."
    )

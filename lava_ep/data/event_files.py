"""Single files of event recordings, told apart by their endings."""

from __future__ import annotations

import io
import os
import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.events import EVENT, checked_events
from lava_ep.data.files import MEND, read_bytes
from lava_ep.errors import InputError

EVENT_BYTES = 5
"""Bytes of an event in the format of N-MNIST."""

DAT_EVENT_BYTES = 8
"""Bytes of an event in the ``.dat`` format."""

MAGIC: Mapping[bytes, str] = MappingProxyType(
    {
        b"#!AER-DAT": "AEDAT",
        b"% D": "DAT",
        b"MATLAB": "MATLAB",
        b"\x89HDF\r\n": "HDF5",
        b"\x93NUMPY": "NumPy",
        b"PK\x03\x04": "zip",
        b"\x1f\x8b\x08": "gzip",
    }
)
"""First bytes of files that are met under a wrong ending, and what they are."""

ROLL_OVER = 2**32
"""Microseconds after which the times of a ``.dat`` file begin again at 0."""

ROLL_OVER_GAP = 60_000_000
"""Longest time without events, in microseconds, across which a roll-over is believed."""

MARKED_ROW = 240
"""Row that marks an overflow of the times in ``.bin`` files, whose cameras have fewer rows."""

LITTER = frozenset({"__macosx", "thumbs.db", "desktop.ini", "icon\r"})
"""Names, in lower case, that operating systems leave in folders and archives."""

TEXT = frozenset(string.printable.encode())
"""Bytes of which text consists."""


def is_litter(name: str) -> bool:
    """Return whether a file or folder is hidden or left behind by an operating system."""
    return name.startswith(".") or name.lower() in LITTER


def read_events(
    path: str | os.PathLike[str], sensor_size: Sequence[int] | None = None
) -> NDArray[np.void]:
    """Read the events of a recording from a file.

    The ending says which format it is: ``.bin``, 5 bytes an event as in N-MNIST and N-Caltech101
    (``tonic.io.read_mnist_file``); ``.aedat4`` of iniVation (``tonic.io.read_aedat4``, which
    needs the package ``aedat``); ``.dat``, Prophesee's cameras and N-CARS (``expelliarmus``, which
    comes with tonic).

    Parameters
    ----------
    path : path
        The file.
    sensor_size : sequence of int, or None
        Width, height and, unless 2, polarities that the events have to fit, if known.

    Returns
    -------
    numpy.ndarray of `lava_ep.data.EVENT`, shape (events,)
        The events in the order of their times, in microseconds as the file has them.

    Raises
    ------
    InputError
        If the file is missing, truncated, foreign, empty, not in order, has events outside the
        sensor, or its ending is unknown.
    """
    path = Path(path).expanduser()
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: unknown format {path.suffix or 'without an ending'}: expected a file that "
            f"ends in {', '.join(READERS)}. Convert it to one of these."
        )
    return checked_events(reader(path), sensor_size, str(path))


def decode_nmnist(content: bytes, where: str) -> NDArray[np.void]:
    """Return the events of the content of a file in the format of N-MNIST.

    An event is the bytes x, y, and three for the polarity (1 bit) and the time in microseconds
    (23 bits), most significant first.

    Parameters
    ----------
    content : bytes
        The whole file.
    where : str
        The file, for error messages.

    Returns
    -------
    numpy.ndarray of `lava_ep.data.EVENT`, shape (events,)
        The events as tonic reads them, not yet checked.

    Raises
    ------
    InputError
        If the length is not a multiple of 5 bytes, the file is of another format, or has rows above
        the one that marks an overflow of the times.

    References
    ----------
    G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor, "Converting static image datasets to spiking
    neuromorphic datasets using saccades", Frontiers in Neuroscience 9:437, 2015.
    """
    from tonic.io import read_mnist_file

    _refuse_foreign(content, where, "N-MNIST events")
    if len(content) % EVENT_BYTES:
        raise InputError(
            f"{where}: truncated file: expected a multiple of {EVENT_BYTES} bytes, found "
            f"{len(content)}. {MEND}"
        )
    rows = np.frombuffer(content, np.uint8)[1::EVENT_BYTES]
    if (rows == MARKED_ROW).any() and (rows > MARKED_ROW).any():
        raise InputError(
            f"{where}: rows above {MARKED_ROW}: expected a camera with at most {MARKED_ROW} rows, "
            f"as row {MARKED_ROW} marks an overflow of the times in this format. The file is "
            "damaged, or of another format; convert it to .dat or .aedat4."
        )
    events: NDArray[np.void] = read_mnist_file(io.BytesIO(content), dtype=EVENT, is_stream=True)
    return events


def _read_bin(path: Path) -> NDArray[np.void]:
    """Read a file in the format of N-MNIST."""
    return decode_nmnist(read_bytes(path), str(path))


def _read_dat(path: Path) -> NDArray[Any]:
    """Read a ``.dat`` file: lines that begin with ``%``, two bytes, and 8 bytes an event."""
    from expelliarmus import Wizard

    # expelliarmus leaves out half an event at the end, and says little about anything else.
    content, start = read_bytes(path), 0
    while content[start : start + 1] == b"%":
        start = content.find(b"\n", start) + 1 or len(content)
    if start == 0:
        _refuse_foreign(content, str(path), "a DAT header, whose lines begin with %")
        raise InputError(
            f"{path}: foreign file: expected a DAT header, whose lines begin with %, found "
            f"{content[:8]!r}. Give the file its right ending."
        )
    start += 2
    if start > len(content) or (len(content) - start) % DAT_EVENT_BYTES:
        raise InputError(
            f"{path}: truncated file: expected a header, 2 bytes, and a multiple of "
            f"{DAT_EVENT_BYTES} bytes, found {len(content)} bytes. {MEND}"
        )
    if content[start - 1] != DAT_EVENT_BYTES:
        raise InputError(
            f"{path}: wrong size of events: expected {DAT_EVENT_BYTES} bytes, found "
            f"{content[start - 1]}. {MEND}"
        )
    if start == len(content):
        return np.empty(0, EVENT)
    _check_roll_overs(np.frombuffer(content, "<u4", offset=start)[::2].astype(np.int64), path)
    events: NDArray[Any] = Wizard(encoding="dat").read(path)
    return events


def _check_roll_overs(t: NDArray[np.int64], path: Path) -> None:
    """Raise InputError if times fall otherwise than by a roll-over, which expelliarmus assumes."""
    fallen = t[:-1] - t[1:]
    wrong = np.flatnonzero((fallen > 0) & (fallen < ROLL_OVER - ROLL_OVER_GAP))
    if wrong.size:
        late = int(wrong[0])
        raise InputError(
            f"{path}: times are not in order: expected event {late + 1} (counted from 0) at "
            f"{t[late]} us or later, or near 0 after a roll-over at {ROLL_OVER} us, found "
            f"{t[late + 1]} us. Sort the events, or replace the file."
        )


def _read_aedat4(path: Path) -> NDArray[Any]:
    """Read an AEDAT 4 file."""
    from tonic.io import read_aedat4

    content = read_bytes(path)
    if not content.startswith(b"#!AER-DAT4"):
        raise InputError(
            f"{path}: foreign file: expected it to begin with #!AER-DAT4, found {content[:10]!r}. "
            "Give the file its right ending."
        )
    try:
        events = read_aedat4(str(path))
    except ImportError:
        raise InputError(
            f"{path}: cannot be read: expected the package aedat, through which tonic reads it, "
            "found none. Install it: pip install aedat."
        ) from None
    except (KeyboardInterrupt, SystemExit):
        raise
    # aedat has no errors of its own, and its panics are no Exceptions.
    except BaseException as error:
        found = " ".join(str(error).split())
        raise InputError(
            f"{path}: damaged file: expected AEDAT 4 with a stream of events, found: {found}. "
            f"{MEND}"
        ) from error
    # The fourth field is called p or on, depending on the version.
    fields = [(name, events.dtype[place]) for place, name in enumerate(("t", "x", "y", "p"))]
    named: NDArray[Any] = events.view(np.dtype(fields))
    return named


READERS: Mapping[str, Callable[[Path], NDArray[Any]]] = MappingProxyType(
    {".bin": _read_bin, ".aedat4": _read_aedat4, ".dat": _read_dat}
)
"""What reads files of each ending."""


def _refuse_foreign(content: bytes, where: str, expected: str) -> None:
    """Raise InputError if the content begins as that of another well-known format, or is text."""
    found = next((name for magic, name in MAGIC.items() if content.startswith(magic)), None)
    # The times of a recording begin with zero bytes, which text never has.
    if found is None and content and set(content[:64]) <= TEXT:
        found = "text"
    if found is not None:
        raise InputError(
            f"{where}: foreign file: expected {expected}, found {found}. "
            "Give the file its right ending, or take it away."
        )

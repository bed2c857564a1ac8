"""Reader of one IDX file, the format in which MNIST and its relatives are published."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lava_ep.errors import InputError

UNSIGNED_BYTE = 0x08
"""IDX code of the element type unsigned byte, the only one that image sets use."""

_MEND = "Replace it by a whole copy."


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, gzipped if its name ends in ``.gz``.

    The file is: two zero bytes; one byte for the element type; one byte for the number of
    dimensions; the size of each dimension as a big-endian 32-bit integer; the elements, the last
    dimension running fastest.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    dimensions : int
        Number of dimensions that the array must have: 1 for labels, 3 for images.

    Returns
    -------
    numpy.ndarray of uint8
        The elements, read-only, with `dimensions` dimensions, none of them 0.

    Raises
    ------
    InputError
        If the file cannot be read, is truncated or corrupt, has bytes too many or too few, or
        holds anything other than unsigned bytes in `dimensions` dimensions.

    References
    ----------
    Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits",
    section "File formats for the MNIST database".
    """
    content = _read_bytes(path)
    header = 4 + 4 * dimensions
    truncated = InputError(
        f"{path}: truncated IDX file: expected at least {header} bytes of header, "
        f"found {len(content)} bytes. {_MEND}"
    )
    if len(content) < 4:
        raise truncated
    if content[:2] != b"\0\0":
        raise InputError(
            f"{path}: wrong magic number: expected an IDX file, which starts with the bytes "
            f"00 00, found {content[:2].hex(' ')}. Replace it by an IDX file."
        )
    if content[2] != UNSIGNED_BYTE:
        raise InputError(
            f"{path}: wrong data type: expected code 0x{UNSIGNED_BYTE:02x} (unsigned byte), "
            f"found 0x{content[2]:02x}. Write the file again with unsigned bytes."
        )
    if content[3] != dimensions:
        raise InputError(
            f"{path}: wrong number of dimensions: expected {dimensions}, found {content[3]}. "
            "Check that image and label files were not exchanged."
        )
    if len(content) < header:
        raise truncated
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", dimensions, offset=4))
    if 0 in shape:
        raise InputError(
            f"{path}: empty array: expected sizes of at least 1, found shape {shape}. {_MEND}"
        )
    expected, found = math.prod(shape), len(content) - header
    if found != expected:
        flaw = "truncated IDX file" if found < expected else "trailing bytes"
        raise InputError(
            f"{path}: {flaw}: expected {expected} bytes after the header for shape {shape}, "
            f"found {found}. {_MEND}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _read_bytes(path: Path) -> bytes:
    """Return the whole content of `path`, decompressed and verified if it is gzipped."""
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as file:
            return file.read()
    except EOFError as error:
        raise InputError(
            f"{path}: truncated gzip file: expected an end-of-stream mark, "
            f"found the end of the file. {_MEND}"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path}: corrupt gzip file: expected intact gzip data, found: {error}. {_MEND}"
        ) from error
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: expected a readable file, "
            f"found: {error.strerror or error}. Check its permissions and the disk."
        ) from error

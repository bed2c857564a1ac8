"""Reader of one IDX file, the format in which MNIST and its relatives are published."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.files import MEND, read_bytes
from lava_ep.errors import InputError

UNSIGNED_BYTE = 0x08
"""IDX code of the element type unsigned byte, the only one that image sets use."""


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
    content = read_bytes(path)
    header = 4 + 4 * dimensions
    truncated = InputError(
        f"{path}: truncated IDX file: expected at least {header} bytes of header, "
        f"found {len(content)} bytes. {MEND}"
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
            f"{path}: empty array: expected sizes of at least 1, found shape {shape}. {MEND}"
        )
    expected, found = math.prod(shape), len(content) - header
    if found != expected:
        flaw = "truncated IDX file" if found < expected else "trailing bytes"
        raise InputError(
            f"{path}: {flaw}: expected {expected} bytes after the header for shape {shape}, "
            f"found {found}. {MEND}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)

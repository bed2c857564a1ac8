"""Reader of one IDX file, the format in which MNIST and its relatives are published."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.files import MEND, read_bytes
from lava_ep.errors import InputError

UNSIGNED_BYTE = 0x08
"""IDX code of the element type unsigned byte, the only one that images have."""

INTEGERS: Mapping[int, str] = MappingProxyType({0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4"})
"""Types of integers by their IDX codes."""


def plain_name(name: str) -> str:
    """Return the name of an IDX file in the spelling of MNIST's publisher, uncompressed.

    ``Train-Images.idx3-ubyte.gz`` becomes ``train-images-idx3-ubyte``.
    """
    return re.sub(r"[._]", "-", re.sub(r"\.gz$", "", name.lower()))


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
    array: NDArray[np.uint8] = _read(path, dimensions, {UNSIGNED_BYTE: INTEGERS[UNSIGNED_BYTE]})
    return array


def read_idx_integers(path: Path, *, dimensions: int) -> NDArray[np.int64]:
    """Read an IDX file of integers of any size, such as labels; see `read_idx`."""
    return _read(path, dimensions, INTEGERS).astype(np.int64)


def _read(path: Path, dimensions: int, types: Mapping[int, str]) -> NDArray[Any]:
    """Read an IDX file of elements of one of the given types."""
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
    if content[2] not in types:
        codes = " or ".join(f"0x{code:02x}" for code in types)
        name = "integers" if len(types) > 1 else "unsigned bytes"
        raise InputError(
            f"{path}: wrong data type: expected code {codes} ({name}), "
            f"found 0x{content[2]:02x}. Write the file again with {name}."
        )
    element = np.dtype(types[content[2]])
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
    expected, found = math.prod(shape) * element.itemsize, len(content) - header
    if found != expected:
        flaw = "truncated IDX file" if found < expected else "trailing bytes"
        raise InputError(
            f"{path}: {flaw}: expected {expected} bytes after the header for shape {shape}, "
            f"found {found}. {MEND}"
        )
    return np.frombuffer(content, element, offset=header).reshape(shape)

"""Conversion of arrays from the host to the element type of a Var or port, without loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lava_ep.errors import InputError


def as_array(value: npt.ArrayLike, target: str) -> npt.NDArray[Any]:
    """Return a list, a number or an array as an array.

    Raises
    ------
    InputError
        If it has rows of different length.
    """
    try:
        return np.asarray(value)
    except ValueError as error:
        raise InputError(
            f"{target}: expected an array, got a list with rows of different length ({error})"
        ) from None


def checked_array(
    value: npt.ArrayLike, shape: tuple[int, ...], dtype: npt.DTypeLike, target: str
) -> npt.NDArray[Any]:
    """Return ``value`` as a C-ordered array of the wanted shape and type.

    Real numbers may be rounded to a shorter floating-point type; every other conversion has to
    keep each value exactly.

    Parameters
    ----------
    value : array-like
        What the user gave.
    shape : tuple of int
        The shape it must have.
    dtype : dtype-like
        The element type to convert to.
    target : str
        What the array is for, named in errors.

    Returns
    -------
    numpy.ndarray of shape ``shape``
        ``value`` itself where it already fits.

    Raises
    ------
    InputError
        If the shape differs or a value cannot be represented.
    """
    dtype = np.dtype(dtype)
    array = value if isinstance(value, np.ndarray) else as_array(value, target)
    if array.dtype == dtype and array.shape == shape and array.flags.c_contiguous:
        return array
    if array.shape != tuple(shape):
        raise InputError(
            f"{target}: got an array of shape {array.shape}, expected {tuple(shape)}. "
            "Reshape or broadcast it first."
        )
    if array.dtype == dtype:
        return np.ascontiguousarray(array).reshape(array.shape)
    if np.can_cast(array.dtype, dtype) and not _may_round(array.dtype, dtype):
        return array.astype(dtype, order="C")
    if array.dtype.kind not in "biufc":
        raise InputError(f"{target}: got elements of type {array.dtype}, expected {dtype}.")
    with np.errstate(all="ignore"):
        converted = array.astype(dtype, order="C")
    both_real = array.dtype.kind in "fc" and dtype.kind in "fc"
    rounding_only = both_real and np.can_cast(array.dtype, dtype, "same_kind")
    if rounding_only:
        kept = not np.any(np.isinf(converted) & ~np.isinf(array))
    else:
        with np.errstate(all="ignore"):
            back = converted.astype(array.dtype)
        kept = np.array_equal(converted, array) and np.array_equal(back, array)
    if not kept:
        raise InputError(
            f"{target}: elements of type {array.dtype} do not fit {dtype} without loss. "
            f"Convert them first, for example with array.astype(numpy.{dtype.name})."
        )
    return converted


def _may_round(source: np.dtype[Any], target: np.dtype[Any]) -> bool:
    """Tell whether NumPy calls a cast safe that rounds large integers."""
    return source.kind in "iu" and target.kind in "fc" and source.itemsize > 4

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
    array = as_array(value, target)
    dtype = np.dtype(dtype)
    if array.shape != tuple(shape):
        raise InputError(
            f"{target}: got an array of shape {array.shape}, expected {tuple(shape)}. "
            "Reshape or broadcast it first."
        )
    if array.dtype == dtype:
        return np.ascontiguousarray(array).reshape(array.shape)
    if array.dtype.kind not in "biufc":
        raise InputError(f"{target}: got elements of type {array.dtype}, expected {dtype}.")
    with np.errstate(all="ignore"):
        converted = array.astype(dtype, order="C")
    rounding_only = dtype.kind in "fc" and np.can_cast(array.dtype, dtype, "same_kind")
    if rounding_only:
        kept = not np.any(np.isinf(converted) & ~np.isinf(array))
    else:
        kept = np.can_cast(array.dtype, dtype) or np.array_equal(converted, array)
    if not kept:
        raise InputError(
            f"{target}: elements of type {array.dtype} do not fit {dtype} without loss. "
            f"Convert them first, for example with array.astype(numpy.{dtype.name})."
        )
    return converted

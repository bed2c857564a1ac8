"""Arrays from the host keep their values, or are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lava_ep.errors import InputError
from lava_ep.runtime.casting import checked_array


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (np.uint8(200), np.int32, 200),
        (np.int64(-7), np.int8, -7),
        (2.0, np.int8, 2),
        (True, np.int32, 1),
        (np.int64(2**53), np.float64, 2.0**53),
        (np.int32(7), np.float32, 7.0),
        (0.1, np.float32, np.float32(0.1)),
        (np.inf, np.float32, np.inf),
    ],
)
def test_value_that_fits_is_kept(value: Any, dtype: type, expected: Any) -> None:
    found = checked_array(np.array([value]), (1,), dtype, "x")
    assert found.dtype == dtype
    assert found[0] == expected


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (300, np.int8),
        (-1, np.uint8),
        (2.5, np.int32),
        (np.nan, np.int32),
        (np.uint64(2**63), np.int64),
        (1e300, np.float32),
        # Casts that NumPy calls safe, or of the same kind, although they round.
        (np.int64(2**53 + 1), np.float64),
        (np.uint64(2**64 - 1), np.float64),
        (np.int32(2**24 + 1), np.float32),
    ],
)
def test_value_that_would_change_is_refused(value: Any, dtype: type) -> None:
    with pytest.raises(InputError, match=r"x: .* do not fit .* without loss"):
        checked_array(np.array([value]), (1,), dtype, "x")


def test_array_that_fits_is_not_copied() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert checked_array(array, (2, 3), np.float32, "x") is array
    assert checked_array(array.T, (3, 2), np.float32, "x").flags.c_contiguous

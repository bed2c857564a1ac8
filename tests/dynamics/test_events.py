"""Lists of events: every event is in them, written as powers of two."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lava_ep.dynamics.events import (
    GROUP,
    SIGN_BITS,
    VALUE_BITS,
    event_lists,
    list_events,
    list_signs,
)


def values_of(sources, counts, n):
    """Add up what the lists say, and check that groups are filled up with neutral rows."""
    values = np.zeros(n, np.int64)
    for bit in range(len(counts)):
        for sign, factor in enumerate((1, -1)):
            count = counts[bit, sign]
            np.add.at(values, sources[bit, sign, :count], factor * 2**bit)
            assert (sources[bit, sign, count : -(-count // GROUP) * GROUP] == n + sign).all()
    return values


@settings(max_examples=50, deadline=None)
@given(arrays(np.int8, st.integers(1, 100), elements=st.integers(-1, 1)))
def test_events_of_neurons_are_listed_once(values):
    sources, counts = event_lists(1, values.size, SIGN_BITS)
    assert list_signs(values, sources[0], counts[0]) == np.count_nonzero(values)
    np.testing.assert_array_equal(values_of(sources[0], counts[0], values.size), values)
    assert counts.sum() == np.count_nonzero(values)


@settings(max_examples=50, deadline=None)
@given(arrays(np.int32, st.integers(1, 40), elements=st.integers(-(2**31), 2**31 - 1)))
def test_events_of_any_size_are_sums_of_powers(values):
    sources, counts = event_lists(1, values.size, VALUE_BITS)
    assert list_events(values, sources[0], counts[0]) == np.count_nonzero(values)
    np.testing.assert_array_equal(values_of(sources[0], counts[0], values.size), values)


@pytest.mark.parametrize(("value", "powers"), [(1, 1), (255, 2), (254, 2), (85, 4), (-3, 2)])
def test_as_few_powers_as_can_be(value, powers):
    sources, counts = event_lists(1, 1, VALUE_BITS)
    list_events(np.array([value], np.int32), sources[0], counts[0])
    assert counts.sum() == powers

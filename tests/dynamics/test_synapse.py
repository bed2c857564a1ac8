"""Integer sums of events: exact on every path, whatever the order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lava_ep.dynamics import (
    Stream,
    count_events,
    current,
    generator,
    initial_weights,
    integrate_events,
    scaling_factor,
)
from lava_ep.errors import InputError

NEVER_DENSE, ALWAYS_DENSE = 2.0, -1.0


@st.composite
def event_batches(draw, steps=1):
    """Events of ``steps`` steps from neurons or pixels, weights, and sums so far."""
    batch, n, m = (draw(st.integers(1, top)) for top in (3, 30, 6))
    kind, largest = draw(st.sampled_from([(np.int8, 1), (np.int8, 127), (np.int32, 255)]))
    values = st.integers(-largest, largest)
    events = draw(arrays(kind, (steps, batch, n), elements=values, fill=st.just(0)))
    weights = draw(arrays(np.int8, (n, m), elements=st.sampled_from([-1, 1])))
    total = draw(arrays(np.int32, (batch, m), elements=st.integers(-1000, 1000)))
    return events, weights, total


def integrate(events, weights, total, dense_fraction):
    """Return the new sums with the choice between the two paths made here."""
    total = total.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lava_ep.dynamics.synapse.DENSE_FRACTION", dense_fraction)
        count = integrate_events(events, weights, total)
    assert count == np.count_nonzero(events) == count_events(events)
    return total


@settings(max_examples=50, deadline=None)
@given(event_batches())
def test_both_paths_give_the_same_integers(drawn):
    (events,), weights, total = drawn
    expected = total + events.astype(np.int64) @ weights.astype(np.int64)
    for path in (NEVER_DENSE, ALWAYS_DENSE):
        np.testing.assert_array_equal(integrate(events, weights, total, path), expected)
    integrate_events(events, weights, total)
    np.testing.assert_array_equal(total, expected)


@settings(max_examples=50, deadline=None)
@given(event_batches(steps=3))
def test_events_may_arrive_in_any_order_of_steps(drawn):
    events, weights, total = drawn
    forward, backward = total.copy(), total.copy()
    for step in events:
        integrate_events(step, weights, forward)
    for step in events[::-1]:
        integrate_events(step, weights, backward)
    np.testing.assert_array_equal(forward, backward)


def test_sums_that_float32_cannot_hold_are_exact():
    events = np.array([[2**24 + 1, 2**23 + 1, 1]], np.int32)
    weights = np.array([[1], [-1], [1]], np.int8)
    total = np.zeros((1, 1), np.int32)
    integrate_events(events, weights, total)
    assert total[0, 0] == 2**23 + 1


def test_a_large_fan_in_is_exact():
    n = 70_000
    events = np.full((1, n), 255, np.int32)
    weights = np.ones((n, 1), np.int8)
    total = np.zeros((1, 1), np.int32)
    assert integrate_events(events, weights, total) == n
    assert total[0, 0] == 255 * n > 2**24


def test_silence_changes_nothing():
    total = np.array([[5, -5]], np.int32)
    silence = np.zeros((1, 3), np.int8)
    assert integrate_events(silence, np.ones((3, 2), np.int8), total) == 0
    assert total.tolist() == [[5, -5]]


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.int32, (2, 3), elements=st.integers(-(2**20), 2**20)),
    st.floats(-2, 2),
    st.sampled_from([1, 16, 255]),
)
def test_a_current_is_the_sum_times_one_float32_factor(total, alpha, levels):
    found = current(total, alpha, levels)
    assert found.dtype == np.float32
    expected = [[np.float32(alpha / levels) * np.float32(s) for s in row] for row in total]
    np.testing.assert_array_equal(found, np.array(expected, np.float32))
    out = np.full_like(found, np.nan)
    assert current(total, alpha, levels, out=out) is out
    np.testing.assert_array_equal(out, found)


def test_initial_weights_are_fair_signs():
    weights = initial_weights((200, 300), generator(0, Stream.WEIGHTS, 0))
    assert weights.shape == (200, 300)
    assert weights.dtype == np.int8
    assert set(np.unique(weights)) == {-1, 1}
    assert abs(weights.mean()) < 5 / np.sqrt(weights.size)
    again = initial_weights((200, 300), generator(0, Stream.WEIGHTS, 0))
    np.testing.assert_array_equal(weights, again)


def test_scaling_factor_is_the_mean_of_the_uniform_initialization():
    uniform = np.random.default_rng(0).uniform(-1, 1, 100_000) / np.sqrt(64)
    assert scaling_factor(64, 0.5) == pytest.approx(np.abs(uniform).mean(), rel=0.01)
    with pytest.raises(InputError, match="fan_in=0"):
        scaling_factor(0, 0.5)

"""Integer sums of events: exact on every path, whatever the order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lava_ep.dynamics import (
    SignMatrix,
    Stream,
    count_events,
    current,
    generator,
    initial_weights,
    integrate_events,
    scaling_factor,
)
from lava_ep.errors import InputError


@st.composite
def event_batches(draw, steps=1):
    """Events of ``steps`` steps from neurons or pixels, signs, and sums so far.

    Sizes lie around what kernels take at once: groups of 8 rows, strips of 256 targets, 16 samples.
    """
    batch = draw(st.sampled_from([1, 3, 17]))
    n, m = draw(st.sampled_from([(1, 1), (7, 255), (8, 256), (9, 257), (70, 30), (300, 600)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind, largest = draw(st.sampled_from([(np.int8, 1), (np.int32, 255), (np.int32, 2**20)]))
    share = draw(st.sampled_from([0.0, 0.02, 0.5, 1.0]))
    events = rng.integers(-largest, largest + 1, (steps, batch, n))
    events = (events * (rng.random(events.shape) < share)).astype(kind)
    weights = rng.choice(np.array([-1, 1], np.int8), (m, n))
    total = rng.integers(-1000, 1000, (batch, m)).astype(np.int32)
    return events, weights, total


@pytest.mark.parametrize("backward", [False, True])
@settings(max_examples=60, deadline=None)
@given(event_batches())
def test_sums_are_those_of_a_matrix_product(backward, drawn):
    (events,), weights, total = drawn
    expected = total + events.astype(np.int64) @ weights.T.astype(np.int64)
    signs = SignMatrix.from_signs(np.ascontiguousarray(weights.T) if backward else weights)
    count = integrate_events(events, signs, total, backward=backward)
    np.testing.assert_array_equal(total, expected)
    assert count == np.count_nonzero(events) == count_events(events)


@settings(max_examples=30, deadline=None)
@given(event_batches(steps=3))
def test_events_may_arrive_in_any_order_of_steps(drawn):
    events, weights, total = drawn
    signs = SignMatrix.from_signs(weights)
    forward, backward = total.copy(), total.copy()
    for step in events:
        integrate_events(step, signs, forward)
    for step in events[::-1]:
        integrate_events(step, signs, backward)
    np.testing.assert_array_equal(forward, backward)


@pytest.mark.parametrize("few", range(12))
@pytest.mark.parametrize("kind", [np.int8, np.int32])
def test_any_small_number_of_events_is_exact(few, kind):
    rng = np.random.default_rng(few)
    weights = rng.choice(np.array([-1, 1], np.int8), (40, 12))
    values = np.zeros((3, 12), kind)
    for row, signs_of_events in enumerate(((1,), (-1,), (1, -1))):
        chosen = rng.choice(12, few, replace=False)
        values[row, chosen] = rng.choice(signs_of_events, few)
    total = np.zeros((3, 40), np.int32)
    integrate_events(values, SignMatrix.from_signs(weights), total)
    np.testing.assert_array_equal(total, values.astype(int) @ weights.T)


def test_a_large_fan_in_is_exact():
    n = 70_000
    events = np.full((1, n), 255, np.int32)
    signs = SignMatrix.from_signs(np.ones((1, n), np.int8))
    total = np.zeros((1, 1), np.int32)
    assert integrate_events(events, signs, total) == n
    assert total[0, 0] == 255 * n > 2**24


def test_silence_changes_nothing():
    total = np.array([[5, -5]], np.int32)
    silence = np.zeros((1, 3), np.int8)
    signs = SignMatrix.from_signs(np.ones((2, 3), np.int8))
    assert integrate_events(silence, signs, total) == 0
    assert total.tolist() == [[5, -5]]


def test_neurons_send_no_events_of_other_sizes():
    signs = SignMatrix.from_signs(np.ones((2, 3), np.int8))
    with pytest.raises(InputError, match="event 3 as int8: expected -1, 0 or"):
        integrate_events(np.array([[0, 3, 1]], np.int8), signs, np.zeros((1, 2), np.int32))


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
